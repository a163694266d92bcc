"""Language bias per query, in the pool of all languages. Read beside AP, never instead of it."""

import numpy as np
from numpy.typing import NDArray

from bench.measures import ABSENT, MISSED, Ranks, Values

BIAS = ("rank_distance", "same_language@10")


def rank_distance(ranks: Ranks) -> Values:
    """Largest minus smallest rank of a query's parallel relevant passages (passages; 0 or more, lower is less biased).

    With one relevant passage in each of L languages the least value is L - 1. Tail-driven, grows with the pool and
    says nothing of quality. Source: arXiv 2408.10536, after Huang et al. 2023 (arXiv 2305.09025).

    Args:
        ranks: int64, (n_queries, R), 1-based ranks in the pooled list, padded with ``ABSENT``.

    Returns:
        float64, (n_queries,); NaN where a query has fewer than two relevant passages, or a cut run missed one.
    """
    present = ranks < ABSENT
    spread = ranks.max(axis=1, where=present, initial=0) - ranks.min(axis=1)
    whole = (present.sum(axis=1) >= 2) & (ranks != MISSED).all(axis=1)
    return np.where(whole, spread.astype(np.float64), np.nan)


def same_language_share(top_lang: NDArray[np.int64], q_lang: int, pool_share: float) -> Values:
    """Share of the top k in the query's language, minus that language's share of the pool (-1 to 1, 0 is no bias).

    A good monolingual ranker also scores above 0, because relevant passages in the query's language count.

    Args:
        top_lang: int64, (n_queries, k), language index of each of the first k passages.
        q_lang: language index of the queries.
        pool_share: share of the pool's passages that are in ``q_lang``.
    """
    return (top_lang == q_lang).mean(axis=1) - pool_share
