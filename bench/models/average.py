"""Weights of several models as one: their average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bench.errors import BenchError

State = Mapping[str, Tensor]


def average(states: Sequence[State], shares: Sequence[float] | None = None) -> dict[str, Tensor]:
    """The average of models of one architecture, tensor by tensor, in their own precision.

    Args:
        states: name -> tensor, of each model.
        shares: weight of each model; None is the plain mean.

    Raises:
        BenchError: names, shapes, or values that are no weights (token positions) differ.

    Source: arXiv 2203.05482 (uniform soup).
    """
    first = states[0]
    for state in states[1:]:
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in first.items()}:
            raise BenchError("weights are averaged over models of one architecture; these have different tensors")
    return {name: _average(name, [state[name] for state in states], shares) for name in first}


def _average(name: str, parts: list[Tensor], shares: Sequence[float] | None) -> Tensor:
    if not parts[0].is_floating_point():
        if not all(torch.equal(parts[0], part) for part in parts):
            raise BenchError(f"weights are averaged where they are real numbers; {name} is not, and differs")
        return parts[0]
    if shares is None:
        return torch.stack(parts).mean(dim=0)
    total = torch.zeros_like(parts[0])
    for part, share in zip(parts, shares, strict=True):
        total += share * part
    return total
