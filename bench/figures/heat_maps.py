"""Heat maps as SVG, a rectangle per language pair: a grid needs no library that knows axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from bench.figures.palette import RGB, ink, shade, shown
from bench.figures.shapes import HeatMaps, Panel

WIDTH = 237.6
"""Points: a column of paper, 3.3 inches. All sizes of text are those on paper."""


ON_SCREEN = 1.6
"""Of the size on paper."""


TEXT, SMALL = 7.0, 6.0

LEFT, RIGHT, TITLE, BELOW, SCALE = 28.0, 6.0, 12.0, 26.0, 34.0
"""Beside a panel; a line of its title; below it; the strip that says what colours mean."""


WIDEST_NUMBER = 2.45 * SMALL
"""Of ``+.02`` in small letters."""


HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {vw:g} {vh:g}" '
    'font-family="DejaVu Sans,Verdana,Arial,sans-serif">'
)


class Grid(NamedTuple):
    """How panels are laid out: columns, the side of a panel and of its cells, whether cells have room for numbers."""

    columns: int
    side: float
    cell: float
    numbers: bool


def grid_of(drawing: HeatMaps) -> Grid:
    """One below the other with numbers where they can be read, an atlas of more than three panels in two columns."""
    langs = max(len(panel.langs) for panel in drawing.panels)
    columns = 2 if len(drawing.panels) > 1 and (len(drawing.panels) > 3 or langs <= 5) and langs <= 14 else 1
    side = WIDTH / columns - LEFT - RIGHT
    cell = min(side / langs, 26.0)
    return Grid(columns, cell * langs, cell, cell >= WIDEST_NUMBER)


def svg(drawing: HeatMaps) -> str:
    """The picture; the same drawing gives the same text."""
    grid = grid_of(drawing)
    values = [v for panel in drawing.panels for row in panel.values for v in row if v is not None]
    high = max((abs(v) for v in values), default=0.0) or 1.0
    step = WIDTH / grid.columns
    titles = [textwrap.wrap(panel.title, int(grid.side / 3.9)) for panel in drawing.panels]
    parts: list[str] = []
    top = 0.0
    for start in range(0, len(drawing.panels), grid.columns):
        lines = max(len(t) for t in titles[start : start + grid.columns])
        room = TITLE * lines
        for i, panel in enumerate(drawing.panels[start : start + grid.columns]):
            left = i * step + LEFT
            parts += _title(titles[start + i], left + grid.side / 2, top + room)
            parts += _panel(panel, left, top + room + 3, grid, high, drawing.difference)
        top += room + grid.side + BELOW
    height = top + SCALE
    parts += _scale(drawing, high, top)
    head = HEAD.format(w=WIDTH * ON_SCREEN, h=height * ON_SCREEN, vw=WIDTH, vh=round(height, 1))
    return "\n".join([head, f'<rect width="{WIDTH:g}" height="{height:.1f}" fill="#fff"/>', *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, size: float = TEXT, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _title(lines: Sequence[str], middle: float, bottom: float) -> list[str]:
    return [_text(middle, bottom - TITLE * i - 2, line) for i, line in enumerate(reversed(lines))]


def _panel(panel: Panel, left: float, top: float, grid: Grid, high: float, difference: bool) -> list[str]:
    cell = grid.cell
    squares: dict[RGB, list[str]] = {}
    numbers, boxes = [], []
    for i, row in enumerate(panel.values):
        for j, value in enumerate(row):
            if value is None:
                continue
            ground = shade(value / high, difference)
            x, y = left + j * cell, top + i * cell
            squares.setdefault(ground, []).append(f"M{x:.1f} {y:.1f}h{cell:.1f}v{cell:.1f}h-{cell:.1f}z")
            if panel.marked and panel.marked[i][j]:
                boxes.append(f"M{x + 1:.1f} {y + 1:.1f}h{cell - 2:.1f}v{cell - 2:.1f}h-{cell - 2:.1f}z")
            if grid.numbers:
                white = ' fill="#fff"' if ink(ground) == "#fff" else ""
                numbers.append(
                    f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + 2:.1f}"{white}>{shown(value, difference)}</text>'
                )
    size = len(panel.langs) * cell
    names = [_text(left - 2, top + (i + 0.5) * cell + 2, lang, SMALL, "end") for i, lang in enumerate(panel.langs)]
    lower = 5.0 if cell < 1.6 * SMALL else 0.0  # every other one, where they would touch
    names += [
        _text(left + (i + 0.5) * cell, top + size + 7 + lower * (i % 2), lang, SMALL)
        for i, lang in enumerate(panel.langs)
    ]
    said = [
        _text(left + size / 2, top + size + 16 + lower / 2, "language of the passage", SMALL),
        f'<text transform="translate({left - 21:.1f} {top + size / 2:.1f}) rotate(-90)" font-size="{SMALL:g}" '
        'text-anchor="middle">language of the query</text>',
    ]
    return [
        *(f'<path fill="#{r:02x}{g:02x}{b:02x}" d="{"".join(d)}"/>' for (r, g, b), d in squares.items()),
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{size:.1f}" height="{size:.1f}" fill="none" stroke="#000" '
        'stroke-width=".6"/>',
        *([f'<path fill="none" stroke="#000" stroke-width=".8" d="{"".join(boxes)}"/>'] if boxes else []),
        *([f'<g font-size="{SMALL:g}" text-anchor="middle">', *numbers, "</g>"] if numbers else []),
        *names,
        *said,
    ]  # fmt: skip


def _scale(drawing: HeatMaps, high: float, top: float) -> list[str]:
    """A strip of the shades, its ends and its middle, and what they stand for."""
    left, wide, steps = 60.0, WIDTH - 120.0, 20
    low = -1.0 if drawing.difference else 0.0
    shares = [low + (1 - low) * i / steps for i in range(steps + 1)]
    each = wide / len(shares)
    colours = [shade(share, drawing.difference) for share in shares]
    strip = [
        f'<rect x="{left + i * each:.1f}" y="{top + 4:.1f}" width="{each + 0.2:.1f}" height="7" '
        f'fill="#{r:02x}{g:02x}{b:02x}"/>'
        for i, (r, g, b) in enumerate(colours)
    ]
    marks = [(left, low * high), (left + wide, high), *([(left + wide / 2, 0.0)] if drawing.difference else [])]
    words = [_text(x, top + 18, f"{value:+.3f}" if drawing.difference else f"{value:.2f}", SMALL) for x, value in marks]
    return [*strip, *words, _text(WIDTH / 2, top + 27, drawing.label)]
