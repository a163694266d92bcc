"""Figures of matplotlib, for those who change them by hand: charts as they are, heat maps drawn with axes."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.figures import charts
from bench.figures.heat_maps import SMALL, TEXT, WIDTH, grid_of
from bench.figures.palette import HIGH, LEVEL, LOW, RGB, ink, shade, shown
from bench.figures.shapes import Drawing, HeatMaps


def drawn(drawing: Drawing) -> Figure:
    """The figure."""
    return heat_maps(drawing) if isinstance(drawing, HeatMaps) else charts.figure_of(drawing)


def heat_maps(drawing: HeatMaps) -> Figure:
    """A pair of axes per panel, with a bar of the colours."""
    grid, panels = grid_of(drawing), drawing.panels
    values = [v for panel in panels for row in panel.values for v in row if v is not None]
    high = max((abs(v) for v in values), default=0.0) or 1.0
    ends = [LOW, (255, 255, 255), HIGH] if drawing.difference else [(255, 255, 255), LEVEL]
    colours = LinearSegmentedColormap.from_list("bench", [_unit(end) for end in ends])
    lines = -(-len(panels) // grid.columns)
    figure = Figure((WIDTH / 72, lines * (grid.side + 46) / 72 + 0.6), layout="constrained")
    axes = list(figure.subplots(lines, grid.columns, squeeze=False).flat)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, panel in zip(axes, panels, strict=False):
        matrix = np.array(panel.values, np.float64)  # None becomes NaN
        image = ax.imshow(matrix, colours, vmin=-high if drawing.difference else 0.0, vmax=high)
        ax.set_xticks(range(len(panel.langs)), panel.langs, fontsize=SMALL)
        ax.set_yticks(range(len(panel.langs)), panel.langs, fontsize=SMALL)
        ax.set_title(panel.title, fontsize=TEXT, parse_math=False)
        for i, j in np.argwhere(~np.isnan(matrix)):
            if grid.numbers:
                text, ground = shown(matrix[i, j], drawing.difference), shade(matrix[i, j] / high, drawing.difference)
                ax.text(j, i, text, ha="center", va="center", fontsize=SMALL, color=ink(ground))
            if panel.marked and panel.marked[i][j]:
                ax.add_patch(Rectangle((j - 0.44, i - 0.44), 0.88, 0.88, fill=False, edgecolor="black", linewidth=0.8))
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=25)
    bar.set_label(drawing.label, fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def _unit(colour: RGB) -> tuple[float, float, float]:
    red, green, blue = (x / 255 for x in colour)
    return red, green, blue
