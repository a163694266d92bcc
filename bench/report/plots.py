"""Draws the report's figures, as PNG and SVG: readable in print and by colour-blind readers, axes named with units."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.path import Path as OutlinePath
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from bench.report.document import Bars, Boxes, Curves, Drawing, Forest, HeatMaps, Panel, TradeOff

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999", "#F0E442")
"""Okabe and Ito's palette."""


STYLES = ("-", "--", "-.", ":")


DPI = 96


PARAMETERS: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "text.parse_math": False,  # names may hold a '$'
}


def draw(drawing: Drawing, path: Path) -> None:
    """Write ``path``.png and ``path``.svg; the same drawing gives the same bytes."""
    with matplotlib.rc_context(PARAMETERS):
        figure = drawn(drawing)
        FigureCanvasAgg(figure).print_png(path.with_name(f"{path.name}.png"), metadata={"Software": None})
        figure.set_layout_engine("none")  # as laid out for the first file
        FigureCanvasSVG(figure).print_svg(path.with_name(f"{path.name}.svg"), metadata={"Date": None})


def drawn(drawing: Drawing) -> Figure:
    """The figure."""
    with matplotlib.rc_context(PARAMETERS):
        match drawing:
            case HeatMaps():
                return heat_maps(drawing)
            case Bars():
                return bars(drawing)
            case Curves():
                return curves(drawing)
            case TradeOff():
                return trade_off(drawing)
            case Forest():
                return forest(drawing)
            case Boxes():
                return boxes(drawing)


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A row of axes, laid out around what is written beside them."""
    figure = Figure((width, height), DPI, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False).flat)


LEFT, ABOVE, RIGHT, BELOW = 0.75, 0.45, 1.4, 0.6
"""Inches around the panels of heat maps."""


ACROSS, DOWN = 0.5, 0.7
"""Inches between them."""


def heat_maps(drawing: HeatMaps) -> Figure:
    """One panel per strategy on a shared scale: sequential for levels, diverging for differences; marks are boxed.

    All panels stand in one pair of axes, in inches from the upper left: axes and texts of their own would take most of
    the time.
    """
    panels = drawing.panels
    langs = max(len(panel.langs) for panel in panels)
    side = max(3.3, 0.3 * langs)  # a cell has room for its number
    columns = max(1, min(3, len(panels), int(13 / side)))
    lines = -(-len(panels) // columns)
    width = LEFT + columns * (side + ACROSS) - ACROSS + RIGHT
    height = ABOVE + lines * (side + DOWN) - DOWN + BELOW
    figure = Figure((width, height), DPI)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    scale = _scale(panels, drawing.difference)
    words: list[Word] = []
    for i, panel in enumerate(panels):
        left, top = LEFT + i % columns * (side + ACROSS), ABOVE + i // columns * (side + DOWN)
        image = _panel(ax, panel, (left, top, side), scale)
        words += [*_around(panel, left, top, side), *_numbers(panel, (left, top, side), scale)]
        if i % columns == 0:
            ax.text(left - 0.55, top + side / 2, "query language", rotation=90, ha="center", va="center")
        if i + columns >= len(panels):
            words.append(Word(left + side / 2, top + side + 0.38, "passage language"))
    ax.add_artist(Words(words))
    long = min(height - ABOVE - BELOW, 6.0)
    bar = figure.add_axes((1 - (RIGHT - 0.35) / width, 1 - (ABOVE + long) / height, 0.25 / width, long / height))
    figure.colorbar(image, cax=bar, label=drawing.label)
    return figure


class Scale(NamedTuple):
    """What colours stand for."""

    low: float
    high: float
    difference: bool


def _scale(panels: Sequence[Panel], difference: bool) -> Scale:
    high = max((abs(v) for panel in panels for row in panel.values for v in row if v is not None), default=0.0) or 1.0
    return Scale(-high if difference else 0.0, high, difference)


def _panel(ax: Axes, panel: Panel, place: tuple[float, float, float], scale: Scale) -> AxesImage:
    """The colours of a panel, its frame and marks; its place is left, top and side."""
    left, top, side = place
    matrix = np.array(panel.values, np.float64)  # None becomes NaN
    colours = "PuOr" if scale.difference else "viridis"
    extent = (left, left + side, top + side, top)
    image = ax.imshow(matrix, colours, aspect="auto", vmin=scale.low, vmax=scale.high, extent=extent)
    ax.add_artist(Rectangle((left, top), side, side, fill=False, edgecolor="black", linewidth=0.8))
    cell = side / len(panel.langs)
    for i, j in np.argwhere(np.array(panel.marked, np.bool_)):
        corner = left + (j + 0.06) * cell, top + (i + 0.06) * cell
        ax.add_artist(Rectangle(corner, 0.88 * cell, 0.88 * cell, fill=False, edgecolor="black", linewidth=0.9))
    return image


class Word(NamedTuple):
    """A text of one line in a heat map.

    Attributes:
        x: where it is, from its left (``align`` 0) to its right (1).
        y: the middle of its letters.
        text: of it.
        size: points.
        colour: black or white.
        align: 0, 0.5 or 1.
    """

    x: float
    y: float
    text: str
    size: float = 9.0
    colour: str = "black"
    align: float = 0.5


def _around(panel: Panel, left: float, top: float, side: float) -> list[Word]:
    cell = side / len(panel.langs)
    found = [
        Word(left + side / 2, top - 0.12 - 0.15 * i, line)
        for i, line in enumerate(reversed(textwrap.wrap(panel.title, 46)))
    ]
    for i, lang in enumerate(panel.langs):
        found.append(Word(left + (i + 0.5) * cell, top + side + 0.15, lang))
        found.append(Word(left - 0.08, top + (i + 0.5) * cell, lang, align=1.0))
    return found


def _numbers(panel: Panel, place: tuple[float, float, float], scale: Scale) -> list[Word]:
    left, top, side = place
    cell = side / len(panel.langs)
    size = min(10.0, 0.32 * 72 * cell)
    found = []
    for i, row in enumerate(panel.values):
        for j, value in enumerate(row):
            if value is None:
                continue
            share = (value - scale.low) / (scale.high - scale.low)
            dark = abs(share - 0.5) > 0.35 if scale.difference else share < 0.55
            text = (f"{value:+.2f}" if scale.difference else f"{value:.2f}").replace("0.", ".")
            place_ = left + (j + 0.5) * cell, top + (i + 0.5) * cell
            found.append(Word(*place_, text, size, "white" if dark else "black"))
    return found


class Words(Artist):
    """Texts of a heat map, thousands of them: one shape for each colour in a picture of dots, text elsewhere."""

    def __init__(self, words: Sequence[Word]) -> None:
        super().__init__()
        self._words = words

    def draw(self, renderer: RendererBase) -> None:
        """All of them."""
        assert self.axes is not None
        gc, inches = renderer.new_gc(), self.axes.transData
        if isinstance(renderer, RendererAgg):
            gc.set_linewidth(0)
            for colour in ("black", "white"):
                shapes = [_placed(word) for word in self._words if word.colour == colour]
                if shapes:
                    renderer.draw_path(gc, OutlinePath.make_compound_path(*shapes), inches, to_rgba(colour))
        else:
            text, height = Text(transform=inches), renderer.get_canvas_width_height()[1]
            for word in self._words:
                text.set_position((word.x, word.y))
                text.set_horizontalalignment(ALIGN[word.align])
                gc.set_foreground(word.colour)
                x, y = inches.transform((word.x, word.y + RISE * word.size / 72))
                renderer.draw_text(gc, x, height - y, word.text, _font(word.size), 0, mtext=text)
        gc.restore()


RISE = 0.365
"""Of a capital letter's middle above the line, in sizes of the font."""


