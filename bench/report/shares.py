"""The report's curve over the share of monolingual batches: cross is 0, hybrid in between, mono 1."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bench.analysis.means import means_of, setting_means
from bench.analysis.set_scores import SetScores
from bench.figures.shapes import Curve, Curves
from bench.pages.document import Block, Figure, Fold, Table, Text
from bench.store.cells import Cell
from bench.store.scores import in_words

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
        "cross is 0, hybrid(alpha) is alpha, mono is 1; differences to cross of the same seed. Exploratory: no "
        "interval; the dots of a share show how trainings differ."
    )
    return [Fold("Share of monolingual batches", [Text(said), *blocks])]


def _of_set(of: SetScores) -> list[Block]:
    cells: dict[float, list[Cell]] = {}
    for cell in of.cells:
        share = share_of(cell.label) if cell.config.trained else None
        if share is not None:
            cells.setdefault(share, []).append(cell)
    if len(cells) < POINTS or not {0.0, 1.0} <= cells.keys():
        return []
    single = {m.cell.path.name: setting_means(m, of.main) for m in means_of(of)}
    cross = {c.seed: single[c.path.name] for c in cells[0.0]}
    trainings = {x: [(single[c.path.name], cross[c.seed]) for c in of_x if c.seed in cross]
                 for x, of_x in sorted(cells.items())}  # fmt: skip
    if not all(trainings.values()):
        return []
    settings = of.layout.settings()
    gains = {s: [(x, [ours[s] - theirs[s] for ours, theirs in found]) for x, found in trainings.items()]
             for s in settings}  # fmt: skip
    lines = {in_words(s): _drawn([(x, float(np.mean(g))) for x, g in of_s if len(g) > 1]) for s, of_s in gains.items()}
    dots = {in_words(s): _drawn([(x, v) for x, g in of_s for v in g]) for s, of_s in gains.items()}
    label = f"mean {of.main},\nminus that of cross"
    drawing = Curves({name: line for name, line in lines.items() if len(line[0]) > 1},
                     "share of monolingual batches", label, marker=True, dots=dots)  # fmt: skip
    alt = (
        f"{of.name}: mean {of.main} minus that of cross, over the share of monolingual batches; dots: trainings, each "
        "minus cross of the same seed; lines: means over seeds, through shares that were trained more than once"
    )
    rows = [
        [f"{share:g}", str(len(found)), *(f"{np.mean([ours[s] for ours, _ in found]):.3f}" for s in settings)]
        for share, found in trainings.items()
    ]
    return [
        Figure(f"{of.name}-share", alt, drawing),
        Table(("share", "trainings", *map(in_words, settings)), rows, 1, f"{of.name}, {of.main}."),
    ]


def _drawn(points: Sequence[tuple[float, float]]) -> Curve:
    return tuple(x for x, _ in points), tuple(y for _, y in points)
