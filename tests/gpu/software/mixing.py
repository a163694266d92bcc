"""Operations with tensors of the device and of the host, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tests.gpu.software.device import CARD


def refused(on: torch.Tensor, host: torch.Tensor) -> dict[str, Callable[[], object]]:
    """What CUDA refuses; ``on`` and ``host`` are (3, 3)."""
    rows = torch.tensor([0, 2])
    wide = torch.ones(3, 1, 8, device="cuda")
    ends = torch.tensor([0, 3], device="cuda")
    flash = torch.ops.aten._flash_attention_forward
    return {
        "add": lambda: on + host,
        "add a number of the device to the host's tensor": lambda: host.add_(on.sum()),
        "product": lambda: on @ host,
        "cat": lambda: torch.cat([on, host]),
        "stack a number of the host": lambda: torch.stack([on.sum(), host.sum()]),
        "where": lambda: torch.where(host > 0, on, on),
        "embedding": lambda: functional.embedding(rows, on),
        "index_select": lambda: on.index_select(0, rows),
        "gather": lambda: on.gather(0, torch.zeros(3, 3, dtype=torch.long)),
        "index the host's tensor": lambda: host[rows.to("cuda")],
        "put the host's values": lambda: on.clone().index_put_((rows.to("cuda"),), host[:2]),
        "attention": lambda: functional.scaled_dot_product_attention(on[None], host[None], on[None]),
        "numpy": lambda: on.numpy(),
        "asarray": lambda: np.asarray(on),
        "pin": lambda: on.pin_memory(),
        "a generator of the host": lambda: torch.rand(2, device="cuda", generator=torch.Generator()),
        "flash in float32": lambda: flash(wide, wide, wide, ends.int(), ends.int(), 3, 3, 0.0, False, False),
        "flash with ends of 64 bits": lambda: flash(*[wide.half()] * 3, ends, ends, 3, 3, 0.0, False, False),
        "update": lambda: torch.optim.AdamW([_weight(on, host)], fused=True).step(),
    }  # fmt: skip


def _weight(on: torch.Tensor, host: torch.Tensor) -> torch.nn.Parameter:
    """On the device, with a gradient of the host."""
    weight = torch.nn.Parameter(on.clone())
    weight.grad = host.clone()
    return weight


def allowed(on: torch.Tensor, host: torch.Tensor) -> dict[str, tuple[Callable[[], Any], object]]:
    """What CUDA does, and the values."""
    rows = torch.tensor([0, 2])
    return {
        "times a number of the host": (lambda: on * torch.tensor(2.0), (host * 2).tolist()),
        "the host's index": (lambda: on[rows], host[rows].tolist()),
        "a list as an index": (lambda: on[[2, 0]], host[[2, 0]].tolist()),
        "copied over": (lambda: torch.zeros(3, 3).copy_(on), host.tolist()),
        "copied back": (lambda: torch.zeros(3, 3, device="cuda").copy_(host), host.tolist()),
        "made of numbers": (lambda: torch.tensor([1, 2], device="cuda"), [1, 2]),
        "made of an array": (lambda: torch.as_tensor(np.ones(2), device="cuda"), [1.0, 1.0]),
        "like it on the host": (lambda: torch.ones_like(on, device="cpu"), torch.ones(3, 3).tolist()),
        "in another type on the host": (lambda: on.to("cpu", torch.float64), host.double().tolist()),
        "as another tensor": (lambda: on.to(host), host.tolist()),
        "in place, through a view": (lambda: _doubled(on.clone()), torch.cat([host[:1] * 2, host[1:]]).tolist()),
    }


def _doubled(of: torch.Tensor) -> torch.Tensor:
    of[:1].mul_(2)
    return of


def waiting(on: torch.Tensor, host: torch.Tensor) -> dict[str, tuple[Callable[[], object], int, int]]:
    """Launches and waits."""
    pinned, mask = host.pin_memory(), on > 0
    many = [on.clone() for _ in range(111)]
    return {
        "product": (lambda: on @ on, 1, 0),
        "a view": (lambda: on.t()[1:], 0, 0),
        "item": (lambda: on.sum().item(), 1, 1),
        "tolist": (lambda: on.tolist(), 0, 1),
        "if": (lambda: bool(on.any()), 1, 1),
        "over": (lambda: on.cpu(), 0, 1),
        "back": (lambda: host.to("cuda"), 0, 1),
        "back, not blocking, from pageable memory": (lambda: host.to("cuda", non_blocking=True), 0, 1),
        "back, not blocking, from pinned memory": (lambda: pinned.to("cuda", non_blocking=True), 0, 0),
        "back, nothing": (lambda: host[:0].to("cuda"), 0, 0),
        "a mask": (lambda: on[mask], 1, 1),
        "nonzero": (lambda: on.nonzero(), 3, 1),
        "110 tensors": (lambda: torch._foreach_mul_(many[:110], 2.0), 1, 0),
        "111 tensors": (lambda: torch._foreach_mul_(many, 2.0), 2, 0),
        "dropout": (lambda: functional.dropout(on, 0.5), 1, 0),
        "waiting": (torch.cuda.synchronize, 0, 1),
    }


def outcomes() -> object:
    """For each what was raised, the values that differ, and the counts that differ."""
    host = torch.arange(9.0).reshape(3, 3) + 1
    on = host.to("cuda")
    found: dict[str, object] = {}
    for name, do in refused(on, host).items():
        try:
            do()
            found[f"refused: {name}"] = "nothing was raised"
        except (RuntimeError, TypeError) as error:
            found[f"refused: {name}"] = str(error).splitlines()[0]
    for name, (give, wanted) in allowed(on, host).items():
        found[f"allowed: {name}"] = "" if give().tolist() == wanted else f"{give()} and not {wanted}"
    for name, (do, *counts) in waiting(on, host).items():
        CARD.restart()
        do()
        seen = [CARD.launches.total(), CARD.waits.total()]
        found[f"counted: {name}"] = "" if seen == counts else f"{seen} and not {counts}"
    before = torch.get_rng_state()
    torch.rand(3, device="cuda")
    found["random"] = "" if torch.equal(before, torch.get_rng_state()) else "the host's generator was moved"
    return found
