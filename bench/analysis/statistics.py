"""The one engine of every interval, p and rank: differences of trainings on questions, and what is known of their mean.

Differences are (S, Q): a row is one paired training of two strategies, a column one parallel question in all its
languages, so that the many rows of one question are never taken for independent ones. Leading axes are repetitions.
Both trainings and questions are samples: what is said speaks for new trainings and new questions of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.uncertainty.variation import (
    LEAST,
    ROUNDING,
    TwoWay,
    seeds_of,
    spread_of,
    strategies_by_trainings,
    two_way,
)

Floats = NDArray[np.float64]


SAME_SPREAD = 0.25
"""Trainings are pooled where the test of equal spreads is not below it: preliminary tests need a lenient level, or the
unequal spreads that do harm go through (Bancroft 1964; tests/perf/simulation.md)."""


STEPS = 60
"""Of Newton's method at most; a handful do."""


SMALLEST = 1e-300
"""Tails below it are 0."""


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


class Part(NamedTuple):
    """A source of error.

    Attributes:
        variance: that it gives the effect.
        freedom: degrees of freedom that this is known with.
        whole: with what was taken off since it is counted elsewhere.
    """

    variance: Floats
    freedom: Floats
    whole: Floats


class Effect(NamedTuple):
    """A mean difference and what its error is made of.

    Attributes:
        mean: over trainings and questions.
        parts: trainings first, where there are two or more (with the share of each question in each training), then
            questions, one part for each set; a part that cannot be known with one training or one question is missing.
        trainings: paired trainings. With one, all that follows speaks for those two models alone.
        pooled: whether the spread of trainings is that of several strategies.
        unequal: p of "this pair spreads no more than the others"; NaN where it was not tested.
    """

    mean: Floats
    parts: tuple[Part, ...]
    trainings: int
    pooled: NDArray[np.bool_]
    unequal: Floats

    def interval(self, level: float = 0.95) -> Interval:
        """Two-sided, of this coverage; endless where nothing is known of the error."""
        half = self.half_width(tail_of(level))
        return Interval(float(self.mean - half), float(self.mean + half))

    def half_width(self, tail: Floats | float) -> Floats:
        """Half of the interval that leaves ``tail`` on each side: the root of the sum of t^2 times variance."""
        total = np.zeros_like(self.mean)
        for part in self.parts:
            total = total + np.where(part.variance > 0, quantile(part.freedom, tail) ** 2 * part.variance, 0.0)
        return np.sqrt(total) if self.parts else np.full_like(self.mean, np.inf)

    def p_value(self, bound: float = 0.0) -> Floats:
        """One-sided p of "the true effect is at most ``bound``": small where it is above.

        It is the tail at which ``half_width`` reaches from the effect to the bound, so that p < (1 - level) / 2 where,
        and only where, the interval lies above the bound. Where nothing varies it is 0, 1, or .5 at the bound.
        """
        distance = self.mean - bound
        some = np.abs(distance) > np.maximum(ROUNDING * np.maximum(np.abs(self.mean), abs(bound)), LEAST)
        tail = _tail(self.parts, np.where(some, np.abs(distance), 0.0))
        return np.where(distance < 0, 1 - tail, tail)

    def two_sided(self) -> Floats:
        """The p of "the true effect is 0"."""
        one = self.p_value()
        return np.minimum(1.0, 2 * np.minimum(one, 1 - one))

    @property
    def varies(self) -> bool:
        """Whether anything varies at all: not where all scores are at the ceiling, or equal."""
        return any(bool(np.any(part.variance > 0)) for part in self.parts)


def interval(differences: Floats, level: float = 0.95) -> Interval:
    """Interval of the true mean difference, for new trainings and new questions; see ``effect``.

    Args:
        differences: (S, Q), NaN where a training has no value for a question.
        level: coverage, between 0 and 1.
    """
    return effect(differences).interval(level)


def p_value(differences: Floats, bound: float = 0.0) -> float:
    """One-sided p of "the true mean difference is at most ``bound``", by inversion of ``interval``; small above it."""
    return float(effect(differences).p_value(bound))


def effect(*tables: Floats) -> Effect:
    """The mean difference with its error, its sources kept apart.

    The half-width of an interval is the root of t(S-1)^2 V_trainings + t(Q-1)^2 V_questions: V_trainings is the
    variance of the trainings' means over S, V_questions that of the questions' means over Q less the part of it that is
    no question's own (the residual mean square over S Q), never below 0. A quantile for each source holds small levels,
    which one of estimated degrees of freedom (Satterthwaite) does not. It is cautious where both sources count. The
    residual stands with the trainings, or with the questions where these are fewer, or where the trainings agree to the
    last digit and so say nothing of how they vary.

    With one training V_trainings is not known, and what is said is about those two models; with one question
    V_questions is not, and it is about that question. Where questions miss in some trainings the mean is over
    trainings, of each one's questions.

    Source: Banerjee 1960 (Calcutta Statistical Association Bulletin 9); components of Searle, Casella and McCulloch
    1992, chapter 4.

    Args:
        tables: (S, Q) differences, NaN where there is no value; several for the mean over sets of other questions,
            scored on the same S trainings. Leading axes are repetitions.

    Raises:
        ValueError: a training without any value, or an infinite one.
    """
    ways = [two_way(np.asarray(table, np.float64)) for table in tables]
    return _assembled(ways, spread_of(ways), ways[0].seeds.shape[-1] - 1.0)


