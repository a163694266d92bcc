"""Which texts pass the model together, and how much work that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Work(NamedTuple):
    """What passed a model.

    Attributes:
        texts: how many.
        tokens: theirs, without padding.
        positions: tokens and padding; 0 where a model has neither.
        squares: sum over the texts of the square of the positions that each took, which attention grows with.
    """

    texts: int
    tokens: int
    positions: int
    squares: int

    @property
    def padding(self) -> float:
        """Share of the positions that are padding."""
        return 1 - self.tokens / self.positions if self.positions else 0.0


def total(*parts: Work) -> Work:
    """All of them together."""
    return Work(*(sum(column) for column in zip(*parts, strict=True)))


WASTE = 256
"""Padded positions, about, that a pass in training may hold; another pass costs as much time as so many positions."""


class Pass(NamedTuple):
    """Rows that go through the model together, cut to ``length`` positions (None: as they are)."""

    rows: Tensor
    length: int | None

    def of(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """These rows of a batch's features."""
        width = features["attention_mask"].shape
        return {
            name: value[self.rows.to(value.device)][:, : self.length]
            if isinstance(value, Tensor) and value.shape[:2] == width
            else value
            for name, value in features.items()
        }


def passes(mask: Tensor) -> list[Pass]:
    """Split a batch, padded on the right, into passes of rows of like length; ``mask`` is (n, length).

    Rows are taken in order of their length; a pass ends where another row would bring its padding above ``WASTE``.
    """
    lengths = mask.sum(dim=1).cpu()
    whole = torch.arange(len(mask))
    if not padded_right(mask):
        return [Pass(whole, None)]
    found: list[Pass] = []
    order = torch.argsort(lengths, stable=True)
    sizes = lengths[order].tolist()
    start = waste = 0
    for i in range(1, len(sizes)):
        waste += (sizes[i] - sizes[i - 1]) * (i - start)
        if waste > WASTE:
            found.append(Pass(order[start:i], sizes[i - 1]))
            start, waste = i, 0
    return [*found, Pass(order[start:], sizes[-1])]


def longest_first(mask: Tensor) -> Tensor:
    """The rows of a batch, ``mask`` (n, length), in order of their length."""
    return torch.argsort(mask.sum(dim=1), stable=True, descending=True)


def filled(mask: Tensor, positions: int, packs: bool) -> Iterator[Pass]:
    """Split texts into passes of at most ``positions`` places (one text at least), the longest texts first.

    A text takes as many places as it has tokens where it ``packs``, else as many as the longest of its pass.
    """
    order = longest_first(mask).cpu()
    lengths = mask.sum(dim=1).cpu()[order].tolist()
    start = 0
    while start < len(order):
        end, taken = start, 0
        while end < len(order) and (end == start or taken + lengths[end if packs else start] <= positions):
            taken += lengths[end if packs else start]
            end += 1
        yield Pass(order[start:end], max(lengths[start], 1))
        start = end


def padded_right(mask: Tensor) -> bool:
    """Whether the texts of a batch, (n, length), begin at its first position."""
    return bool(mask[:, 0].all())
