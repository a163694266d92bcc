"""How much passed a model: counted, not timed."""

from __future__ import annotations

from typing import NamedTuple


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
