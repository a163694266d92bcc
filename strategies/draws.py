"""How languages and kinds of batches are drawn: each draw by itself, or in shuffled rounds with exact shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from strategies.contract import Ints, Pool, StrategyError
from strategies.languages import Weights, draw_lang, draw_pair, row_langs, row_pairs

Bools = NDArray[np.bool_]

WAYS = ("independent", "balanced")

CHUNK = 1024
"""Cards that are shuffled together, about: what is dealt may not depend on how many are asked for at a time."""


class Draws(ABC):
    """What the steps of one training draw. Languages are indices into ``Pool.langs``; steps are asked in order."""

    @abstractmethod
    def mono(self, step: int) -> bool:
        """Whether the batch of this step is monolingual."""

    @abstractmethod
    def lang(self, step: int) -> int:
        """One language for a whole batch."""

    @abstractmethod
    def pair(self, step: int) -> tuple[int, int]:
        """Two different languages for a whole batch: query's, then passage's."""

    @abstractmethod
    def row_langs(self, step: int, item: Ints) -> Ints:
        """For each item one of the languages in which it exists: int64, (B,)."""

    @abstractmethod
    def row_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """For each item an ordered pair of different languages in which it exists."""

    @abstractmethod
    def row_any_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """For each item an ordered pair of languages in which it exists, equal ones included."""

    @abstractmethod
    def row_mono(self, step: int, n: int) -> Bools:
        """For each of n rows, whether it is monolingual: bool, (n,)."""


def check_draws(draws: str) -> None:
    """Refuse what is not a way to draw."""
    if draws not in WAYS:
        raise StrategyError(f"draws is {' or '.join(map(repr, WAYS))}; got {draws!r}")


def draws_of(
    draws: str, pool: Pool, weights: Weights, rng: np.random.Generator, shares: Sequence[float] = (), steps: int = 0
) -> Draws:
    """What the steps of a training draw.

    Args:
        draws: "independent" or "balanced".
        pool: where the items come from.
        weights: probability of each language, (n_langs,).
        rng: the generator of everything but the order of items.
        shares: for strategies with two kinds of batches, or of rows: the probability of a monolingual one, by step.
        steps: how many there are, where no shares are given.
    """
    check_draws(draws)
    if draws == "independent":
        return Independent(pool, weights, rng, shares)
    return Balanced(pool, weights, rng, shares or [1.0] * steps)


class Independent(Draws):
    """Every draw by itself, as in the paper: a training's shares scatter around what they are in the mean."""

    def __init__(self, pool: Pool, weights: Weights, rng: np.random.Generator, shares: Sequence[float]) -> None:
        self._pool, self._weights, self._rng, self._shares = pool, weights, rng, shares

    def mono(self, step: int) -> bool:
        """By a coin."""
        return bool(self._rng.random() < self._shares[step])

    def lang(self, step: int) -> int:
        """By weight."""
        return draw_lang(self._weights, self._rng)

    def pair(self, step: int) -> tuple[int, int]:
        """By weight, without replacement."""
        return draw_pair(self._weights, self._rng)

    def row_langs(self, step: int, item: Ints) -> Ints:
        """By weight."""
        return row_langs(self._pool, item, self._weights, self._rng)

    def row_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """By weight, without replacement."""
        return row_pairs(self._pool, item, self._weights, self._rng)

    def row_any_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """By weight, twice."""
        return self.row_langs(step, item), self.row_langs(step, item)

    def row_mono(self, step: int, n: int) -> Bools:
        """By a coin each."""
        mono: Bools = self._rng.random(n) < self._shares[step]
        return mono


class Balanced(Draws):
    """Shuffled rounds: a training has its exact shares, and what a step draws is common to all strategies of a seed.

    Languages and pairs are dealt by ``Rounds``. A step's cards are dealt whether a strategy takes them or not, each
    kind from a generator of its own: where ``hybrid`` has a monolingual step it is that of ``mono``, where it has a
    cross-lingual one it is that of ``cross`` (on a pool where every item exists in every language).
    A row whose item lacks a language of its card draws languages of its own.
    """

    def __init__(self, pool: Pool, weights: Weights, rng: np.random.Generator, shares: Sequence[float]) -> None:
        self._pool, self._weights = pool, weights
        coin, lang, pair, row_lang, row_pair, row_any, row_mono = rng.spawn(7)
        self._own = int(rng.integers(2**62))
        n = len(weights)
        self._langs = Rounds(weights, lang).deal(len(shares))
        self._mono = coins(self._langs, shares, int(np.count_nonzero(weights)), coin)
        different = pair_weights(weights)
        self._pairs = Cards(different, pair)
        self._row_langs = Cards(weights, row_lang)
        self._row_pairs = Cards(different, row_pair)
        self._row_any = Cards(np.outer(weights, weights).ravel(), row_any)
        self._row_coin = row_mono
        self._row_phase = float(row_mono.random()) + 1e-9
        self._due = np.concatenate([[0.0], np.cumsum(shares)])
        self._n = n

    def mono(self, step: int) -> bool:
        """As ``coins`` says."""
        return bool(self._mono[step])

    def lang(self, step: int) -> int:
        """The step's card."""
        return int(self._langs[step])

    def pair(self, step: int) -> tuple[int, int]:
        """The step's card."""
        q_lang, d_lang = divmod(int(self._pairs.of(step, 1)[0]), self._n)
        return q_lang, d_lang

    def row_langs(self, step: int, item: Ints) -> Ints:
        """A card each."""
        dealt = self._row_langs.of(step, len(item))
        fits = self._pool.has[item, dealt]
        return (
            dealt if fits.all() else np.where(fits, dealt, row_langs(self._pool, item, self._weights, self._at(step)))
        )

    def row_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """A card each."""
        q_lang, d_lang, fits = self._dealt(self._row_pairs, step, item)
        if fits.all():
            return q_lang, d_lang
        own = row_pairs(self._pool, item, self._weights, self._at(step))
        return np.where(fits, q_lang, own[0]), np.where(fits, d_lang, own[1])

    def row_any_pairs(self, step: int, item: Ints) -> tuple[Ints, Ints]:
        """A card each."""
        q_lang, d_lang, fits = self._dealt(self._row_any, step, item)
        if fits.all():
            return q_lang, d_lang
        rng = self._at(step)
        own = [row_langs(self._pool, item, self._weights, rng) for _ in range(2)]
        return np.where(fits, q_lang, own[0]), np.where(fits, d_lang, own[1])

    def row_mono(self, step: int, n: int) -> Bools:
        """As many rows as are due by now, at random places."""
        before, after = (int(self._due[at] * n + self._row_phase) for at in (step, step + 1))
        mono: Bools = self._row_coin.permutation(n) < after - before
        return mono

    def _dealt(self, cards: Cards, step: int, item: Ints) -> tuple[Ints, Ints, Bools]:
        q_lang, d_lang = np.divmod(cards.of(step, len(item)), self._n)
        return q_lang, d_lang, self._pool.has[item, q_lang] & self._pool.has[item, d_lang]

    def _at(self, step: int) -> np.random.Generator:
        """A generator of this step alone, so that what other steps drew does not matter."""
        return np.random.default_rng((self._own, step))


