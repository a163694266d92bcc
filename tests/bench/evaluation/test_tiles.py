"""Ranks counted tile by tile are those counted at once, whatever ties, and only a tile is held."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import corpus
from bench.data.corpus import Corpus
from bench.errors import BenchError
from bench.evaluation import exact_search, ranks, tiles
from bench.evaluation.exact_search import Exact
from bench.evaluation.ranks import Ranking
from bench.evaluation.score import score
from bench.store import shards
from bench.store.shards import Shards
from tests.bench import oracles
from tests.bench.evaluation.test_score import CASES, cells_of


@contextmanager
def small(tile: int, block: int = 40, together: int = 2) -> Iterator[None]:
    """Every corpus of more than one passage is large, and goes through tiles of a few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "WIDE", 1)
        patch.setattr(tiles, "TILE", tile)
        patch.setattr(ranks, "SIMILARITIES_AT_ONCE", block)
        patch.setattr(exact_search, "TOGETHER", together)
        yield


@settings(max_examples=100, deadline=None)
@given(CASES, st.integers(1, 30), st.integers(1, 200))
def test_every_measure_by_tiles_equals_that_at_once(case: oracles.Case, tile: int, block: int) -> None:
    whole = score(case.evalset, case)
    with small(tile, block):
        by_tiles = score(case.evalset, case)
    assert [r[:3] for r in by_tiles] == [r[:3] for r in whole]
    for a, b in zip(by_tiles, whole, strict=True):
        np.testing.assert_equal(a.values, b.values)


@settings(max_examples=30, deadline=None)
@given(CASES, st.integers(2, 15))
def test_by_tiles_ir_measures_agrees(case: oracles.Case, tile: int) -> None:
    cells = cells_of(case)
    theirs = oracles.retrieval(case, cells) if cells else {}
    with small(tile):
        found = score(case.evalset, case)
    for r in found:
        for name in oracles.RETRIEVAL:
            expected = [theirs[name][r.q_lang, r.d_lang, q] for q in r.query_id]
            np.testing.assert_allclose(r.values[name], expected, rtol=0, atol=1e-12, err_msg=f"{name} {r[:2]}")


class Large:
    """A corpus of random vectors with repeated passages, and queries with relevant passages anywhere."""

    def __init__(self, seed: int, n: int = 900, distinct: int = 700, asked: int = 21, dim: int = 24) -> None:
        rng = np.random.default_rng(seed)
        sizes = {"ar": n // 3, "de": n // 2, "en": n - n // 3 - n // 2}
        self.corpus: Corpus = corpus.build_corpus(
            {lang: {f"{rng.integers(10**6)}/{lang}/{i}": "" for i in range(size)} for lang, size in sizes.items()}
        )
        shown = np.concatenate([np.arange(distinct), rng.integers(0, distinct, n - distinct)])
        rng.shuffle(shown)
        self.place = np.unique(shown, return_inverse=True)[1]
        order = np.argsort(np.unique(shown, return_index=True)[1])
        self.place = np.argsort(order)[self.place]  # numbered in order of first appearance
        self.vectors = rng.standard_normal((distinct, dim)).astype(np.float32)
        self.queries = rng.standard_normal((asked, dim)).astype(np.float32)
        self.relevant = np.stack([rng.choice(n, 4, replace=False) for _ in range(asked)])
        self.relevant[rng.random(self.relevant.shape) < 0.2] = -1

    def rank(self, vectors: "np.ndarray | Shards", k: int = 12) -> Ranking:
        return Exact(vectors, self.place, self.corpus).rank(self.queries, self.relevant, k)

    def kept(self, root: Path, stored: str = "float32") -> Shards:
        found = Shards(root, {"made": "up"}, len(self.vectors), stored)
        for i, name in enumerate(found.names):
            with found.kept.claimed(name, wait=False) as mine:
                assert mine
                found.write(name, self.vectors[i * shards.CHUNK : (i + 1) * shards.CHUNK])
        return found


@pytest.mark.parametrize(("tile", "shard"), [(64, 64), (64, 50), (50, 64), (128, 32), (7, 1000)])
def test_from_disk_the_same_bits_as_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int, shard: int
) -> None:
    monkeypatch.setattr(shards, "CHUNK", shard)
    large = Large(tile)
    on_disk = large.kept(tmp_path)
    at_once = large.rank(large.vectors)
    for found in (on_disk, large.vectors):
        with small(tile, block=600, together=5):
            for ours, theirs in zip(large.rank(found), at_once, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(large.rank(on_disk), at_once, strict=True):  # below WIDE: read whole
        np.testing.assert_array_equal(ours, theirs)


def test_scores_of_relevant_passages_are_those_in_their_tiles_to_the_bit() -> None:
    large = Large(5, asked=33)
    with small(48, block=48 * 16):
        every = tiles.Tiles(large.vectors, large.place, large.corpus)
        row = every.rows(large.relevant)
        score, seen = every.scores(large.queries, row), 0
        for tile in every:
            for rows, product in ranks.similarity_blocks(large.queries, tile.vectors):
                seen += int(tiles.require_same(product, tile, row[rows], score[rows]).sum())
        assert seen == (large.relevant >= 0).sum()


def test_products_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Large(1)
    whole = tiles.Tiles.scores
    monkeypatch.setattr(tiles.Tiles, "scores", lambda *a: np.nextafter(whole(*a), np.float32(9)))
    with small(64, block=640), pytest.raises(BenchError, match="products of the same vectors differ"):
        large.rank(large.vectors)


@pytest.mark.parametrize("side", ["queries", "vectors"])
def test_vectors_that_are_not_numbers_are_refused(side: str) -> None:
    large = Large(2)
    getattr(large, side)[-1, 0] = np.nan
    with small(64, block=640), pytest.raises(BenchError, match="a similarity is not a number"):
        large.rank(large.vectors)


class Counting(Shards):
    """Shards that say how many rows were asked for at once."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.asked = vectors, [0]

    @property
    def shape(self) -> tuple[int, int]:
        return self.vectors.shape[0], self.vectors.shape[1]

    def __getitem__(self, rows: "slice | np.ndarray") -> np.ndarray:
        found = self.vectors[rows]
        self.asked.append(len(found))
        return found


def test_never_more_than_a_tile_of_passages_and_a_block_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[tuple[int, ...]] = []
    whole = ranks.similarities

    def noted(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
        found = whole(queries, passages)
        products.append(found.shape)
        return found

    monkeypatch.setattr(ranks, "similarities", noted)
    large = Large(3, n=9000, distinct=8000, asked=50)
    counting = Counting(large.vectors)
    with small(256, block=256 * 20, together=8):
        large.rank(counting)
    assert max(counting.asked) == 256
    assert set(products) == {(20, 256), (10, 256)}
    assert sum(counting.asked) < 8000 + 200 + 256  # every tile once, and the relevant ones


def peak(large: Large, vectors: Counting) -> int:
    tracemalloc.start()
    large.rank(vectors)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_grows_by_a_few_numbers_a_passage_and_not_by_its_vector() -> None:
    dim = 256
    with small(256, block=256 * 32, together=8):
        few, many = (Large(4, n=n, distinct=n, asked=40, dim=dim) for n in (2_000, 30_000))
        grown = peak(many, Counting(many.vectors)) - peak(few, Counting(few.vectors))
    assert grown / 28_000 < 64  # bytes; a vector has 1,024
