"""The report's figures about language pairs: levels, differences, the strong-weak gap, the trade-off of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import leaderboard
from bench.analysis.means import has_pool, means_of
from bench.analysis.set_scores import SetScores
from bench.analysis.statistics import Effect
from bench.analysis.strategies import difference, find, many, paired_in_common, strategies_of
from bench.errors import BenchError
from bench.evaluation.bias import IN_POOL
from bench.figures.shapes import HeatMaps, Panel, Plane, Point, TradeOff
from bench.pages.document import Block, Figure, Table, Text
from bench.store.cells import Cell
from bench.store.scores import POOL, SETTINGS, in_words
from bench.uncertainty import multiple
from tasks.languages import script_of

Floats = NDArray[np.float64]


REFERENCE = ("mono", "english", "untrained")
"""Differences are taken against the first of these that was run."""


def _reference(of: SetScores) -> str | None:
    names = list(strategies_of(of))
    return next((x for r in REFERENCE for x in names if x.split("(")[0].split(" ")[0] == r), None)


def by_script(langs: Iterable[str]) -> tuple[str, ...]:
    """Languages ordered by script, so that those written alike stand together; within one by code."""
    return tuple(sorted(langs, key=lambda lang: (script_of(lang) or "", lang)))


def pair_figures(of: SetScores) -> list[Block]:
    """Heat maps of one set: the protocol's contrasts first, then a panel per strategy; by language without pairs."""
    if "cross" not in of.layout.settings():
        return [_by_language(of)]
    levels = _matrices(of, lambda v: v[of.main])
    langs = by_script(of.passages)
    reference = _reference(of)
    others = [x for x in levels if x not in (reference, "char-tfidf", "bm25")]
    blocks: list[Block] = _contrasts(of, langs)
    shown = [Panel(x, langs, _plain(m)) for x, m in levels.items()]
    alt = f"{of.name}: mean {of.main} of every language pair, one panel per strategy"
    blocks.append(_heat(f"{of.name}-pairs", shown, f"mean {of.main}", alt))
    if reference is not None and any(_pairs(of, x, reference) for x in others):
        shown = [_contrast(of, x, reference, langs, _counted(of, x, reference)) for x in others
                 if _pairs(of, x, reference)]  # fmt: skip
        alt = f"{of.name}: mean {of.main} minus that of {reference}, per language pair; {_marks_said(shown)}"
        blocks.append(_heat(f"{of.name}-differences", shown, f"mean {of.main}, minus that of {reference}", alt, True))
        blocks += _conjunctions(of, others, reference)
    if has_pool(of):
        gaps = _matrices(of, lambda v: v["AP"] - v[IN_POOL])
        panels = [Panel(x, langs, _plain(m)) for x, m in gaps.items()]
        alt = (
            f"{of.name}: H1 - H2, the AP that the answers in one language lose when passages of all other languages "
            "join the pool"
        )
        blocks.append(_heat(f"{of.name}-gap", panels, "H1 - H2 (AP)", alt))
    return blocks


def _by_language(of: SetScores) -> Table:
    """A set without pairs of languages: each query language within itself, a column each."""
    langs = by_script(of.passages)
    found = {m.cell.path.name: m.pairs for m in means_of(of)}
    rows = [
        [name, *(f"{np.mean([found[c.path.name][q, q][of.main] for c in cells]):.3f}" for q in langs)]
        for name, cells in strategies_of(of).items()
    ]
    caption = f"{of.name}: mean {of.main} within each language, mean over trainings."
    return Table(("strategy", *langs), rows, 1, caption)


def _contrasts(of: SetScores, langs: tuple[str, ...]) -> list[Block]:
    """The differences that the protocol asks about, three at most."""
    names = {cell.path: name for name, cells in strategies_of(of).items() for cell in cells}
    asked = []
    for pair in of.protocol.pairs:
        with suppress(BenchError):  # of a strategy that was not run, or of several configurations
            a, b = (names[find(of.cells, name)[0].path] for name in pair)
            asked.append((a, b))
    panels = [_contrast(of, a, b, langs, f"{a} - {b}") for a, b in asked[:3] if _pairs(of, a, b)]
    if not panels:
        return []
    alt = f"{of.name}: differences in mean {of.main} that the claims ask about, by language pair; {_marks_said(panels)}"
    return [_heat(f"{of.name}-contrasts", panels, f"difference in mean {of.main}", alt, True)]


def _contrast(of: SetScores, a: str, b: str, langs: tuple[str, ...], title: str) -> Panel:
    return Panel(title, langs, _plain(_difference(of, a, b)), _flags(_significant(of, a, b), of, langs))


def _marks_said(panels: Sequence[Panel]) -> str:
    if any(any(map(any, panel.marked)) for panel in panels):
        return "boxed where distinguishable from 0 (Benjamini-Hochberg over the panel, q = .05)"
    return "no pair is marked: with one training what another would give is not known, with more none differs surely"


def _heat(name: str, panels: list[Panel], label: str, alt: str, difference: bool = False) -> Figure:
    return Figure(name, alt, HeatMaps(tuple(panels), label, difference))


