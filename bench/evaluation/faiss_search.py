"""The first passages that a faiss index finds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench.data.corpus import Corpus, Floats, Ints, Passages, Vectors
from bench.errors import BenchError
from bench.evaluation.measures import MISSED
from bench.evaluation.ranks import NOT_A_NUMBER, Ranking, Searcher, padded
from bench.store.shards import Shards

LARGEST_BLOCK = 1 << 17
"""Passages of a block, at most, where they are on disk."""


LINKS, CARE = 32, 200
"""Of HNSW: links of a passage (M), and candidates for them in building (efConstruction)."""


LISTS = 4
"""Of IVF: inverted lists of n passages, times the root of n."""


TRAINED_ON = 39
"""Passages of an inverted list, at least, on average: faiss asks for so many to find its centre."""


VISITED = 8
"""One inverted list of so many is looked through for a query, at least."""


LOOKED_THROUGH = 4
"""Passages in the lists that are looked through, times the depth, at least."""


@dataclass(frozen=True)
class Block:
    """Consecutive columns of the corpus.

    Attributes:
        start: the first column.
        depth: passages that are found of a query, at most.
        vectors: gives those of the columns, (n, dim).
        index: gives what finds among them; None where all are compared.
    """

    start: int
    depth: int
    vectors: Callable[[], Floats]
    index: Callable[[], Any] | None

    def nearest(self, queries: Floats, exactly: bool) -> tuple[Ints, Floats]:
        """Columns and scores of what is found, (n, at most depth); -1 and minus infinity where nothing is."""
        import faiss

        if exactly or self.index is None:
            score, found = faiss.knn(queries, self.vectors(), self.depth, metric=faiss.METRIC_INNER_PRODUCT)
        else:
            score, found = self.index().search(queries, self.depth)
        column = np.where(found >= 0, found + self.start, -1)
        return column, np.where(found >= 0, score, -np.inf).astype(np.float32)


def blocks(passages: Floats | Shards, place: Ints, columns: slice, kind: str, depth: int) -> Iterator[Block]:
    """The passages of one language: in memory all at once, on disk in blocks that are read when they are asked for.

    Args:
        passages: vectors of the distinct passages of the corpus.
        place: for each column its row among them.
        columns: of the language.
        kind: flat, hnsw or ivf.
        depth: passages that are found of a query, at most.
    """
    if not isinstance(passages, Shards):
        yield _held(passages[place[columns]], columns.start, kind, depth)
        return
    for start in range(columns.start, columns.stop, LARGEST_BLOCK):
        rows = place[start : min(start + LARGEST_BLOCK, columns.stop)]
        index = None if kind == "flat" else partial(_read, passages, rows, kind, depth)
        yield Block(start, min(depth, len(rows)), partial(passages.__getitem__, rows), index)


def _held(vectors: Floats, start: int, kind: str, depth: int) -> Block:
    depth_here = min(depth, len(vectors))
    if kind == "flat":
        return Block(start, depth_here, lambda: vectors, None)
    index = tuned(build(kind, vectors), depth)
    return Block(start, depth_here, lambda: vectors, lambda: index)


def _read(passages: Shards, rows: Ints, kind: str, depth: int) -> Any:
    """The index of some passages on disk; it is built when it is not there."""
    import faiss

    kept = passages.beside({"index": kind, "faiss": faiss.__version__, "lists": LISTS, "links": LINKS, "care": CARE})
    name = f"{kind}-{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}"
    with kept.claimed(name, wait=True) as mine:
        if mine:
            kept.write(name, faiss.serialize_index(build(kind, passages[rows])))
    return tuned(faiss.deserialize_index(kept.read(name)), depth)


def build(kind: str, vectors: Floats) -> Any:
    """An index of ``vectors`` (n, dim) by inner product, hnsw or ivf."""
    import faiss

    n, dim = vectors.shape
    index: Any
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = CARE
    else:
        index = faiss.index_factory(dim, f"IVF{lists(n)},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
    index.add(vectors)
    return index


def lists(n: int) -> int:
    """Inverted lists of ``n`` passages."""
    return max(1, min(round(LISTS * n**0.5), n // TRAINED_ON))


def tuned(index: Any, depth: int) -> Any:
    """The index, set to find ``depth`` passages of a query."""
    if hasattr(index, "hnsw"):
        index.hnsw.efSearch = max(2 * depth, 128)
    else:
        index.nprobe = max(
            -(-index.nlist // VISITED), min(index.nlist, -(-LOOKED_THROUGH * depth * index.nlist // index.ntotal))
        )
    return index


SAMPLED_QUERIES = 100
"""Queries per language on which an index's recall is measured."""


ASKED_AT_ONCE = 1 << 10
"""Queries whose answers are held at once where passages are on disk."""


