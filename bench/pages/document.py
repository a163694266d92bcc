"""What a report is made of, before it is markdown or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.figures.shapes import Drawing


class Heading(NamedTuple):
    """A title; level 1 is the document's."""

    level: int
    text: str


class Text(NamedTuple):
    """A paragraph or list in markdown."""

    markdown: str


class Table(NamedTuple):
    """Cells as text; the first ``left`` columns are aligned left, the others hold numbers.

    A ``brief`` one breaks its lines to fit a telephone; others scroll.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    caption: str = ""
    brief: bool = False


class Figure(NamedTuple):
    """A picture, stored as ``<name>.svg``."""

    name: str
    alt: str
    drawing: Drawing


class Code(NamedTuple):
    """Text shown as it is."""

    text: str
    language: str = ""


class Fold(NamedTuple):
    """What is not read first: closed on the page, in Markdown a chapter of the appendix."""

    title: str
    blocks: Sequence[Block]


Block = Heading | Text | Table | Figure | Code | Fold


APPENDIX = "appendix.md"


def figures(blocks: Sequence[Block]) -> Iterator[Figure]:
    """All of them, folded ones too."""
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Fold):
            yield from figures(block.blocks)


def markdown(blocks: Sequence[Block]) -> str:
    """What is read first, as GitHub's markdown, with a list of the appendix at its end."""
    folds = [block for block in blocks if isinstance(block, Fold)]
    shown = [_markdown(block) for block in blocks if not isinstance(block, Fold)]
    if folds:
        listed = "\n".join(f"- [{fold.title}]({APPENDIX}#{slug(fold.title)})" for fold in folds)
        shown += ["## Appendix", listed]
    return "\n\n".join(shown) + "\n"


def appendix(blocks: Sequence[Block]) -> str:
    """The rest, a chapter for each fold."""
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Report")
    parts = [f"# {title}: appendix", "What is read first is in [report.md](report.md)."]
    for fold in (block for block in blocks if isinstance(block, Fold)):
        parts += [f"## {fold.title}", *map(_markdown, fold.blocks)]
    return "\n\n".join(parts) + "\n"


def slug(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


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
            return f"![{alt}]({name}.svg)\n\n*{alt}.*"
        case Code(text, language):
            return f"```{language}\n{text}\n```"
        case Fold(title, inner):
            return "\n\n".join([f"### {title}", *map(_markdown, inner)])
