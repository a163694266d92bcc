"""Sign flips over questions: what may be said of the trained models at hand, without a word about others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


FLIPS = 1 << 14
"""Sign patterns held at once."""


def sign_flip(values: Floats, rng: np.random.Generator, flips: int = 100_000) -> Floats:
    """Two-sided p of a mean of 0, by flipping the signs of clusters.

    All sign patterns are tried where there are no more than ``flips`` of them; else p = (1 + hits) / (1 + flips). It
    speaks for the questions of which these are a sample, and for these trained models only. Source: Fisher 1935;
    Smucker, Allan and Carterette 2007 for retrieval.

    Args:
        values: (n_clusters, m), one column per comparison; rows are flipped together.
        rng: draws the signs.
        flips: number of random patterns.

    Returns:
        (m,) p values; at least 1 / (1 + flips).
    """
    n, m = values.shape
    bound = np.abs(values.sum(axis=0)) * (1 - 1e-9) - 1e-12
    exact = n <= 16 and 2**n <= flips
    if exact:
        signs = (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2.0 - 1.0
        return np.asarray((np.abs(signs @ values) >= bound).mean(axis=0), np.float64)
    tables = _sums_of_eight(values)
    hits = np.zeros(m)
    for start in range(0, flips, FLIPS):
        drawn = rng.integers(0, 256, (len(tables), min(FLIPS, flips - start)), np.uint8)
        total = np.zeros((drawn.shape[1], m))
        for table, signs in zip(tables, drawn, strict=True):
            total += table[signs]
        hits += (np.abs(total) >= bound).sum(axis=0)
    return np.asarray((1 + hits) / (1 + flips), np.float64)


def _sums_of_eight(values: Floats) -> Floats:
    """(ceil(n / 8), 256, m): sums of eight clusters under each pattern of signs, so that a byte flips eight."""
    n, m = values.shape
    eight = np.zeros((-(-n // 8) * 8, m))
    eight[:n] = values
    signs = (np.arange(256)[:, None] >> np.arange(8) & 1) * 2.0 - 1.0
    return np.asarray(signs @ eight.reshape(-1, 8, m), np.float64)