def _matrices(of: SetScores, value: Callable[[dict[str, float]], float]) -> dict[str, Floats]:
    """Strategy -> (n_langs, n_langs), mean over its trainings."""
    single = _of_cells(of, value)
    return {x: np.mean([single[c.path.name] for c in cells], axis=0) for x, cells in strategies_of(of).items()}


def _of_cells(of: SetScores, value: Callable[[dict[str, float]], float]) -> dict[str, Floats]:
    """Cell -> (n_langs, n_langs), rows are query languages; NaN where a pair has no question."""
    langs = by_script(of.passages)
    return {
        m.cell.path.name: np.array(
            [[value(m.pairs[q, d]) if (q, d) in m.pairs else np.nan for d in langs] for q in langs]
        )
        for m in means_of(of)
    }


def _difference(of: SetScores, a: str, b: str) -> Floats:
    """(n_langs, n_langs), mean over the trainings that can be paired."""
    single = _of_cells(of, lambda v: v[of.main])
    return np.mean([single[x.path.name] - single[y.path.name] for x, y in _pairs(of, a, b)], axis=0)


def _counted(of: SetScores, x: str, reference: str, form: str = ", {}") -> str:
    """The name, with its seeds where it has not all of the reference's."""
    n, trained = len(_pairs(of, x, reference)), strategies_of(of)[x][0].config.trained
    if not trained or n == len(strategies_of(of)[reference]):
        return x
    return x + form.format(many(n, "seed") if "," in form else n)


def _plain(matrix: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in matrix)


def _pairs(of: SetScores, a: str, b: str) -> list[tuple[Cell, Cell]]:
    """Cells of two strategies, paired by the seeds that both have."""
    groups = strategies_of(of)
    return paired_in_common(groups[a], groups[b])


def _tested(of: SetScores, a: str, b: str, rows: NDArray[np.bool_]) -> Effect | None:
    """What "a minus b" is known to be; None with fewer than two trainings of both."""
    groups = strategies_of(of)
    if len(_pairs(of, a, b)) < 2 or len(np.unique(of.layout.cluster[rows])) < 2:
        return None
    return difference(of, groups[a], groups[b], of.main, [rows])


def _significant(of: SetScores, a: str, b: str) -> set[tuple[str, str]]:
    """Language pairs on which two strategies differ, Benjamini-Hochberg over all pairs."""
    found = {
        pair: float(tested.two_sided())
        for i, pair in enumerate(of.layout.pairs)
        if pair[1] != POOL and (tested := _tested(of, a, b, of.layout.pair == i)) is not None
    }
    if not found:
        return set()
    adjusted = multiple.benjamini_hochberg(np.array(list(found.values())))
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
                sure = int((multiple.partial_conjunction(np.array([float(e.p_value()) for e in found])) < 0.05).sum())
                parts.append(f"{in_words(setting)} {sure} of {len(found)}")
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    if not lines:
        return []
    return [Text(
        f"Better than {reference} in at least so many query languages (partial conjunction, Bonferroni, 5 %; "
        f"exploratory): {'; '.join(lines)}."
    )]  # fmt: skip


def trade_off(of: SetScores, margin: float) -> list[Block]:
    """What strategies gain in one setting and lose in another; [] where the set has one setting."""
    names = [s for s in SETTINGS if s in of.layout.settings()]
    axes = [(x, y) for x, y in (("mono", "multi"), ("mono", "cross")) if x in names and y in names][:1]
    if not axes:
        return []
    reference = _reference(of)
    trained = [x for x, cells in strategies_of(of).items() if cells[0].config.trained]
    several = of.layout.n_clusters > 1
    comparable = [x for x in trained if several and reference and x != reference and _pairs(of, x, reference)]
    if reference in trained and comparable:
        assert reference is not None
        planes = tuple(_relative(of, x, y, reference, comparable) for x, y in axes)
        alt = (
            f"{of.name}: what each strategy gains on {reference} in two settings, with 95 % intervals of the paired "
            f"differences; in brackets: trainings, where fewer; dotted: the margin of {margin:g}"
        )
        drawn: float | None = margin
    else:
        rows, label = leaderboard(of, of.main), "{}, " + of.main
        planes = tuple(
            Plane(label.format(in_words(x)), label.format(in_words(y)),
                  tuple(Point(r.label, r.mean[x], r.mean[y]) for r in rows)) for x, y in axes
        )  # fmt: skip
        alt, drawn = f"{of.name}: {of.main} in two settings, one point per strategy", None
    return [Figure(f"{of.name}-trade-off", alt, TradeOff(planes, drawn))]


def _relative(of: SetScores, x: str, y: str, reference: str, names: list[str]) -> Plane:
    points = [Point(reference, 0.0, 0.0)]
    for name in names:
        (dx, ix), (dy, iy) = (_interval(of, name, reference, setting) for setting in (x, y))
        points.append(Point(_counted(of, name, reference, " ({})"), dx, dy, ix, iy))
    label = "{}: " + f"{of.main}, minus that of {reference}"
    return Plane(label.format(in_words(x)), label.format(in_words(y)), tuple(points))


def _interval(of: SetScores, a: str, b: str, setting: str) -> tuple[float, tuple[float, float]]:
    groups = strategies_of(of)
    effect = difference(of, groups[a], groups[b], of.main, [of.layout.rows_of(setting)])
    assert effect is not None
    low, high = effect.interval()
    return float(effect.mean), (low, high)
