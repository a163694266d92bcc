"""Tables of an experiment as pandas' DataFrames. pandas comes with datasets, which reads the Hub's data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas

from bench.analysis.compare import Comparison
from bench.analysis.means import BIAS_SHOWN, GAP, Means, means_of
from bench.analysis.set_scores import SetScores, cells_of
from bench.analysis.strategies import find, strategies_of
from bench.api import documents
from bench.errors import require_known
from bench.evaluation.bias import IN_POOL
from bench.evaluation.measures import MEASURES
from bench.store.cells import Cell
from bench.store.scores import POOL, setting_of

COMMON = ("set", "strategy", "seed", "q_lang", "d_lang", "setting")
"""First columns of scores and of values per query."""


ALL = (*MEASURES, *BIAS_SHOWN, GAP)
"""Measures, as tables call them."""


def scores(sets: Sequence[SetScores], measure: str | None) -> pandas.DataFrame:
    """As ``Experiment.scores`` says."""
    require_known("a measure", measure or ALL[0], ALL)
    names = ALL if measure is None else (measure,)
    lines = []
    for of in sets:
        means = {m.cell.path.name: m for m in means_of(of)}
        for label, cell in _cells_of(of):
            of_cell = means[cell.path.name]
            for q, d in of_cell.pairs:
                about = (of.name, label, cell.seed, q, d, setting_of(q, d))
                lines += [
                    (*about, name, value) for name in names if (value := _value(of_cell, (q, d), name)) is not None
                ]
    return pandas.DataFrame(lines, columns=[*COMMON, "measure", "value"])


def _cells_of(of: SetScores) -> list[tuple[str, Cell]]:
    return [(label, cell) for label, cells in strategies_of(of).items() for cell in cells]


def _value(means: Means, pair: tuple[str, str], name: str) -> float | None:
    """A measure of a language pair; None where it is not defined."""
    values = means.pairs[pair]
    if name == GAP:
        value = values["AP"] - values[IN_POOL] if pair[1] != POOL and IN_POOL in values else float("nan")
    elif name in BIAS_SHOWN:
        value = values[BIAS_SHOWN[name]] if pair[1] == POOL else float("nan")
    else:
        value = values[name]
    return None if np.isnan(value) else value


def per_query(sets: Sequence[SetScores], measure: str | None, strategy: str | None) -> pandas.DataFrame:
    """As ``Experiment.per_query`` says."""
    require_known("a measure", measure or ALL[0], [name for name in ALL if name not in (GAP, "median rank distance")])
    parts = []
    chosen = cells_of(sets) if strategy is None else find(cells_of(sets), strategy, True)
    kept = {cell.path.name for cell in chosen}
    for of in sets:
        keys, name = of.keys(), measure or of.main
        stored = BIAS_SHOWN.get(name, name)
        languages = {key: np.asarray(keys[key].to_numpy(zero_copy_only=False), object) for key in ("q_lang", "d_lang")}
        settings = np.array([setting_of(*pair) for pair in of.layout.pairs], object)[of.layout.pair]
        rows = np.flatnonzero(settings == "multi") if name in BIAS_SHOWN else np.arange(len(settings))
        for label, cell in _cells_of(of):
            if cell.path.name not in kept:
                continue
            parts.append(pandas.DataFrame({
                "set": of.name, "strategy": label, "seed": cell.seed, "q_lang": languages["q_lang"][rows],
                "d_lang": languages["d_lang"][rows], "setting": settings[rows],
                "query_id": np.asarray(keys["query_id"].to_numpy(zero_copy_only=False), object)[rows],
                "question": np.array(of.layout.questions, object)[of.layout.cluster][rows],
                "measure": name, "value": of.values(cell, stored)[rows],
            }))  # fmt: skip
    return pandas.concat(parts, ignore_index=True)


def leaderboard(lines: Sequence[dict[str, object]]) -> pandas.DataFrame:
    """Of the lines of leaderboards."""
    found = pandas.DataFrame(list(lines))
    return found.astype({"rank": "Int64", "rank_to": "Int64"})


def comparisons(found: Sequence[Comparison]) -> pandas.DataFrame:
    """A row for each setting of each set."""
    return pandas.DataFrame([documents.compared(c)._asdict() for c in found])
