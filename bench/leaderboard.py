"""Means over languages and seeds: what each strategy reaches in each setting. Reads stored scores only."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bench import records
from bench.bias import BIAS
from bench.errors import BenchError
from bench.measures import MEASURES
from bench.records import Cell
from bench.score import POOL

SETTINGS = ("mono", "cross", "multi")
"""mono: q_lang = d_lang. cross: q_lang != d_lang. multi: every query against the pool of all languages."""

Pair = tuple[str, str]
Keep = Callable[[str, str], bool]


class Means(NamedTuple):
    """Means over queries of one cell on one evaluation set, for each (q_lang, d_lang); d_lang is ``*`` for the pool."""

    cell: Cell
    set_name: str
    main: str
    note: str
    passages: dict[str, int]
    pairs: dict[Pair, dict[str, float]]


class Row(NamedTuple):
    """A line of the leaderboard: mean and standard deviation over seeds (NaN for one seed) of each column."""

    label: str
    seeds: tuple[int, ...]
    mean: dict[str, float]
    spread: dict[str, float]


def read_means(cells: Iterable[Cell]) -> list[Means]:
    """Means of every finished cell on every set that it was scored on."""
    found = []
    for cell in cells:
        if cell.done is None:
            continue
        for path in sorted((cell.path / "scores").glob("*.parquet")):
            found += _means_of(cell, records.read_scores(path))
    if not found:
        raise BenchError("no finished cell with scores here; 'python -m bench run' makes them")
    return found


def _means_of(cell: Cell, table: object) -> list[Means]:
    import pyarrow as pa

    assert isinstance(table, pa.Table)
    sets = json.loads(table.schema.metadata[b"bench"])["sets"]
    names = [*MEASURES, *BIAS]
    grouped = table.group_by(["set", "q_lang", "d_lang"]).aggregate([(name, "mean") for name in names]).to_pylist()
    pairs: dict[str, dict[Pair, dict[str, float]]] = {}
    for row in grouped:
        values = {name: float(row[f"{name}_mean"]) for name in names}
        pairs.setdefault(row["set"], {})[row["q_lang"], row["d_lang"]] = values
    return [
        Means(cell, name, sets[name]["main"], sets[name].get("note", ""), sets[name]["passages"], pairs[name])
        for name in sets
        if name in pairs
    ]


def setting_means(means: Means, measure: str, keep: Keep = lambda q, d: True) -> dict[str, float]:
    """Macro mean over language pairs in each setting, and the bias measures' macro mean over query languages.

    Args:
        means: of one cell and set.
        measure: one of ``MEASURES``.
        keep: which (q_lang, d_lang) count; for the pool d_lang is ``*``. Settings without any pair are NaN.
    """
    kept = {pair: values for pair, values in means.pairs.items() if keep(*pair)}
    pooled = [v for (_, d), v in kept.items() if d == POOL]
    return {
        "mono": _mean(v[measure] for (q, d), v in kept.items() if q == d),
        "cross": _mean(v[measure] for (q, d), v in kept.items() if d not in (q, POOL)),
        "multi": _mean(v[measure] for v in pooled),
        "rank distance": _mean(v["rank_distance"] for v in pooled),
        "same-language@10": _mean(v["same_language@10"] for v in pooled),
    }


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def leaderboard(means: Sequence[Means], set_name: str, measure: str, keep: Keep = lambda q, d: True) -> list[Row]:
    """One row per strategy (cells of one configuration), best multi (or mono, where there is no pool) first."""
    cells: dict[tuple[str, str], list[tuple[int, dict[str, float]]]] = {}
    for m in means:
        if m.set_name == set_name:
            key = (m.cell.label, str(m.cell.config["hash"]))
            cells.setdefault(key, []).append((m.cell.seed, setting_means(m, measure, keep)))
    labels = [label for label, _ in cells]
    rows = []
    for (label, hashed), seeds in cells.items():
        columns = list(seeds[0][1])
        values = {c: np.array([v[c] for _, v in seeds]) for c in columns}
        mean = {c: float(v.mean()) for c, v in values.items()}
        spread = {c: float(v.std(ddof=1)) if len(v) > 1 else float("nan") for c, v in values.items()}
        shown = short(label) if labels.count(label) == 1 else f"{short(label)} #{hashed}"
        rows.append(Row(shown, tuple(sorted(seed for seed, _ in seeds)), mean, spread))
    return sorted(rows, key=_order)


def short(label: str) -> str:
    """A signature without the parameters that are None: ``mono(language_temperature=None)`` reads ``mono``."""
    kept = re.sub(r"(, )?\b\w+=None\b", "", label).replace("(, ", "(")
    return re.sub(r"(?<=\w)\(\)", "", kept)


def _order(row: Row) -> tuple[float, str]:
    leading = next((row.mean[s] for s in ("multi", "mono", "cross") if not np.isnan(row.mean[s])), 0.0)
    return -leading, row.label


def set_names(means: Sequence[Means]) -> list[str]:
    """Names of the evaluation sets, in order of appearance."""
    return list(dict.fromkeys(m.set_name for m in means))


def main_measure(means: Sequence[Means], set_name: str) -> str:
    """The measure that tables of a set lead with."""
    return next(m.main for m in means if m.set_name == set_name)


def as_table(rows: Sequence[Row], measure: str) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text, columns without any number left out; the only place where leaderboards are rounded."""
    columns = [c for c in rows[0].mean if not all(np.isnan(r.mean[c]) for r in rows)]
    header = ["strategy", "seeds", *(f"{c} {measure}" if c in SETTINGS else c for c in columns)]
    return header, [[r.label, str(len(r.seeds)), *(_shown(r, c) for c in columns)] for r in rows]


def _shown(row: Row, column: str) -> str:
    digits = 0 if column == "rank distance" else 3
    mean, spread = row.mean[column], row.spread[column]
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" if np.isnan(spread) else f"{mean:.{digits}f} ± {spread:.{digits}f}"


def render(rows: Sequence[Row], measure: str, form: str) -> str:
    """The table as markdown, latex, csv or json (csv and json unrounded)."""
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

    header, cells = as_table(rows, measure)
    style = "latex_booktabs" if form == "latex" else "pipe"
    aligned = ("left", *("right" for _ in header[1:]))
    return tabulate(cells, header, tablefmt=style, disable_numparse=True, colalign=aligned)


def _plain(row: Row, measure: str) -> dict[str, object]:
    out: dict[str, object] = {"strategy": row.label, "seeds": " ".join(map(str, row.seeds))}
    for column, mean in row.mean.items():
        name = f"{column} {measure}" if column in SETTINGS else column
        out[name] = None if np.isnan(mean) else mean
        out[f"{name} sd"] = None if np.isnan(row.spread[column]) else row.spread[column]
    return out
