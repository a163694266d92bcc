"""Drawing languages: for a batch, and for each row of it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from strategies.contract import Ints, Pool, StrategyError

Weights = NDArray[np.float64]


Temperature = float | str | None
"""How languages are weighed: see ``language_weights``."""


UNIMAX = re.compile(r"unimax(?::([1-9]\d{0,5}))?")


def check_temperature(language_temperature: Temperature) -> None:
    """Refuse what is not a temperature."""
    if isinstance(language_temperature, str):
        if not UNIMAX.fullmatch(language_temperature):
            raise StrategyError(
                "language_temperature is a number above 0, None for uniform, 'unimax', or 'unimax:N' for at most N "
                f"passes over a language; got {language_temperature!r:.80}"
            )
    elif language_temperature is not None and not language_temperature > 0:
        raise StrategyError(
            f"language_temperature is a number above 0, or None for uniform; got {language_temperature}"
        )


def language_weights(pool: Pool, language_temperature: Temperature, rows: int = 0) -> Weights:
    """Probability of each language, (n_langs,): proportional to its items to the power 1 / temperature.

    None is uniform, 1 is proportional to size; between them lies the smoothing of arXiv 1907.05019, section 3.2.
    ``unimax`` (arXiv 2304.09151, algorithm 1) is uniform as far as no language is passed over more than once in the
    ``rows`` of a training (``unimax:N``: N times); what a small language leaves is shared by the others.
    A language without items has probability 0.

    Raises:
        StrategyError: no language has an item, or the temperature is so small that a language would never be drawn.
    """
    size = pool.has.sum(axis=0).astype(np.float64)
    if not size.any():
        raise StrategyError("a pool has at least one item in one language; this one has none")
    if isinstance(language_temperature, str):
        passes = UNIMAX.fullmatch(language_temperature)
        weight = _unimax(size, rows, int(passes[1] or 1) if passes else 1)
    else:
        power = 0.0 if language_temperature is None else 1.0 / language_temperature
        weight = np.where(size > 0, (size / size.max()) ** power, 0.0)
    if (weight[size > 0] == 0).any():
        raise StrategyError(
            f"language_temperature {language_temperature} never draws the rarest language; take a larger one"
        )
    probability: Weights = weight / weight.sum()
    return probability


def _unimax(size: Weights, rows: int, passes: int) -> Weights:
    """Rows of each language, (n_langs,), smallest first: an equal share of what is left, but at most ``passes``."""
    weight, left = np.zeros(len(size)), float(max(rows, 1))
    order = [i for i in np.argsort(size, kind="stable").tolist() if size[i] > 0]
    for done, i in enumerate(order):
        weight[i] = min(left / (len(order) - done), size[i] * passes)
        left -= weight[i]
    return weight


def drawn_langs(weights: Weights) -> list[int]:
    """The languages that may be drawn."""
    return np.flatnonzero(weights).tolist()


def draw_lang(weights: Weights, rng: np.random.Generator) -> int:
    """One language for a whole batch."""
    return int(rng.choice(len(weights), p=weights))


def draw_pair(weights: Weights, rng: np.random.Generator) -> tuple[int, int]:
    """Two different languages for a whole batch: query's, then passage's, without replacement."""
    q_lang, d_lang = rng.choice(len(weights), 2, replace=False, p=weights)
    return int(q_lang), int(d_lang)


def row_langs(pool: Pool, item: Ints, weights: Weights, rng: np.random.Generator) -> Ints:
    """For each item one of the languages in which it exists, by weight: int64, (B,)."""
    langs: Ints = _keys(pool, item, weights, rng).argmax(axis=1)
    return langs


def row_pairs(pool: Pool, item: Ints, weights: Weights, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """For each item an ordered pair of different languages in which it exists, by weight, without replacement.

    The two largest of log-weight plus Gumbel noise are such a sample (Efraimidis and Spirakis 2006; arXiv 1903.06059).
    """
    keys = _keys(pool, item, weights, rng)
    q_lang = keys.argmax(axis=1)
    keys[np.arange(len(item)), q_lang] = -np.inf
    return q_lang, keys.argmax(axis=1)


def _keys(pool: Pool, item: Ints, weights: Weights, rng: np.random.Generator) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        log_weight = np.log(weights)
    noise = rng.gumbel(size=(len(item), len(weights)))
    return np.where(pool.has[item], log_weight + noise, -np.inf)
