from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.batches import Audit, schedule
from bench.data.train_data import combine, groups_joined, linked_groups, without_held_out
from bench.errors import BenchError
from strategies import Batch, Pool, Strategy
from strategies.check import parallel_pool
from strategies.hybrid import Hybrid
from strategies.mono import Mono
from tasks import TrainSet
from tasks.groups import linked


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
    return TrainSet(
        ("en",),
        {"en": [f"q{first + i}" for i in range(n)]},
        {"en": [f"p{first + i}" for i in range(n)]},
        list(range(n)),
    )


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


def test_an_equal_text_makes_one_group_over_all_sources_and_leaves_the_others_as_they_are() -> None:
    one, two, three = source(4, 0), source(4, 100), source(4, 200)
    apart = combine([one, two, three], ("en",)).pool.group.tolist()
    assert apart == list(range(12))
    two.query["en"][1] = " q2\n"  # a query of the first
    three.passage["en"][0] = "p101"  # and through that item one of the third
    linked = combine([one, two, three], ("en",)).pool.group.tolist()
    assert linked == [2 if i in (2, 5, 8) else i for i in range(12)]
    assert [of.tolist() for of in linked_groups([one, two, three])] == [linked[:4], linked[4:8], linked[8:]]
    assert groups_joined([one, two, three]) == 2


def test_a_query_that_is_a_passage_and_texts_of_two_languages_are_not_shared() -> None:
    one, two = source(2, 0), source(2, 100)
    two.passage["en"][0] = "q0"
    german = TrainSet(("de",), {"de": ["q0"]}, {"de": ["p0"]}, [0])
    assert groups_joined([one, two, german]) == 0


def test_a_language_that_is_not_trained_on_links_as_within_a_source() -> None:
    one = TrainSet(("de", "en"), {"de": ["same"], "en": ["a"]}, {"de": ["x"], "en": ["A"]}, [0])
    two = TrainSet(("de", "en"), {"de": ["same"], "en": ["b"]}, {"de": ["y"], "en": ["B"]}, [0])
    assert combine([one, two], ("en",)).pool.group.tolist() == [0, 0]


@given(st.lists(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=6), min_size=1, max_size=4))
def test_groups_are_the_components_of_what_items_share(drawn: list[list[tuple[int, int, int]]]) -> None:
    sets = [
        TrainSet(
            ("en",), {"en": [f"q{q}" for _, q, _ in of]}, {"en": [f"p{p}" for _, _, p in of]}, [g for g, _, _ in of]
        )
        for of in drawn
    ]
    keys = [(("g", s, g), ("q", q), ("p", p)) for s, of in enumerate(drawn) for g, q, p in of]
    found = np.concatenate(linked_groups(sets)).tolist()
    expected = linked(keys)
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))


def test_no_batch_holds_a_text_of_two_sources_twice() -> None:
    one, two = source(20, 0), source(20, 100)
    two.passage["en"][:10] = one.passage["en"][:10]
    data = combine([one, two], ("en",))
    for batch in schedule(Mono(), data.pool, 24, 20, 0, Audit(data.pool.langs)):
        assert len(set(data.passages(batch))) == 24


def test_what_shares_a_group_with_held_out_items_of_another_source_is_not_trained_on() -> None:
    one, two = source(4, 0), source(4, 100)
    two.query["en"][3] = "q1"
    left = without_held_out([one, two], [frozenset({1}), frozenset({0})])
    assert [train.query["en"] for train in left] == [["q0", "q2", "q3"], ["q101", "q102"]]


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