ALIGN: dict[float, Literal["left", "center", "right"]] = {0.0: "left", 0.5: "center", 1.0: "right"}


@lru_cache(maxsize=64)
def _font(size: float) -> FontProperties:
    return FontProperties(size=size)


def _placed(word: Word) -> OutlinePath:
    shape = _outline(word.text, word.size, word.align)
    return OutlinePath(np.add(shape.vertices, (word.x, word.y)), shape.codes)


@lru_cache(maxsize=8192)
def _outline(text: str, size: float, align: float) -> OutlinePath:
    """A text as a shape beside the origin, in inches; down is positive."""
    path = TextPath((0, 0), text, size=size / 72)
    box = path.get_extents()
    shift = (box.x0 + align * (box.x1 - box.x0), RISE * size / 72)
    return OutlinePath((path.vertices - shift) * (1, -1), path.codes)


def bars(drawing: Bars) -> Figure:
    """One group of bars per language, one bar per strategy."""
    langs, series = drawing.langs, drawing.series
    figure, (ax,) = _figure(max(7.0, 0.9 * len(langs)), 3.4)
    width = 0.8 / len(series)
    for k, (name, values) in enumerate(series.items()):
        place = np.arange(len(langs)) + (k - (len(series) - 1) / 2) * width
        hatch = ("", "//", "..", "xx")[k // len(COLOURS) % 4]
        ax.bar(place, values, width, label=name, color=COLOURS[k % len(COLOURS)], hatch=hatch, edgecolor="white")
    ax.set_xticks(range(len(langs)), langs)
    ax.set_xlabel("query language")
    ax.set_ylabel(drawing.label)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.25), frameon=False)
    return figure


