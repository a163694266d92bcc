"""p values of many claims at once, adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def holm(p: Floats, weights: Floats | None = None) -> Floats:
    """Adjusted p values that bound the chance of any false claim in the family. Source: Holm 1979.

    Args:
        p: (m,).
        weights: (m,) positive, what each claim may take of the error; equal if None.
    """
    of = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(p / of, kind="stable")
    left = of.sum() - np.concatenate([[0.0], np.cumsum(of[order])[:-1]])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left * (p / of)[order]))
    return adjusted


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p values that bound the share of false claims. Source: Benjamini and Hochberg 1995."""
    from scipy import stats

    adjusted: Floats = np.asarray(stats.false_discovery_control(p, method="bh"))
    return adjusted


def partial_conjunction(p: Floats) -> Floats:
    """For k = 1..n: p of "an effect in fewer than k of the n languages", for one-sided p values in any dependence.

    Bonferroni's form, (n - k + 1) times the k-th smallest, made monotone. Source: Dror et al. 2017 (arXiv 1709.09500).
    """
    n = len(p)
    adjusted: Floats = np.minimum(1.0, np.maximum.accumulate(np.arange(n, 0, -1) * np.sort(p)))
    return adjusted
