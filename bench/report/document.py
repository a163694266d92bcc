"""What a report is made of, before it is markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Heading(NamedTuple):
    """A title; level 1 is the document's."""

    level: int
    text: str


class Text(NamedTuple):
    """A paragraph or list in markdown."""

    markdown: str


class Table(NamedTuple):
    """Cells as text; the first ``left`` columns are aligned left, the others hold numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    caption: str = ""


class Panel(NamedTuple):
    """Values of one heat map: rows are query languages, columns passage languages; None where there is none."""

    title: str
    langs: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marked: tuple[tuple[bool, ...], ...] = ()


class HeatMaps(NamedTuple):
    """A panel per strategy on a scale that they share: from 0 up, or of differences; what is marked is boxed."""

    panels: tuple[Panel, ...]
    label: str
    difference: bool = False


class Bars(NamedTuple):
    """A group of bars per query language, a bar per name."""

    langs: tuple[str, ...]
    series: dict[str, tuple[float, ...]]
    label: str


Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Where the points of a line lie, across and up."""


class Curves(NamedTuple):
    """A line per name, with single ``dots`` of it; ``log`` for logarithms of both axes."""

    series: dict[str, Curve]
    x_label: str
    y_label: str
    marker: str = ""
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

    label: str
    effect: float
    low: float
    high: float
    emphasised: bool = False


class Forest(NamedTuple):
    """Effects with their intervals, one per line, with zero and the margin of non-inferiority."""

    effects: tuple[Effect, ...]
    label: str
    margin: float


class Boxes(NamedTuple):
    """A box per name of the 5th, 25th, 50th, 75th and 95th percentile."""

    percentiles: dict[str, tuple[float, ...]]
    label: str


Drawing = HeatMaps | Bars | Curves | TradeOff | Forest | Boxes
"""What a figure shows: plain values that say all of it."""


class Figure(NamedTuple):
    """A picture, stored as ``<name>.png`` and ``<name>.svg``."""

    name: str
    alt: str
    drawing: Drawing


class Code(NamedTuple):
    """Text shown as it is."""

    text: str
    language: str = ""


Block = Heading | Text | Table | Figure | Code


def markdown(blocks: Sequence[Block]) -> str:
    """The document as GitHub's markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Table(header, rows, left, caption):
            from tabulate import tabulate

            aligned = tuple("left" if i < left else "right" for i in range(len(header)))
            table = tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=aligned)
            return f"{table}\n\n{caption}" if caption else table
        case Figure(name, alt):
            return f"![{alt}]({name}.png)\n\n*{alt}.* ([SVG]({name}.svg))"
        case Code(text, language):
            return f"```{language}\n{text}\n```"