def curves(drawing: Curves) -> Figure:
    """One line per name, with single dots of it."""
    figure, (ax,) = _figure(7.0, 3.4)
    for k, (name, (x, y)) in enumerate(drawing.series.items()):
        style = STYLES[k // len(COLOURS) % len(STYLES)]
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(x, y, style + drawing.marker, label=name, color=colour, linewidth=1.2, markersize=4)
        if name in drawing.dots:
            ax.plot(*drawing.dots[name], "o", color=colour, markersize=3, alpha=0.5, markerfacecolor="none")
    if drawing.log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    ax.set_xlabel(drawing.x_label)
    ax.set_ylabel(drawing.y_label)
    ax.legend(fontsize=7, frameon=False)
    return figure


def trade_off(drawing: TradeOff) -> Figure:
    """One point per strategy with its intervals, in each plane; the margin as dotted lines."""
    figure, axes = _figure(5.2 * len(drawing.planes), 4.2, len(drawing.planes))
    for ax, plane in zip(axes, drawing.planes, strict=True):
        for k, p in enumerate(plane.points):
            ax.errorbar(
                p.x, p.y, xerr=_reach(p.x, p.x_interval), yerr=_reach(p.y, p.y_interval), fmt="o^sDvP*Xh"[k % 9],
                color=COLOURS[k % len(COLOURS)], markersize=7, linewidth=1, capsize=2, label=p.label,
            )  # fmt: skip
        ax.set_xlabel(plane.x_label)
        ax.set_ylabel(plane.y_label)
        ax.grid(alpha=0.3)
        if drawing.margin is not None:
            ax.axhline(-drawing.margin, color="black", linestyle=":", linewidth=0.9)
            ax.axvline(-drawing.margin, color="black", linestyle=":", linewidth=0.9)
    axes[0].legend(fontsize=7, frameon=False)
    return figure


def _reach(value: float, interval: tuple[float, ...]) -> list[list[float]] | None:
    return [[value - interval[0]], [interval[1] - value]] if interval else None


def forest(drawing: Forest) -> Figure:
    """Effects with their intervals, one per line, with zero and the margin of non-inferiority."""
    effects, margin = drawing.effects, drawing.margin
    figure, (ax,) = _figure(7.4, 0.9 + 0.27 * len(effects))
    for k, e in enumerate(effects):
        colour = COLOURS[1] if e.emphasised else COLOURS[0]
        ax.plot([e.low, e.high], [k, k], color=colour, linewidth=1.6)
        ax.plot(e.effect, k, "D" if e.emphasised else "o", color=colour, markersize=5)
    ax.set_yticks(range(len(effects)), [e.label for e in effects], fontsize=7)
    ax.invert_yaxis()
    ax.axvline(0, color="black", linewidth=0.8)
    ax.axvline(-margin, color="black", linestyle=":", linewidth=1)
    ax.text(-margin, -0.8, f"-{margin:g} ", ha="right", va="bottom", fontsize=7)
    ax.set_xlabel(drawing.label)
    ax.grid(axis="x", alpha=0.3)
    return figure


def boxes(drawing: Boxes) -> Figure:
    """Distribution over queries, one box per strategy: median, quartiles, whiskers at 5 and 95 %."""
    figure, (ax,) = _figure(7.0, 0.9 + 0.34 * len(drawing.percentiles))
    drawn = [
        {"label": name, "whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high}
        for name, (low, q1, median, q3, high) in drawing.percentiles.items()
    ]
    ax.bxp(drawn, orientation="horizontal", showfliers=False, medianprops={"color": COLOURS[1], "linewidth": 1.6})
    ax.set_xlabel(drawing.label)
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    return figure
