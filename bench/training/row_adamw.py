"""AdamW for large embeddings, only the rows that are touched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LARGE_EMBEDDING = 1 << 15
"""Rows from which on an embedding is updated row by row."""


HORIZON = 256
"""Missed steps that are replayed: behind them, momentum (0.9^256, 2e-12) moves no bit of a weight, decay alone does."""


BETAS = (0.9, 0.999)


EPSILON = 1e-8


class RowAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) for embeddings whose gradients are sparse.

    Rows are brought up to date by ``catch_up`` before they are read, and all by ``finish``.

    Args:
        modules: embeddings; their gradients become sparse.
        lr: peak learning rate; a scheduler sets the one of each step.
        weight_decay: decoupled.
    """

    def __init__(self, modules: Iterable[nn.Embedding], lr: float, weight_decay: float) -> None:
        self._held = held = list(modules)
        super().__init__([m.weight for m in held], {"lr": lr, "weight_decay": weight_decay, "rates": [], "kept": [1.0]})
        for module in held:
            module.sparse = True
            self.state[module.weight] = {
                "last": torch.zeros(module.num_embeddings, dtype=torch.int32, device=module.weight.device),
                "first": _untouched(module.weight),
                "second": _untouched(module.weight),
            }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, which casts every state to the weight's type."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state["last"] = state["last"].to(torch.int32)

    @torch.no_grad()
    def catch_up(self, weight: Tensor, rows: Tensor) -> None:
        """Replay the steps that ``rows`` (distinct, sorted, int64) missed."""
        group, state = self.param_groups[0], self.state[weight]
        done = len(group["rates"])
        last = state["last"][rows]
        late = last < done
        if not late.any():
            return
        rows, last = rows[late], last[late]
        fresh = rows[last == 0]
        if len(fresh):
            weight[fresh] *= group["kept"][done]
        for chunk in torch.split(torch.argsort(last, stable=True), 4096):
            short = last[chunk] >= done - HORIZON
            self._replay(weight, rows[chunk[short]], last[chunk[short]], done)
            self._replay_long(weight, rows[chunk[~short]], last[chunk[~short]], done)
        state["last"][rows] = done

    def _replay(self, weight: Tensor, rows: Tensor, last: Tensor, done: int) -> None:
        """``rows`` in order of their last step; those that were never touched are only decayed, elsewhere."""
        group, state = self.param_groups[0], self.state[weight]
        touched = last > 0
        rows, last = rows[touched], last[touched]
        if not len(rows):
            return
        w, first, second = weight[rows], state["first"][rows], state["second"][rows]
        for step in range(int(last[0]) + 1, done + 1):
            n = int(torch.searchsorted(last, step))  # those whose last step is before this one
            first[:n] *= BETAS[0]
            second[:n] *= BETAS[1]
            _move(w[:n], first[:n], second[:n], group["rates"][step - 1], group["weight_decay"], step)
        weight[rows], state["first"][rows], state["second"][rows] = w, first, second

    def _replay_long(self, weight: Tensor, rows: Tensor, last: Tensor, done: int) -> None:
        """The same for rows that missed more than ``HORIZON`` steps: side by side, each from its own last step on."""
        group, state = self.param_groups[0], self.state[weight]
        touched = last > 0
        rows, last = rows[touched], last[touched].long()
        if not len(rows):
            return
        w, first, second = weight[rows], state["first"][rows], state["second"][rows]
        rates, kept = (torch.tensor(group[name], dtype=torch.float64, device=w.device) for name in ("rates", "kept"))
        for step in (last + age for age in range(1, HORIZON + 1)):
            rate = rates[step - 1]
            first *= BETAS[0]
            second *= BETAS[1]
            w *= _each(1 - rate * group["weight_decay"], w)
            size = second.sqrt().div_(_each((1 - BETAS[1] ** step.double()).sqrt(), w)).add_(EPSILON)
            w -= first / size * _each(rate / (1 - BETAS[0] ** step.double()), w)
        left = (done - HORIZON - last).double()
        w *= _each(kept[done] / kept[last + HORIZON], w)
        first *= _each(BETAS[0] ** left, w)
        second *= _each(BETAS[1] ** left, w)
        weight[rows], state["first"][rows], state["second"][rows] = w, first, second

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the rows of the gradients; the rest waits."""
        group = self.param_groups[0]
        rate, decay = float(group["lr"]), group["weight_decay"]
        number = len(group["rates"]) + 1
        group["rates"].append(rate)
        group["kept"].append(group["kept"][-1] * (1 - rate * decay))
        for weight in group["params"]:
            if weight.grad is None:
                continue
            gradient = weight.grad.coalesce()
            rows, values, state = gradient.indices()[0], gradient.values(), self.state[weight]
            w, first, second = weight[rows], state["first"][rows], state["second"][rows]
            first.lerp_(values, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(values, values, value=1 - BETAS[1])
            _move(w, first, second, rate, decay, number)
            weight[rows], state["first"][rows], state["second"][rows] = w, first, second
            state["last"][rows] = number

    def leave(self) -> None:
        """Let the embeddings have dense gradients again."""
        for module in self._held:
            module.sparse = False

    def finish(self) -> None:
        """Bring every row up to date; nothing waits any more."""
        for weight in self.param_groups[0]["params"]:
            self.catch_up(weight, torch.arange(len(weight), device=weight.device))


def _untouched(weight: Tensor) -> Tensor:
    """Zeros; on a CPU the memory of a row is taken when the row is first written."""
    if weight.device.type != "cpu":
        return torch.zeros_like(weight)
    return torch.from_numpy(np.zeros(weight.shape, np.float32)).to(weight.dtype)


def _each(factors: Tensor, w: Tensor) -> Tensor:
    """Float64, (n,): one factor for each row of ``w``."""
    return factors.to(w.dtype)[:, None]


def _move(w: Tensor, first: Tensor, second: Tensor, rate: float, decay: float, step: int) -> None:
    """One update of rows (n, dim), in place, from their moments."""
    w *= 1 - rate * decay
    size = second.sqrt().div_(math.sqrt(1 - BETAS[1] ** step)).add_(EPSILON)
    w.addcdiv_(first, size, value=-rate / (1 - BETAS[0] ** step))


def large_embeddings(model: nn.Module) -> list[nn.Embedding]:
    """The embeddings that are updated row by row: large, and tied to nothing else."""
    found = [m for m in model.modules() if type(m) is nn.Embedding and m.num_embeddings >= LARGE_EMBEDDING]
    uses = [id(p) for m in model.modules() for p in m.parameters(recurse=False)]
    return [m for m in found if uses.count(id(m.weight)) == 1 and m.weight.requires_grad and m.max_norm is None]
