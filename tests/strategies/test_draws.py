"""Balanced draws: exact shares in every training, steps common to all strategies; independent ones are the default."""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from strategies import STRATEGIES, Batch, Pool, Strategy, StrategyError
from strategies.anneal import Anneal
from strategies.any_pair import AnyPair
from strategies.check import LANGS, check_strategy, parallel_pool, partial_pool
from strategies.cross import Cross
from strategies.draws import Rounds, coins, pair_weights
from strategies.hybrid import Hybrid
from strategies.hybrid_rows import HybridRows
from strategies.mixed import Mixed
from strategies.mono import Mono

BALANCED: list[Strategy] = [
    Mono(draws="balanced"),
    Cross(draws="balanced"),
    Cross(pairs="batch", draws="balanced"),
    Hybrid(draws="balanced"),
    Hybrid(alpha=0.3, pairs="batch", draws="balanced"),
    Hybrid(language_temperature=2.0, draws="balanced"),
    Anneal(draws="balanced"),
    Mixed(draws="balanced"),
    AnyPair(draws="balanced"),
    HybridRows(alpha=0.3, draws="balanced"),
]


def draw(strategy: Strategy, steps: int, seed: int = 0, pool: Pool | None = None, size: int = 16) -> list[Batch]:
    return list(strategy.batches(pool or parallel_pool(), size, steps, np.random.default_rng(seed)))


def monolingual(batches: list[Batch]) -> list[bool]:
    return [bool((b.q_lang == b.d_lang).all()) for b in batches]


@pytest.mark.parametrize("strategy", BALANCED, ids=repr)
def test_passes_the_contract_suite(strategy: Strategy) -> None:
    assert [r for r in check_strategy(strategy) if not r.passed] == []


@pytest.mark.parametrize(
    "name", [n for n, cls in STRATEGIES.items() if "draws" in {f.name for f in dataclasses.fields(cls)}]
)  # type: ignore[arg-type]
def test_the_signature_names_draws_only_where_they_are_not_the_default(name: str) -> None:
    cls = STRATEGIES[name]
    assert "draws" not in repr(cls())
    assert repr(cls(draws="balanced")).endswith(", draws='balanced')")  # type: ignore[call-arg]
    with pytest.raises(StrategyError, match="draws is 'independent' or 'balanced'; got 'equal'"):
        cls(draws="equal")  # type: ignore[call-arg]


@pytest.mark.parametrize("steps", [1, 7, 150, 151])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_languages_of_mono_differ_by_at_most_one_batch(steps: int, seed: int) -> None:
    counts = Counter(int(b.q_lang[0]) for b in draw(Mono(draws="balanced"), steps, seed))
    assert max(counts.values()) - min(counts.get(i, 0) for i in range(len(LANGS))) <= 1


