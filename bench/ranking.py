"""Where the relevant passages of queries stand, counted exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from bench import search, tiles
from bench.search import Corpus, Floats, Ints, Passages, Vectors
from bench.shards import Shards
from bench.tiles import Best, Tiles

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


Search = Callable[[Passages, Ints, Corpus], Searcher]
"""Vectors of the distinct passages, for each column its row among them, the corpus: something that ranks it."""


class Exact:
    """Every passage is compared with every query, in blocks; in large corpora, tile by tile."""

    def __init__(self, passages: Passages, place: Ints, corpus: Corpus) -> None:
        self._place, self._corpus = place, corpus
        self._expand = passages.shape[0] < len(place)
        self._tiles: Tiles | None = None
        if isinstance(passages, np.ndarray | Shards) and passages.shape[0] > tiles.WIDE:
            self._tiles = Tiles(passages, place, corpus)
        else:
            self._passages = passages[:] if isinstance(passages, Shards) else passages

    def rank(self, queries: Vectors, relevant: Ints, k: int) -> Ranking:
        """Exact ranks in the whole pool."""
        if self._tiles is not None and isinstance(queries, np.ndarray):
            return _by_tiles(self._tiles, queries, relevant, k, self._corpus)
        own, pool = np.empty_like(relevant), np.empty_like(relevant)
        top = np.empty((len(relevant), min(k, len(self._place))), np.int64)
        for rows, block in search.similarity_blocks(queries, self._passages):
            for some, part in _together(rows, block):
                full = np.take(part, self._place, axis=1) if self._expand else part
                own[some], pool[some] = search.ranks(full, relevant[some], self._corpus)
                top[some] = search.top_columns(full, k, self._corpus)
        return Ranking(own, pool, top)


def _together(rows: slice, block: Floats) -> Iterator[tuple[slice, Floats]]:
    """Parts of a block of ``rows``, and the rows of each."""
    for start in range(rows.start, rows.stop, TOGETHER):
        some = slice(start, min(start + TOGETHER, rows.stop))
        yield some, block[some.start - rows.start : some.stop - rows.start]


def _by_tiles(every: Tiles, queries: Floats, relevant: Ints, k: int, corpus: Corpus) -> Ranking:
    """Ranks and the k best; each tile is read once."""
    row = every.rows(relevant)
    those = search.sought(every.scores(queries, row), relevant, corpus)
    own, pool = np.zeros_like(relevant), np.zeros_like(relevant)
    best = Best(len(relevant), k, corpus.tie)
    for tile in every:
        for rows in search.query_blocks(len(queries), tiles.TILE):
            product = search.similarities(queries[rows], tile.vectors)
            for some, part in _together(rows, product):
                here = tiles.require_same(part, tile, row[some], those.score[some])
                full = tile.expanded(part)
                more = search.before(full, those.of(some), here, tile.cut)
                own[some] += more[0]
                pool[some] += more[1]
                top = search.top_columns(full, k, tile.cut)
                best.merge(some, tile.column[top], np.take_along_axis(full, top, axis=1))
    return Ranking(search.padded(own + 1, relevant), search.padded(pool + 1, relevant), best.column)
