"""Attention within each of many texts by one kernel of torch, on CUDA.

In half precision it is FlashAttention 2 (Dao 2023, arXiv 2307.08691), in float32 memory-efficient attention (Rabe and
Staats 2021, arXiv 2112.05682). torch calls both for nested tensors; called so, each layer takes one launch instead of
a dozen steps of Python. They are no public part of torch: where they are missing, or are not what plain products are,
texts are padded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

CLOSE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest difference from plain products in float32 that rounding explains, of random numbers."""


class Ends(NamedTuple):
    """Where texts begin and the last one ends, int32, (texts + 1,), on the GPU; and the tokens of the longest."""

    at: Tensor
    longest: int


def attention(query: Tensor, key: Tensor, value: Tensor, ends: Ends, dropout: float, scaling: float | None) -> Tensor:
    """Of (1, heads, tokens, dim) each, to (1, tokens, heads, dim); ``scaling`` None is one over the root of ``dim``."""
    q, k, v = (t.transpose(1, 2) for t in (query, key, value))
    at, longest = ends
    if q.dtype == torch.float32 or torch.cuda.get_device_capability(q.device)[0] < 8:
        found: Tensor = torch.ops.aten._efficient_attention_forward(
            q, k, v, None, at, at, longest, longest, dropout, 0, torch.is_grad_enabled(), scale=scaling
        )[0]
        return found
    found = torch.ops.aten._flash_attention_forward(
        q.squeeze(0), k.squeeze(0), v.squeeze(0), at, at, longest, longest, dropout, False, False, scale=scaling
    )[0]
    return found.unsqueeze(0)


@lru_cache
def works(device: torch.device, dtype: torch.dtype, dim: int) -> bool:
    """Whether the kernels give what plain products give, forward and backward, for heads of ``dim`` numbers here."""
    if dim % 8 or dim > 256:
        return False
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cuda", enabled=False):
            return _tried(device, dtype, dim)
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):  # another signature, no such kernel
        return False


def _tried(device: torch.device, dtype: torch.dtype, dim: int) -> bool:
    lengths = [5, 1, 70]
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(4, 1, 2, sum(lengths), dim, generator=generator).to(device, dtype)
    q, k, v = (given[i].clone().requires_grad_() for i in range(3))
    at = torch.tensor([0, 5, 6, 76], dtype=torch.int32, device=device)
    found = attention(q, k, v, Ends(at, max(lengths)), 0.0, None)
    found.backward(given[3].transpose(1, 2))
    a, b, c = (given[i].float().clone().requires_grad_() for i in range(3))
    parts = zip(*(t.split(lengths, dim=2) for t in (a, b, c)), strict=True)
    wanted = torch.cat([torch.softmax(x @ y.transpose(2, 3) * dim**-0.5, -1) @ z for x, y, z in parts], dim=2)
    wanted.backward(given[3].float())
    pairs = [(found.transpose(1, 2), wanted), (q.grad, a.grad), (k.grad, b.grad), (v.grad, c.grad)]
    return all(x is not None and y is not None and _close(x, y, CLOSE[dtype]) for x, y in pairs)


def _close(found: Tensor, wanted: Tensor, tolerance: float) -> bool:
    return bool(
        (found.detach().float() - wanted.detach()).abs().max()
        <= tolerance * max(1.0, float(wanted.detach().abs().max()))
    )
