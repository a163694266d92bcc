"""The report's curve over the share of monolingual batches: cross is 0, hybrid in between, mono 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import plots
from bench.document import Block, Figure, Heading, Table, Text
from bench.leaderboard import means_of, setting_means
from bench.records import Cell
from bench.values import SetScores

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


def share_section(sets: Sequence[SetScores], folder: Path) -> list[Block]:
    """A figure and a table per set with enough shares; [] where there is none."""
    blocks = [block for of in sets for block in _of_set(of, folder)]
    if not blocks:
        return []
    said = (
        "cross is 0, hybrid(alpha) is alpha, mono is 1; differences to cross, over the seeds that all of them have. "
        "Exploratory: no interval."
    )
    return [Heading(2, "Share of monolingual batches"), Text(said), *blocks]


def _of_set(of: SetScores, folder: Path) -> list[Block]:
    cells: dict[float, list[Cell]] = {}
    for cell in of.cells:
        share = share_of(cell.label) if cell.config["trained"] else None
        if share is not None:
            cells.setdefault(share, []).append(cell)
    if len(cells) < POINTS or not {0.0, 1.0} <= cells.keys():
        return []
    seeds = set.intersection(*({c.seed for c in of_share} for of_share in cells.values()))
    if not seeds:
        return []
    means = {share: _means(of, [c for c in of_share if c.seed in seeds]) for share, of_share in sorted(cells.items())}
    x = np.array(list(means))
    settings = of.layout.settings()
    series = {s: (x, np.array([m[s] - means[0.0][s] for m in means.values()])) for s in settings}
    label = f"mean {of.main} minus that of cross"
    file = plots.curves(series, "share of monolingual batches", label, folder / f"{of.name}-share", marker="o")
    n = f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}"
    alt = f"{of.name}: {label}, over the share of monolingual batches, one line per setting, {n}"
    rows = [[f"{share:g}", *(f"{m[s]:.3f}" for s in settings)] for share, m in means.items()]
    return [Figure(file, alt), Table(("share", *(f"{s} {of.main}" for s in settings)), rows, 1, f"{of.name}, {n}.")]


def _means(of: SetScores, cells: Sequence[Cell]) -> dict[str, float]:
    """Setting -> mean over language pairs and cells."""
    kept = {cell.path.name for cell in cells}
    found = [setting_means(m, of.main) for m in means_of(of) if m.cell.path.name in kept]
    return {setting: float(np.mean([m[setting] for m in found])) for setting in of.layout.settings()}
