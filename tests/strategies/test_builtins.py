import dataclasses
from collections import Counter

import numpy as np
import pytest

from strategies import STRATEGIES, Batch, Pool, Strategy, StrategyError
from strategies.anneal import Anneal
from strategies.check import check_strategy, parallel_pool, partial_pool
from strategies.cross import Cross
from strategies.english import English
from strategies.hybrid import Hybrid
from strategies.hybrid_rows import HybridRows
from strategies.mono import Mono
from strategies.neighbours import Neighbours
from strategies.parts import Cluster, Script, Source
from strategies.round_robin import RoundRobin
from strategies.stages import Stages
from strategies.within import Within

MADE_OF_OTHERS: list[Strategy] = [
    Within(),
    Within(Script(), Mono()),
    Within(Cluster(16), Hybrid()),
    Within(Source(), Cross(pairs="batch"), temperature=None),
    Neighbours(),
    Neighbours(4, Cross(), skip=2, refresh_every=50),
    Within(Cluster(8), Neighbours(4, Mono())),
    Stages(),
    Stages(Within(), Cross(), at=0.3),
]

VARIANTS: list[Strategy] = [
    *(cls() for cls in STRATEGIES.values() if cls not in {type(s) for s in MADE_OF_OTHERS}),
    Mono(language_temperature="unimax"),
    Cross(language_temperature="unimax:3"),
    Cross(pairs="batch"),
    Hybrid(alpha=0.3, pairs="batch"),
    Mono(language_temperature=2.0),
    Cross(language_temperature=1.0),
    English(language="th"),
    Anneal(start=0.2, end=0.9),
]


def draw(strategy: Strategy, pool: Pool, steps: int, size: int = 16, seed: int = 0) -> list[Batch]:
    return list(strategy.batches(pool, size, steps, np.random.default_rng(seed)))


@pytest.mark.parametrize("strategy", [*VARIANTS, *MADE_OF_OTHERS], ids=repr)
def test_passes_the_contract_suite(strategy: Strategy) -> None:
    assert [r for r in check_strategy(strategy) if not r.passed] == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_repr_starts_with_the_registered_name(name: str) -> None:
    assert repr(STRATEGIES[name]()).startswith(f"{name}(")


@pytest.mark.parametrize("seed", [0, 1])
def test_all_see_the_same_items_in_the_same_order_on_a_parallel_pool(seed: int) -> None:
    pool = parallel_pool()
    drawn = [np.stack([b.item for b in draw(s, pool, 60, seed=seed)]) for s in VARIANTS]
    for other in drawn[1:]:
        np.testing.assert_array_equal(drawn[0], other)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_hybrid_is_mono_with_probability_alpha(alpha: float) -> None:
    batches = draw(Hybrid(alpha=alpha), parallel_pool(), 2000)
    share = np.mean([(b.q_lang == b.d_lang).all() for b in batches])
    assert abs(share - alpha) <= 4 * (alpha * (1 - alpha) / 2000) ** 0.5


def test_hybrid_rows_mixes_rows_within_batches() -> None:
    batches = draw(HybridRows(alpha=0.3), parallel_pool(), 500)
    mono = np.concatenate([b.q_lang == b.d_lang for b in batches])
    assert abs(mono.mean() - 0.3) < 4 * (0.21 / len(mono)) ** 0.5
    assert sum(0 < (b.q_lang == b.d_lang).sum() < 16 for b in batches) > 450


def test_anneal_drifts_from_start_to_end() -> None:
    mono = [bool((b.q_lang == b.d_lang).all()) for b in draw(Anneal(start=0.9, end=0.1), parallel_pool(), 3000)]
    assert abs(np.mean(mono[:300]) - 0.86) < 0.08
    assert abs(np.mean(mono[-300:]) - 0.14) < 0.08
    assert all(bool((b.q_lang == b.d_lang).all()) for b in draw(Anneal(1.0, 1.0), parallel_pool(), 20))


