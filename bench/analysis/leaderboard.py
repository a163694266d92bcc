"""Strategies in order, ties share a rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis import statistics
from bench.analysis.means import BIAS_SHOWN, GAP, Keep, means_of, per_question, setting_means
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import difference, paired_in_common, questions_of, strategies_of
from bench.errors import BenchError
from bench.store.cells import Cell
from bench.store.scores import POOL, SETTINGS, in_words
from bench.uncertainty import multiple

Floats = NDArray[np.float64]


BRIEF = SETTINGS
"""Columns of a leaderboard; a table of language bias has the others."""


HIGHER = {*SETTINGS, "TLR@10", "MRC@10", "PEER"}
"""Columns that are better when larger."""


def _parity(of: SetScores) -> float:
    """Of "own language first": one over the languages that a question has, as the column's mean is taken."""
    rows, own = of.layout.rows_of("multi"), np.zeros((of.layout.n_clusters, len(of.layout.pairs)), bool)
    own[of.layout.cluster, of.layout.pair] = True
    langs = {d for _, d in of.layout.pairs if d != POOL}
    has = np.stack([own[:, [i for i, (_, d) in enumerate(of.layout.pairs) if d == x]].any(axis=1) for x in langs])
    return float(per_question(of.layout, [rows], 1 / np.maximum(1, has.sum(axis=0))[of.layout.cluster]).mean())


IDEAL: dict[str, Callable[[SetScores], float]] = {
    "same-language@10": lambda of: 0.0,
    "same-language@10, non-relevant": lambda of: 0.0,
    "own language first": _parity,
}
"""Columns that are best in the middle, with the value that is best: tables are sorted by the distance to it."""


class Row(NamedTuple):
    """A line of the leaderboard: mean and standard deviation over seeds (NaN for one seed) of each column.

    ``rank`` is the best one that the strategy may have, ``rank_to`` the worst; both are 0 where ranks are not known.
    """

    label: str
    seeds: tuple[int, ...]
    mean: dict[str, float]
    spread: dict[str, float]
    trained: bool = True
    rank: int = 0
    rank_to: int = 0

    @property
    def shown_rank(self) -> str:
        """``1``, ``2-4``, or why there is none."""
        if not self.rank:
            few = {1: "one training", 2: "two trainings"} if self.trained else {}
            return few.get(len(self.seeds), "")
        return f"{self.rank}" if self.rank == self.rank_to else f"{self.rank}-{self.rank_to}"


def leaderboard(of: SetScores, measure: str, keep: Keep = lambda q, d: True, sort: str = "") -> list[Row]:
    """One row per strategy, best first by the column ``sort`` (default: multi, or mono where there is no pool)."""
    means = {m.cell.path.name: m for m in means_of(of)}
    groups = strategies_of(of)
    rows = [
        _row(name, cells, [setting_means(means[c.path.name], measure, keep) for c in cells])
        for name, cells in groups.items()
    ]
    column = sort or leading(rows)
    if all(np.isnan(r.mean[column]) for r in rows):
        raise BenchError(f"{of.name} has no {column!r}; sort by another column")
    rows.sort(key=lambda r: (np.isnan(r.mean[column]), _order(of, column, r.mean[column]), r.label))
    known = {r.label: groups[r.label] for r in rows if not np.isnan(r.mean[column])}
    ranks = _ranks(of, known, column, measure, keep)
    return [r._replace(rank=x.best, rank_to=x.worst) if (x := ranks.get(r.label)) else r for r in rows]


def _order(of: SetScores, column: str, mean: float) -> float:
    """Small where a row is good."""
    if column in IDEAL:
        return abs(mean - IDEAL[column](of))
    return -mean if column in HIGHER else mean


