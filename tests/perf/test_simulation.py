"""The simulation of what readers see, short: too few rounds to judge a rate, enough to see one that is far off."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import simulation
from simulation import MOST, Rate

HARMFUL = ("skewed", "3 : 1 : 1", "1 : 0.8 : 0.55")
"""Laws under which tests are known to err more often (simulation.md says where and why)."""

Rates = Callable[[np.random.Generator, int], Iterator[Rate]]


@pytest.mark.parametrize(("rates", "rounds"), [
    (simulation.claims, 400), (simulation.pooling, 400), (simulation.families, 60), (simulation.ranks, 150),
    (simulation.maps, 150), (simulation.sequences, 300),
])  # fmt: skip
def test_nothing_errs_more_often_than_it_says(rates: Rates, rounds: int) -> None:
    found = [r for r in rates(np.random.default_rng(7), rounds) if not set(r.of) & set(HARMFUL)]
    assert len(found) >= 8
    for r in found:
        assert r.rate <= MOST * r.nominal + 4.5 * np.sqrt(r.nominal / rounds), r
    assert any(r.rate for r in found), "a test that never rejects is none"


def test_planned_power_comes_true() -> None:
    for r in simulation.planning(np.random.default_rng(8), 150):
        assert 0.6 < r.rate < 0.95, r


def test_a_rate_that_is_off_is_marked() -> None:
    part = simulation.Part("x", "", ("law",), lambda rng, rounds: iter(()))
    lines = simulation.shown(part, [Rate(("a",), 0.05, 0.05), Rate(("b",), 0.01, 0.05), Rate(("c",), 0.1, 0.05)])
    assert [line.split("|")[-2].strip() for line in lines.splitlines()[2:]] == ["", "below", "ABOVE"]