class Rounds:
    """Categories dealt in proportion to their weights, in random order.

    Category c comes once in each stretch of 1 / weight, at a random place of it: with equal weights these are shuffled
    rounds, with others every category stays within one of its share at all times.
    """

    def __init__(self, weights: Weights, rng: np.random.Generator) -> None:
        self._drawn = np.flatnonzero(weights)
        self._weight = weights[self._drawn]
        self._rng = rng
        self._count = np.zeros(len(self._drawn), np.int64)
        self._end = 0
        self._late: tuple[NDArray[np.float64], Ints] = (np.empty(0), np.empty(0, np.int64))
        self._ready = np.empty(0, np.int64)

    def deal(self, n: int) -> Ints:
        """The next n categories: int64, (n,)."""
        while len(self._ready) < n:
            self._advance()
        dealt, self._ready = self._ready[:n], self._ready[n:]
        return dealt

    def _advance(self) -> None:
        self._end += len(self._drawn) * max(1, CHUNK // len(self._drawn))
        upto = np.maximum(np.ceil(self._end * self._weight).astype(np.int64), self._count)
        many = upto - self._count
        which = np.repeat(np.arange(len(self._drawn)), many)
        number = np.arange(len(which)) - np.repeat(np.cumsum(many) - many, many) + self._count[which]
        place = (number + self._rng.random(len(which))) / self._weight[which]
        self._count = upto
        places = np.concatenate([self._late[0], place])
        categories = np.concatenate([self._late[1], self._drawn[which]])
        order = np.argsort(places, kind="stable")
        places, categories = places[order], categories[order]
        now = int(np.searchsorted(places, self._end))
        self._late = places[now:], categories[now:]
        self._ready = np.concatenate([self._ready, categories[:now]])


class Cards:
    """The cards of each step, dealt by ``Rounds``; those of steps that do not ask are dealt and dropped."""

    def __init__(self, weights: Weights, rng: np.random.Generator) -> None:
        self._rounds = Rounds(weights, rng)
        self._next = 0

    def of(self, step: int, n: int) -> Ints:
        """The n cards of a step; steps ask in order, each for as many."""
        dealt = self._rounds.deal((step + 1 - self._next) * n)
        self._next = step + 1
        return dealt[len(dealt) - n :]


def pair_weights(weights: Weights) -> Weights:
    """Probability of each ordered pair of different languages, (n_langs**2,), as drawn without replacement."""
    pairs = np.zeros((len(weights), len(weights)))
    for a, b in product(np.flatnonzero(weights).tolist(), repeat=2):
        if a != b:
            pairs[a, b] = weights[a] * weights[b] / (1 - weights[a])
    return pairs.ravel()


def coins(langs: Ints, shares: Sequence[float], size: int, rng: np.random.Generator) -> Bools:
    """Which steps are monolingual: bool, (steps,).

    After every ``size`` steps, and in all, their number is the sum of the shares, rounded at random; among the steps of
    a round those are taken whose language is furthest behind its share.

    Args:
        langs: the language that each step has if it is monolingual, (steps,).
        shares: the probability of a monolingual batch, by step.
        size: steps of a round.
        rng: the generator of the coin alone.
    """
    share = np.asarray(shares, np.float64)
    mono = share >= 1
    due = np.floor(np.cumsum(share) + rng.random() + 1e-9).astype(np.int64)
    behind = (rng.permutation(int(langs.max(initial=0)) + 1) + 0.5) / max(size, 1) - 0.5
    for start in range(0, len(share), size):
        steps = np.arange(start, min(start + size, len(share)))
        np.add.at(behind, langs[steps], share[steps])
        np.subtract.at(behind, langs[steps[mono[steps]]], 1)
        left = [int(s) for s in rng.permutation(steps) if 0 < share[s] < 1]
        for _ in range(min(int(due[steps[-1]] - mono[: steps[-1] + 1].sum()), len(left))):
            chosen = max(left, key=lambda s: behind[langs[s]])
            left.remove(chosen)
            mono[chosen] = True
            behind[langs[chosen]] -= 1
    return mono
