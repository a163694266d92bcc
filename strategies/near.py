"""Which items are near each other: k-means and nearest neighbours of unit vectors, in memory that is bounded.

numpy alone, as all of ``strategies``: one matrix product a block. A million items are not compared with each other but
parted by k-means into cells, and each cell's items with one another: neighbours beyond the border of a cell are missed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.contract import Ints, Vectors

FITTED = 50_000
"""Vectors, at most, that centres are fitted on."""


ROUNDS = 20
"""Of k-means, at most."""


CELL = 4096
"""Items, at most, that are all compared with each other."""


SPLIT = 32
"""Cells that one is parted into, at most."""


BLOCK = 1 << 22
"""Similarities that are held at once."""


def kmeans(vectors: Vectors, k: int) -> tuple[Ints, Vectors]:
    """The cluster of each item, (n,), and the clusters' centres, (k', dim), unit length; k' <= k.

    Spherical k-means (Dhillon and Modha 2001) from centres far from each other (k-means++, Arthur and Vassilvitskii
    2007). A function of the vectors alone: what is drawn is drawn from a fixed seed.
    """
    rng = np.random.default_rng(0)
    n = len(vectors)
    fitted = vectors if n <= FITTED else vectors[np.sort(rng.choice(n, FITTED, replace=False))]
    centres = _far_apart(fitted, min(k, len(fitted)), rng)
    before = None
    for _ in range(ROUNDS):
        of = nearest_centre(fitted, centres)
        if before is not None and np.array_equal(of, before):
            break
        before = of
        sums = np.zeros_like(centres)
        order = np.argsort(of, kind="stable")
        numbers, starts = np.unique(of[order], return_index=True)
        sums[numbers] = np.add.reduceat(fitted[order], starts, axis=0)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 1e-6, sums / np.maximum(length, 1e-6), centres)
    return nearest_centre(vectors, centres), centres


def _far_apart(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(vectors)))]
    distance = np.full(len(vectors), np.inf)
    while len(chosen) < k:
        distance = np.minimum(distance, np.maximum(1 - vectors @ vectors[chosen[-1]], 0))
        total = float(distance.sum())
        if total < 1e-6:  # fewer different vectors than clusters
            break
        at = int(np.searchsorted(np.cumsum(distance), rng.random() * total, side="right"))
        chosen.append(min(at, len(vectors) - 1))
    return np.ascontiguousarray(vectors[chosen])


def nearest_centre(vectors: Vectors, centres: Vectors) -> Ints:
    """The most similar centre of each vector: int64, (n,); the first of equal ones."""
    step = max(1, BLOCK // len(centres))
    parts = [(vectors[i : i + step] @ centres.T).argmax(axis=1) for i in range(0, len(vectors), step)]
    return np.concatenate([np.empty(0, np.int64), *parts])


def neighbours_of(vectors: Vectors, k: int) -> NDArray[np.int32]:
    """The k most similar other items of each, nearest first: int32, (n, k); -1 where its cell has no more."""
    near = np.full((len(vectors), k), -1, np.int32)
    for cell in _cells(vectors, np.arange(len(vectors))):
        _among(vectors[cell], cell, near)
    return near


def _cells(vectors: Vectors, items: Ints) -> list[Ints]:
    if len(items) <= CELL:
        return [items]
    of, _ = kmeans(vectors[items], min(SPLIT, -(-2 * len(items) // CELL)))
    parts = [items[of == c] for c in np.unique(of).tolist()]
    if len(parts) == 1:  # all alike: any halves are as good
        parts = [items[: len(items) // 2], items[len(items) // 2 :]]
    return [cell for part in parts for cell in _cells(vectors, part)]


def _among(vectors: Vectors, items: Ints, near: NDArray[np.int32]) -> None:
    """Fill in the neighbours of the items of one cell."""
    n, k = len(items), min(near.shape[1], len(items) - 1)
    if k < 1:
        return
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        similarity = vectors[start : start + step] @ vectors.T
        rows = np.arange(len(similarity))[:, None]
        similarity[rows[:, 0], start + rows[:, 0]] = -np.inf
        top = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        order = np.argsort(-similarity[rows, top], axis=1, kind="stable")
        near[items[start : start + step], :k] = items[top[rows, order]]
