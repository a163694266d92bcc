"""The boundaries of sequential t tests: against published ones, and against drawn trainings."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.deciding.boundaries import boundaries, spent


def test_they_are_those_of_the_protocol() -> None:
    """Boundaries at .05 two-sided for looks at 3 to 12, as they were drawn by simulation for the protocol."""
    listed = [105.6, 15.2, 7.25, 5.02, 4.02, 3.46, 3.10, 2.85, 2.66, 2.52]
    np.testing.assert_allclose(boundaries(0.025, 3, 12), listed, rtol=0.008)


def test_one_look_is_students_t() -> None:
    for tail in (0.025, 0.00096):
        assert boundaries(tail, 5, 5) == pytest.approx((scipy_stats.t.isf(tail, 4),))
        assert boundaries(tail, 5, 5, 3) == pytest.approx((scipy_stats.t.isf(tail, 8),))


def test_the_spending_function_is_lans_and_demets() -> None:
    np.testing.assert_allclose(spent(0.025, np.array([0.25, 0.5, 1.0])), [4.42877e-05, 2.78730e-03, 0.025], rtol=1e-4)


@pytest.mark.parametrize(("first", "most", "strategies", "tail"), [
    (3, 12, 2, 0.025), (3, 12, 3, 0.025), (3, 8, 5, 0.05), (5, 9, 2, 0.005), (4, 4, 3, 0.01), (3, 20, 3, 0.025),
])  # fmt: skip
def test_paths_cross_as_often_as_is_spent(first: int, most: int, strategies: int, tail: float) -> None:
    rng, rounds = np.random.default_rng(most), 200_000
    y = rng.standard_normal((strategies, most, rounds))
    alive, looks = np.ones(rounds, bool), np.arange(first, most + 1)
    crossed = []
    for n, boundary in zip(looks, boundaries(tail, first, most, strategies), strict=True):
        seen = y[:, :n] - y[:, :n].mean(axis=1, keepdims=True)
        squares = ((seen - seen.mean(axis=0)) ** 2).sum(axis=(0, 1)) / ((strategies - 1) * (n - 1))
        t = (y[0, :n] - y[1, :n]).mean(axis=0) / np.sqrt(2 * squares / n)
        over = alive & (np.abs(t) > boundary)
        crossed.append(over.mean())
        alive &= ~over
    total = 2 * spent(tail, looks / most)
    error = 4.5 * np.sqrt(total / rounds) + 1e-6
    assert np.all(np.abs(np.cumsum(crossed) - total) < error), np.cumsum(crossed) / total


@pytest.mark.parametrize("tail", [0.025, 0.003125, 0.00096, 0.0001])
def test_they_fall_and_are_never_below_the_last_look_alone(tail: float) -> None:
    for strategies in (2, 3):
        found = boundaries(tail, 3, 12, strategies)
        assert list(found) == sorted(found, reverse=True)
        alone = scipy_stats.t.sf(found, (strategies - 1) * np.arange(2, 12))
        steps = np.diff(spent(tail, np.arange(3, 13) / 12), prepend=0)
        assert np.all(alone >= steps * 0.9999)
        assert alone[-1] < tail
