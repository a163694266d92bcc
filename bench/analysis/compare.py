"""Two strategies side by side: effect, interval, and two facts, against zero and at the margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import randomness
from bench.analysis import power, statistics
from bench.analysis.means import finite
from bench.analysis.power import Limits
from bench.analysis.set_scores import SetScores, cells_of, read_sets
from bench.analysis.statistics import Effect, Interval
from bench.analysis.strategies import (
    difference,
    find,
    of_seeds,
    paired,
    paired_in_common,
    questions_of,
    require_equal_settings,
    short,
)
from bench.errors import BenchError
from bench.store.cells import Cell
from bench.uncertainty import multiple
from bench.uncertainty.flips import sign_flip


class Facts(NamedTuple):
    """What an interval says of A - B: never one word for both questions, since neither answers the other.

    Attributes:
        zero: ``better``, ``worse`` or ``not told apart``.
        margin: whether A is at most the margin worse: shown, open, or shown not to be; empty for a margin of 0.
    """

    zero: str
    margin: str

    def sentence(self, margin: float) -> str:
        """In prose: ``worse; more than .01 not excluded``."""
        at = f"more than {plain(margin)} not excluded" if self.margin == OPEN else self.margin
        return f"{self.zero}; {at}" if at else self.zero


OPEN = "open"


def facts(interval: Interval, margin: float) -> Facts:
    """The two facts that an interval of A - B shows, against zero and at the margin.

    Source: Piaggio et al. 2012 (CONSORT for non-inferiority, its figure of intervals); Aberegg et al. 2018 for why both
    are said.
    """
    zero = "better" if interval.low > 0 else "worse" if interval.high < 0 else "not told apart"
    if margin == 0:
        return Facts(zero, "")
    m = plain(margin)
    if interval.low > margin:
        return Facts(zero, f"by more than {m} better: shown")
    if interval.high < -margin:
        return Facts(zero, f"by more than {m} worse: shown")
    return Facts(zero, f"at most {m} worse: shown" if interval.low > -margin else OPEN)


def plain(margin: float) -> str:
    """.01 for 0.01."""
    return f"{margin:g}".removeprefix("0") or "0"


class Comparison(NamedTuple):
    """A minus B in one setting of one set.

    Attributes:
        set_name: evaluation set.
        setting: mono, cross or multi.
        measure: what is compared.
        a: mean of the first, over pairs of languages (macro) and seeds.
        b: mean of the second.
        effect: a - b.
        interval: 95 %, of this row alone, for new trainings and new questions; with one training each, for new
            questions to these two models.
        against_zero: what it says against zero.
        at_margin: what it says at the margin.
        p_alone: two-sided p of no difference, of this row alone.
        p: the same, adjusted over the whole table (Holm).
        seeds: paired trainings.
        clusters: parallel questions.
        pooled: whether the spread of trainings is that of all strategies of the protocol.
        unequal: p of "this pair spreads no more than the others"; NaN where that was not tested.
        spread: standard deviation of the difference between trainings, with 90 % limits.
        shrinks: share of the variance that shrinks with more trainings, with 90 % limits.
        detectable: difference that as many trainings find with 80 % chance, with 90 % limits; NaN where nothing varies.
        p_flips: two-sided p by sign flips over questions, for these trained models alone; NaN where not asked for.
    """

    set_name: str
    setting: str
    measure: str
    a: float
    b: float
    effect: float
    interval: Interval
    against_zero: str
    at_margin: str
    p_alone: float
    p: float
    seeds: int
    clusters: int
    pooled: bool
    unequal: float
    spread: Limits
    shrinks: Limits
    detectable: Limits
    p_flips: float = float("nan")

    def plain(self) -> dict[str, object]:
        """Unrounded, for machines; what is not known is None."""
        return {name: _known(value) for name, value in self._asdict().items()}


class Found(NamedTuple):
    """A comparison with what it rests on."""

    of: SetScores
    effect: Effect
    said: Comparison


def _known(value: object) -> object:
    if isinstance(value, tuple):
        return [_known(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def compare(
    cells: Sequence[Cell],
    a: str,
    b: str,
    measure: str | None,
    margin: float,
    seeds_of: Sequence[int] = (),
    flips: bool = False,
) -> list[Comparison]:
    """Compare two strategies on every set that both were scored on.

    Args:
        cells: of an experiment.
        a: a strategy, by its signature, name or hash.
        b: what it is compared with.
        measure: one of ``MEASURES``; None for each set's main measure.
        margin: what is still not worse.
        seeds_of: the seeds whose trainings are compared; () for all, which both need to have.
        flips: whether sign flips are tried.

    Raises:
        BenchError: a name means no strategy or several, seeds differ, or data differ.
    """
    ours, theirs = (of_seeds(find(cells, name, True), seeds_of) for name in (a, b))
    found = found_on(read_sets(cells), ours, theirs, measure, margin)
    return adjusted([f.said._replace(p_flips=_flips(f, ours, theirs)) if flips else f.said for f in found])


def compare_on(sets: Sequence[SetScores], ours: list[Cell], b: str, margin: float) -> list[Comparison]:
    """Compare the cells of one strategy with those of the strategy ``b`` on some sets; p is of each row alone."""
    return [f.said for f in found_on(sets, ours, find(cells_of(sets), b), None, margin)]


def adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """The rows of one table, with p adjusted over all of them."""
    p = multiple.holm(np.array([c.p_alone for c in found]))
    return [c._replace(p=float(v)) for c, v in zip(found, p, strict=True)]


def found_on(
    sets: Sequence[SetScores], ours: list[Cell], theirs: list[Cell], measure: str | None, margin: float
) -> list[Found]:
    """Every setting of every set that both strategies were scored on; p is of each row alone.

    Raises:
        BenchError: as ``compare`` does.
    """
    a, b = ours[0], theirs[0]
    if a.label == b.label and a.config.hash == b.config.hash:
        raise BenchError(f"two different strategies are compared; both are {short(a.label)}")
    require_equal_settings(a, b)
    pairs = paired(ours, theirs)
    common = [s for s in sets if all(_scored(s, x) and _scored(s, y) for x, y in pairs)]
    if not common:
        _require_common_data(sets, pairs)
        raise BenchError(
            f"{short(a.label)} and {short(b.label)} were scored on no common set; 'python -m bench run --task' scores "
            "them"
        )
    return [
        _in_setting(s, setting, pairs, measure or s.main, margin) for s in common for setting in s.layout.settings()
    ]


def _scored(of: SetScores, cell: Cell) -> bool:
    return any(cell.path == c.path for c in of.cells)


def _require_common_data(sets: Sequence[SetScores], pairs: Sequence[tuple[Cell, Cell]]) -> None:
    for x, y in pairs:
        names = [{s.stored for s in sets if _scored(s, cell)} for cell in (x, y)]
        if names[0] & names[1]:
            raise BenchError(
                f"{min(names[0] & names[1])}: {x.path.name} and {y.path.name} were scored on different data (version "
                "or checksums); run them again on the same data"
            )


def _in_setting(of: SetScores, setting: str, pairs: list[tuple[Cell, Cell]], measure: str, margin: float) -> Found:
    parts = [of.layout.rows_of(setting)]
    values = [[_values(of, cell, measure, parts[0]) for cell in side] for side in zip(*pairs, strict=True)]
    if len(values[0][0]) < 2:
        raise BenchError(f"{of.name}: a comparison needs at least two parallel questions; this set has one")
    effect = difference(of, [x for x, _ in pairs], [y for _, y in pairs], measure, parts)
    assert effect is not None
    a, b = (float(np.mean(side)) for side in values)
    said = compared(effect, margin)._replace(
        set_name=of.name, setting=setting, measure=measure, a=a, b=b, clusters=len(values[0][0])
    )
    return Found(of, effect, said)


def _values(of: SetScores, cell: Cell, measure: str, rows: NDArray[np.bool_]) -> statistics.Floats:
    finite(of, cell, measure, rows)
    return questions_of(of, measure, [rows], cell)


def compared(effect: Effect, margin: float) -> Comparison:
    """What an effect says, yet without names."""
    interval = effect.interval()
    plan = power.planned(effect)
    said, p = facts(interval, margin), float(effect.two_sided())
    return Comparison(
        "", "", "", float("nan"), float("nan"), float(effect.mean), interval, *said, p, p, effect.trainings, 0,
        bool(effect.pooled), float(effect.unequal), power.spread(effect), power.shrinks(effect),
        power.detectable(plan, effect.trainings) if plan else power.UNKNOWN,
    )  # fmt: skip


def _flips(found: Found, ours: list[Cell], theirs: list[Cell]) -> float:
    of, c = found.of, found.said
    parts = [of.layout.rows_of(c.setting)]
    pairs = paired_in_common(ours, theirs)
    differences = [questions_of(of, c.measure, parts, x) - questions_of(of, c.measure, parts, y) for x, y in pairs]
    rng = randomness.generator(0, f"compare {of.name} {c.setting}")
    return float(sign_flip(np.mean(differences, axis=0)[:, None], rng)[0])
