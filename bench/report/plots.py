"""The report's figures, as PNG and SVG: readable in print and by colour-blind readers, axes named with units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.report.document import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as OutlinePath

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999", "#F0E442")
"""Okabe and Ito's palette."""


STYLES = ("-", "--", "-.", ":")


class Point(NamedTuple):
    """A strategy's place, and its interval on each axis (low, high); none is drawn where it is empty."""

    label: str
    x: float
    y: float
    x_interval: tuple[float, ...] = ()
    y_interval: tuple[float, ...] = ()


class Effect(NamedTuple):
    """A line of a forest plot."""

    label: str
    effect: float
    low: float
    high: float
    emphasised: bool = False


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 9}
    matplotlib.rcParams["text.parse_math"] = False  # names may hold a '$'
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    return figure, list(axes.flat)


def _save(figure: Figure, path: Path, between: Callable[[], None] = lambda: None) -> str:
    """Write both files; ``between`` them changes what only the second shows."""
    from matplotlib import pyplot

    figure.savefig(path.with_name(f"{path.name}.png"), dpi=96, metadata={"Software": None})
    figure.set_layout_engine("none")  # as laid out for the first file
    between()
    figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None})
    pyplot.close(figure)
    return path.name


def heat_maps(panels: Sequence[Panel], path: Path, label: str, difference: bool = False) -> str:
    """One panel per strategy on a shared scale: sequential for levels, diverging for differences; marks are boxed."""
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = _figure(4.4 * columns, 4.0 * lines, lines, columns)
    matrices = [np.array(p.values, np.float64) for p in panels]  # None becomes NaN
    known = np.concatenate([m[~np.isnan(m)] for m in matrices])
    high = float(np.abs(known).max(initial=0.0)) or 1.0
    low = -high if difference else 0.0
    image = None
    shown = list(zip(axes, panels, matrices, strict=False))
    for ax, panel, matrix in shown:
        image = ax.imshow(matrix, cmap="PuOr" if difference else "viridis", vmin=low, vmax=high)
        _name(ax, panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.7, label=label)
    numbers = [(ax, _numbers(matrix, low, high, difference)) for ax, _, matrix in shown]
    shapes = [patch for ax, of_panel in numbers for patch in _outlined(ax, of_panel)]

    def as_text() -> None:
        for patch in shapes:
            patch.remove()
        for ax, of_panel in numbers:
            for n in of_panel:
                ax.text(n.x, n.y, n.text, ha="center", va="center", fontsize=6, color=n.colour)

    return _save(figure, path, as_text)


class Number(NamedTuple):
    """What stands in a cell of a heat map."""

    x: int
    y: int
    text: str
    colour: str


def _name(ax: Axes, panel: Panel) -> None:
    from matplotlib.patches import Rectangle

    ax.set_title(panel.title)
    ax.set_xticks(range(len(panel.langs)), panel.langs)
    ax.set_yticks(range(len(panel.langs)), panel.langs)
    ax.set_xlabel("passage language")
    ax.set_ylabel("query language")
    for i, row in enumerate(panel.marked):
        for j in np.flatnonzero(row):
            ax.add_patch(Rectangle((j - 0.44, i - 0.44), 0.88, 0.88, fill=False, edgecolor="black", linewidth=0.9))


def _numbers(matrix: NDArray[np.float64], low: float, high: float, difference: bool) -> list[Number]:
    found = []
    for (i, j), value in np.ndenumerate(matrix):
        if np.isnan(value):
            continue
        share = (value - low) / (high - low)
        dark = abs(share - 0.5) > 0.35 if difference else share < 0.55
        text = f"{value:+.2f}" if difference else f"{value:.2f}"
        found.append(Number(j, i, text.replace("0.", "."), "white" if dark else "black"))
    return found


