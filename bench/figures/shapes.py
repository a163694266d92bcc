"""What figures show: plain values that say all of a picture."""

from __future__ import annotations

from typing import NamedTuple


class Panel(NamedTuple):
    """Values of one heat map: rows are query languages, columns passage languages; None where there is none."""

    title: str
    langs: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marked: tuple[tuple[bool, ...], ...] = ()


class HeatMaps(NamedTuple):
    """A panel per strategy or contrast on a scale that they share: from 0 up, or of differences; marks are boxed."""

    panels: tuple[Panel, ...]
    label: str
    difference: bool = False


class Dots(NamedTuple):
    """A row per language, in it a mark per name."""

    langs: tuple[str, ...]
    series: dict[str, tuple[float, ...]]
    label: str


Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Where the points of a line lie, across and up."""


class Curves(NamedTuple):
    """A line per name, told at its end, with single ``dots`` of it; ``log`` for logarithms of both axes."""

    series: dict[str, Curve]
    x_label: str
    y_label: str
    marker: bool = False
    log: bool = False
    dots: dict[str, Curve] = {}  # noqa: RUF012 - never changed


class Point(NamedTuple):
    """A strategy's place, and its interval on each axis (low, high); none is drawn where it is empty."""

    label: str
    x: float
    y: float
    x_interval: tuple[float, ...] = ()
    y_interval: tuple[float, ...] = ()


class Plane(NamedTuple):
    """Points between two axes."""

    x_label: str
    y_label: str
    points: tuple[Point, ...]


class TradeOff(NamedTuple):
    """A point per strategy, in one or several planes; the margin as dotted lines."""

    planes: tuple[Plane, ...]
    margin: float | None = None


class Effect(NamedTuple):
    """A line of a forest plot."""

    effect: float
    low: float
    high: float


class Line(NamedTuple):
    """A row of a forest plot, for all of its panels; a heading has no effects."""

    label: str
    heading: bool = False


class Side(NamedTuple):
    """A panel of a forest plot: what is compared, and an effect per row, None where there is none."""

    title: str
    strategy: str
    effects: tuple[Effect | None, ...]


class Forest(NamedTuple):
    """Effects with their intervals, grouped in rows, a panel per comparison; with zero and the margin."""

    rows: tuple[Line, ...]
    sides: tuple[Side, ...]
    label: str
    margin: float


class Boxes(NamedTuple):
    """A box per name of the 5th, 25th, 50th, 75th and 95th percentile."""

    percentiles: dict[str, tuple[float, ...]]
    label: str


Drawing = HeatMaps | Dots | Curves | TradeOff | Forest | Boxes