def by_language(of: SetScores, measure: str, setting: str) -> list[Row]:
    """One row per strategy, a column per query language; cross is the mean over the other languages."""
    langs = sorted({q for q, _ in of.layout.pairs})
    means = {m.cell.path.name: m for m in means_of(of)}

    def of_cell(cell: Cell) -> dict[str, float]:
        found = {}
        for lang in langs:
            kept = means[cell.path.name]
            kept = kept._replace(pairs={pair: v for pair, v in kept.pairs.items() if pair[0] == lang})
            found[lang] = setting_means(kept, measure)[setting]
        return found

    rows = [_row(name, cells, [of_cell(c) for c in cells]) for name, cells in strategies_of(of).items()]
    order = {r.label: i for i, r in enumerate(leaderboard(of, measure, sort=setting))}
    return sorted(rows, key=lambda r: order[r.label])


def _row(name: str, cells: Sequence[Cell], values: Sequence[dict[str, float]]) -> Row:
    stacked = {c: np.array([v[c] for v in values]) for c in values[0]}
    spread = {c: float(v.std(ddof=1)) if len(v) > 1 else float("nan") for c, v in stacked.items()}
    seeds = tuple(cell.seed for cell in cells)
    mean = {c: float(v.mean()) for c, v in stacked.items()}
    return Row(name, seeds, mean, spread, cells[0].config.trained)


def leading(rows: Sequence[Row]) -> str:
    """The column that a table is sorted by when nothing is asked for."""
    return next((s for s in ("multi", "mono", "cross") if any(not np.isnan(r.mean[s]) for r in rows)), "multi")


ENOUGH = 3
"""Trainings that a rank needs where others have as many: two tell nothing apart, and would tie with every row."""


class Ranks(NamedTuple):
    """The best and the worst rank that a strategy may have; rows that are not told apart share them."""

    best: int
    worst: int


def _ranks(of: SetScores, groups: dict[str, list[Cell]], column: str, measure: str, keep: Keep) -> dict[str, Ranks]:
    """Of the rows of ``groups``, best first, that can be ranked."""
    setting, name = (column, measure) if column in SETTINGS else ("multi", BIAS_SHOWN.get(column, ""))
    kept = np.array([keep(*pair) for pair in of.layout.pairs])
    rows = of.layout.rows_of(setting) & kept[of.layout.pair]
    if name in ("", "rank_distance_median") or len(np.unique(of.layout.cluster[rows])) < 2:
        return {}
    enough = min(ENOUGH, max(len(cells) for cells in groups.values()))
    names = [name for name, cells in groups.items() if len(cells) >= max(2, enough) or not cells[0].config.trained]
    if not any(groups[x][0].config.trained for x in names) and len(names) < len(groups):
        return {}  # a rank among baselines alone would pass for one among all
    found = [_between(of, groups[names[i]], groups[names[j]], column, name, rows) for i, j in pairs_of(len(names))]
    gains, p = np.array(found).reshape(-1, 2).T
    return dict(zip(names, ranges(len(names), gains, p), strict=True))


def pairs_of(n: int) -> list[tuple[int, int]]:
    """Every pair of n rows, the lower row first."""
    return [(i, j) for i in range(n) for j in range(i)]


def ranges(n: int, gains: Floats, p: Floats) -> list[Ranks]:
    """The ranks that each of n rows may have, best row first: all at once right in 95 % of experiments.

    A rank is at least 1 + the number of rows that are distinguishably better, at most n less the number of those that
    are distinguishably worse (Holm over all pairs, 5 %), and never claims more for a row than for those on its other
    side. Source: Mogstad, Romano, Shaikh and Wilhelm 2024 (Review of Economic Studies 91).

    Args:
        n: rows.
        gains: (pairs,), how much better the first of each of ``pairs_of(n)`` is than the second.
        p: (pairs,), two-sided.
    """
    best, worst = np.ones(n, int), np.full(n, n)
    for (i, j), gain, adjusted in zip(pairs_of(n), gains, multiple.holm(p), strict=True):
        if adjusted < 0.05:
            better, lower = (i, j) if gain > 0 else (j, i)
            best[lower] += 1
            worst[better] -= 1
    of_best, of_worst = np.minimum.accumulate(best[::-1])[::-1], np.maximum.accumulate(worst)
    return [Ranks(int(low), int(high)) for low, high in zip(of_best, of_worst, strict=True)]


