"""What numbers about variance are known to, and what further trainings would find."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.statistics import Effect, quantile

Floats = NDArray[np.float64]


LEVEL = 0.9
"""Of limits of numbers about variance."""


NODES = 40
"""Of an integral over the chances of a variance (Gauss and Legendre)."""


class Limits(NamedTuple):
    """A number with its 90 % limits."""

    value: float
    low: float
    high: float


UNKNOWN = Limits(float("nan"), float("nan"), float("nan"))


class Planned(NamedTuple):
    """What a pilot says of further trainings.

    Attributes:
        variance: of the difference in one training, with what questions vary in it.
        freedom: with how many degrees of freedom that is known; infinite where it is given.
        questions: variance that the questions give, however many trainings there are.
        n_questions: degrees of freedom of that, about.
        pooled: strategies whose spread is pooled, 2 for the pair's own.
    """

    variance: float
    freedom: float
    questions: float
    n_questions: float
    pooled: int = 2


def planned(effect: Effect) -> Planned | None:
    """From trainings that were run; None after one, and where nothing varies."""
    if effect.trainings < 2 or not effect.varies:
        return None
    first, *questions = effect.parts
    of_questions = float(sum(part.variance for part in questions))
    fewest = min((float(part.freedom) for part in questions), default=1.0)
    known = float(first.freedom)
    pooled = round(known / (effect.trainings - 1)) + 1
    return Planned(float(first.variance) * effect.trainings, known, of_questions, fewest, pooled)


def spread(effect: Effect) -> Limits:
    """Standard deviation of the difference between trainings of these questions; unknown after one training."""
    if effect.trainings < 2:
        return UNKNOWN
    variance, freedom, _ = (float(x) for x in effect.parts[0])
    least, most = _shares(freedom)
    seen = np.sqrt(variance * effect.trainings)
    return Limits(float(seen), float(seen / np.sqrt(most)), float(seen / np.sqrt(least)))


def shrinks(effect: Effect) -> Limits:
    """The share of an effect's variance that shrinks with more trainings; unknown after one, or if nothing varies.

    That is the part of the trainings together with what questions do differently in each; the rest stays, however many
    trainings there are. Its limits hold the trainings' part at its own limits, and the questions' part at one standard
    error on the other side.
    """
    if effect.trainings < 2 or not effect.varies:
        return UNKNOWN
    first, *questions = effect.parts
    of_trainings, of_questions = float(first.variance), float(sum(part.variance for part in questions))
    error = np.sqrt(2 * sum(float(part.whole) ** 2 / float(part.freedom) for part in questions))
    least, most = _shares(float(first.freedom))
    low, high = of_trainings / most, of_trainings / least
    return Limits(
        _share(of_trainings, of_questions),
        _share(low, of_questions + error),
        _share(high, max(0.0, of_questions - error)),
    )


def _share(part: float, other: float) -> float:
    return float(part / (part + other)) if part + other > 0 else float("nan")


def _shares(freedom: float) -> tuple[float, float]:
    """5 % and 95 % of a mean square over what it estimates."""
    from scipy import special

    tail = (1 - LEVEL) / 2
    return (float(special.chdtri(freedom, 1 - tail) / freedom), float(special.chdtri(freedom, tail) / freedom))


def factors_of(plan: Planned) -> Limits:
    """The true variance over the estimated one, with limits: 1 for what is given."""
    least, most = _shares(plan.freedom) if np.isfinite(plan.freedom) else (1.0, 1.0)
    return Limits(1.0, 1 / most, 1 / least)


def detectable(plan: Planned, trainings: int, chance: float = 0.8, tail: float = 0.025) -> Limits:
    """The true difference that so many trainings find with this chance, where few trainings say how they vary.

    The chance is averaged over what the pilot leaves open about the spread, so that of many such statements four in
    five come true, or a few more; with the estimate put in, three in five do after three trainings. The limits are what
    it would be at the limits of the spread.

    Args:
        plan: from a pilot.
        trainings: that are run of each strategy, at least 2.
        chance: to find it.
        tail: one-sided error of the test.
    """
    factors, weights = _factors(plan.freedom)
    _, low, high = factors_of(plan)
    return Limits(
        _found_with(plan, trainings, chance, tail, factors, weights),
        _found_with(plan, trainings, chance, tail, np.array([low]), np.ones(1)),
        _found_with(plan, trainings, chance, tail, np.array([high]), np.ones(1)),
    )


def _found_with(plan: Planned, trainings: int, chance: float, tail: float, factors: Floats, weights: Floats) -> float:
    from scipy import optimize

    test = _Test(plan, trainings, tail, factors)

    def missing(size: float) -> float:
        return float((weights * test.power(size)).sum()) - chance

    high = np.sqrt(plan.variance / trainings + plan.questions)
    while missing(high) < 0:
        high *= 2
    return float(optimize.brentq(missing, 0.0, high, xtol=1e-6 * high))


class _Test:
    """A one-sided test on further trainings, for each spread that they may have.

    Args:
        plan: from a pilot.
        trainings: that are run.
        tail: one-sided error of the test.
        factors: (m,), times ``plan.variance``.
    """

    def __init__(self, plan: Planned, trainings: int, tail: float, factors: Floats) -> None:
        freedom = (plan.pooled - 1.0) * (trainings - 1)
        seen, self._weights = _quantiles(freedom)  # of the mean square that the test will see
        true = plan.variance / trainings * factors[:, None]
        of_trainings = quantile(np.asarray(freedom), tail) ** 2 * true * seen
        of_questions = quantile(np.asarray(plan.n_questions), tail) ** 2 * plan.questions
        self._half, self._error = np.sqrt(of_trainings + of_questions), np.sqrt(true + plan.questions)

    def power(self, size: float) -> Floats:
        """(m,), the chance that a true difference of ``size`` above the bound is found."""
        from scipy import special

        return np.asarray((special.ndtr((size - self._half) / self._error) * self._weights).sum(axis=1))


def power(plan: Planned, trainings: int, size: float, tail: float = 0.025) -> float:
    """The chance that a true difference of ``size`` above the bound is found, averaged over what the pilot leaves open.

    Args:
        plan: from a pilot.
        trainings: that are run of each strategy.
        size: the true difference.
        tail: one-sided error of the test.
    """
    factors, weights = _factors(plan.freedom)
    return float((weights * _Test(plan, trainings, tail, factors).power(size)).sum())


def _factors(freedom: float) -> tuple[Floats, Floats]:
    """What the true variance may be over the estimated one, and how likely: 1 over a mean square."""
    if not np.isfinite(freedom):
        return np.ones(1), np.ones(1)
    seen, weights = _quantiles(freedom)
    return 1 / seen, weights


@lru_cache(maxsize=128)
def _quantiles(freedom: float) -> tuple[Floats, Floats]:
    """Quantiles of a mean square whose expectation is 1, and weights that integrate over its chances."""
    from scipy import special

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.asarray(special.chdtri(freedom, (1 - nodes) / 2) / freedom), weights / 2
