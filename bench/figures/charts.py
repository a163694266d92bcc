"""Charts with axes, by matplotlib: curves, forests, trade-offs, dots and boxes, each as the text of an SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.figures.heat_maps import SMALL, TEXT, WIDTH
from bench.figures.palette import look_of
from bench.figures.places import NEAR, Box, beside, spread
from bench.figures.shapes import Boxes, Curves, Dots, Forest, Plane, TradeOff

PARAMETERS: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "text.parse_math": False,  # names may hold a '$'
}

INCH = 72.0

WIDE = 0.6
"""Of the height of a letter: the width of one, on average."""

STYLES = ("-", "--", "-.", ":")


Chart = Dots | Curves | TradeOff | Forest | Boxes


def svg(drawing: Chart) -> str:
    """The picture, as matplotlib writes it."""
    out = io.BytesIO()
    with matplotlib.rc_context(PARAMETERS):
        FigureCanvasSVG(figure_of(drawing)).print_svg(out, metadata={"Date": None, "Creator": None})
    return out.getvalue().decode()


def figure_of(drawing: Chart) -> Figure:
    """The picture as matplotlib's figure."""
    with matplotlib.rc_context(PARAMETERS):
        match drawing:
            case Dots():
                return dots(drawing)
            case Curves():
                return curves(drawing)
            case TradeOff():
                return trade_off(drawing)
            case Forest():
                return forest(drawing)
            case Boxes():
                return boxes(drawing)


def _figure(height: float, left: float, right: float, top: float, bottom: float, columns: int = 1, rows: int = 1,
            gap: float = 0.0) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """Axes in a column of paper; all sizes in points, margins around and ``gap`` between them."""
    figure = Figure((WIDTH / INCH, height / INCH))
    wide, high = (
        (WIDTH - left - right - gap * (columns - 1)) / columns,
        (height - top - bottom - gap * (rows - 1)) / rows,
    )
    axes = [
        figure.add_axes(((left + i * (wide + gap)) / WIDTH, (bottom + (rows - 1 - j) * (high + gap)) / height,
                         wide / WIDTH, high / height))
        for j in range(rows) for i in range(columns)
    ]  # fmt: skip
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(width=0.6, length=2.5, pad=2)
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.set_axisbelow(True)
    return figure, axes


def width_of(texts: Sequence[str], size: float = SMALL) -> float:
    """Points that the longest of some texts takes, about."""
    return max((len(cut(text)) for text in texts), default=0) * WIDE * size


LONGEST = 25
"""Letters of a name in a figure; the tables have all of them."""


