"""Strategies that are wrong in one way each: the suite must name that way."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from strategies import Batch, ItemStream, Pool, Strategy, StrategyError
from strategies.check import check_strategy, require_sound


@dataclass(frozen=True)
class Right(Strategy):
    """A correct base; each wrong strategy changes one thing."""

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        items = ItemStream(pool, rng)
        for step in range(self.count(steps)):
            item = self.items(pool, items, batch_size)
            lang = self.lang(pool, item, rng)
            yield self.finish(Batch(item, lang, lang), step)

    def count(self, steps: int) -> int:
        return steps

    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        return items.take(n)

    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(pool.has[item], rng.random((len(item), len(pool.langs))), -1).argmax(axis=1)

    def finish(self, batch: Batch, step: int) -> Batch:
        return batch


class OneTooFew(Right):
    def count(self, steps: int) -> int:
        return steps - 1


class Endless(Right):
    def count(self, steps: int) -> int:
        return 10**9


class ShortBatch(Right):
    def finish(self, batch: Batch, step: int) -> Batch:
        return Batch(*(part[: len(part) - (step == 2)] for part in batch))


class NotIntegers(Right):
    def finish(self, batch: Batch, step: int) -> Batch:
        return batch._replace(item=batch.item.astype(float))


class IgnoresCoverage(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(0, len(pool.langs), len(item))


class RepeatsGroups(Right):
    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        taken = items.take(n)
        return np.where(np.arange(n) == 1, taken[0], taken)


class GlobalRandom(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(pool.has[item], np.random.random((len(item), len(pool.langs))), -1).argmax(axis=1)


class PythonRandom(Right):
    def finish(self, batch: Batch, step: int) -> Batch:
        random.random()
        return batch


class ByLanguageName(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        order = np.argsort(np.array(pool.langs))
        return order[pool.has[item][:, order].argmax(axis=1)]


class Unbalanced(Right):
    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        return np.sort(np.unique(pool.group, return_index=True)[1])[:n] if n == 16 else items.take(n)


class Changes(Right):
    def finish(self, batch: Batch, step: int) -> Batch:
        return batch

    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        pool.has[0] = pool.has[0]
        return items.take(n)


class FalseClaim(Right):
    @property
    def claims(self) -> tuple[str, ...]:
        return ("same", "different", "one_pair", "no_such")


class Raises(Right):
    def count(self, steps: int) -> int:
        raise KeyError("en")


class RefusesByValueError(Right):
    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        if len(np.unique(pool.group)) < n:
            raise ValueError("too few")
        return items.take(n)


class EnglishByName(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.full(len(item), pool.langs.index("en"))

    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        return items.take(n, (pool.langs.index("en"),))


class SwahiliByName(EnglishByName):
    def items(self, pool: Pool, items: ItemStream, n: int) -> np.ndarray:
        return items.take(n, (pool.langs.index("sw"),))


class SourceByName(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        turn = pool.source_names.index("source-1")
        return np.where(pool.has[item], np.arange(len(pool.langs)) * (1 - 2 * turn), -99).argmax(axis=1)


class BySourceNumber(Right):
    def lang(self, pool: Pool, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        turn = np.where(pool.source[item] == 0, 1, -1)[:, None]
        return np.where(pool.has[item], np.arange(len(pool.langs)) * turn, -99).argmax(axis=1)


def broken(strategy: Strategy) -> set[str]:
    return {r.name for r in check_strategy(strategy) if not r.passed}


def test_the_right_one_passes() -> None:
    assert broken(Right()) == set()


@pytest.mark.parametrize(("wrong", "name"), [
    (OneTooFew, "exact number of batches"),
    (Endless, "exact number of batches"),
    (ShortBatch, "exact batch size"),
    (NotIntegers, "exact batch size"),
    (IgnoresCoverage, "existing rows only"),
    (RepeatsGroups, "no repeated group"),
    (GlobalRandom, "global random state untouched"),
    (PythonRandom, "global random state untouched"),
    (ByLanguageName, "label invariance"),
    (Unbalanced, "balance of items"),
    (Changes, "pool unchanged"),
    (Unbalanced, "short pool is refused"),
    (FalseClaim, "claim different"),
    (FalseClaim, "claim one_pair"),
    (FalseClaim, "claim no_such"),
    (Raises, "determinism"),
])  # fmt: skip
def test_each_wrong_one_is_caught_by_name(wrong: type[Right], name: str) -> None:
    assert name in broken(wrong())


def test_a_short_pool_that_is_refused_by_another_error_is_told_which_one_to_raise() -> None:
    (detail,) = [r.detail for r in check_strategy(RefusesByValueError()) if not r.passed]
    assert detail == "16 rows of 10 groups are refused with a StrategyError; got ValueError: too few"


def test_a_claim_that_holds_is_not_broken_by_another_that_does_not() -> None:
    assert "claim same" not in broken(FalseClaim())


@pytest.mark.parametrize(("strategy", "seen", "to_do"), [
    (EnglishByName(), "other names of languages ended in ValueError", "declare reads = ('langs',), or take the names"),
    (SourceByName(), "other names of sources ended in ValueError", "declare reads = ('source_names',), or"),
    (ByLanguageName(), "other names of languages gave other batches", "declare reads = ('langs',), or take the names"),
    (BySourceNumber(), "renumbered groups or sources gave other batches", "do not compute with the numbers"),
])  # fmt: skip
def test_a_name_in_the_code_is_refused_with_what_to_declare(strategy: Right, seen: str, to_do: str) -> None:
    (detail,) = [r.detail for r in check_strategy(strategy) if r.name == "label invariance"]
    assert seen in detail
    assert to_do in detail
    with pytest.raises(StrategyError, match=f"label invariance: {seen}.*{re.escape(to_do)}"):
        require_sound(strategy, ("de", "en"), ("source-0", "source-1"))


def test_a_name_that_no_pool_here_has_is_refused_with_what_to_declare() -> None:
    details = {r.name: r.detail for r in check_strategy(SwahiliByName()) if not r.passed}
    assert "has the languages ar, de, en, th, zh" in details["exact number of batches"]
    assert "declares them, as reads = ('sw',)" in details["exact number of batches"]


@pytest.mark.parametrize("names", [("langs",), ("en",)])
def test_what_a_class_says_that_it_reads_is_kept(names: tuple[str, ...]) -> None:
    strategy = type("Declared", (EnglishByName,), {"reads": names})()
    assert broken(strategy) == set()
