"""Statistics against scipy, by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis import statistics


def test_exact_sign_flips_are_scipys_permutation_test() -> None:
    values = np.random.default_rng(0).standard_normal((11, 3)) + np.array([0.0, 0.5, 1.5])
    ours = statistics.sign_flip(values, np.random.default_rng(1))
    for column, p in zip(values.T, ours, strict=True):
        theirs = scipy_stats.permutation_test((column,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_sign_flips_come_near_the_t_test_and_never_reach_zero() -> None:
    values = np.random.default_rng(2).standard_normal((400, 3)) + np.array([0.0, 0.1, 1.0])
    ours = statistics.sign_flip(values, np.random.default_rng(3), 20_000)
    np.testing.assert_allclose(ours[:2], statistics.paired_t(values)[:2], atol=0.02)
    assert ours[2] == 1 / 20_001
    assert statistics.sign_flip(np.zeros((30, 1)), np.random.default_rng(0), 500).tolist() == [1.0]


@pytest.mark.parametrize("n", [17, 24, 61])
def test_a_byte_flips_eight_clusters(n: int) -> None:
    values = np.random.default_rng(n).standard_normal((n, 2)) + 0.2
    drawn = np.random.default_rng(9).integers(0, 256, (-(-n // 8), 300), np.uint8)
    signs = np.unpackbits(drawn, axis=0, bitorder="little")[:n].T * 2.0 - 1.0
    hits = (np.abs(signs @ values) >= np.abs(values.sum(axis=0)) - 1e-9).sum(axis=0)
    np.testing.assert_allclose(statistics.sign_flip(values, np.random.default_rng(9), 300), (1 + hits) / 301)


def test_one_sided_p_is_students_where_there_is_one_training() -> None:
    values = np.random.default_rng(1).standard_normal(50) + 0.1
    one = values[None, :]
    error, df = float(np.sqrt(statistics.variance(one).total)), statistics.freedom(one)
    for bound in (0.0, -0.05):
        theirs = scipy_stats.ttest_1samp(values, bound, alternative="greater").pvalue
        assert statistics.one_sided(float(values.mean()), error, df, bound) == pytest.approx(theirs)
    assert statistics.one_sided(0.1, 0.0, 5, 0.0) == 0.0
    assert statistics.one_sided(0.0, 0.0, 5, 0.0) == 1.0


def test_variance_parts_are_those_that_were_put_in() -> None:
    rng = np.random.default_rng(4)
    parts = [statistics.variance(draw(rng, 6, 80, 0.02, 0.1, 0.2)) for _ in range(300)]
    assert np.mean([p.seeds for p in parts]) == pytest.approx(0.02**2 / 6, rel=0.25)
    assert np.mean([p.clusters for p in parts]) == pytest.approx(0.1**2 / 80, rel=0.1)
    assert np.mean([p.rest for p in parts]) == pytest.approx(0.2**2 / 480, rel=0.05)
    one = np.arange(10.0)[None, :]
    assert statistics.variance(one).total == pytest.approx(scipy_stats.sem(one[0]) ** 2)


def draw(rng: np.random.Generator, seeds: int, clusters: int, s: float, c: float, rest: float) -> np.ndarray:
    """Differences with seed effects, cluster effects and noise of these standard deviations, around 0."""
    effects = s * rng.standard_normal((seeds, 1)) + c * rng.standard_normal((1, clusters))
    return effects + rest * rng.standard_normal((seeds, clusters))


@pytest.mark.parametrize(("seeds", "s"), [(1, 0.0), (3, 0.0), (3, 0.01), (5, 0.02)])
def test_intervals_cover_and_tests_err_as_often_as_they_say(seeds: int, s: float) -> None:
    rng = np.random.default_rng(5)
    covered, rejected, rounds = 0, 0, 400
    for _ in range(rounds):
        differences = draw(rng, seeds, 120, s, 0.1, 0.1)
        interval = statistics.bootstrap(differences, rng, draws=600)
        covered += interval.low <= 0 <= interval.high
        rejected += float(statistics.sign_flip(differences.mean(axis=0)[:, None], rng, 400)[0]) <= 0.05
    assert 0.92 <= covered / rounds <= 0.985
    if s == 0.0:
        assert 0.025 <= rejected / rounds <= 0.08


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(6)
    found, rounds = 0, 400
    for _ in range(rounds):
        differences = draw(rng, 5, 120, 0.005, 0.1, 0.1)
        effect = statistics.detectable(differences)
        shifted = differences + effect
        error = np.sqrt(statistics.variance(shifted).total)
        found += abs(shifted.mean()) / error > scipy_stats.t.ppf(0.975, statistics.freedom(shifted))
    assert 0.7 <= found / rounds <= 0.9


def test_as_many_trainings_as_there_are_detect_what_they_detect() -> None:
    differences = draw(np.random.default_rng(7), 4, 120, 0.02, 0.1, 0.1)
    assert statistics.detectable_with(4, differences) == pytest.approx(statistics.detectable(differences), rel=1e-12)


@pytest.mark.parametrize(("planned", "s"), [(2, 0.0), (3, 0.01), (6, 0.03)])
def test_planned_trainings_find_the_difference_four_times_in_five(planned: int, s: float) -> None:
    rng = np.random.default_rng(8)
    effect = statistics.detectable_with(planned, draw(rng, 400, 120, s, 0.1, 0.1))
    found, rounds = 0, 1000
    for _ in range(rounds):
        ours = draw(rng, planned, 120, s, 0.1, 0.1) + effect
        error = np.sqrt(statistics.variance(ours).total)
        found += abs(ours.mean()) / error > scipy_stats.t.ppf(0.975, statistics.freedom(ours))
    assert 0.72 <= found / rounds <= 0.88


def test_more_trainings_detect_less_down_to_what_the_questions_allow() -> None:
    differences = draw(np.random.default_rng(9), 4, 120, 0.03, 0.1, 0.1)
    found = [statistics.detectable_with(n, differences) for n in (2, 3, 5, 10, 20, 100_000)]
    assert found == sorted(found, reverse=True)
    part = statistics.variance(differences)
    quantiles = scipy_stats.t.ppf(0.975, 119) + scipy_stats.t.ppf(0.8, 119)
    assert found[-1] == pytest.approx(quantiles * np.sqrt(part.clusters), rel=0.01)


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0.001, 0.02, "superior"), (-0.005, 0.02, "non-inferior"), (-0.02, 0.02, "inconclusive"),
    (-0.03, -0.011, "inferior"), (-0.03, -0.009, "inconclusive"), (-0.009, -0.001, "non-inferior"),
])  # fmt: skip
def test_verdicts(low: float, high: float, expected: str) -> None:
    assert statistics.verdict(statistics.Interval(low, high), 0.01) == expected


def test_equivalence_asks_for_both_sides() -> None:
    assert statistics.equivalent(statistics.Interval(-0.009, 0.009), 0.01)
    assert not statistics.equivalent(statistics.Interval(-0.009, 0.011), 0.01)
    assert not statistics.equivalent(statistics.Interval(-0.011, 0.0), 0.01)


def test_corrections() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(statistics.holm(p), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(statistics.partial_conjunction(p), [0.02, 0.03, 0.06, 0.06])
