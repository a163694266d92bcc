"""Macro means over languages, values per question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.rows import Floats
from bench.analysis.set_scores import Layout, SetScores, read_sets
from bench.errors import BenchError
from bench.evaluation.bias import BIAS, IN_POOL
from bench.evaluation.measures import MEASURES
from bench.store.cells import Cell
from bench.store.scores import POOL


def per_question(layout: Layout, parts: Sequence[NDArray[np.bool_]], values: Floats) -> Floats:
    """One number per parallel question; their mean is the mean over ``parts`` of the macro mean over language pairs.

    A question's number is that mean plus what the question adds to it: of each of its rows the distance to the mean of
    the row's language pair, by the weight of that row. So questions that exist in some languages only have their due
    share of the variance, and none for which languages these are. Rows that are not a number count nothing.

    Source: linearised means of strata (Woodruff 1971, Journal of the American Statistical Association 66).

    Args:
        layout: of the rows.
        parts: masks (n_rows,), for example the rows of each setting.
        values: (n_rows,).

    Returns:
        (questions with a row in any part,); NaN where a part has no value at all.
    """
    questions = np.unique(layout.cluster[np.any(parts, axis=0)])
    place = np.zeros(layout.n_clusters, np.int64)
    place[questions] = np.arange(len(questions))
    found = np.zeros(len(questions))
    for rows in parts:
        known = rows & ~np.isnan(values)
        pair, n_pairs = layout.pair[known], len(layout.pairs)
        sizes = np.bincount(pair, minlength=n_pairs)
        some = np.maximum(sizes, 1)
        means = np.bincount(pair, values[known], n_pairs) / some
        languages = max(1, np.count_nonzero(sizes))
        added = (values[known] - means[pair]) / (languages * some[pair])
        mean = means.sum() / languages if known.any() else np.nan
        found += mean + len(questions) * np.bincount(place[layout.cluster[known]], added, len(questions))
    return found / len(parts)


DEFINED_ONLY = ("same_language_nonrelevant@10", "TLR@10", "own_language_first", "MRC@10", "PEER")
"""Means of these are over the queries for which they are defined."""


def pair_means(of: SetScores, cell: Cell, measures: tuple[str, ...]) -> dict[tuple[str, str], dict[str, float]]:
    """Means over queries for each language pair; NaN where a measure is not defined."""
    key = (cell.path.name, measures)
    if key not in of.means:
        of.means[key] = _pair_means(of, cell, measures)
    return of.means[key]


def _pair_means(of: SetScores, cell: Cell, measures: tuple[str, ...]) -> dict[tuple[str, str], dict[str, float]]:
    of.load(cell, measures)
    pair, n = of.layout.pair, len(of.layout.pairs)
    sizes = np.bincount(pair, minlength=n)
    found: dict[str, Floats] = {}
    for name in measures:
        values = of.values(cell, name)
        if name in DEFINED_ONLY:
            known = ~np.isnan(values)
            counted = np.bincount(pair[known], minlength=n)
            total = np.bincount(pair[known], values[known], n)
            found[name] = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
        else:
            found[name] = np.bincount(pair, values, n) / sizes
    if "rank_distance" in measures:
        distance = of.values(cell, "rank_distance")
        found["rank_distance_median"] = np.array([np.median(distance[pair == i]) for i in range(n)])
    return {p: {name: float(values[i]) for name, values in found.items()} for i, p in enumerate(of.layout.pairs)}


def finite(of: SetScores, cell: Cell, measure: str, rows: NDArray[np.bool_]) -> Floats:
    """Values (n_rows,) of a measure that is a number for every chosen row.

    Raises:
        BenchError: some are not.
    """
    values = of.values(cell, measure)
    if not np.isfinite(values[rows]).all():
        doing = "score the cells again" if measure in MEASURES else "it is not defined for all queries of this set"
        raise BenchError(f"{of.name}: {measure} is not a number for some query of {cell.path.name}; {doing}")
    return values


Pair = tuple[str, str]


Keep = Callable[[str, str], bool]


BIAS_SHOWN = {
    "rank distance": "rank_distance",
    "median rank distance": "rank_distance_median",
    "log2 rank distance": "rank_distance_log2",
    "same-language@10": "same_language@10",
    "same-language@10, non-relevant": "same_language_nonrelevant@10",
    "TLR@10": "TLR@10",
    "own language first": "own_language_first",
    "MRC@10": "MRC@10",
    "PEER": "PEER",
}
"""Language bias as tables name it, and the per-query column it is the mean of."""


GAP = "H1 - H2"
"""The strong-weak gap, over all language pairs."""


class Means(NamedTuple):
    """Means over queries of one cell on one evaluation set, for each (q_lang, d_lang); d_lang is ``*`` for the pool."""

    cell: Cell
    set_name: str
    main: str
    note: str
    passages: dict[str, int]
    pairs: dict[Pair, dict[str, float]]


def read_means(cells: Iterable[Cell]) -> list[Means]:
    """Means of every finished cell on every set that it was scored on."""
    return [m for of in read_sets(list(cells)) for m in means_of(of)]


def means_of(of: SetScores) -> list[Means]:
    """Means of every cell on one set."""
    names = (*MEASURES, *((IN_POOL, *BIAS) if has_pool(of) else ()))
    return [Means(c, of.name, of.main, of.note, of.passages, pair_means(of, c, names)) for c in of.cells]


def has_pool(of: SetScores) -> bool:
    """Whether the set has a pool of several languages."""
    return any(d == POOL for _, d in of.layout.pairs)


def setting_means(means: Means, measure: str, keep: Keep = lambda q, d: True) -> dict[str, float]:
    """Macro mean over language pairs in each setting, and the bias measures' macro mean over query languages.

    Args:
        means: of one cell and set.
        measure: one of ``MEASURES``.
        keep: which (q_lang, d_lang) count; for the pool d_lang is ``*``. Settings without any pair are NaN.
    """
    kept = {pair: values for pair, values in means.pairs.items() if keep(*pair)}
    pooled = [v for (_, d), v in kept.items() if d == POOL]
    single = [v for (_, d), v in kept.items() if d != POOL]
    return {
        "mono": _mean(v[measure] for (q, d), v in kept.items() if q == d),
        "cross": _mean(v[measure] for (q, d), v in kept.items() if d not in (q, POOL)),
        "multi": _mean(v[measure] for v in pooled),
        **{name: _mean(v[column] for v in pooled) for name, column in BIAS_SHOWN.items()},
        GAP: _mean(v["AP"] - v[IN_POOL] for v in single if IN_POOL in v),
    }


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")
