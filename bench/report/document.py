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


class Figure(NamedTuple):
    """A picture, stored as ``<name>.png`` and ``<name>.svg``; of heat maps also the values."""

    name: str
    alt: str
    panels: tuple[Panel, ...] = ()


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
        case Figure(name, alt, _):
            return f"![{alt}]({name}.png)\n\n*{alt}.* ([SVG]({name}.svg))"
        case Code(text, language):
            return f"```{language}\n{text}\n```"