def pooled(*tables: Floats, a: int = 0, b: int = 1) -> Effect:
    """The mean of strategy ``a`` minus strategy ``b``, with the spread of trainings of all strategies together.

    The strategy-by-training mean square over k strategies, of (k-1)(S-1) degrees of freedom, stands for the pair's own
    of S-1, and finds more with the same trainings (tests/perf/simulation.md, "What pooling finds"). It is right where
    strategies spread alike; so it is tested (F) whether this pair spreads more than the rest, and where it seems to
    (p < ``SAME_SPREAD``) the pair's own stands. Where it spreads less than the rest, pooling is cautious.

    Args:
        tables: (k, S, Q) scores, the same trainings in each; otherwise as for ``effect``.
        a: index of the first.
        b: index of what it is compared with.
    """
    scores = [np.asarray(table, np.float64) for table in tables]
    ways = [two_way(s[..., a, :, :] - s[..., b, :, :]) for s in scores]
    k, trainings = scores[0].shape[-3:-1]
    pair = spread_of(ways)
    if k < 3 or trainings < 2:
        return _assembled(ways, pair, trainings - 1.0)
    freedom = (k - 1) * (trainings - 1)
    squares, own = strategies_by_trainings(scores), pair * (trainings - 1) / 2
    unequal = _larger(own, squares - own, trainings - 1, k - 2)
    together = unequal >= SAME_SPREAD
    spread = np.where(together, 2 * squares / freedom, pair)
    found = _assembled(ways, spread, np.where(together, freedom, trainings - 1.0))
    return found._replace(pooled=together, unequal=unequal)


def _larger(own: Floats, rest: Floats, freedom: int, times: int) -> Floats:
    """F test of two sums of squares: p of "the first mean square is no larger"; the second has ``times`` the df."""
    from scipy import special

    some = rest > 0
    ratio = np.where(some, times * own / np.where(some, rest, 1.0), np.where(own > 0, np.inf, 0.0))
    return np.asarray(special.fdtrc(freedom, times * freedom, ratio), np.float64)


def _assembled(ways: Sequence[TwoWay], spread: Floats, freedom: Floats | float) -> Effect:
    """From the sample variance of the trainings' means and its degrees of freedom; see ``effect``."""
    seeds, of_questions = seeds_of(ways), []
    trainings, share = seeds.shape[-1], 1 / len(ways) ** 2
    of_trainings = all_of_trainings = spread / trainings
    for way in ways:
        own = whole = share * way.questions
        if trainings > way.n_questions:
            of_trainings = of_trainings - share * way.rest
        elif trainings > 1:
            own = own - np.where(spread > 0, share * way.rest, 0.0)
        if way.n_questions > 1:
            of_questions.append(Part(np.maximum(own, 0.0), np.asarray(way.n_questions - 1.0), whole))
    known = np.asarray(freedom, np.float64)
    first = (Part(np.maximum(of_trainings, 0.0), known, all_of_trainings),) if trainings > 1 else ()
    never = np.zeros(spread.shape, bool)
    return Effect(seeds.mean(axis=-1), (*first, *of_questions), trainings, never, np.full(spread.shape, np.nan))


def tail_of(level: float) -> float:
    """What an interval of a coverage leaves on each side."""
    if not 0 < level < 1:
        raise ValueError(f"a level is between 0 and 1; got {level}")
    return (1 - level) / 2


def quantile(freedom: Floats, tail: Floats | float) -> Floats:
    """Student's t that is exceeded with this probability, 0 to .5."""
    from scipy import special

    return np.asarray(-special.stdtrit(freedom, tail), np.float64)


def _tail(parts: Sequence[Part], distance: Floats) -> Floats:
    """The tail, at most .5, whose half-width is ``distance``.

    Solved in the quantile of the source with the fewest degrees of freedom, in which the half-width is nearly a
    straight line: Newton's steps, kept between bounds.
    """
    from scipy import special

    shape = np.broadcast_shapes(np.shape(distance), *(np.shape(x) for part in parts for x in part))
    distance = np.broadcast_to(distance, shape)
    variance = np.stack([np.broadcast_to(p.variance, shape) for p in parts]) if parts else np.zeros((1, *shape))
    freedom = np.stack([np.broadcast_to(p.freedom, shape) for p in parts]) if parts else np.ones((1, *shape))
    varies = variance.sum(axis=0) > 0
    fewest = np.where(variance > 0, freedom, np.inf).min(axis=0)
    fewest = np.where(varies, fewest, 1.0)
    known = np.where(freedom <= fewest, variance, 0.0).sum(axis=0)
    low = np.where(varies, distance / np.sqrt(np.where(varies, variance.sum(axis=0), 1.0)), 0.0)
    high = np.where(varies, distance / np.sqrt(np.where(varies, known, 1.0)), 0.0)
    at = low
    for _ in range(STEPS):
        tail = np.maximum(special.stdtr(fewest, -at), SMALLEST)
        others = np.where(variance > 0, -special.stdtrit(freedom, tail), 0.0)
        half = np.sqrt((others**2 * variance).sum(axis=0))
        low, high = np.where(half < distance, at, low), np.where(half >= distance, at, high)
        slope = (variance * others * _density(fewest, at) / _density(freedom, others)).sum(axis=0)
        step = np.where(slope > 0, half * (distance - half) / np.where(slope > 0, slope, 1.0), 0.0)
        new = at + step
        new = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        done = np.abs(new - at) <= 1e-15 * np.abs(at)
        at = new
        if done.all():
            break
    found = np.asarray(special.stdtr(fewest, -at), np.float64)
    at_once = np.where(distance > 0, 0.0, 0.5) if parts else np.full(shape, 0.5)
    return np.where(varies, found, at_once)


def _density(freedom: Floats, at: Floats) -> Floats:
    from scipy import special

    constant = special.gammaln((freedom + 1) / 2) - special.gammaln(freedom / 2) - np.log(freedom * np.pi) / 2
    return np.asarray(np.exp(constant - (freedom + 1) / 2 * np.log1p(at**2 / freedom)), np.float64)
