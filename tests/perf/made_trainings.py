"""Made-up trainings whose strategies are all alike: any difference that is claimed of them is an error.

Nothing of ``bench`` is in here. Scores are (rounds, strategies, trainings, questions). Every strategy is drawn by the
same law, so that true differences are 0 by exchange, whatever the law; nothing is fitted, shifted or standardised.
Where all are alike differences have no skew; so the first strategy of the skewed laws alone is, around the same mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KINDS = ("normal", "heavy tails", "zero-inflated AP", "skewed", "strongly skewed")

SKEWED = {"skewed": 1.0, "strongly skewed": 0.1}
"""Shape of the gamma law: skewness is 2 over its root, 2 and 6.3."""


def noise(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Floats:
    """Draws around 0 with a standard deviation of 1: normal, Student's t with 4 degrees of freedom, or gamma.

    The gamma law is that of the first strategy alone; the others are normal.
    """
    if kind == "heavy tails":
        return np.asarray(rng.standard_t(4, shape) / np.sqrt(2))
    found = rng.standard_normal(shape)
    if kind in SKEWED:
        found[:, 0] = (rng.standard_gamma(SKEWED[kind], found[:, 0].shape) - SKEWED[kind]) / np.sqrt(SKEWED[kind])
    return found


def scores(
    rng: np.random.Generator,
    kind: str,
    shape: tuple[int, int, int, int],
    of_trainings: float,
    rest: float = 1.0,
    spreads: tuple[float, ...] = (),
    common: Floats | None = None,
) -> Floats:
    """Scores of strategies that are alike.

    Args:
        rng: draws all.
        kind: one of ``KINDS``.
        shape: (rounds, strategies, trainings, questions).
        of_trainings: standard deviation of a training, over the standard error that the questions give.
        rest: what a question does differently in each training, over what it does differently for each strategy.
        spreads: of the trainings of each strategy, relative to another; equal if ().
        common: (rounds, strategies, trainings, 1), a part of the trainings that other sets have as well, standard
            deviation 1; half of their variance.
    """
    rounds, strategies, trainings, questions = shape
    luck = noise(rng, kind, (rounds, strategies, trainings, 1))
    if common is not None:
        luck = (luck + common) / np.sqrt(2)
    if spreads:
        luck = luck * np.array(spreads)[:, None, None]
    luck = luck * of_trainings * 0.1 / np.sqrt(questions)
    if kind == "zero-inflated AP":
        return _precision(rng, shape, luck, rest)
    found = luck + 0.1 * noise(rng, kind, (rounds, strategies, 1, questions))
    found = found + 0.1 * rng.standard_normal((rounds, 1, trainings, 1)) + 0.3 * rng.random((rounds, 1, 1, questions))
    return np.asarray(found + 0.1 * rest * noise(rng, kind, shape))


def _precision(rng: np.random.Generator, shape: tuple[int, int, int, int], luck: Floats, rest: float) -> Floats:
    """AP of one answer, 1 / rank: equal for most questions, other ranks for a few of each strategy and training.

    A lucky training has the answers of some questions a tenth higher, an unlucky one lower.
    """
    rounds, strategies, _, questions = shape
    found = np.broadcast_to(_ranked(rng, (rounds, 1, 1, questions)), shape).copy()
    own = (rounds, strategies, 1, questions)
    found = np.where(rng.random(own) < 0.08, _ranked(rng, own), found)
    found = np.where(rng.random(shape) < 0.06 * rest, _ranked(rng, shape), found)
    return found + np.where(rng.random(shape) < 10 * np.abs(luck), 0.1 * np.sign(luck), 0.0)


def _ranked(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.asarray(1 / np.ceil(rng.standard_exponential(shape) * 4))
