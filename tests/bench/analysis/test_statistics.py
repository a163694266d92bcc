"""The engine of intervals and p against its formula, scipy, and its own inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.analysis import statistics
from bench.uncertainty import multiple
from bench.uncertainty.flips import sign_flip


def drawn(seed: int, trainings: int, questions: int, of_training: float = 0.02) -> np.ndarray:
    """Differences with effects of trainings and questions, and what is left."""
    rng = np.random.default_rng(seed)
    effects = of_training * rng.standard_normal((trainings, 1)) + 0.1 * rng.standard_normal((1, questions))
    return np.asarray(0.01 + effects + 0.1 * rng.standard_normal((trainings, questions)))


def by_hand(d: np.ndarray, tail: float) -> float:
    """Half-width: t(S-1)^2 MS_trainings / S + t(Q-1)^2 max(0, questions' part); the residual where there are fewer."""
    s, q = d.shape
    residual = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0) + d.mean()
    rest = (residual**2).sum() / ((s - 1) * (q - 1)) / (s * q)
    trainings, questions = d.mean(axis=1).var(ddof=1) / s, d.mean(axis=0).var(ddof=1) / q
    if s <= q:
        questions = max(0.0, questions - rest)
    else:
        trainings = max(0.0, trainings - rest)
    t = scipy_stats.t.isf(tail, [s - 1, q - 1])
    return float(np.sqrt(t[0] ** 2 * trainings + t[1] ** 2 * questions))


@pytest.mark.parametrize(("trainings", "questions"), [(2, 5), (2, 300), (3, 40), (5, 5), (12, 1190), (10, 5)])
@pytest.mark.parametrize("tail", [0.025, 0.00096, 1e-7])
def test_the_interval_is_its_formula(trainings: int, questions: int, tail: float) -> None:
    for seed in range(5):
        d = drawn(seed, trainings, questions)
        low, high = statistics.interval(d, 1 - 2 * tail)
        assert (high - low) / 2 == pytest.approx(by_hand(d, tail), rel=1e-9)
        assert (high + low) / 2 == pytest.approx(d.mean(), rel=1e-6)


shapes = st.tuples(st.integers(1, 8), st.integers(1, 40), st.integers(0, 10_000), st.floats(0, 0.5))


@settings(max_examples=150, deadline=None)
@given(shapes, st.floats(1e-6, 0.499), st.floats(-3, 3))
def test_p_is_the_interval_turned_round(shape: tuple[int, int, int, float], tail: float, bound: float) -> None:
    trainings, questions, seed, missing = shape
    d = drawn(seed, trainings, questions)
    holes = np.random.default_rng(seed).random(d.shape) < missing
    holes[:, 0] = False
    d[holes] = np.nan
    low, high = statistics.interval(d, 1 - 2 * tail)
    if np.isfinite(low):
        assert statistics.p_value(d, low) == pytest.approx(tail, rel=1e-9, abs=1e-12)
        assert statistics.p_value(d, high) == pytest.approx(1 - tail, abs=1e-12)
    p = statistics.p_value(d, bound)
    assert (p < tail) == (low > bound) or p == pytest.approx(tail)
    assert statistics.p_value(-d, -bound) == pytest.approx(1 - p, abs=1e-12)
    assert statistics.p_value(d, bound + 0.1) >= p
    assert statistics.p_value(3 * d, 3 * bound) == pytest.approx(p, rel=1e-6, abs=1e-12)


