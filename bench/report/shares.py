"""The report's curve over the share of monolingual batches: cross is 0, hybrid in between, mono 1."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bench.analysis.means import means_of, setting_means
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import many
from bench.report.document import Block, Curve, Curves, Figure, Heading, Table, Text
from bench.store.cells import Cell

POINTS = 4
"""Shares from which on there is a curve to draw."""


def share_of(label: str) -> float | None:
    """The share of monolingual batches that a strategy draws, in rows of any pair; None for what is no such mixture."""
    name = label.split("(")[0]
    if "pairs='batch'" in label or re.search(r"language_temperature=(?!None)", label):
        return None
    if name in ("mono", "cross"):
        return 1.0 if name == "mono" else 0.0
    found = re.search(r"alpha=([0-9.e-]+)", label) if name == "hybrid" else None
    return float(found[1]) if found else None


def share_section(sets: Sequence[SetScores]) -> list[Block]:
    """A figure and a table per set with enough shares; [] where there is none."""
    blocks = [block for of in sets for block in _of_set(of)]
    if not blocks:
        return []
    said = (
        "cross is 0, hybrid(alpha) is alpha, mono is 1; differences to cross, over the seeds that all of them have. "
        "Exploratory: no interval; where a share was trained more than once, its dots show how trainings differ."
    )
    return [Heading(2, "Share of monolingual batches"), Text(said), *blocks]


def _of_set(of: SetScores) -> list[Block]:
    cells: dict[float, list[Cell]] = {}
    for cell in of.cells:
        share = share_of(cell.label) if cell.config.trained else None
        if share is not None:
            cells.setdefault(share, []).append(cell)
    if len(cells) < POINTS or not {0.0, 1.0} <= cells.keys():
        return []
    seeds = set.intersection(*({c.seed for c in of_share} for of_share in cells.values()))
    if not seeds:
        return []
    single = {m.cell.path.name: setting_means(m, of.main) for m in means_of(of)}
    common = {x: [single[c.path.name] for c in of_x if c.seed in seeds] for x, of_x in sorted(cells.items())}
    settings = of.layout.settings()
    means = {x: {s: float(np.mean([m[s] for m in found])) for s in settings} for x, found in common.items()}
    series = {s: _drawn([(x, m[s] - means[0.0][s]) for x, m in means.items()]) for s in settings}
    cross = {c.seed: single[c.path.name] for c in cells[0.0]}
    trainings = [(x, c.seed, single[c.path.name]) for x, of_x in cells.items() for c in of_x if c.seed in cross]
    dots = {s: _drawn([(x, m[s] - cross[seed][s]) for x, seed, m in trainings]) for s in settings}
    label = f"mean {of.main} minus that of cross"
    drawing = Curves(series, "share of monolingual batches", label, marker="o", dots=dots)
    n = many(len(seeds), "seed")
    alt = (
        f"{of.name}: {label}, over the share of monolingual batches; lines: the {n} that all have, dots: single "
        "trainings, each minus cross of the same seed"
    )
    rows = [[f"{share:g}", *(f"{m[s]:.3f}" for s in settings)] for share, m in means.items()]
    return [
        Figure(f"{of.name}-share", alt, drawing),
        Table(("share", *(f"{s} {of.main}" for s in settings)), rows, 1, f"{of.name}, {n}."),
    ]


def _drawn(points: Sequence[tuple[float, float]]) -> Curve:
    return tuple(x for x, _ in points), tuple(y for _, y in points)