@pytest.mark.parametrize(("alpha", "steps"), [(0.5, 150), (0.3, 150), (0.25, 16), (0.1, 1000), (0.0, 20), (1.0, 20)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_coin_falls_on_its_exact_share_in_all_and_in_each_language(alpha: float, steps: int, seed: int) -> None:
    batches = draw(Hybrid(alpha=alpha, draws="balanced"), steps, seed)
    mono = monolingual(batches)
    assert sum(mono) == round(alpha * steps)
    counts = Counter(int(b.q_lang[0]) for b, m in zip(batches, mono, strict=True) if m)
    assert all(abs(counts[i] - alpha * steps / len(LANGS)) < 2 for i in range(len(LANGS)))


def test_a_share_that_is_no_whole_number_is_rounded_at_random_and_right_in_the_mean() -> None:
    sums = [sum(monolingual(draw(Hybrid(alpha=0.35, draws="balanced"), 3, seed))) for seed in range(2000)]
    assert set(sums) == {1, 2}
    assert abs(np.mean(sums) - 1.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_at_every_step_the_coin_has_its_share_over_seeds() -> None:
    langs = np.arange(40) % 5
    share = np.mean([coins(langs, [0.3] * 40, 5, np.random.default_rng(seed)) for seed in range(4000)], axis=0)
    assert np.abs(share - 0.3).max() < 4.5 * (0.21 / 4000) ** 0.5


def test_anneal_keeps_its_drift_exactly() -> None:
    mono = monolingual(draw(Anneal(start=1.0, end=0.0, draws="balanced"), 200))
    due = np.cumsum([1 - step / 199 for step in range(200)])
    assert mono[0]
    assert not mono[-1]
    assert np.abs(np.cumsum(mono) - due).max() <= len(LANGS)
    assert abs(sum(mono) - 100) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_each_step_of_hybrid_is_that_of_mono_or_that_of_cross(seed: int) -> None:
    kinds = [draw(s, 60, seed) for s in (Hybrid(draws="balanced"), Mono(draws="balanced"), Cross(draws="balanced"))]
    for hybrid, mono, cross in zip(*kinds, strict=True):
        theirs = mono if (hybrid.q_lang == hybrid.d_lang).all() else cross
        assert all((a == b).all() for a, b in zip(hybrid, theirs, strict=True))


def test_hybrids_of_other_shares_have_their_languages_in_common() -> None:
    few, many = (draw(Hybrid(alpha=alpha, draws="balanced"), 100) for alpha in (0.3, 0.8))
    common = [(a, b) for a, b in zip(few, many, strict=True) if monolingual([a]) == monolingual([b])]
    assert len(common) > 30
    assert all((a.q_lang == b.q_lang).all() and (a.d_lang == b.d_lang).all() for a, b in common)


@pytest.mark.parametrize(("strategy", "kinds"), [
    (Cross(draws="balanced"), 20), (AnyPair(draws="balanced"), 25), (Mixed(draws="balanced"), 5),
])  # fmt: skip
def test_rows_are_dealt_like_cards(strategy: Strategy, kinds: int) -> None:
    rows = [pair for b in draw(strategy, 53) for pair in zip(b.q_lang.tolist(), b.d_lang.tolist(), strict=True)]
    for start, end in pairwise(range(0, len(rows), kinds)):
        assert len(set(rows[start:end])) == kinds


def test_pairs_of_whole_batches_are_dealt_too() -> None:
    pairs = [(int(b.q_lang[0]), int(b.d_lang[0])) for b in draw(Cross(pairs="batch", draws="balanced"), 40)]
    assert Counter(pairs) == Counter({pair: 2 for pair in pairs})
    assert len(set(pairs)) == 20


def test_rows_of_hybrid_rows_have_their_exact_share() -> None:
    mono = np.concatenate([b.q_lang == b.d_lang for b in draw(HybridRows(alpha=0.3, draws="balanced"), 50)])
    assert mono.sum() == 240
    assert 0 < mono[:16].sum() < 16


def test_unequal_weights_stay_within_one_of_their_share_at_all_times() -> None:
    weights = np.array([0.5, 0.0, 0.3, 0.15, 0.05])
    for seed in range(20):
        dealt = Rounds(weights, np.random.default_rng(seed)).deal(3000)
        counts = np.cumsum(dealt[:, None] == np.arange(5), axis=0)
        assert np.abs(counts - np.arange(1, 3001)[:, None] * weights).max() < 2.5
        assert (counts[-1] == 0).tolist() == [False, True, False, False, False]


def test_a_round_is_shuffled() -> None:
    rounds = Rounds(np.full(3, 1 / 3), np.random.default_rng(0)).deal(6000).reshape(-1, 3)
    counts = Counter(map(tuple, rounds.tolist()))
    assert len(counts) == 6
    assert all(abs(n - 2000 / 6) < 5 * (2000 / 6) ** 0.5 for n in counts.values())


def test_pairs_have_the_weights_of_a_draw_without_replacement() -> None:
    weights = np.array([0.6, 0.3, 0.1])
    pairs = pair_weights(weights).reshape(3, 3)
    assert pairs.sum() == pytest.approx(1)
    assert pairs[0, 1] == pytest.approx(0.6 * 0.3 / 0.4)
    assert (np.diag(pairs) == 0).all()


def test_a_row_without_the_dealt_language_gets_one_of_its_own_and_the_rest_stays_dealt() -> None:
    pool = partial_pool()
    for strategy in BALANCED:
        for batch in draw(strategy, 40, pool=pool):
            assert (pool.has[batch.item, batch.q_lang] & pool.has[batch.item, batch.d_lang]).all()
