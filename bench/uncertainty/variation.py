"""How a table of trainings and questions varies: between trainings, between questions, and in what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


ROUNDING = 1e-12
"""Standard deviations below so many times the largest value are rounding, and count as none."""


LEAST = 1e-15
"""So do those below it: rounding of differences that cancel."""


class TwoWay(NamedTuple):
    """Of one table, (..., S, Q).

    Attributes:
        seeds: (..., S), means of the trainings.
        questions: (...,), variance of the mean over questions.
        rest: (...,), the part of it that is the residual's: no question's own.
        n_questions: questions with a value.
        least: (...,), variances up to it are rounding.
    """

    seeds: Floats
    questions: Floats
    rest: Floats
    n_questions: int
    least: Floats


def two_way(d: Floats) -> TwoWay:
    """Means and mean squares of a table with gaps; without gaps those of the two-way analysis of variance.

    Each training's mean is over the questions that it has, and the mean of all is over trainings. A question's part in
    it is the sum of its distances to those means, each by the number that the training has; the residual is what is
    left after the question's own mean. Source: Searle, Casella and McCulloch 1992, chapter 4.

    Raises:
        ValueError: a training without any value, or an infinite one.
    """
    known = ~np.isnan(d)
    if np.isinf(d).any():
        raise ValueError("differences are finite, or NaN where there is no value; got an infinite one")
    if d.ndim < 2 or not known.any(axis=-1).all():
        raise ValueError(f"differences are (trainings, questions), with a value in each training; got {d.shape}")
    trainings = d.shape[-2]
    counted = known.sum(axis=-1)  # (..., S)
    seeds = np.where(known, d, 0.0).sum(axis=-1) / counted
    centred = np.where(known, d - seeds[..., None], 0.0)
    of_question = (centred / counted[..., None]).sum(axis=-2) / trainings  # (..., Q), their sum is 0
    n = known.any(axis=-2).sum(axis=-1)
    questions = (of_question**2).sum(axis=-1) * n / np.maximum(n - 1, 1)
    means = centred.sum(axis=-2, keepdims=True) / np.maximum(known.sum(axis=-2, keepdims=True), 1)
    freedom = counted.sum(axis=-1) - n - (trainings - 1)
    squares = (np.where(known, centred - means, 0.0) ** 2).sum(axis=(-1, -2))
    rest = squares / np.maximum(freedom, 1) * (1 / counted).sum(axis=-1) / trainings**2
    least = _least(d, (-1, -2))
    questions, rest = (np.where(v * n > least, v, 0.0) for v in (questions, rest))
    return TwoWay(seeds, questions, rest, int(np.max(n)), least)


def seeds_of(ways: Sequence[TwoWay]) -> Floats:
    """(..., S), the trainings' means over several tables."""
    return np.asarray(np.mean([way.seeds for way in ways], axis=0))


def spread_of(ways: Sequence[TwoWay]) -> Floats:
    """Sample variance of the trainings' means over several tables; 0 with one training, and where it is rounding."""
    seeds = seeds_of(ways)
    if seeds.shape[-1] < 2:
        return np.zeros(seeds.shape[:-1])
    found = seeds.var(axis=-1, ddof=1)
    return np.where(found > np.max([way.least for way in ways], axis=0), found, 0.0)


def strategies_by_trainings(scores: Sequence[Floats]) -> Floats:
    """Sum of squares of the interaction of k strategies and S trainings, (k-1)(S-1) df, of means over tables.

    Args:
        scores: (..., k, S, Q) each; a question counts where every strategy has a value.
    """
    means = np.mean([_means(s) for s in scores], axis=0)  # (..., k, S)
    left = means - means.mean(axis=-1, keepdims=True)
    left = left - left.mean(axis=-2, keepdims=True)
    squares = (left**2).sum(axis=(-1, -2))
    least = np.max([_least(s, (-1, -2, -3)) for s in scores], axis=0)
    return np.where(squares > least, squares, 0.0)


def _least(values: Floats, axis: tuple[int, ...]) -> Floats:
    """Variances up to it are rounding."""
    largest = np.abs(np.where(np.isnan(values), 0.0, values)).max(axis=axis)
    return np.asarray(np.maximum(ROUNDING * largest, LEAST) ** 2)


def _means(scores: Floats) -> Floats:
    known = ~np.isnan(scores).any(axis=-3, keepdims=True)
    return np.asarray(np.where(known, scores, 0.0).sum(axis=-1) / known.sum(axis=-1))