def _between(
    of: SetScores, ours: list[Cell], theirs: list[Cell], column: str, name: str, rows: NDArray[np.bool_]
) -> tuple[float, float]:
    """How much better the first one is, and the two-sided p; one training in common says nothing of others."""
    one = ours[0].config.trained or theirs[0].config.trained
    if one and len(paired_in_common(ours, theirs)) < 2:
        return 0.0, 1.0
    if column not in IDEAL:
        effect = difference(of, ours, theirs, name, [rows])
        sign = 1.0 if column in HIGHER else -1.0
        return (0.0, 1.0) if effect is None else (sign * float(effect.mean), float(effect.two_sided()))
    pairs, ideal = paired_in_common(ours, theirs), IDEAL[column](of)
    a, b = (np.stack([questions_of(of, name, [rows], c) for c in side]) - ideal for side in zip(*pairs, strict=True))
    if np.isnan(a).any() or np.isnan(b).any():
        return 0.0, 1.0
    effect = statistics.effect(np.sign(b.mean()) * b - np.sign(a.mean()) * a)
    return float(effect.mean), float(effect.two_sided())


def note_on_seeds(of: SetScores) -> str:
    """What unequal numbers of trainings forbid to read from a table; empty where there is nothing to say."""
    trained = {tuple(c.seed for c in cells) for cells in strategies_of(of).values() if cells[0].config.trained}
    if len(trained) < 2:
        return ""
    return (
        " Strategies with unlike seeds are compared over the seeds that both have, two or more, while their means are "
        "over their own."
    )


RANKS = (
    "rank: from the best to the worst that a strategy may have in the column the table is sorted by; rows that share "
    "ranks are not told apart (pairs over trainings and questions, Holm over all pairs, 5 % for the whole table). One "
    "training has no rank, another one may give another order; nor have two where others have more."
)


def best(of: SetScores, rows: Sequence[Row], column: str) -> list[bool]:
    """Of each row whether its mean, as it is shown, is the best of a column; of a language, the highest."""
    known = column in HIGHER or column in IDEAL or column in (*BIAS_SHOWN, GAP)
    orders = [_order(of, column, r.mean[column]) if known else -r.mean[column] for r in rows]
    first = min((x for x in orders if not np.isnan(x)), default=float("nan"))
    shown = {_shown(r, column).split(" ")[0] for r, x in zip(rows, orders, strict=True) if x == first}
    return [_shown(r, column).split(" ")[0] in shown for r in rows]


def as_table(
    rows: Sequence[Row], measure: str = "", columns: Sequence[str] = BRIEF
) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text, columns without any number left out; the only place where leaderboards are rounded.

    ``measure`` stands in the header; empty where it stands above the table.
    """
    shown = columns_shown(rows, columns)
    after = f", {measure}" if measure else ""
    header = ["rank", "strategy", "seeds", *(f"{in_words(c)}{after}" if c in SETTINGS else c for c in shown)]
    table = [[r.shown_rank, r.label, str(len(r.seeds)), *(_shown(r, c) for c in shown)] for r in rows]
    return header, table


def columns_shown(rows: Sequence[Row], columns: Sequence[str] = BRIEF) -> list[str]:
    """Those that have a number in any row."""
    return [c for c in columns if not all(np.isnan(r.mean[c]) for r in rows)]


def _shown(row: Row, column: str) -> str:
    digits = 0 if column in ("rank distance", "median rank distance") else 2 if column == "log2 rank distance" else 3
    mean, spread = row.mean[column], row.spread[column]
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" if np.isnan(spread) else f"{mean:.{digits}f} ± {spread:.{digits}f}"