def test_language_temperature_is_the_power_of_size() -> None:
    pool = parallel_pool(2000)
    has = pool.has.copy()
    has[200:, 1] = False  # de: a tenth of the items
    pool = dataclasses.replace(pool, has=has)
    for temperature, expected in ((None, 1 / 5), (1.0, 0.1 / 4.1), (2.0, 0.1**0.5 / (4 + 0.1**0.5))):
        batches = draw(Mono(language_temperature=temperature), pool, 3000)
        share = np.mean([b.q_lang[0] == 1 for b in batches])
        assert abs(share - expected) < 4 * (expected * (1 - expected) / 3000) ** 0.5


def test_round_robin_deals_every_ordered_pair_equally_often() -> None:
    batches = draw(RoundRobin(), parallel_pool(), 50)
    pairs = Counter(pair for b in batches for pair in zip(b.q_lang.tolist(), b.d_lang.tolist(), strict=True))
    assert len(pairs) == 20
    assert max(pairs.values()) - min(pairs.values()) <= 1


def test_cross_per_row_is_uniform_over_ordered_pairs() -> None:
    batches = draw(Cross(), parallel_pool(), 1000)
    pairs = Counter(pair for b in batches for pair in zip(b.q_lang.tolist(), b.d_lang.tolist(), strict=True))
    expected = 16_000 / 20
    assert all(abs(n - expected) < 5 * expected**0.5 for n in pairs.values())
    assert len(pairs) == 20


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Hybrid(alpha=1.5), "alpha is a probability between 0 and 1; got 1.5"),
    (lambda: Anneal(start=-1), "start is a probability between 0 and 1; got -1"),
    (lambda: Cross(pairs="rows"), "pairs is 'row' or 'batch'; got 'rows'"),
    (lambda: Mono(language_temperature=0), "language_temperature is a number above 0, or None for uniform; got 0"),
    (lambda: draw(English(language="xx"), partial_pool(), 1), "needs the language 'xx'; the pool has ar, de, en"),
])  # fmt: skip
def test_what_is_refused(make: object, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("name", ["mono", "cross", "mixed", "any_pair", "hybrid_rows"])
def test_a_temperature_that_would_lose_a_language_and_an_empty_pool_are_refused(name: str) -> None:
    pool = parallel_pool(1000)
    has = pool.has.copy()
    has[10:, 1] = False
    with pytest.raises(StrategyError, match="never draws the rarest language; take a larger one"):
        draw(STRATEGIES[name](language_temperature=0.005), dataclasses.replace(pool, has=has), 1)
    with pytest.raises(StrategyError, match="a pool has at least one item"):
        draw(STRATEGIES[name](), dataclasses.replace(pool, has=has & False), 1)


def test_cross_needs_two_languages() -> None:
    pool = parallel_pool()
    one = Pool(("en",), pool.has[:, :1], pool.group, pool.source)
    with pytest.raises(StrategyError, match="cross-lingual rows need at least 2 languages with items; the pool has 1"):
        draw(Cross(), one, 1)


def test_a_language_that_cannot_fill_a_batch_is_refused_before_the_first_batch() -> None:
    pool = parallel_pool()
    has = pool.has.copy()
    has[5:, 3] = False
    with pytest.raises(StrategyError, match="exist in 'th'; the pool has 5"):
        next(Mono().batches(dataclasses.replace(pool, has=has), 16, 1000, np.random.default_rng(0)))


def test_a_pool_whose_arrays_do_not_fit_is_refused() -> None:
    with pytest.raises(StrategyError, match="a pool's has is"):
        Pool(("en",), np.ones((3, 2), bool), np.arange(3), np.arange(3))


def test_a_million_items_stay_under_100_megabytes() -> None:
    n = 1_000_000
    pool = Pool(tuple("abcdefghijk"), np.ones((n, 11), bool), np.arange(n), np.zeros(n, np.int64))
    assert sum(part.nbytes for part in (pool.has, pool.group, pool.source)) < 100e6
