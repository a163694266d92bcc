"""Two strategies side by side in every setting of every set: effect, interval, p, verdict. Reads stored scores."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import records, seeds, stats
from bench.config import Settings
from bench.errors import BenchError
from bench.leaderboard import SETTINGS, short
from bench.records import Cell
from bench.score import POOL

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]


class Comparison(NamedTuple):
    """A minus B in one setting of one set.

    Attributes:
        set_name: evaluation set.
        setting: mono, cross or multi.
        measure: what is compared.
        a: mean of the first, over pairs of languages (macro) and seeds.
        b: mean of the second.
        effect: a - b.
        interval: 95 %, over seeds and clusters (over clusters alone where there is one seed).
        p: two-sided, sign flips over clusters, for these trained models.
        p_holm: adjusted within all comparisons of one call.
        p_t: the paired t test's, as a check.
        verdict: at the margin; see ``stats.verdict``.
        detectable: least difference found with 80 % power.
        seed_share: seeds' share of the variance; NaN with one seed.
        seeds: paired trainings.
        clusters: parallel questions.
    """

    set_name: str
    setting: str
    measure: str
    a: float
    b: float
    effect: float
    interval: stats.Interval
    p: float
    p_holm: float
    p_t: float
    verdict: str
    detectable: float
    seed_share: float
    seeds: int
    clusters: int

    def plain(self) -> dict[str, object]:
        """Unrounded, for machines; what is not known is None."""
        values = self._asdict() | {"interval": list(self.interval)}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}


class _Scores(NamedTuple):
    """One cell on one set: per-query values with the pair and cluster of each row."""

    main: str
    key: tuple[object, ...]
    pair: list[tuple[str, str]]
    query: list[str]
    group: list[str]
    value: Floats


def compare(cells: Sequence[Cell], a: str, b: str, measure: str | None, margin: float) -> list[Comparison]:
    """Compare two strategies on every set that both were scored on.

    Raises:
        BenchError: a name means no strategy or several, seeds differ, or data differ.
    """
    ours, theirs = find(cells, a), find(cells, b)
    if ours[0].label == theirs[0].label and ours[0].config["hash"] == theirs[0].config["hash"]:
        raise BenchError(f"two different strategies are compared; {a!r} and {b!r} are both {short(ours[0].label)}")
    _require_equal_settings(ours[0], theirs[0])
    pairs = _paired(ours, theirs)
    loaded = [(_load(x, measure), _load(y, measure)) for x, y in pairs]
    common = [name for name in loaded[0][0] if all(name in s for both in loaded for s in both)]
    if not common:
        raise BenchError(f"{a} and {b} were scored on no common set; 'python -m bench run --task' scores them")
    found = [c for name in common for c in _on_set(name, [(x[name], y[name]) for x, y in loaded], measure, margin)]
    adjusted = stats.holm(np.array([c.p for c in found]))
    return [c._replace(p_holm=float(p)) for c, p in zip(found, adjusted, strict=True)]


def primary(cells: Sequence[Cell], margin: float) -> list[tuple[str, Comparison]]:
    """Hybrid against mono and against cross on every set, with its name; Holm over all; [] where none was run."""
    names = {c.label.split("(")[0] for c in cells if c.done is not None}
    rivals = [name for name in ("mono", "cross") if {"hybrid", name} <= names]
    found = [(b, c) for b in rivals for c in compare(cells, "hybrid", b, None, margin)]
    adjusted = stats.holm(np.array([c.p for _, c in found]))
    return [(b, c._replace(p_holm=float(p))) for (b, c), p in zip(found, adjusted, strict=True)]


def find(cells: Sequence[Cell], name: str) -> list[Cell]:
    """The finished cells of one strategy, by its short or full signature, its name, or its hash; ordered by seed."""
    done = [c for c in cells if c.done is not None]
    found: list[Cell] = []
    for match in (
        lambda c: name in (c.label, short(c.label), c.config["hash"]),
        lambda c: c.label.split("(")[0] == name,
    ):
        found = found or [c for c in done if match(c)]
    known = sorted({(short(c.label), str(c.config["hash"])) for c in found or done})
    if not found:
        raise BenchError(f"no finished strategy {name!r} here; there are {', '.join(x for x, _ in known) or 'none'}")
    if len(known) > 1:
        listed = ", ".join(f"{label} ({hashed})" for label, hashed in known)
        raise BenchError(f"{name!r} means several strategies: {listed}; name one by its hash")
    return sorted(found, key=lambda c: c.seed)


def _require_equal_settings(a: Cell, b: Cell) -> None:
    if not (a.config["trained"] and b.config["trained"]):
        return
    ours, theirs = (dataclasses.asdict(Settings.stored(cell.settings)) for cell in (a, b))
    for name, value in ours.items():
        if theirs[name] != value:
            raise BenchError(
                f"strategies are compared under equal settings; {name} is {value} for {short(a.label)} and "
                f"{theirs[name]} for {short(b.label)}: run one of them again"
            )


def _paired(ours: list[Cell], theirs: list[Cell]) -> list[tuple[Cell, Cell]]:
    """By seed; a row without training has one cell that stands beside every seed."""
    for plain, other in ((ours, theirs), (theirs, ours)):
        if not plain[0].config["trained"]:
            both = [(plain[0], o) for o in other]
            return both if plain is ours else [(y, x) for x, y in both]
    left, right = ({c.seed: c for c in part} for part in (ours, theirs))
    if set(left) != set(right):
        raise BenchError(
            f"seeds are paired: {short(ours[0].label)} has {sorted(left)}, {short(theirs[0].label)} has "
            f"{sorted(right)}; run the missing ones"
        )
    return [(left[s], right[s]) for s in sorted(left)]


def _load(cell: Cell, measure: str | None) -> dict[str, _Scores]:
    found: dict[str, _Scores] = {}
    for path in sorted((cell.path / "scores").glob("*.parquet")):
        table = records.read_scores(path)
        about = json.loads(table.schema.metadata[b"bench"])
        names = np.array(table["set"].to_pylist())
        for name, of_set in about["sets"].items():
            rows = np.flatnonzero(names == name)
            if len(rows):
                column = measure or of_set["main"]
                found[name] = _rows(table.take(rows), column, (about["version"], tuple(sorted(about["files"].items()))))
    return found


def _rows(table: pa.Table, measure: str, data: tuple[object, ...]) -> _Scores:
    column = {name: table[name].to_pylist() for name in ("q_lang", "d_lang", "query_id", "group")}
    pair = list(zip(column["q_lang"], column["d_lang"], strict=True))
    return _Scores(measure, data, pair, column["query_id"], column["group"], table[measure].to_numpy())


def _on_set(name: str, both: list[tuple[_Scores, _Scores]], measure: str | None, margin: float) -> list[Comparison]:
    first = both[0][0]
    for x in (s for pair in both for s in pair):
        if x.key != first.key:
            raise BenchError(
                f"{name}: the cells were scored on different data (version or checksums); score them again"
            )
        if (x.pair, x.query) != (first.pair, first.query):
            raise BenchError(f"{name}: the cells answer different queries; score them again")
    return [
        _in_setting(name, setting, first, both, margin)
        for setting in SETTINGS
        if any(setting_of(*pair) == setting for pair in first.pair)
    ]


def setting_of(q_lang: str, d_lang: str) -> str:
    """The setting that a language pair belongs to."""
    return "multi" if d_lang == POOL else "mono" if q_lang == d_lang else "cross"


def _in_setting(
    name: str, setting: str, rows: _Scores, both: list[tuple[_Scores, _Scores]], margin: float
) -> Comparison:
    keep = np.array([setting_of(*pair) == setting for pair in rows.pair])
    weights, cluster = _weights([p for p, k in zip(rows.pair, keep, strict=True) if k],
                                [g for g, k in zip(rows.group, keep, strict=True) if k])  # fmt: skip
    n = int(cluster.max()) + 1

    def macro(values: Floats) -> Floats:
        if not np.isfinite(values[keep]).all():
            raise BenchError(f"{name}: {rows.main} is not a number for some query; score the cells again")
        return np.asarray(n * np.bincount(cluster, weights * values[keep], n), np.float64)

    a, b = (np.stack([macro(pair[side].value) for pair in both]) for side in (0, 1))
    differences = a - b
    rng = seeds.generator(0, f"compare {name} {setting}")
    interval = stats.bootstrap(differences, rng)
    over_seeds = differences.mean(axis=0)[:, None]
    return Comparison(
        name, setting, rows.main, float(a.mean()), float(b.mean()), float(differences.mean()), interval,
        float(stats.sign_flip(over_seeds, rng)[0]), float("nan"), float(stats.paired_t(over_seeds)[0]),
        stats.verdict(interval, margin), stats.detectable(differences),
        stats.variance(differences).seed_share if len(both) > 1 else float("nan"), len(both), n,
    )  # fmt: skip


def _weights(pair: list[tuple[str, str]], group: list[str]) -> tuple[Floats, NDArray[np.int64]]:
    """Of each row: its weight in the macro mean over language pairs, and the number of its cluster.

    Summed over a cluster, times the number of clusters, values become one number per question whose mean is the macro
    mean of the leaderboard, also where questions exist in some languages only.
    """
    _, pairs = np.unique(np.array([f"{q}\t{d}" for q, d in pair]), return_inverse=True)
    _, cluster = np.unique(np.array(group), return_inverse=True)
    sizes = np.bincount(pairs)
    return 1.0 / (len(sizes) * sizes[pairs]), cluster


HEADER = ("set", "setting", "A", "B", "A - B", "95 % interval", "p", "p (Holm)", "verdict", "detectable", "seed share")


def as_rows(found: Sequence[Comparison]) -> list[list[str]]:
    """Rounded, for people."""
    return [
        [c.set_name, f"{c.setting} {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}", f"{c.effect:+.4f}",
         f"[{c.interval.low:+.4f}, {c.interval.high:+.4f}]", _p(c.p), _p(c.p_holm), c.verdict, f"{c.detectable:.4f}",
         "" if np.isnan(c.seed_share) else f"{c.seed_share:.0%}"]
        for c in found
    ]  # fmt: skip


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"


def explained(a: str, b: str, found: Sequence[Comparison], margin: float) -> str:
    """What the table rests on, and what it cannot say."""
    trainings, clusters = found[0].seeds, {c.clusters for c in found}
    basis = (
        f"A = {a}, B = {b}; {trainings} paired {'seed' if trainings == 1 else 'seeds'}, "
        f"{min(clusters):,} to {max(clusters):,} parallel questions; margin {margin:g}. superior: the interval "
        f"lies above 0; non-inferior: above -{margin:g}; inferior: below -{margin:g}; else inconclusive. p: sign flips "
        "over questions, for these trained models. detectable: least difference found with 80 % power."
    )
    if trainings == 1:
        return basis + (
            " One training each: intervals and verdicts are about these two models; whether another training would "
            "give the same cannot be concluded (use --seeds 0,1,2 or more)."
        )
    return basis + " Intervals speak for new trainings and new questions of this kind."
