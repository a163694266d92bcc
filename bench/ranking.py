"""Where the relevant passages of queries stand: exactly, or among the first ``depth`` that a faiss index finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench import search
from bench.errors import BenchError
from bench.measures import MISSED
from bench.search import Corpus, Floats, Ints, Vectors

SAMPLE = 100
"""Queries per language on which an index's recall is measured."""

TOGETHER = 64
"""Queries whose similarities are laid out and ranked at once, so that they stay in the processor's cache."""


class Ranking(NamedTuple):
    """Of the queries of one language.

    Attributes:
        own: int64, (n, R). 1-based rank of each relevant passage among those of its own language.
        pool: int64, (n, R). Its rank in the pool of all languages.
        top: int64, (n, K). Columns of the K best passages of the pool, best first.

    Ranks are ``ABSENT`` where ``relevant`` is padding, and ``MISSED`` where a cut run does not answer the passage.
    """

    own: Ints
    pool: Ints
    top: Ints


class Searcher(Protocol):
    """Ranks the passages of one corpus."""

    def rank(self, queries: Vectors, relevant: Ints, k: int) -> Ranking:
        """Rank for ``queries`` (n, dim), whose relevant columns are (n, R), padded with -1; the k best are listed."""


Search = Callable[[Vectors, Ints, Corpus], Searcher]
"""Vectors of the distinct passages, for each column its row among them, the corpus: something that ranks it."""


class Exact:
    """Every passage is compared with every query, in blocks."""

    def __init__(self, passages: Vectors, place: Ints, corpus: Corpus) -> None:
        self._passages, self._place, self._corpus = passages, place, corpus
        self._expand = passages.shape[0] < len(place)

    def rank(self, queries: Vectors, relevant: Ints, k: int) -> Ranking:
        """Exact ranks in the whole pool."""
        own, pool = np.empty_like(relevant), np.empty_like(relevant)
        top = np.empty((len(relevant), min(k, len(self._place))), np.int64)
        for rows, block in search.similarity_blocks(queries, self._passages):
            for start in range(rows.start, rows.stop, TOGETHER):
                some = slice(start, min(start + TOGETHER, rows.stop))
                part = block[some.start - rows.start : some.stop - rows.start]
                full = np.take(part, self._place, axis=1) if self._expand else part
                own[some], pool[some] = search.ranks(full, relevant[some], self._corpus)
                top[some] = search.top_columns(full, k, self._corpus)
        return Ranking(own, pool, top)


class Faiss:
    """The first ``depth`` passages of each language as faiss finds them; the pool's are merged from those.

    ``flat`` compares all and is exact to the depth; ``hnsw`` (Malkov and Yashunin 2016) is approximate.
    ``recalls`` collects, per corpus and query language, the share of the exact first ``depth`` that was found.

    Raises:
        BenchError: vectors are sparse.
    """

    def __init__(self, kind: str, depth: int) -> None:
        self.kind, self.depth = kind, depth
        self.recalls: list[float] = []

    def __call__(self, passages: Vectors, place: Ints, corpus: Corpus) -> Searcher:
        """Index one corpus."""
        if not isinstance(passages, np.ndarray):
            raise BenchError(
                f"--index {self.kind} holds dense vectors; lexical baselines are ranked with --index exact"
            )
        return _Indexed(passages, place, corpus, self)


class _Indexed:
    def __init__(self, passages: Floats, place: Ints, corpus: Corpus, how: Faiss) -> None:
        import faiss
        import torch

        faiss.omp_set_num_threads(torch.get_num_threads())
        self._corpus, self._how = corpus, how
        self._parts = [passages[place[a:b]] for a, b in zip(corpus.segment, corpus.segment[1:], strict=False)]
        self._indexes = [_hnsw(part, how.depth) if how.kind == "hnsw" else None for part in self._parts]

    def rank(self, queries: Vectors, relevant: Ints, k: int) -> Ranking:
        """Ranks up to the depth."""
        assert isinstance(queries, np.ndarray)
        if not np.isfinite(queries).all():
            raise BenchError(search.NOT_A_NUMBER)
        own = np.full_like(relevant, MISSED)
        columns, scores = zip(*(self._nearest(lang, queries) for lang in range(len(self._parts))), strict=True)
        for found in columns:
            _place(found, relevant, own)
        merged = self._ordered(np.concatenate(columns, axis=1), np.concatenate(scores, axis=1))[0][:, : self._how.depth]
        pool = np.full_like(relevant, MISSED)
        _place(merged, relevant, pool)
        return Ranking(search.padded(own, relevant), search.padded(pool, relevant), merged[:, :k])

    def _nearest(self, lang: int, queries: Floats) -> tuple[Ints, Floats]:
        """Columns and scores of the passages of one language, best first, (n, at most depth)."""
        import faiss

        part, index = self._parts[lang], self._indexes[lang]
        depth = min(self._how.depth, len(part))
        if index is None:
            score, found = faiss.knn(queries, part, depth, metric=faiss.METRIC_INNER_PRODUCT)
        else:
            score, found = index.search(queries, depth)
            sample = queries[:SAMPLE]
            exact = faiss.knn(sample, part, depth, metric=faiss.METRIC_INNER_PRODUCT)[1]
            self._how.recalls += [len(np.intersect1d(a, b)) / depth for a, b in zip(found, exact, strict=False)]
        column = np.where(found >= 0, found + self._corpus.segment[lang], -1)
        return self._ordered(column, np.where(found >= 0, score, -np.inf).astype(np.float32))

    def _ordered(self, column: Ints, score: Floats) -> tuple[Ints, Floats]:
        order = np.lexsort((self._corpus.tie[column], -score), axis=1)
        return np.take_along_axis(column, order, axis=1), np.take_along_axis(score, order, axis=1)


def _hnsw(part: Floats, depth: int) -> Any:
    import faiss

    index = faiss.IndexHNSWFlat(part.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    index.hnsw.efSearch = max(2 * depth, 128)
    index.add(part)
    return index


def _place(found: NDArray[np.int64], relevant: Ints, ranks: Ints) -> None:
    """Write the 1-based place of each relevant column that is among ``found`` (n, depth)."""
    for j in range(relevant.shape[1]):
        hit = (found == relevant[:, j, None]) & (relevant[:, j, None] >= 0)
        rows = hit.any(axis=1)
        ranks[rows, j] = hit[rows].argmax(axis=1) + 1
