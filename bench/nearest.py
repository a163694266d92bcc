"""The first ``depth`` passages of each language that a faiss index finds, and where the relevant ones stand in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench import search
from bench.errors import BenchError
from bench.indexes import Block, blocks
from bench.measures import MISSED
from bench.ranking import Ranking, Searcher
from bench.search import Corpus, Floats, Ints, Passages, Vectors
from bench.shards import Shards

SAMPLE = 100
"""Queries per language on which an index's recall is measured."""

ASKED = 1 << 10
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
        self._together = ASKED if isinstance(passages, Shards) else None
        segments = zip(corpus.segment, corpus.segment[1:], strict=False)
        self._langs = [list(blocks(passages, place, slice(a, b), how.kind, how.depth)) for a, b in segments if a < b]

    def rank(self, queries: Vectors, relevant: Ints, k: int) -> Ranking:
        """Ranks up to the depth."""
        assert isinstance(queries, np.ndarray)
        if not np.isfinite(queries).all():
            raise BenchError(search.NOT_A_NUMBER)
        step = self._together or len(queries)
        starts = range(0, len(queries), step)
        parts = [self._rank(queries[i : i + step], relevant[i : i + step], k) for i in starts]
        if self._how.kind != "flat":
            self._how.recalls += [r for lang in self._langs for r in self._recall(lang, queries[:SAMPLE])]
        own, pool, top = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Ranking(own, pool, top)

    def _rank(self, queries: Floats, relevant: Ints, k: int) -> Ranking:
        own, pool = np.full_like(relevant, MISSED), np.full_like(relevant, MISSED)
        columns, scores = zip(*(self._nearest(lang, queries) for lang in self._langs), strict=True)
        for found in columns:
            _place(found, relevant, own)
        merged = self._first(columns, scores)[0]
        _place(merged, relevant, pool)
        return Ranking(search.padded(own, relevant), search.padded(pool, relevant), merged[:, :k])

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
