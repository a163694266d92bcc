from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from bench.data.batches import Audit, schedule
from bench.data.train_data import combine
from bench.errors import BenchError
from strategies import Batch, Pool, Strategy
from strategies.check import parallel_pool
from strategies.hybrid import Hybrid
from tasks import TrainSet


def test_sets_are_joined_and_what_is_empty_drops_out() -> None:
    one = TrainSet(("en", "de"), {"en": ["a", None], "de": ["b", "c"]}, {"en": ["A", None], "de": ["B", "C"]}, [0, 0])
    two = TrainSet(("en", "fr"), {"en": ["d", None], "fr": ["e", "f"]}, {"en": ["D", None], "fr": ["E", "F"]}, [0, 1])
    data = combine([one, two], ["de", "en", "th"])
    assert data.pool.langs == ("de", "en")
    assert data.pool.has.tolist() == [[True, True], [True, False], [False, True]]
    assert data.pool.group.tolist() == [0, 0, 1]
    assert data.pool.source.tolist() == [0, 0, 1]
    batch = Batch(np.array([0, 2]), np.array([0, 1]), np.array([1, 1]))
    assert (data.queries(batch), data.passages(batch)) == (["b", "d"], ["A", "D"])
    with pytest.raises(BenchError, match="no source has a training language of"):
        combine([one], ["th"])


def test_the_audit_counts_what_was_drawn_and_its_digest_is_the_schedule() -> None:
    pool = parallel_pool()
    audits = [Audit(pool.langs) for _ in range(3)]
    drawn = [list(schedule(Hybrid(), pool, 16, 40, seed, audit)) for seed, audit in zip((1, 1, 2), audits, strict=True)]
    first, again, other = (a.summary() for a in audits)
    assert first == again
    assert first["sha256"] != other["sha256"]
    assert first["rows"] == 640 == sum(first["pairs"].values())  # type: ignore[attr-defined]
    assert first["mono_batches"] == sum(bool((b.q_lang == b.d_lang).all()) for b in drawn[0])
    assert first["same_group_rows"] == 0


@dataclass(frozen=True)
class Wrong(Strategy):
    """Yields what it is told to."""

    kind: str = ""

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        item, lang = np.arange(batch_size), np.zeros(batch_size, np.int64)
        yield {
            "few": Batch(item[1:], lang, lang),
            "float": Batch(item.astype(float), lang, lang),
            "range": Batch(item, lang + 9, lang),
            "group": Batch(item * 0, lang, lang),
            "tuple": (item, lang, lang),
        }.get(self.kind, Batch(item, lang, lang))  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "message"), [
    ("few", r"batch 0: item is an integer array of shape \(16,\), got \(15,\)"),
    ("float", "batch 0: item is an integer array"),
    ("range", r"batch 0: q_lang lies in 0\.\.4, got 9\.\.9"),
    ("group", "batch 0: rows of one group never share a batch"),
    ("tuple", r"batch 0: a strategy yields strategies\.Batch, not tuple"),
    ("", "ended after 1 batches; a strategy yields exactly 5"),
])  # fmt: skip
def test_wrong_batches_end_the_run_by_name(kind: str, message: str) -> None:
    pool = parallel_pool()
    with pytest.raises(BenchError, match=message):
        list(schedule(Wrong(kind), pool, 16, 5, 0, Audit(pool.langs)))


def test_a_row_that_does_not_exist_is_refused() -> None:
    pool = parallel_pool()
    pool.has[3, 0] = False
    with pytest.raises(BenchError, match="every row exists in its two languages"):
        list(schedule(Wrong(), pool, 16, 1, 0, Audit(pool.langs)))


def source(n: int, first: int) -> TrainSet:
    return TrainSet(("en",), {"en": [f"q{first + i}" for i in range(n)]}, {"en": ["p"] * n}, list(range(n)))


def test_weights_are_the_shares_of_the_sources_and_leave_no_item_out() -> None:
    sets = [source(30, 0), source(10, 100)]
    plain = combine(sets, ("en",))
    assert np.bincount(plain.pool.source).tolist() == [30, 10]
    weighted = combine(sets, ("en",), (1.0, 3.0))
    assert np.bincount(weighted.pool.source).tolist() == [30, 90]
    assert set(weighted.query["en"]) == set(plain.query["en"])
    groups = {text: set() for text in plain.query["en"]}  # type: ignore[var-annotated]
    for text, group in zip(weighted.query["en"], weighted.pool.group.tolist(), strict=True):
        groups[str(text)].add(group)
    assert all(len(found) == 1 for found in groups.values())


def test_a_source_without_items_in_the_training_languages_can_have_no_weight() -> None:
    other = TrainSet(("fr",), {"fr": ["q"]}, {"fr": ["p"]}, [0])
    with pytest.raises(BenchError, match="source number 2 has no item in the training languages"):
        combine([source(3, 0), other], ("en",), (1.0, 1.0))


def test_what_is_told_early_changes_no_batch_and_no_audit() -> None:
    pool = parallel_pool()
    plain, early = Audit(pool.langs), Audit(pool.langs)
    told: list[Batch] = []
    batches = schedule(Hybrid(), pool, 8, 6, 3, plain)
    others = schedule(Hybrid(), pool, 8, 6, 3, early, told.append)
    for step, (batch, other) in enumerate(zip(batches, others, strict=True), start=1):
        np.testing.assert_array_equal(np.stack(batch), np.stack(other))
        assert early.steps == step
        assert early.summary() == plain.summary()
        assert len(told) == min(step + 1, 6)
        np.testing.assert_array_equal(np.stack(told[-1]) if step == 6 else np.stack(told[-2]), np.stack(other))
