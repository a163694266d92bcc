"""Retrieval measures per query, from the ranks of its relevant passages. Names and definitions as in ir_measures.

Every function takes ``ranks``: int64, (n_queries, R), the 1-based ranks of a query's relevant passages, in any order,
padded with ``ABSENT``; and returns float64, (n_queries,). A query without a relevant passage has 0, as in trec_eval.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


Values = NDArray[np.float64]


ABSENT = np.iinfo(np.int64).max
"""Padding: no relevant passage."""


MISSED = ABSENT - 1
"""Rank of a relevant passage that a cut run does not answer: it adds nothing (AP: less than 1e-17)."""


def average_precision(ranks: Ranks) -> Values:
    """AP over the whole ranking. Source: Buckley and Voorhees 2000; ``AP`` of trec_eval."""
    ordered = np.sort(ranks, axis=1)
    found = ordered < ABSENT
    precision = np.arange(1, ranks.shape[1] + 1) / ordered
    return np.where(found, precision, 0.0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)


def recall_at(ranks: Ranks, k: int) -> Values:
    """R@k: share of the relevant passages among the first k."""
    return (ranks <= k).sum(axis=1) / np.maximum((ranks < ABSENT).sum(axis=1), 1)


def reciprocal_rank_at(ranks: Ranks, k: int) -> Values:
    """RR@k: 1 / rank of the first relevant passage, 0 where it is behind rank k."""
    best = ranks.min(axis=1)
    return np.where(best <= k, 1.0 / best, 0.0)


def ndcg_at(ranks: Ranks, grades: Ranks, k: int) -> Values:
    """nDCG@k with linear gain and log2 discount. Source: Jarvelin and Kekalainen 2002; ``ndcg_cut`` of trec_eval.

    ``grades``: int64, (n_queries, R), aligned with ``ranks``; ignored where ``ranks`` is ``ABSENT``.
    """
    grades = np.where(ranks < ABSENT, grades, 0)
    discount = 1.0 / np.log2(np.minimum(ranks, k) + 1.0)
    gained = np.where(ranks <= k, grades * discount, 0.0).sum(axis=1)
    ideal_grades = -np.sort(-grades, axis=1)[:, :k]
    ideal = (ideal_grades / np.log2(np.arange(2, ideal_grades.shape[1] + 2))).sum(axis=1)
    return gained / np.where(ideal > 0, ideal, 1.0)


MEASURES = ("AP", "nDCG@10", "R@1", "R@10", "R@100", "RR@10")


def all_measures(ranks: Ranks, grades: Ranks) -> dict[str, Values]:
    """Every measure of ``MEASURES`` at once."""
    return {
        "AP": average_precision(ranks),
        "nDCG@10": ndcg_at(ranks, grades, 10),
        "R@1": recall_at(ranks, 1),
        "R@10": recall_at(ranks, 10),
        "R@100": recall_at(ranks, 100),
        "RR@10": reciprocal_rank_at(ranks, 10),
    }