def _outlined(ax: Axes, numbers: Sequence[Number]) -> list[PathPatch]:
    """The numbers of a panel as two shapes: thousands of texts would take most of the time in a PNG file."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as OutlinePath

    drawn = []
    for colour in sorted({n.colour for n in numbers}):
        shapes = [(_outline(n.text), (n.x, n.y)) for n in numbers if n.colour == colour]
        moved = [OutlinePath(np.add(shape.vertices, place), shape.codes) for shape, place in shapes]
        patch = PathPatch(OutlinePath.make_compound_path(*moved), facecolor=colour, linewidth=0)
        patch.set_in_layout(False)
        ax.add_patch(patch)
        drawn.append(patch)
    return drawn


@lru_cache(maxsize=4096)
def _outline(text: str) -> OutlinePath:
    """A number as a shape around the origin, in units of cells."""
    from matplotlib.path import Path as OutlinePath
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=0.32)
    vertices = path.vertices - path.get_extents().get_points().mean(axis=0)
    return OutlinePath(vertices * (1, -1), path.codes)  # rows count downwards


def grouped_bars(
    langs: Sequence[str], series: dict[str, NDArray[np.float64]], label: str, path: Path, log: bool = False
) -> str:
    """One group of bars per language, one bar per strategy."""
    figure, (ax,) = _figure(max(7.0, 0.9 * len(langs)), 3.4)
    width = 0.8 / len(series)
    for k, (name, values) in enumerate(series.items()):
        place = np.arange(len(langs)) + (k - (len(series) - 1) / 2) * width
        hatch = ("", "//", "..", "xx")[k // len(COLOURS) % 4]
        ax.bar(place, values, width, label=name, color=COLOURS[k % len(COLOURS)], hatch=hatch, edgecolor="white")
    ax.set_xticks(range(len(langs)), langs)
    ax.set_xlabel("query language")
    ax.set_ylabel(label)
    if log:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color="black", linewidth=0.6)
    ax.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.25), frameon=False)
    return _save(figure, path)


Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Where the points of a line lie, across and up."""


def smooth(values: NDArray[np.float64]) -> Curve:
    """Values of the steps 1, 2, ..., as a running mean over 1/50 of the length."""
    window = max(1, len(values) // 50)
    means = np.convolve(values, np.ones(window) / window, mode="valid")
    return np.arange(len(means), dtype=np.float64) + window, means


def curves(
    series: dict[str, Curve], x_label: str, y_label: str, path: Path, marker: str = "", log: bool = False,
    dots: Mapping[str, Curve] = MappingProxyType({}),
) -> str:  # fmt: skip
    """One line per name, with single ``dots`` of it; ``log`` for logarithms of both axes."""
    figure, (ax,) = _figure(7.0, 3.4)
    for k, (name, (x, y)) in enumerate(series.items()):
        style = STYLES[k // len(COLOURS) % len(STYLES)]
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(x, y, style + marker, label=name, color=colour, linewidth=1.2, markersize=4)
        if name in dots:
            ax.plot(*dots[name], "o", color=colour, markersize=3, alpha=0.5, markerfacecolor="none")
    if log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(fontsize=7, frameon=False)
    return _save(figure, path)


def trade_off(panels: Sequence[tuple[str, str, Sequence[Point]]], path: Path, margin: float | None = None) -> str:
    """One point per strategy with its intervals, for each (x label, y label, points); the margin as dotted lines."""
    figure, axes = _figure(5.2 * len(panels), 4.2, 1, len(panels))
    for ax, (x_label, y_label, points) in zip(axes, panels, strict=True):
        for k, p in enumerate(points):
            ax.errorbar(
                p.x, p.y, xerr=_reach(p.x, p.x_interval), yerr=_reach(p.y, p.y_interval), fmt="o^sDvP*Xh"[k % 9],
                color=COLOURS[k % len(COLOURS)], markersize=7, linewidth=1, capsize=2, label=p.label,
            )  # fmt: skip
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.grid(alpha=0.3)
        if margin is not None:
            ax.axhline(-margin, color="black", linestyle=":", linewidth=0.9)
            ax.axvline(-margin, color="black", linestyle=":", linewidth=0.9)
    axes[0].legend(fontsize=7, frameon=False)
    return _save(figure, path)


def _reach(value: float, interval: tuple[float, ...]) -> list[list[float]] | None:
    return [[value - interval[0]], [interval[1] - value]] if interval else None


def forest(effects: Sequence[Effect], label: str, margin: float, path: Path) -> str:
    """Effects with their intervals, one per line, with zero and the margin of non-inferiority."""
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
    ax.set_xlabel(label)
    ax.grid(axis="x", alpha=0.3)
    return _save(figure, path)


def boxes(series: dict[str, NDArray[np.float64]], label: str, path: Path) -> str:
    """Distribution over queries, one box per strategy: median, quartiles, whiskers at 5 and 95 %."""
    figure, (ax,) = _figure(7.0, 0.9 + 0.34 * len(series))
    drawn = []
    for name, values in series.items():
        low, q1, median, q3, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        drawn.append({"label": name, "whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high})
    ax.bxp(drawn, orientation="horizontal", showfliers=False, medianprops={"color": COLOURS[1], "linewidth": 1.6})
    ax.set_xlabel(label)
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    return _save(figure, path)