def cut(name: str) -> str:
    """Without its middle where it is too long for a column."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 10]}…{name[-9:]}"


def _mark(name: str, size: float = 4.0) -> dict[str, Any]:
    look = look_of(name)
    face = look.colour if look.filled else "white"
    return {"marker": look.mark, "color": look.colour, "markerfacecolor": face, "markersize": size}


def _above(figure: Figure, names: Sequence[str], height: float, left: float = 6.0) -> None:
    """Marks with their names, in lines above the axes."""
    x, y = left, height - 8.0
    for name in names:
        needed = width_of([name]) + 16
        if x > left and x + needed > WIDTH:
            x, y = left, y - 10.0
        figure.add_artist(
            Line2D([(x + 3) / WIDTH], [y / height], linestyle="", transform=figure.transFigure,
                                    **_mark(name))
        )  # fmt: skip
        figure.text((x + 9) / WIDTH, (y - 2.2) / height, cut(name), fontsize=SMALL)
        x += needed


def _lines_above(names: Sequence[str], left: float = 6.0) -> int:
    x, lines = left, 1
    for name in names:
        needed = width_of([name]) + 16
        if x > left and x + needed > WIDTH:
            x, lines = left, lines + 1
        x += needed
    return lines


def dots(drawing: Dots) -> Figure:
    """A row per language, in it a mark per strategy."""
    names = list(drawing.series)
    top = 10.0 * _lines_above(names) + 6
    height = top + 9.0 * len(drawing.langs) + 44
    figure, (ax,) = _figure(height, width_of(drawing.langs) + 10, 8, top, 38)
    for name, values in drawing.series.items():
        ax.plot(values, range(len(values)), linestyle="", **_mark(name))
    ax.set_yticks(range(len(drawing.langs)), drawing.langs)
    ax.set_ylim(len(drawing.langs) - 0.5, -0.5)
    ax.set_xlabel(drawing.label)
    _above(figure, names, height)
    return figure


def curves(drawing: Curves) -> Figure:
    """A line per name, its name at the right end; single dots of it."""
    names = [*drawing.series, *(n for n in drawing.dots if n not in drawing.series)]
    right = width_of(names) + 10
    height = max(130.0, 9.0 * len(names) + 40)
    figure, (ax,) = _figure(height, 50, right, 6, 26)
    for k, name in enumerate(names):
        look = look_of(name)
        if name in drawing.series:
            mark = _mark(name, 3.5) if drawing.marker else {"color": look.colour}
            alike = k if look.colour == "#666666" else [look_of(n).colour for n in names[:k]].count(look.colour)
            style = STYLES[alike % len(STYLES)]
            ax.plot(*drawing.series[name], style, linewidth=1.0, **mark)
        if name in drawing.dots:
            ax.plot(*drawing.dots[name], linestyle="", alpha=0.7, **(_mark(name, 3.0) | {"markerfacecolor": "none"}))
    if drawing.log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    ax.set_xlabel(drawing.x_label)
    ax.set_ylabel(drawing.y_label)
    _at_the_ends(ax, drawing, names, height - 32)
    return figure


def _at_the_ends(ax: Axes, drawing: Curves, names: Sequence[str], high: float) -> None:
    """Names beside the last point of each line, moved apart where they would lie on each other."""
    ax.autoscale_view()
    last = {}
    for name in names:
        x, y = drawing.series.get(name) or drawing.dots[name]
        known = [(a, b) for a, b in zip(x, y, strict=True) if np.isfinite(b)]
        if known:
            last[name] = max(known)
    places = {name: float(ax.transAxes.inverted().transform(ax.transData.transform(end))[1]) * high
              for name, end in last.items()}  # fmt: skip
    for name, height in spread(places, 8.0, 0.0, high).items():
        ax.annotate(
            cut(name), last[name], (1.03, height / high), textcoords="axes fraction", fontsize=SMALL, va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": look_of(name).colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def trade_off(drawing: TradeOff) -> Figure:
    """A point per strategy with its intervals and its name beside it, in each plane; the margin as dotted lines."""
    rows = len(drawing.planes)
    figure, axes = _figure(170.0 * rows, 46, 8, 6, 28, rows=rows, gap=32)
    for ax, plane in zip(axes, drawing.planes, strict=True):
        for p in plane.points:
            ax.errorbar(
                p.x, p.y, xerr=_reach(p.x, p.x_interval), yerr=_reach(p.y, p.y_interval), linewidth=0.7, capsize=1.5,
                capthick=0.7, markeredgewidth=0.8, fmt="", **_mark(p.label, 4.5),
            )  # fmt: skip
        ax.margins(0.12)
        ax.set_xlabel(plane.x_label)
        ax.set_ylabel(plane.y_label.replace(": ", ":\n"))
        if drawing.margin is not None:
            for line, at in ((ax.axhline, 0.0), (ax.axvline, 0.0)):
                line(at, color="black", linewidth=0.5)
                line(-drawing.margin, color="black", linestyle=":", linewidth=0.8)
        _names_beside(ax, plane)
    return figure


def _names_beside(ax: Axes, plane: Plane) -> None:
    """Names where they cover neither marks nor intervals, if there is such a place; a thin line where it is far."""
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    frame = ax.get_position()
    wide, high = frame.width * WIDTH, frame.height * ax.figure.bbox.height / ax.figure.bbox.width * WIDTH
    to_axes = ax.transData + ax.transAxes.inverted()

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = to_axes.transform((x, y))
        return float(across) * wide, float(up) * high

    points = [place(p.x, p.y) for p in plane.points]
    bars = [
        Box(*(min(a, b) - 0.7 for a, b in zip(low, high_, strict=True)),
            *(abs(b - a) + 1.4 for a, b in zip(low, high_, strict=True)))
        for p in plane.points
        for low, high_ in [*([(place(p.x_interval[0], p.y), place(p.x_interval[1], p.y))] if p.x_interval else []),
                           *([(place(p.x, p.y_interval[0]), place(p.x, p.y_interval[1]))] if p.y_interval else [])]
    ]  # fmt: skip
    sizes = [(width_of([p.label]), SMALL) for p in plane.points]
    boxes = beside(points, sizes, Box(0, 0, wide, high), bars)
    for p, (x, y), box in zip(plane.points, points, boxes, strict=True):
        ax.text(box.x / wide, (box.y + 1) / high, cut(p.label), fontsize=SMALL, transform=ax.transAxes)
        end = min(max(x, box.x), box.x + box.wide), min(max(y, box.y), box.y + box.high)
        if abs(end[0] - x) + abs(end[1] - y) > 2.5 * NEAR:
            ax.plot([x / wide, end[0] / wide], [y / high, end[1] / high], color=look_of(p.label).colour, linewidth=0.4,
                    transform=ax.transAxes)  # fmt: skip


def _reach(value: float, interval: tuple[float, ...]) -> list[list[float]] | None:
    return [[value - interval[0]], [interval[1] - value]] if interval else None


def forest(drawing: Forest) -> Figure:
    """Effects with their intervals in grouped rows, a panel per comparison, with zero and the margin."""
    rows, n = drawing.rows, len(drawing.rows)
    left = width_of([row.label for row in rows]) + 6
    height = 18.0 + 9.5 * n + 30
    figure, axes = _figure(height, left, 8, 16, 30, columns=len(drawing.sides), gap=9)
    known = [v for side in drawing.sides for e in side.effects if e for v in (e.low, e.high)]
    low, high = min([*known, -drawing.margin, 0.0]), max([*known, 0.0])
    pad = 0.06 * (high - low)
    for ax, side in zip(axes, drawing.sides, strict=True):
        for k, e in enumerate(side.effects):
            if e is not None:
                look = _mark(side.strategy, 3.5)
                ax.plot([e.low, e.high], [k, k], color=look["color"], linewidth=1.1)
                ax.plot(e.effect, k, linestyle="", **look)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.axvline(-drawing.margin, color="black", linestyle=":", linewidth=0.9)
        ax.set_ylim(n - 0.5, -0.5)
        ax.set_xlim(low - pad, high + pad)
        ax.locator_params(axis="x", nbins=3 if len(axes) < 3 else 2)
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}".replace("0.", ".", 1))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(cut(side.title), pad=4)
    for k, row in enumerate(rows):
        y = 1 - (k + 0.5) / n
        x = -left / (axes[0].get_position().width * WIDTH) + (0 if row.heading else 4 / WIDTH)
        axes[0].text(x, y, cut(row.label), transform=axes[0].transAxes, fontsize=SMALL, va="center",
                     fontweight="bold" if row.heading else "normal")  # fmt: skip
    figure.text(0.5 + (left - 8) / WIDTH / 2, 4 / height, drawing.label, ha="center")
    return figure


def boxes(drawing: Boxes) -> Figure:
    """Distribution over queries, one box per strategy: median, quartiles, whiskers at 5 and 95 %."""
    names = list(drawing.percentiles)
    figure, (ax,) = _figure(12.0 * len(names) + 36, width_of(names) + 8, 8, 4, 28)
    drawn = [
        {"label": cut(name), "whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high}
        for name, (low, q1, median, q3, high) in drawing.percentiles.items()
    ]
    thin = {"linewidth": 0.7}
    ax.bxp(drawn, orientation="horizontal", showfliers=False, boxprops=thin, whiskerprops=thin, capprops=thin,
           medianprops={"color": "#D55E00", "linewidth": 1.4})  # fmt: skip
    ax.set_xlabel(drawing.label)
    ax.invert_yaxis()
    return figure
