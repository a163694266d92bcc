import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import ItemStream, Pool, StrategyError

LANGS = ("en", "de", "th")


def make_pool(has: np.ndarray, group: np.ndarray | None = None) -> Pool:
    n = len(has)
    return Pool(LANGS, has.astype(bool), np.arange(n) if group is None else group, np.zeros(n, np.int64))


def stream(pool: Pool, seed: int = 0) -> ItemStream:
    return ItemStream(pool, np.random.default_rng(seed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 300), st.integers(1, 6))
def test_what_is_taken_exists_and_differs_in_group(seed: int, n: int, per_group: int) -> None:
    rng = np.random.default_rng(seed)
    has = rng.random((n, 3)) < 0.6
    has[:10] = True
    group = np.concatenate([np.arange(10), 10 + np.arange(n - 10) // per_group])
    pool = make_pool(has, group)
    items = stream(pool, seed)
    for langs, coverage in (((0,), 1), ((1, 2), 1), ((), 2), ((), 1), ((2,), 1)) * 10:
        got = items.take(8, langs, coverage)
        assert len(got) == 8
        assert len(np.unique(group[got])) == 8
        assert all(has[got][:, lang].all() for lang in langs)
        assert (has[got].sum(axis=1) >= coverage).all() or langs


def test_a_parallel_pool_is_walked_in_passes_whatever_is_asked() -> None:
    pool = make_pool(np.ones((50, 3)))
    one, other = stream(pool), stream(pool)
    asked = [((0,), 1), ((1, 2), 1), ((), 2), ((2,), 1)]
    a = np.concatenate([one.take(7, (0,)) for _ in range(100)])
    b = np.concatenate([other.take(7, *asked[i % 4]) for i in range(100)])
    np.testing.assert_array_equal(a, b)
    for start in range(0, 700, 50):
        # a pass may begin inside of a batch: an item of that batch then waits for the next one
        assert len(set(a[start : start + 50])) >= 44
    assert np.bincount(a, minlength=50).min() >= 13


def test_what_is_skipped_stays_at_the_front() -> None:
    has = np.ones((40, 3))
    has[::2, 2] = 0
    items = stream(make_pool(has))
    order = np.random.default_rng(0).permutation(40)
    thai = items.take(5, (2,))
    np.testing.assert_array_equal(thai, [i for i in order if i % 2 == 1][:5])
    np.testing.assert_array_equal(items.take(10, (0,)), [i for i in order if i not in set(thai)][:10])


def test_a_rare_language_does_not_push_its_items_on_the_others() -> None:
    """Items in Thai are 2 % of the pool, Thai takes a third of the batches; English must still see the rest evenly."""
    n = 2000
    has = np.ones((n, 3))
    has[40:, 2] = 0
    items = stream(make_pool(has))
    english = []
    for step in range(600):
        taken = items.take(16, (2,) if step % 3 == 2 else (step % 3,))
        if step % 3 == 0:
            english.append(taken)
    seen = np.bincount(np.concatenate(english), minlength=n)
    rare, common = seen[:40].mean(), seen[40:].mean()
    assert common > 1.5
    assert rare < 1.25 * common
    assert seen[40:].max() - seen[40:].min() <= 6


def test_a_short_pool_is_refused_with_what_is_short() -> None:
    has = np.ones((30, 3))
    has[12:, 2] = 0
    items = stream(make_pool(has))
    message = "batch size 16 needs 16 distinct groups that exist in 'th'; the pool has 12"
    with pytest.raises(StrategyError, match=message):
        items.take(16, (2,))
    with pytest.raises(StrategyError, match="at least 3 language"):
        items.take(16, coverage=3)
    with pytest.raises(StrategyError, match="the pool has 3"):
        stream(make_pool(np.ones((30, 3)), np.arange(30) // 10)).take(4)


def test_group_numbers_may_be_anything() -> None:
    group = np.array([10**12, -5, 7, 7, 10**12, 3])
    got = stream(make_pool(np.ones((6, 3)), group)).take(4)
    assert len(np.unique(group[got])) == 4