def test_one_training_and_one_question_are_students_t_of_what_is_left() -> None:
    d = drawn(1, 1, 50)
    for one in (d, d.T):
        values = one.ravel()
        for bound in (0.0, -0.05):
            theirs = scipy_stats.ttest_1samp(values, bound, alternative="greater").pvalue
            assert statistics.p_value(one, bound) == pytest.approx(theirs, rel=1e-9)
        theirs = scipy_stats.t.interval(0.9, len(values) - 1, values.mean(), scipy_stats.sem(values))
        assert statistics.interval(one, 0.9) == pytest.approx(theirs)
    assert statistics.interval(np.ones((1, 1))) == (-np.inf, np.inf)
    assert statistics.p_value(np.ones((1, 1)), 0.0) == 0.5


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -1e-7, 10_000.3])
@pytest.mark.parametrize("shape", [(3, 7), (2, 5), (1, 40), (6, 1)])
def test_where_nothing_varies_the_interval_is_a_point(value: float, shape: tuple[int, int]) -> None:
    d = np.full(shape, value)
    assert statistics.interval(d) == pytest.approx((value, value), rel=1e-12)
    assert not statistics.effect(d).varies
    assert [statistics.p_value(d, value + by) for by in (-1e-3, 0.0, 1e-3)] == [0.0, 0.5, 1.0]
    assert statistics.effect(d - value).two_sided() == 1.0


def test_trainings_that_agree_to_the_last_digit_leave_the_error_of_questions_alone() -> None:
    values = np.array([0.0, 0.5, 0.0, 0.0, -0.25, 0.5, 0.0, 0.0])
    d = np.stack([values, np.roll(values, 3)])
    assert d.mean(axis=1).var() == 0
    means = d.mean(axis=0)
    assert statistics.interval(d) == pytest.approx(
        scipy_stats.t.interval(0.95, 7, means.mean(), scipy_stats.sem(means))
    )


def test_a_question_that_is_nowhere_is_as_if_it_were_not_there() -> None:
    d = drawn(3, 4, 30)
    more = np.insert(d, [4, 4, 17], np.nan, axis=1)
    assert statistics.interval(more) == pytest.approx(statistics.interval(d), rel=1e-12)
    assert statistics.interval(d[::-1, ::-1]) == pytest.approx(statistics.interval(d), rel=1e-12)


