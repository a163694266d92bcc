"""Strategies in order, ties share a rank."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis import statistics
from bench.analysis.means import BIAS_SHOWN, Keep, means_of, per_cluster, setting_means
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import strategies_of
from bench.errors import BenchError
from bench.store.cells import Cell
from bench.store.scores import SETTINGS

Floats = NDArray[np.float64]


BRIEF = (*SETTINGS, "rank distance", "same-language@10")
"""Columns of a leaderboard; a table of bias has the others."""


HIGHER = {*SETTINGS, "TLR@10", "MRC@10", "PEER"}
"""Columns that are better when larger."""


class Row(NamedTuple):
    """A line of the leaderboard: mean and standard deviation over seeds (NaN for one seed) of each column.

    ``rank`` is 1 plus the number of strategies that are distinguishably better; 0 where ranks are not known.
    """

    label: str
    seeds: tuple[int, ...]
    mean: dict[str, float]
    spread: dict[str, float]
    rank: int = 0


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
    ranks = _ranks(of, groups, column, measure, keep)
    sign = -1 if column in HIGHER else 1
    return sorted(
        (r._replace(rank=ranks.get(r.label, 0)) for r in rows),
        key=lambda r: (np.isnan(r.mean[column]), sign * r.mean[column], r.label),
    )


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
    return Row(name, seeds, {c: float(v.mean()) for c, v in stacked.items()}, spread)


def leading(rows: Sequence[Row]) -> str:
    """The column that a table is sorted by when nothing is asked for."""
    return next((s for s in ("multi", "mono", "cross") if any(not np.isnan(r.mean[s]) for r in rows)), "multi")


def _ranks(of: SetScores, groups: dict[str, list[Cell]], column: str, measure: str, keep: Keep) -> dict[str, int]:
    """1 + the number of distinguishably better strategies: paired t over seeds and clusters, Holm over all pairs."""
    values = {name: _clusters(of, cells, column, measure, keep) for name, cells in groups.items()}
    known = {name: v for name, v in values.items() if v is not None}
    names = list(known)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    found = [_difference(groups[a], known[a], groups[b], known[b]) for a, b in pairs]
    adjusted = statistics.holm(np.array([p for _, p in found])) if pairs else np.array([])
    rank = dict.fromkeys(names, 1)
    for (a, b), (effect, _), p in zip(pairs, found, adjusted, strict=True):
        if p < 0.05:
            rank[b if (effect > 0) == (column in HIGHER) else a] += 1
    return rank


def _clusters(of: SetScores, cells: Sequence[Cell], column: str, measure: str, keep: Keep) -> Floats | None:
    """(n_seeds, n_clusters) values whose mean is the column's; None where it has none for every question."""
    setting, name = (column, measure) if column in SETTINGS else ("multi", BIAS_SHOWN.get(column, ""))
    if name == "rank_distance_median" or not name:
        return None
    kept = np.array([keep(*pair) for pair in of.layout.pairs])
    rows = of.layout.rows_of(setting) & kept[of.layout.pair]
    if len(np.unique(of.layout.cluster[rows])) < 2:
        return None
    values = [of.values(c, name) for c in cells]
    if not all(np.isfinite(v[rows]).all() for v in values):
        return None
    return np.stack([per_cluster(of.layout, rows, v) for v in values])


def _difference(ours: list[Cell], a: Floats, theirs: list[Cell], b: Floats) -> tuple[float, float]:
    """Mean difference and its two-sided p; a row without training stands beside every seed, else seeds are paired."""
    if not (ours[0].config["trained"] and theirs[0].config["trained"]):
        differences = a - b if len(a) == len(b) else (a - b[:1] if len(b) == 1 else a[:1] - b)
    else:
        left, right = {c.seed: i for i, c in enumerate(ours)}, {c.seed: i for i, c in enumerate(theirs)}
        common = sorted(set(left) & set(right))
        if not common:
            return 0.0, 1.0
        differences = a[[left[s] for s in common]] - b[[right[s] for s in common]]
    effect, error = float(differences.mean()), float(np.sqrt(statistics.variance(differences).total))
    return effect, min(1.0, 2 * statistics.one_sided(abs(effect), error, statistics.freedom(differences), 0.0))


def note_on_seeds(of: SetScores) -> str:
    """What unequal numbers of trainings forbid to read from a table; empty where there is nothing to say."""
    trained = {tuple(c.seed for c in cells) for cells in strategies_of(of).values() if cells[0].config["trained"]}
    if len(trained) < 2:
        return ""
    return (
        " Strategies with unlike seeds are ranked by the seeds that both have, while their means are over their own; "
        "with one seed in common a rank speaks for two trained models alone."
    )


RANKS = (
    "rank: 1 + the number of strategies that are distinguishably better in the column the table is sorted by "
    "(paired over seeds and questions, Holm over all pairs, 5 %); equal ranks are ties."
)


def as_table(rows: Sequence[Row], measure: str, columns: Sequence[str] = BRIEF) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text, columns without any number left out; the only place where leaderboards are rounded."""
    shown = [c for c in columns if not all(np.isnan(r.mean[c]) for r in rows)]
    header = ["rank", "strategy", "seeds", *(f"{c} {measure}" if c in SETTINGS else c for c in shown)]
    table = [[str(r.rank) if r.rank else "", r.label, str(len(r.seeds)), *(_shown(r, c) for c in shown)] for r in rows]
    return header, table


def _shown(row: Row, column: str) -> str:
    digits = 0 if column in ("rank distance", "median rank distance") else 2 if column == "log2 rank distance" else 3
    mean, spread = row.mean[column], row.spread[column]
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" if np.isnan(spread) else f"{mean:.{digits}f} ± {spread:.{digits}f}"


def render(rows: Sequence[Row], measure: str, form: str, columns: Sequence[str] = BRIEF) -> str:
    """The table as markdown, latex, csv or json (csv and json unrounded, all columns)."""
    if form == "json":
        return json.dumps([_plain(r, measure) for r in rows], indent=1, ensure_ascii=False)
    if form == "csv":
        plain = [_plain(r, measure) for r in rows]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(plain[0])
        writer.writerows([["" if v is None else v for v in p.values()] for p in plain])
        return out.getvalue().rstrip("\n")
    from tabulate import tabulate

    header, cells = as_table(rows, measure, columns)
    style = "latex_booktabs" if form == "latex" else "pipe"
    aligned = ("right", "left", *("right" for _ in header[2:]))
    return tabulate(cells, header, tablefmt=style, disable_numparse=True, colalign=aligned)


def _plain(row: Row, measure: str) -> dict[str, object]:
    seeds = " ".join(map(str, row.seeds))
    out: dict[str, object] = {"rank": row.rank or None, "strategy": row.label, "seeds": seeds}
    for column, mean in row.mean.items():
        name = f"{column} {measure}" if column in SETTINGS else column
        out[name] = None if np.isnan(mean) else mean
        out[f"{name} sd"] = None if np.isnan(row.spread[column]) else row.spread[column]
    return out
