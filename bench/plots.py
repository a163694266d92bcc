"""The report's figures, as PNG and SVG: readable in print and by colour-blind readers, axes named with units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999", "#F0E442")
"""Okabe and Ito's palette."""

STYLES = ("-", "--", "-.", ":")


class Matrix(NamedTuple):
    """One measure over language pairs: (n_langs, n_langs), rows are query languages; NaN where nothing was scored."""

    title: str
    langs: tuple[str, ...]
    values: NDArray[np.float64]


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    return figure, list(axes.flat)


def _save(figure: Figure, path: Path) -> str:
    from matplotlib import pyplot

    figure.savefig(path.with_suffix(".png"), dpi=120, metadata={"Software": None})
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    pyplot.close(figure)
    return path.with_suffix(".png").name


def heat_maps(matrices: Sequence[Matrix], measure: str, path: Path, reference: str = "") -> str:
    """One panel per matrix on a shared scale: sequential for levels, diverging for differences to a reference."""
    difference = bool(reference)
    columns = min(3, len(matrices))
    lines = -(-len(matrices) // columns)
    figure, axes = _figure(4.4 * columns, 4.0 * lines, lines, columns)
    values = np.concatenate([m.values.ravel() for m in matrices])
    high = float(np.nanmax(np.abs(values))) or 1.0
    low = -high if difference else 0.0
    image = None
    for ax, matrix in zip(axes, matrices, strict=False):
        image = ax.imshow(matrix.values, cmap="PuOr" if difference else "viridis", vmin=low, vmax=high)
        _annotate(ax, matrix, low, high, difference)
    for ax in axes[len(matrices) :]:
        ax.set_axis_off()
    if image is not None:
        figure.colorbar(
            image, ax=axes, shrink=0.7, label=f"mean {measure}" + (f" minus that of {reference}" if difference else "")
        )
    return _save(figure, path)


def _annotate(ax: Axes, matrix: Matrix, low: float, high: float, difference: bool) -> None:
    ax.set_title(matrix.title)
    ax.set_xticks(range(len(matrix.langs)), matrix.langs)
    ax.set_yticks(range(len(matrix.langs)), matrix.langs)
    ax.set_xlabel("passage language")
    ax.set_ylabel("query language")
    for (i, j), value in np.ndenumerate(matrix.values):
        if np.isnan(value):
            continue
        share = (value - low) / (high - low)
        dark = abs(share - 0.5) > 0.35 if difference else share < 0.55
        text = f"{value:+.2f}" if difference else f"{value:.2f}"
        ax.text(j, i, text.replace("0.", "."), ha="center", va="center", fontsize=6, color="white" if dark else "black")


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


def curves(series: dict[str, NDArray[np.float64]], x_label: str, y_label: str, path: Path) -> str:
    """One line per strategy over steps; smoothed by a running mean of 1/50 of the length."""
    figure, (ax,) = _figure(7.0, 3.4)
    for k, (name, values) in enumerate(series.items()):
        window = max(1, len(values) // 50)
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        style = STYLES[k // len(COLOURS) % len(STYLES)]
        ax.plot(
            np.arange(len(smooth)) + window, smooth, style, label=name, color=COLOURS[k % len(COLOURS)], linewidth=1.2
        )
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(fontsize=7, frameon=False)
    return _save(figure, path)


def trade_off(points: dict[str, tuple[float, float]], x_label: str, y_label: str, path: Path) -> str:
    """One labelled point per strategy."""
    figure, (ax,) = _figure(5.2, 4.0)
    for k, (name, (x, y)) in enumerate(points.items()):
        ax.plot(x, y, "o^sDvP*Xh"[k % 9], color=COLOURS[k % len(COLOURS)], markersize=8, label=name)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=7, frameon=False)
    return _save(figure, path)
