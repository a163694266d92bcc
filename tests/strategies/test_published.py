"""What papers describe can be written, and passes; a name that is read without saying so is refused."""

import dataclasses

import numpy as np
import pytest

from bench.data.batches import Audit, Refresh, schedule
from bench.errors import BenchError
from bench.plan import resolve
from strategies import Strategy, StrategyError
from strategies.check import check_strategy, parallel_pool, require_sound
from strategies.check_pools import drawn_vectors
from strategies.hybrid import Hybrid
from strategies.near import neighbours_of
from strategies.neighbours import Neighbours
from strategies.parts import Cluster, Script
from strategies.within import Within
from tests.strategies.published import (
    ClusterBatches,
    FamilyBatches,
    ManyPassages,
    NearestBatches,
    ScriptBatches,
    SourceCurriculum,
)

WRITTEN = [ScriptBatches(), FamilyBatches(), SourceCurriculum(), ClusterBatches(), NearestBatches(), ManyPassages()]


@pytest.mark.parametrize("strategy", WRITTEN, ids=repr)
def test_what_papers_describe_passes(strategy: Strategy) -> None:
    assert [r for r in check_strategy(strategy) if not r.passed] == []
    require_sound(strategy, ("ar", "de", "en", "ru", "th", "zh"), ("lo-help", "docs-qa", "ntrex"))


class Silent(ScriptBatches):
    reads = ()  # type: ignore[assignment]


def test_names_that_are_read_without_saying_so_are_refused_before_training() -> None:
    assert "label invariance" in {r.name for r in check_strategy(Silent()) if not r.passed}
    with pytest.raises(StrategyError, match="so it is not trained: label invariance"):
        require_sound(Silent(), ("ar", "de", "en", "th", "zh"), ("demo",))


def test_a_plugin_that_is_no_dataclass_gets_a_line(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "plain.py"
    path.write_text("from strategies import Strategy\nclass Plain(Strategy):\n    def batches(self, *a): yield\n")
    with pytest.raises(BenchError, match="a strategy is a frozen dataclass, whose fields are its parameters"):
        resolve.strategy(f"{path}:Plain")


def test_the_guard_keeps_the_nearest_apart_and_languages_are_the_inner_ones() -> None:
    pool = parallel_pool(1200)
    pool = dataclasses.replace(pool, vectors=drawn_vectors(pool))
    assert pool.vectors is not None
    closest = neighbours_of(pool.vectors, 3)
    inner = list(schedule(Hybrid(), pool, 32, 30, 0, Audit(pool.langs)))
    near = list(schedule(Neighbours(8), pool, 32, 30, 0, Audit(pool.langs)))
    for a, b in zip(inner, near, strict=True):
        np.testing.assert_array_equal(np.stack([a.q_lang, a.d_lang]), np.stack([b.q_lang, b.d_lang]))
        replaced = np.flatnonzero(np.arange(32) % 8)
        for row in replaced.tolist():
            if b.item[row] != a.item[row]:
                earlier = b.item[: row - row % 8 : 1]
                assert not np.isin(closest[b.item[row]], earlier).any()


def test_nearest_neighbours_are_those_of_all_pairs() -> None:
    pool = parallel_pool(500)
    vectors = drawn_vectors(pool)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    found = neighbours_of(vectors, 5)
    best = np.sort(similarity, axis=1)[:, :-6:-1]
    np.testing.assert_allclose(np.take_along_axis(similarity, found.astype(np.int64), axis=1), best, rtol=1e-6)


def test_parts_cover_the_pool_and_each_batch_lies_in_one() -> None:
    pool = parallel_pool(1200)
    pool = dataclasses.replace(pool, vectors=drawn_vectors(pool))
    for part in (Cluster(6), Script()):
        cuts = part.cuts(pool, 16)
        cells = np.zeros(pool.has.shape, np.int64)
        for cut in cuts:
            cells[np.ix_(cut.items, cut.langs)] += 1
        assert (cells == 1).all()
        seen = pool if "vectors" in part.needs else dataclasses.replace(pool, vectors=None)
        for batch in schedule(Within(part, resolve.strategy("mono")), seen, 16, 40, 1, Audit(pool.langs)):
            inside = [set(batch.item) <= set(c.items) and set(batch.q_lang) <= set(c.langs) for c in cuts]
            assert sum(inside) == 1


def test_the_audit_tells_sources_and_similarity() -> None:
    pool = parallel_pool(1200)
    pool = dataclasses.replace(pool, vectors=drawn_vectors(pool))
    found = {}
    for text in ("hybrid", "within(source, hybrid())", "within(cluster(6), hybrid())", "neighbours(8, hybrid())"):
        audit = Audit(pool.langs)
        list(schedule(resolve.strategy(text), pool, 16, 60, 0, audit))
        found[text] = audit.summary()
    assert found["within(source, hybrid())"]["same_source"] == 1.0
    assert 0.4 < found["hybrid"]["same_source"] < 0.6  # type: ignore[operator]
    similarity = [found[text]["similarity"] for text in found]
    assert similarity[2] > similarity[0] + 0.2  # type: ignore[operator]
    assert similarity[3] > similarity[0] + 0.1  # type: ignore[operator]


def test_a_refreshed_schedule_goes_on_from_a_checkpoint_wherever_it_falls() -> None:
    pool = parallel_pool(400)
    pool = dataclasses.replace(pool, vectors=drawn_vectors(pool))
    strategy = Neighbours(4, refresh_every=10)

    def begun(calls: list[int]) -> Refresh:
        refresh = Refresh()

        def encode() -> np.ndarray:
            calls.append(len(refresh.batches))
            return drawn_vectors(pool, len(refresh.batches) // 10)

        refresh.follow(encode)
        return refresh

    calls: list[int] = []
    whole = list(schedule(strategy, pool, 16, 35, 0, Audit(pool.langs), refresh=begun(calls)))
    assert calls == [10, 20, 30]
    for stop in (4, 10, 17, 20, 33):
        first = begun([])
        drawn = schedule(strategy, pool, 16, 35, 0, Audit(pool.langs), refresh=first)
        for _ in range(stop):
            next(drawn)
        second = begun([])
        second.restore(first.state())
        again = list(schedule(strategy, pool, 16, 35, 0, Audit(pool.langs), refresh=second))
        assert all(np.array_equal(x, y) for a, b in zip(whole, again, strict=True) for x, y in zip(a, b, strict=True))
    with pytest.raises(BenchError, match="behind a refresh it draws in training alone"):
        list(schedule(strategy, pool, 16, 35, 0, Audit(pool.langs)))
