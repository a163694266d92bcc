"""Where names go in a picture, so that none lies on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle: its lower left corner, width and height."""

    x: float
    y: float
    wide: float
    high: float

    def shared(self, other: Box) -> float:
        """The area that two have in common."""
        across = min(self.x + self.wide, other.x + other.wide) - max(self.x, other.x)
        up = min(self.y + self.high, other.y + other.high) - max(self.y, other.y)
        return max(0.0, across) * max(0.0, up)


def spread(wanted: Mapping[str, float], gap: float, low: float, high: float) -> dict[str, float]:
    """Heights at least ``gap`` apart, in the order of those wanted and near them, between ``low`` and ``high``.

    More names than there is room for reach above ``high``.
    """
    found: dict[str, float] = {}
    at = low - gap
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        at = max(y, at + gap)
        found[name] = at
    top = high + gap
    for name in reversed(list(found)):
        top = min(found[name], top - gap)
        found[name] = top
    lowest = min(found.values(), default=low)
    return {name: y + max(0.0, low - lowest) for name, y in found.items()}


NEAR = 5.0
"""Points between a mark and its name."""


def beside(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    bars: Sequence[Box] = (),
) -> list[Box]:
    """A box for the name of each point, near it, where it covers other names, points and bars least.

    Args:
        points: across and up.
        sizes: width and height of each name.
        frame: what names stay within, where they can.
        bars: what else is better not covered.
    """
    marks = [Box(x - 3, y - 3, 6, 6) for x, y in points]
    placed: list[Box] = []
    for (x, y), (wide, high) in zip(points, sizes, strict=True):
        found: list[tuple[float, int, Box]] = []
        for away in (NEAR, 2 * NEAR, 4 * NEAR, 7 * NEAR):
            for across in (x + away, x - wide / 2, x - wide - away, x + 1, x - wide - 1):
                for up in (y - high / 2, y + away, y - high - away):
                    box = _inside(Box(across, up, wide, high), frame)
                    covered = 3 * sum(box.shared(other) for other in (*placed, *marks))
                    covered += sum(box.shared(other) for other in bars) + 4 * (wide * high - box.shared(frame))
                    found.append((covered + away, len(found), box))
        placed.append(min(found)[2])
    return placed


def _inside(box: Box, frame: Box) -> Box:
    """Moved as far as it takes to lie within the frame, where it fits."""
    x = max(frame.x, min(box.x, frame.x + frame.wide - box.wide))
    return box._replace(x=x, y=max(frame.y, min(box.y, frame.y + frame.high - box.high)))