@pytest.mark.parametrize(("wrong", "message"), [
    (np.array([[0.1, 0.2], [np.nan, np.nan]]), "a value in each training"),
    (np.array([[0.1, np.inf]]), "infinite"), (np.zeros(4), "trainings, questions"), (np.zeros((3, 0)), "each training"),
])  # fmt: skip
def test_what_is_no_table_is_refused(wrong: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.interval(wrong)
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistics.interval(np.zeros((2, 2)), 1.0)


def test_intervals_cover_with_gaps_and_few_trainings() -> None:
    rng = np.random.default_rng(5)
    d = 0.03 * rng.standard_normal((4000, 3, 1)) + 0.1 * rng.standard_normal((4000, 1, 24))
    d += 0.1 * rng.standard_normal((*d.shape[:2], 24))
    d = np.where(rng.random(d.shape) < 0.3, np.nan, d)
    effect = statistics.effect(d)
    assert 0.94 < np.mean(np.abs(effect.mean) <= effect.half_width(0.025)) < 0.995
    assert np.mean(effect.p_value() < 0.005) <= 0.0075


def scores(seed: int, strategies: int, trainings: int, questions: int, spread: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(spread * rng.standard_normal((strategies, trainings, 1)) + 0.1 * rng.standard_normal(questions)
                      + 0.05 * rng.standard_normal((strategies, trainings, questions)))  # fmt: skip


def test_two_strategies_pool_nothing() -> None:
    y = scores(0, 2, 4, 30)
    pooled = statistics.pooled(y)
    assert pooled.interval() == statistics.interval(y[0] - y[1])
    assert not pooled.pooled
    assert np.isnan(pooled.unequal)


@pytest.mark.parametrize("strategies", [3, 5])
def test_pooled_is_the_strategy_by_training_mean_square_unless_the_pair_spreads_more(strategies: int) -> None:
    seen = set()
    for seed in range(20):
        y = scores(seed, strategies, 4, 30)
        found = statistics.pooled(y, a=1, b=0)
        m = y.mean(axis=2)
        left = m - m.mean(axis=1, keepdims=True) - m.mean(axis=0) + m.mean()
        squares = (left**2).sum()
        pair = (m[1] - m[0]).var(ddof=1) * 3 / 2
        f = scipy_stats.f.sf(pair * (strategies - 2) / (squares - pair), 3, 3 * (strategies - 2))
        assert float(found.unequal) == pytest.approx(f)
        assert bool(found.pooled) == (f >= statistics.SAME_SPREAD)
        df = (strategies - 1) * 3
        wanted = (2 * squares / df / 4, df) if found.pooled else (2 * pair / 3 / 4, 3)
        assert (float(found.parts[0].variance), float(found.parts[0].freedom)) == pytest.approx(wanted)
        own = statistics.effect(y[1] - y[0])
        assert float(found.mean) == float(own.mean)
        assert found.parts[1] == own.parts[1]
        assert statistics.pooled(y[[1, 0, *range(strategies - 1, 1, -1)]]).interval() == pytest.approx(found.interval())
        seen.add(bool(found.pooled))
    assert seen == {True, False}


def test_several_sets_are_averaged_over_the_same_trainings() -> None:
    first, second = drawn(0, 5, 60), drawn(1, 5, 20)
    both = statistics.effect(first, second)
    assert float(both.mean) == pytest.approx((first.mean() + second.mean()) / 2)
    seeds = (first.mean(axis=1) + second.mean(axis=1)) / 2
    assert float(both.parts[0].variance) == pytest.approx(seeds.var(ddof=1) / 5)
    singly = [statistics.effect(d).parts[1] for d in (first, second)]
    assert [float(p.variance) for p in both.parts[1:]] == pytest.approx([float(p.variance) / 4 for p in singly])
    assert [float(p.freedom) for p in both.parts[1:]] == [59, 19]
    twice = statistics.effect(first, first)
    assert float(twice.mean) == pytest.approx(first.mean())


def test_exact_sign_flips_are_scipys_permutation_test() -> None:
    values = np.random.default_rng(0).standard_normal((11, 3)) + np.array([0.0, 0.5, 1.5])
    ours = sign_flip(values, np.random.default_rng(1))
    for column, p in zip(values.T, ours, strict=True):
        theirs = scipy_stats.permutation_test((column,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_sign_flips_come_near_the_t_test_and_never_reach_zero() -> None:
    values = np.random.default_rng(2).standard_normal((400, 3)) + np.array([0.0, 0.1, 1.0])
    ours = sign_flip(values, np.random.default_rng(3), 20_000)
    np.testing.assert_allclose(ours[:2], scipy_stats.ttest_1samp(values, 0.0).pvalue[:2], atol=0.02)
    assert ours[2] == 1 / 20_001
    assert sign_flip(np.zeros((30, 1)), np.random.default_rng(0), 500).tolist() == [1.0]


@pytest.mark.parametrize("n", [17, 24, 61])
def test_a_byte_flips_eight_clusters(n: int) -> None:
    values = np.random.default_rng(n).standard_normal((n, 2)) + 0.2
    drawn = np.random.default_rng(9).integers(0, 256, (-(-n // 8), 300), np.uint8)
    signs = np.unpackbits(drawn, axis=0, bitorder="little")[:n].T * 2.0 - 1.0
    hits = (np.abs(signs @ values) >= np.abs(values.sum(axis=0)) - 1e-9).sum(axis=0)
    np.testing.assert_allclose(sign_flip(values, np.random.default_rng(9), 300), (1 + hits) / 301)


def test_corrections() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(multiple.holm(p), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(multiple.benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(multiple.partial_conjunction(p), [0.02, 0.03, 0.06, 0.06])


def test_weights_of_holm_are_shares_of_the_error() -> None:
    p = np.array([0.01, 0.02, 0.03])
    np.testing.assert_allclose(multiple.holm(p, np.ones(3)), multiple.holm(p))
    np.testing.assert_allclose(multiple.holm(p, np.array([1, 2, 1])), [0.04, 0.04, 0.04])
    np.testing.assert_allclose(multiple.holm(p, np.array([0.5, 0.25, 0.25])), [0.02, 0.04, 0.04])
