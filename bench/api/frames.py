"""Tables of an experiment as pandas' DataFrames. pandas comes with datasets, which reads the Hub's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas

from bench.analysis.compare import Comparison
from bench.analysis.means import BIAS_SHOWN, GAP, has_pool, pair_means
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
        stored = _stored(names, has_pool(of))
        for label, cell in _cells_of(of):
            for (q, d), values in pair_means(of, cell, stored).items() if stored else ():
                about = (of.name, label, cell.seed, q, d, setting_of(q, d))
                found = ((name, _value(values, d, name)) for name in names)
                lines += [(*about, name, value) for name, value in found if not np.isnan(value)]
    return pandas.DataFrame(lines, columns=[*COMMON, "measure", "value"])


def _cells_of(of: SetScores) -> list[tuple[str, Cell]]:
    return [(label, cell) for label, cells in strategies_of(of).items() for cell in cells]


def _stored(names: Sequence[str], pool: bool) -> tuple[str, ...]:
    """What is read for measures as tables call them; bias is of sets with a pool of languages."""
    found = [name for name in names if name in MEASURES]
    if pool:
        found += ["AP", IN_POOL] if GAP in names else []
        found += [BIAS_SHOWN[name].removesuffix("_median") for name in names if name in BIAS_SHOWN]
    return tuple(dict.fromkeys(found))


def _value(values: Mapping[str, float], d_lang: str, name: str) -> float:
    """A measure of a language pair; NaN where it is not defined."""
    if name == GAP:
        return values["AP"] - values[IN_POOL] if d_lang != POOL and IN_POOL in values else float("nan")
    if name in BIAS_SHOWN:
        return values.get(BIAS_SHOWN[name], float("nan")) if d_lang == POOL else float("nan")
    return values[name]


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
    numbers = list(found.columns)[list(found.columns).index("seeds") + 1 :]
    return found.astype({"rank": "Int64", "rank_to": "Int64", **dict.fromkeys(numbers, "float64")})


def comparisons(found: Sequence[Comparison]) -> pandas.DataFrame:
    """A row for each setting of each set."""
    return pandas.DataFrame([documents.compared(c)._asdict() for c in found])