class Faiss:
    """The first ``depth`` passages of each language as faiss finds them; the pool's are merged from those.

    ``flat`` compares all and is exact to the depth; ``hnsw`` (Malkov and Yashunin 2016) and ``ivf`` (inverted lists,
    Jegou et al. 2011) are approximate. Passages on disk are indexed and searched in blocks, one at a time.
    ``recalls`` collects, per corpus and query language, the share of the exact first ``depth`` that was found.

    Raises:
        BenchError: vectors are sparse.
    """

    def __init__(self, kind: str, depth: int) -> None:
        self.kind, self.depth = kind, depth
        self.recalls: list[float] = []

    def __call__(self, passages: Passages, place: Ints, corpus: Corpus) -> Searcher:
        """Index one corpus."""
        if sparse.issparse(passages):
            raise BenchError(
                f"--index {self.kind} holds dense vectors; lexical baselines are ranked with --index exact"
            )
        assert isinstance(passages, np.ndarray | Shards)
        return _Indexed(passages, place, corpus, self)


class _Indexed:
    def __init__(self, passages: Floats | Shards, place: Ints, corpus: Corpus, how: Faiss) -> None:
        import faiss
        import torch

        faiss.omp_set_num_threads(torch.get_num_threads())
        self._corpus, self._how = corpus, how
        self._together = ASKED_AT_ONCE if isinstance(passages, Shards) else None
        segments = zip(corpus.segment, corpus.segment[1:], strict=False)
        self._langs = [list(blocks(passages, place, slice(a, b), how.kind, how.depth)) for a, b in segments if a < b]

    def rank(self, queries: Vectors, relevant: Ints, k: int, leaving: Ints | None = None) -> Ranking:
        """Ranks up to the depth; the passage that leaves a query's ranking may have been one of those."""
        assert isinstance(queries, np.ndarray)
        if not np.isfinite(queries).all():
            raise BenchError(NOT_A_NUMBER)
        step = self._together or len(queries)
        starts = range(0, len(queries), step)
        gone = np.full(len(relevant), -2) if leaving is None else np.where(leaving >= 0, leaving, -2)
        parts = [self._rank(queries[i : i + step], relevant[i : i + step], k, gone[i : i + step]) for i in starts]
        if self._how.kind != "flat":
            self._how.recalls += [r for lang in self._langs for r in self._recall(lang, queries[:SAMPLED_QUERIES])]
        own, pool, top = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Ranking(own, pool, top)

    def _rank(self, queries: Floats, relevant: Ints, k: int, gone: Ints) -> Ranking:
        own, pool = np.full_like(relevant, MISSED), np.full_like(relevant, MISSED)
        every = (self._without(gone, *self._nearest(lang, queries)) for lang in self._langs)
        columns, scores = zip(*every, strict=True)
        for found in columns:
            _place(found, relevant, own)
        merged = self._first(columns, scores)[0]
        _place(merged, relevant, pool)
        return Ranking(padded(own, relevant), padded(pool, relevant), merged[:, :k])

    def _recall(self, lang: list[Block], queries: Floats) -> Iterator[float]:
        """Of each query, the share of the exact first ``depth`` passages of a language that the index finds."""
        exact = self._nearest(lang, queries, exactly=True)[0]
        for theirs, ours in zip(exact, self._nearest(lang, queries)[0], strict=True):
            yield len(np.intersect1d(theirs, ours)) / exact.shape[1]

    def _nearest(self, lang: list[Block], queries: Floats, exactly: bool = False) -> tuple[Ints, Floats]:
        """Columns and scores of the passages of one language, best first, (n, at most depth); -1 for none."""
        best: list[tuple[Ints, Floats]] = []
        for block in lang:
            columns, scores = zip(*best, block.nearest(queries, exactly), strict=True)
            best = [self._first(columns, scores)]
        return best[0]

    def _without(self, gone: Ints, column: Ints, score: Floats) -> tuple[Ints, Floats]:
        """What was found but for the column ``gone`` (n,) of each query."""
        here = column == gone[:, None]
        if not here.any():
            return column, score
        return self._first((np.where(here, -1, column),), (np.where(here, -np.inf, score).astype(np.float32),))

    def _first(self, columns: tuple[Ints, ...], scores: tuple[Floats, ...]) -> tuple[Ints, Floats]:
        """The first ``depth`` of all that were found."""
        column, score = np.concatenate(columns, axis=1), np.concatenate(scores, axis=1)
        order = np.lexsort((self._corpus.tie[column], -score), axis=1)[:, : self._how.depth]
        return np.take_along_axis(column, order, axis=1), np.take_along_axis(score, order, axis=1)


def _place(found: NDArray[np.int64], relevant: Ints, ranks: Ints) -> None:
    """Write the 1-based place of each relevant column that is among ``found`` (n, depth)."""
    for j in range(relevant.shape[1]):
        hit = (found == relevant[:, j, None]) & (relevant[:, j, None] >= 0)
        rows = hit.any(axis=1)
        ranks[rows, j] = hit[rows].argmax(axis=1) + 1
