"""Exact ranks in corpora of any size: a tile of passages at a time is compared with the queries, and then forgotten.

What is held grows with the queries and their relevant passages; of the passages, one tile and a few numbers for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.corpus import Corpus, Floats, Ints
from bench.errors import BenchError
from bench.evaluation import ranks
from bench.store.shards import Shards

TILE = 1 << 14
"""Distinct passages of a tile: their products with a block of queries, and what is counted in them, stay in caches."""


WIDE = 1 << 17
"""Distinct passages, at most, that are compared at once, without tiles."""


class Tile(NamedTuple):
    """Distinct passages and the columns of the corpus that show them.

    Attributes:
        vectors: float32, (TILE, dim); zeros behind the last passage.
        first: the number of the first of them.
        row: int64, (width,). The row of ``vectors`` that each column shows.
        plain: whether they are the rows in their order, none of them twice.
        column: int64, (width,), ascending.
        cut: the corpus of these columns alone.
    """

    vectors: Floats
    first: int
    row: Ints
    plain: bool
    column: Ints
    cut: Corpus

    def expanded(self, product: Floats) -> Floats:
        """The similarities of the tile's columns, (n, width), from those of its vectors (n, TILE)."""
        return product[:, : len(self.row)] if self.plain else np.take(product, self.row, axis=1)

    def place_of(self, columns: Ints) -> Ints:
        """Where columns of the corpus are among the tile's; -1 for those that are not."""
        at = np.minimum(np.searchsorted(self.column, columns), len(self.column) - 1)
        return np.where(self.column[at] == columns, at, -1) if len(self.column) else np.full_like(columns, -1)


class Tiles:
    """A corpus as tiles of ``TILE`` distinct passages in their order.

    A product's last bits depend on its shape, on nothing else: all tiles have one, whether vectors are in memory or on
    disk.

    Args:
        vectors: of the distinct passages, float32 (n_distinct, dim).
        place: for each column its row among them, (n_docs,).
        corpus: the columns.
    """

    def __init__(self, vectors: Floats | Shards, place: Ints, corpus: Corpus) -> None:
        self._vectors, self._place, self._corpus = vectors, place, corpus
        tile = place // TILE
        self._order = np.argsort(tile, kind="stable")
        self._bounds = np.searchsorted(tile, np.arange(-(-vectors.shape[0] // TILE) + 1), sorter=self._order)

    def __iter__(self) -> Iterator[Tile]:
        for at, (start, stop) in enumerate(zip(self._bounds, self._bounds[1:], strict=False)):
            column = self._order[start:stop]
            cut = self._corpus._replace(
                doc_id=[], tie=self._corpus.tie[column], segment=np.searchsorted(column, self._corpus.segment)
            )
            vectors = self._vectors[at * TILE : (at + 1) * TILE]
            if len(vectors) < TILE:
                vectors = np.concatenate([vectors, np.zeros((TILE - len(vectors), vectors.shape[1]), np.float32)])
            row = self._place[column] - at * TILE
            yield Tile(vectors, at * TILE, row, np.array_equal(row, np.arange(len(row))), column, cut)

    def rows(self, columns: Ints) -> Ints:
        """The distinct passages that columns show; -1 for padding."""
        return np.where(columns >= 0, self._place[np.maximum(columns, 0)], -1)

    def scores(self, queries: Floats, row: Ints) -> Floats:
        """Similarities of distinct passages ``row`` (n, R), as they will be in their tiles to the bit; 0 for padding.

        Each vector is multiplied at its own place in an otherwise empty tile; those that share a place follow in
        another.
        """
        score = np.zeros(row.shape, np.float32)
        for some in ranks.query_blocks(len(queries), TILE):
            for rows in _apart(np.unique(row[some][row[some] >= 0])):
                tile = np.zeros((TILE, queries.shape[1]), np.float32)
                tile[rows % TILE] = self._vectors[rows]
                block = ranks.similarities(queries[some], tile)
                query, slot = np.nonzero(np.isin(row[some], rows))
                score[some][query, slot] = block[query, row[some][query, slot] % TILE]
        return score


def _apart(rows: Ints) -> Iterator[Ints]:
    """Split ascending rows so that no two of a part have one place in their tiles."""
    while len(rows):
        first = np.unique(rows % TILE, return_index=True)[1]
        yield rows[first]
        rows = np.delete(rows, first)


def require_same(product: Floats, tile: Tile, row: Ints, score: Floats) -> NDArray[np.bool_]:
    """Which of the passages ``row`` (n, R) are in a tile, after ``Tiles.scores`` gave them ``score``.

    Raises:
        BenchError: they have other similarities here: ranks counted with those would be wrong.
    """
    here = (row >= tile.first) & (row < tile.first + TILE)
    if (product[np.nonzero(here)[0], row[here] - tile.first] != score[here]).any():
        raise BenchError(
            "products of the same vectors differ on this machine, so ranks in a corpus of this size cannot be counted; "
            "--index flat --depth 1000 ranks it"
        )
    return here


class Best:
    """The k best columns of n queries, of those seen so far.

    Attributes:
        column: int64, (n, min(k, n_docs)), best first; -1 where no more is retrieved.
    """

    def __init__(self, n: int, k: int, tie: Ints) -> None:
        self._tie = tie
        self.column = np.full((n, min(k, len(tie))), -1, np.int64)
        self._score = np.full(self.column.shape, -np.inf, np.float32)

    def merge(self, some: slice, column: Ints, score: Floats) -> None:
        """See more columns (n, any number) of some queries, -1 for none, and their similarities."""
        column = np.concatenate([self.column[some], column], axis=1)
        score = np.concatenate([self._score[some], score], axis=1)
        order = np.lexsort((self._tie[column], -score), axis=1)[:, : self.column.shape[1]]
        self.column[some] = np.take_along_axis(column, order, axis=1)
        self._score[some] = np.take_along_axis(score, order, axis=1)
