"""The report's figures about language pairs: levels, differences, the strong-weak gap, the trade-off of settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import plots, stats
from bench.bias import IN_POOL
from bench.compare import clustered, paired
from bench.document import Block, Figure, Panel, Text
from bench.errors import BenchError
from bench.leaderboard import has_pool, leaderboard, means_of, strategies_of
from bench.protocol import POOL, SETTINGS
from bench.records import Cell
from bench.values import SetScores

Floats = NDArray[np.float64]

REFERENCE = ("mono", "english", "untrained")
"""Differences are taken against the first of these that was run."""


def _reference(of: SetScores) -> str | None:
    names = list(strategies_of(of))
    return next((x for r in REFERENCE for x in names if x.split("(")[0].split(" ")[0] == r), None)


def pair_figures(of: SetScores, folder: Path) -> list[Block]:
    """Heat maps of one set, drawn into ``folder``."""
    levels = _matrices(of, lambda v: v[of.main])
    langs = tuple(sorted(of.passages))
    shown = [Panel(x, langs, _plain(m)) for x, m in levels.items()]
    alt = f"{of.name}: mean {of.main} of every language pair, one panel per strategy"
    blocks: list[Block] = [_heat(folder, f"{of.name}-pairs", shown, f"mean {of.main}", alt)]
    reference = _reference(of)
    others = [x for x in levels if x not in (reference, "char-tfidf", "bm25")]
    if reference is not None and others:
        marks = {x: _significant(of, x, reference) for x in others}
        panels = [Panel(x, langs, _plain(levels[x] - levels[reference]), _flags(marks[x], of, langs)) for x in others]
        said = "boxed where distinguishable from 0 (Benjamini-Hochberg over the panel, q = .05)"
        if not any(marks.values()):
            said = "with one training per strategy no pair is marked: what another training would give is not known"
        alt = f"{of.name}: mean {of.main} minus that of {reference}, per language pair; {said}"
        blocks.append(_heat(folder, f"{of.name}-differences", panels, f"mean {of.main} minus {reference}", alt, True))
        blocks += _conjunctions(of, others, reference)
    if has_pool(of):
        gaps = _matrices(of, lambda v: v["AP"] - v[IN_POOL])
        panels = [Panel(x, langs, _plain(m)) for x, m in gaps.items()]
        alt = (
            f"{of.name}: H1 - H2, the AP that the answers in one language lose when passages of all other languages "
            "join the pool"
        )
        blocks.append(_heat(folder, f"{of.name}-gap", panels, "H1 - H2 (AP)", alt))
    return blocks


def _heat(folder: Path, name: str, panels: list[Panel], label: str, alt: str, difference: bool = False) -> Figure:
    return Figure(plots.heat_maps(panels, folder / name, label, difference), alt, tuple(panels))


def _matrices(of: SetScores, value: Callable[[dict[str, float]], float]) -> dict[str, Floats]:
    langs = sorted(of.passages)
    means = {m.cell.path.name: m.pairs for m in means_of(of)}
    return {
        name: np.mean([[[value(means[c.path.name][q, d]) if (q, d) in means[c.path.name] else np.nan for d in langs]
                        for q in langs] for c in cells], axis=0)
        for name, cells in strategies_of(of).items()
    }  # fmt: skip


def _plain(matrix: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in matrix)


def _pairs(of: SetScores, a: str, b: str) -> list[tuple[Cell, Cell]]:
    """Paired cells of two strategies; [] where their seeds cannot be paired."""
    groups = strategies_of(of)
    try:
        return paired(groups[a], groups[b])
    except BenchError:
        return []


def _tested(of: SetScores, a: str, b: str, rows: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Effect and one-sided p of "a is better than b"; None with fewer than two trainings of both."""
    pairs = _pairs(of, a, b)
    if len(pairs) < 2 or len(np.unique(of.layout.cluster[rows])) < 2:
        return None
    d = clustered(of, pairs, of.main, rows)
    error = float(np.sqrt(stats.variance(d).total))
    return float(d.mean()), stats.one_sided(float(d.mean()), error, stats.freedom(d), 0.0)


def _significant(of: SetScores, a: str, b: str) -> set[tuple[str, str]]:
    """Language pairs on which two strategies differ, Benjamini-Hochberg over all pairs."""
    found = {
        pair: tested[1]
        for i, pair in enumerate(of.layout.pairs)
        if pair[1] != POOL and (tested := _tested(of, a, b, of.layout.pair == i)) is not None
    }
    if not found:
        return set()
    two_sided = np.array([min(1.0, 2 * min(p, 1 - p)) for p in found.values()])
    adjusted = stats.benjamini_hochberg(two_sided)
    return {pair for pair, p in zip(found, adjusted, strict=True) if p < 0.05}


