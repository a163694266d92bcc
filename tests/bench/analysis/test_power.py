"""What is said of variance and of further trainings comes true as often as it says."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis import power, statistics
from bench.analysis.power import Planned


def drawn(rng: np.random.Generator, rounds: int, trainings: int, spread: float = 0.02) -> np.ndarray:
    d = spread * rng.standard_normal((rounds, trainings, 1)) + 0.1 * rng.standard_normal((rounds, 1, 60))
    return np.asarray(d + 0.05 * rng.standard_normal((rounds, trainings, 60)))


def test_limits_of_the_spread_are_those_of_the_chi_square() -> None:
    d = drawn(np.random.default_rng(0), 1, 4)[0]
    found = power.spread(statistics.effect(d))
    seen = d.mean(axis=1).std(ddof=1)
    assert found.value == pytest.approx(seen)
    assert found.low == pytest.approx(seen * np.sqrt(3 / scipy_stats.chi2.isf(0.05, 3)))
    assert found.high == pytest.approx(seen * np.sqrt(3 / scipy_stats.chi2.ppf(0.05, 3)))


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.05])
def test_limits_hold_nine_times_in_ten(spread: float) -> None:
    rng = np.random.default_rng(1)
    of_training = spread**2 + 0.05**2 / 60
    share = of_training / 5 / (of_training / 5 + 0.1**2 / 60)
    inside = [0, 0]
    for d in drawn(rng, 400, 5, spread):
        effect = statistics.effect(d)
        for i, (found, true) in enumerate(((power.spread(effect), of_training**0.5), (power.shrinks(effect), share))):
            assert found.low <= found.value <= found.high
            inside[i] += found.low <= true <= found.high
    assert all(n / 400 >= 0.85 for n in inside)
    assert inside[0] / 400 <= 0.95


def test_one_training_and_equal_scores_say_nothing_of_variance() -> None:
    one, equal = statistics.effect(np.arange(5.0)[None, :]), statistics.effect(np.full((3, 5), 0.2))
    for found in (power.spread(one), power.shrinks(one), power.shrinks(equal)):
        assert np.isnan(found).all()
    assert power.planned(one) is None
    assert power.planned(equal) is None


@pytest.mark.parametrize(("have", "planned"), [(2, 2), (3, 3), (3, 6)])
def test_the_detectable_difference_is_found_four_times_in_five(have: int, planned: int) -> None:
    rng = np.random.default_rng(have)
    found, rounds = 0, 500
    later = drawn(rng, rounds, planned)
    for pilot, d in zip(drawn(rng, rounds, have), later, strict=True):
        plan = power.planned(statistics.effect(pilot))
        assert plan is not None
        size = power.detectable(plan, planned)
        assert size.low < size.value < size.high
        found += statistics.p_value(d + size.value, 0.0) < 0.025
    assert 0.75 <= found / rounds <= 0.9


def test_a_given_spread_has_no_limits_and_more_trainings_find_less() -> None:
    plan = Planned(0.02**2, np.inf, 0.003**2, 500)
    sizes = [power.detectable(plan, n) for n in (2, 3, 5, 10, 1000)]
    assert all(s.low == s.value == s.high for s in sizes)
    assert [s.value for s in sizes] == sorted((s.value for s in sizes), reverse=True)
    z = scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)
    assert sizes[-1].value == pytest.approx(z * np.sqrt(0.02**2 / 1000 + 0.003**2), rel=0.01)
    assert power.detectable(plan._replace(pooled=3), 3).value < sizes[1].value


def test_power_is_that_of_the_t_test_where_questions_give_nothing() -> None:
    plan = Planned(1.0, np.inf, 0.0, 100)
    for n, size in ((3, 2.0), (5, 1.0), (10, 1.0)):
        theirs = scipy_stats.nct.sf(scipy_stats.t.isf(0.025, n - 1), n - 1, size * np.sqrt(n))
        assert power.power(plan, n, size) == pytest.approx(theirs, abs=0.002)
