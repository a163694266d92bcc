"""Faiss over consecutive passages of one language: indexes that are held, or kept on disk beside the vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.search import Floats, Ints
from bench.shards import Shards

LARGE = 1 << 17
"""Passages of a block, at most, where they are on disk."""

LINKS, CARE = 32, 200
"""Of HNSW: links of a passage (M), and candidates for them in building (efConstruction)."""

LISTS = 4
"""Of IVF: inverted lists of n passages, times the root of n."""

TRAINED_ON = 39
"""Passages of an inverted list, at least, on average: faiss asks for so many to find its centre."""

VISITED = 8
"""One inverted list of so many is looked through for a query, at least."""

ENOUGH = 4
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
    for start in range(columns.start, columns.stop, LARGE):
        rows = place[start : min(start + LARGE, columns.stop)]
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
            -(-index.nlist // VISITED), min(index.nlist, -(-ENOUGH * depth * index.nlist // index.ntotal))
        )
    return index