def _flags(marked: set[tuple[str, str]], of: SetScores, langs: tuple[str, ...]) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple((q, d) in marked for d in langs) for q in langs)


def _conjunctions(of: SetScores, others: Sequence[str], reference: str) -> list[Block]:
    """In how many query languages a strategy is better, for each setting."""
    langs = sorted({q for q, _ in of.layout.pairs})
    lines = []
    for name in others:
        parts = []
        for setting in of.layout.settings():
            rows = of.layout.rows_of(setting)
            of_lang = [
                np.isin(of.layout.pair, [i for i, (q, _) in enumerate(of.layout.pairs) if q == lang]) & rows
                for lang in langs
            ]
            found = [t for r in of_lang if r.any() and (t := _tested(of, name, reference, r)) is not None]
            if found:
                sure = int((stats.partial_conjunction(np.array([p for _, p in found])) < 0.05).sum())
                parts.append(f"{setting} {sure} of {len(found)}")
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    if not lines:
        return []
    return [Text(
        f"Better than {reference} in at least so many query languages (partial conjunction, Bonferroni, 5 %; "
        f"exploratory): {'; '.join(lines)}."
    )]  # fmt: skip


def trade_off(of: SetScores, folder: Path, margin: float) -> list[Block]:
    """What strategies gain in one setting and lose in another; [] where the set has one setting."""
    names = [s for s in SETTINGS if s in of.layout.settings()]
    axes = [(x, y) for x, y in (("mono", "cross"), ("mono", "multi")) if x in names and y in names]
    if not axes:
        return []
    reference = _reference(of)
    trained = [x for x, cells in strategies_of(of).items() if cells[0].config["trained"]]
    several = of.layout.n_clusters > 1
    comparable = [x for x in trained if several and reference and x != reference and _pairs(of, x, reference)]
    if reference in trained and comparable:
        assert reference is not None
        panels = [_relative(of, x, y, reference, comparable) for x, y in axes]
        alt = (
            f"{of.name}: what each strategy gains on {reference} in two settings, with 95 % intervals of the paired "
            f"differences; dotted: the margin of {margin:g}"
        )
        drawn: float | None = margin
    else:
        rows = leaderboard(of, of.main)
        panels = [(f"{x} {of.main}", f"{y} {of.main}", [plots.Point(r.label, r.mean[x], r.mean[y]) for r in rows])
                  for x, y in axes]  # fmt: skip
        alt, drawn = f"{of.name}: {of.main} in two settings, one point per strategy", None
    blocks: list[Block] = [Figure(plots.trade_off(panels, folder / f"{of.name}-trade-off", drawn), alt)]
    return [*blocks, *_alpha(of, folder)]


def _relative(of: SetScores, x: str, y: str, reference: str, names: list[str]) -> tuple[str, str, list[plots.Point]]:
    points = [plots.Point(reference, 0.0, 0.0)]
    for name in names:
        (dx, ix), (dy, iy) = (_interval(of, name, reference, setting) for setting in (x, y))
        points.append(plots.Point(name, dx, dy, ix, iy))
    label = "{} " + f"{of.main} minus that of {reference}"
    return label.format(x), label.format(y), points


def _interval(of: SetScores, a: str, b: str, setting: str) -> tuple[float, tuple[float, float]]:
    from scipy import stats as distributions

    d = clustered(of, _pairs(of, a, b), of.main, of.layout.rows_of(setting))
    effect = float(d.mean())
    half = float(distributions.t.ppf(0.975, stats.freedom(d)) * np.sqrt(stats.variance(d).total))
    return effect, (effect - half, effect + half)


_ALPHA = re.compile(r"hybrid\(alpha=([0-9.]+)(?:, pairs='row')?\)")


def _alpha(of: SetScores, folder: Path) -> list[Block]:
    """The curve over alpha, where several were run; cross is alpha 0, mono is alpha 1."""
    ends = {"cross(pairs='row')": 0.0, "mono": 1.0}
    found: dict[float, dict[str, float]] = {}
    for row in leaderboard(of, of.main):
        match = _ALPHA.fullmatch(row.label)
        if match or row.label in ends:
            found[float(match[1]) if match else ends[row.label]] = row.mean
    if len(set(found) - set(ends.values())) < 2:
        return []
    alphas = sorted(found)
    series = {f"{s} {of.main}": np.array([found[a][s] for a in alphas]) for s in SETTINGS if s in of.layout.settings()}
    alt = f"{of.name}: mean {of.main} over alpha, the share of monolingual batches"
    return [Figure(plots.alpha_curve(alphas, series, f"mean {of.main}", folder / f"{of.name}-alpha"), alt)]
