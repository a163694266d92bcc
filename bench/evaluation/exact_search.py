"""Every passage against every query."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from bench.data.corpus import Corpus, Floats, Ints, Passages, Vectors
from bench.evaluation import ranks, tiles
from bench.evaluation.device_search import OnDevice
from bench.evaluation.ranks import Ranking, Searcher
from bench.evaluation.tiles import Best, Tiles
from bench.store.shards import Shards

TOGETHER = 64
"""Queries whose similarities are laid out and ranked at once, so that they stay in the processor's cache."""


def exact(passages: Passages, place: Ints, corpus: Corpus, used: set[str] | None = None) -> Searcher:
    """What ranks a corpus exactly: the GPU where there is one, but for words and for what goes by tiles.

    The kind of device that does is added to ``used``.
    """
    fits = isinstance(passages, np.ndarray) and passages.shape[0] <= tiles.WIDE
    on = "cuda" if fits and torch.cuda.is_available() else "cpu"
    if used is not None:
        used.add(on)
    if on == "cpu" or not isinstance(passages, np.ndarray):
        return Exact(passages, place, corpus)
    return OnDevice(passages, place, corpus, torch.device(on))


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

    def rank(self, queries: Vectors, relevant: Ints, k: int, leaving: Ints | None = None) -> Ranking:
        """Exact ranks in the whole pool."""
        leaving = np.full(len(relevant), -1) if leaving is None else leaving
        if self._tiles is not None and isinstance(queries, np.ndarray):
            return _by_tiles(self._tiles, queries, relevant, k, self._corpus, leaving)
        own, pool = np.empty_like(relevant), np.empty_like(relevant)
        top = np.empty((len(relevant), min(k, len(self._place))), np.int64)
        for rows, block in ranks.similarity_blocks(queries, self._passages):
            for some, part in _together(rows, block):
                full = np.take(part, self._place, axis=1) if self._expand else part
                ranks.leave(full, leaving[some])
                own[some], pool[some] = ranks.ranks(full, relevant[some], self._corpus)
                top[some] = ranks.top_columns(full, k, self._corpus)
        return Ranking(own, pool, top)


def _together(rows: slice, block: Floats) -> Iterator[tuple[slice, Floats]]:
    """Parts of a block of ``rows``, and the rows of each."""
    for start in range(rows.start, rows.stop, TOGETHER):
        some = slice(start, min(start + TOGETHER, rows.stop))
        yield some, block[some.start - rows.start : some.stop - rows.start]


def _by_tiles(every: Tiles, queries: Floats, relevant: Ints, k: int, corpus: Corpus, leaving: Ints) -> Ranking:
    """Ranks and the k best; each tile is read once."""
    row = every.rows(relevant)
    those = ranks.sought(every.scores(queries, row), relevant, corpus)
    own, pool = np.zeros_like(relevant), np.zeros_like(relevant)
    best = Best(len(relevant), k, corpus.tie)
    for tile in every:
        for rows in ranks.query_blocks(len(queries), tiles.TILE):
            product = ranks.similarities(queries[rows], tile.vectors)
            for some, part in _together(rows, product):
                here = tiles.require_same(part, tile, row[some], those.score[some])
                full = tile.expanded(part)
                ranks.leave(full, tile.place_of(leaving[some]))
                more = ranks.before(full, those.of(some), here, tile.cut)
                own[some] += more[0]
                pool[some] += more[1]
                top = ranks.top_columns(full, k, tile.cut)
                score = np.where(top >= 0, np.take_along_axis(full, top, axis=1), -np.inf).astype(np.float32)
                best.merge(some, np.where(top >= 0, tile.column[top], -1), score)
    return Ranking(ranks.padded(own + 1, relevant), ranks.padded(pool + 1, relevant), best.column)
