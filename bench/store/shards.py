"""Vectors of a corpus on disk, in shards of consecutive passages that are read through memory maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.store.arrays import Kept
from bench.store.json_files import hash64

CHUNK = 1 << 14
"""Distinct passages of a shard, but for the last one: those that an encoder sorts by length and passes together.

What passes together decides the last bits of a vector, so that memory and disk have to agree on it.
"""


class Shards:
    """The vectors of ``n`` passages. ``[rows]`` gives some of them as float32, (n, dim); only they are then in memory.

    Attributes:
        owner: what decides the vectors: the model, how it is used, and the texts.
        folder: of these vectors, named after the owner.
        names: of the shards, there or not.
        kept: the shards that are there.

    Args:
        root: holds the folders of all vectors.
        owner: of this corpus.
        n: distinct passages.
        stored: float32, or float16, which rounds numbers to 11 bits.
    """

    def __init__(self, root: Path, owner: Mapping[str, object], n: int, stored: str = "float32") -> None:
        self.owner = {**owner, "passages": n, "passages of a shard": CHUNK, "stored as": stored}
        self.folder = root / hash64(self.owner)[:16]
        self.names = [f"shard-{i:05d}" for i in range(-(-n // CHUNK))]
        self.kept = Kept(self.folder, self.owner)
        self._n, self._stored = n, stored

    @property
    def shape(self) -> tuple[int, int]:
        """Passages and dimensions; the first shard has to be there."""
        return self._n, self.kept.read(self.names[0]).shape[1]

    def write(self, name: str, vectors: NDArray[np.float32]) -> None:
        """Keep a shard that this process has claimed."""
        self.kept.write(name, vectors.astype(self._stored))

    def beside(self, about: Mapping[str, object]) -> Kept:
        """For what is made from these vectors, and besides from what ``about`` says."""
        return Kept(self.folder, {**self.owner, **about})

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self._n)
            first, last = start // CHUNK, (stop - 1) // CHUNK
            if first == last:  # mapped, not copied, where it is float32
                shard = self.kept.read(self.names[first])
                return np.asarray(shard[start - first * CHUNK : stop - first * CHUNK], np.float32)
            rows = np.arange(start, stop)
        out = np.empty((len(rows), self.shape[1]), np.float32)
        of_shard = rows // CHUNK
        for i in np.unique(of_shard).tolist():
            here = np.flatnonzero(of_shard == i)
            out[here] = self.kept.read(self.names[i])[rows[here] - i * CHUNK]
        return out
