"""Ranks counted by torch on a device are those of ``Exact``, whatever ties, repeats, gaps and blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from bench.data.corpus import Corpus, Ints, Passages, build_corpus
from bench.errors import BenchError
from bench.evaluation import exact_search, ranks, tiles
from bench.evaluation.device_search import OnDevice
from bench.evaluation.exact_search import Exact, exact
from bench.evaluation.ranks import Ranking
from bench.evaluation.score import score
from tests.bench import oracles
from tests.bench.evaluation.test_score import CASES

CPU = torch.device("cpu")
SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=4).filter(any)


def on_device(passages: Passages, place: Ints, corpus: Corpus) -> OnDevice:
    assert isinstance(passages, np.ndarray)
    return OnDevice(passages, place, corpus, CPU)


@contextmanager
def in_blocks(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "SIMILARITIES_AT_ONCE", size)
        yield


class Drawn:
    """A corpus in which vectors of small whole numbers repeat, and queries of which some columns leave the ranking."""

    def __init__(self, seed: int, sizes: list[int], largest: int, repeats: bool) -> None:
        rng = np.random.default_rng(seed)
        ids = iter(rng.permutation(1000).tolist())
        self.corpus = build_corpus({f"l{i}": {f"{next(ids)}": "" for _ in range(n)} for i, n in enumerate(sizes)})
        n = len(self.corpus.doc_id)
        shown = rng.integers(0, n, n) if repeats else np.arange(n)
        self.place = np.unique(shown, return_inverse=True)[1]
        self.passages = rng.integers(-largest, largest + 1, (self.place.max() + 1, 3)).astype(np.float32)
        self.queries = rng.integers(-largest, largest + 1, (7, 3)).astype(np.float32)
        self.relevant = np.stack([rng.permutation(n)[: min(3, n)] for _ in range(7)])
        self.relevant[rng.random(self.relevant.shape) < 0.3] = -1
        leaving = rng.integers(-1, n, 7)
        self.leaving = np.where((self.relevant == leaving[:, None]).any(axis=1), -1, leaving)

    def both(self, k: int, leaving: Ints | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        asked = (self.queries, self.relevant, k, leaving)
        theirs = Exact(self.passages, self.place, self.corpus).rank(*asked)
        return zip(on_device(self.passages, self.place, self.corpus).rank(*asked), theirs, strict=True)


def rank(drawn: Drawn) -> Ranking:
    return on_device(drawn.passages, drawn.place, drawn.corpus).rank(drawn.queries, drawn.relevant, 4, drawn.leaving)


@settings(max_examples=150, deadline=None)
@given(
    st.builds(Drawn, st.integers(0, 2**32 - 1), SIZES, st.integers(0, 3), st.booleans()),
    st.integers(1, 50), st.integers(1, 400), st.booleans(),
)  # fmt: skip
def test_the_ranks_of_exact_to_the_last_tie(drawn: Drawn, k: int, block: int, leaves: bool) -> None:
    with in_blocks(block):
        for ours, theirs in drawn.both(k, drawn.leaving if leaves else None):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


@settings(max_examples=60, deadline=None)
@given(CASES, st.integers(1, 200))
def test_every_measure_is_that_of_exact(case: oracles.Case, block: int) -> None:
    case = replace(case, lexical=False)
    with in_blocks(block):
        ours, theirs = score(case.evalset, case, on_device), score(case.evalset, case, Exact)
    assert [r[:3] for r in ours] == [r[:3] for r in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_equal(a.values, b.values)


def test_similarities_of_every_size_and_sign_are_in_their_order() -> None:
    """Zeros of both signs are equal, and neighbouring floats are not."""
    few = np.array([0.0, 1.0, 1e-45, 1e-30, 3e38, np.pi], np.float32)
    values = np.concatenate([few, np.nextafter(few, np.float32(9)), -few, few[:3]]).astype(np.float32)
    corpus = build_corpus({"en": {f"{i * 7 % 31}": "" for i in range(len(values))}})
    every = np.arange(len(values))
    asked = (np.ones((1, 1), np.float32), every[None], len(values))
    found = [each(values[:, None], every, corpus).rank(*asked) for each in (on_device, Exact)]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sorted(found[0].pool[0]) == list(range(1, len(values) + 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["queries", "passages"])
def test_what_is_not_a_number_is_refused_in_whatever_block(side: str, value: float) -> None:
    drawn = Drawn(0, [9, 8], 3, repeats=False)
    drawn.queries[:], drawn.passages[:] = 1, 1
    getattr(drawn, side)[3, 0] = value
    with in_blocks(17), pytest.raises(BenchError, match="a similarity is not a number"):
        rank(drawn)


def test_no_queries_have_no_ranks() -> None:
    drawn = Drawn(1, [4, 3], 2, repeats=False)
    drawn.queries, drawn.relevant = drawn.queries[:0], drawn.relevant[:0]
    assert [part.shape for part in rank(drawn)] == [(0, 3), (0, 3), (0, 4)]


@pytest.mark.parametrize("before", [True, False])
def test_products_are_not_rounded_and_the_precision_of_others_stays(
    monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    seen, matmul, product = [], torch.backends.cuda.matmul, torch.Tensor.__matmul__

    def noted(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        seen.append(matmul.allow_tf32)
        return product(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", noted)
    found = matmul.allow_tf32
    try:
        matmul.allow_tf32 = before
        rank(Drawn(2, [4, 3], 2, repeats=False))
        assert seen == [False]
        assert matmul.allow_tf32 is before
    finally:
        matmul.allow_tf32 = found


def test_a_gpu_ranks_where_there_is_one_all_but_words_and_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(3, [6, 5], 3, repeats=False)
    chosen: list[torch.device] = []

    def noted(passages: np.ndarray, place: Ints, corpus: Corpus, device: torch.device) -> OnDevice:
        chosen.append(device)
        return OnDevice(passages, place, corpus, CPU)

    monkeypatch.setattr(exact_search, "OnDevice", noted)
    used = set[str]()
    choose = partial(exact, place=drawn.place, corpus=drawn.corpus, used=used)
    assert isinstance(choose(drawn.passages), Exact)
    assert used == {"cpu"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert isinstance(choose(sparse.csr_matrix(drawn.passages)), Exact)
    assert used == {"cpu"}
    assert isinstance(choose(drawn.passages), OnDevice)
    assert used == {"cpu", "cuda"}
    monkeypatch.setattr(tiles, "WIDE", 10)
    assert isinstance(choose(drawn.passages), Exact)
    assert [device.type for device in chosen] == ["cuda"]
