"""Language bias per query, in the pool of all languages. Read beside AP, never instead of it.

Functions take ``ranks``: int64, (n_queries, R), 1-based ranks of the relevant passages in the pooled list, padded with
``ABSENT``, ``MISSED`` where a cut run does not answer the passage; and give float64, (n_queries,), NaN where the
measure is not defined. The report's glossary is made of these docstrings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.measures import ABSENT, MISSED, Ranks, Values, average_precision

Mask = NDArray[np.bool_]


BIAS = (
    "rank_distance",
    "rank_distance_log2",
    "same_language@10",
    "same_language_nonrelevant@10",
    "TLR@10",
    "own_language_first",
    "MRC@10",
    "PEER",
)
"""Columns of rows about the pool."""


IN_POOL = "AP_in_pool"
"""Column of rows about a language pair: H2 of the strong-weak gap; the pair's AP is H1."""


def rank_distance(ranks: Ranks) -> Values:
    """Largest minus smallest rank of a query's parallel relevant passages.

    Range: L - 1 (one relevant passage in each of L languages, all on top) to the pool's size; lower is less biased.
    Cannot say: whether passages stand near the top; it is driven by the worst passage and grows with the pool.
    Source: arXiv 2408.10536, after Huang et al. 2023 (arXiv 2305.09025).
    """
    return np.where(_whole(ranks), _last(ranks) - ranks.min(axis=1).astype(np.float64), np.nan)


def rank_distance_log2(ranks: Ranks) -> Values:
    """Rank distance of logarithmic ranks: log2 of the largest over the smallest rank.

    Range: log2 L to log2 of the pool's size; lower is less biased; 1 means that the last answer stands twice as deep as
    the first. Cannot say: whether passages stand near the top; ranks 100 and 200 count as 1 and 2 do.
    Source: ours, the rank distance of arXiv 2408.10536 on the scale on which users feel ranks.
    """
    return np.where(_whole(ranks), np.log2(_last(ranks) / ranks.min(axis=1)), np.nan)


def _whole(ranks: Ranks) -> Mask:
    """Queries with at least two relevant passages, all of them answered."""
    return ((ranks < ABSENT).sum(axis=1) >= 2) & (ranks != MISSED).all(axis=1)


def _last(ranks: Ranks) -> Values:
    return ranks.max(axis=1, where=ranks < ABSENT, initial=1).astype(np.float64)


def same_language_share(top_lang: NDArray[np.int64], q_lang: int, pool_share: float) -> Values:
    """Share of the top 10 in the query's language, minus that language's share of the pool.

    Range: -1 to 1; 0 is no preference, above 0 the query's own language is preferred. Cannot say: whether that is bias
    or skill, because a good ranker finds relevant passages in the query's language too.
    Source: ours; the share of languages in the top ranks is what arXiv 2408.10536 and arXiv 2405.00978 look at.

    Args:
        top_lang: int64, (n_queries, k), language index of each of the first k passages.
        q_lang: language index of the queries.
        pool_share: share of the pool's passages that are in ``q_lang``.
    """
    return (top_lang == q_lang).mean(axis=1) - pool_share


def same_language_nonrelevant(top_lang: NDArray[np.int64], wrong: Mask, q_lang: int, pool_share: Values) -> Values:
    """Share of the 10 best-ranked non-relevant passages in the query's language, minus its share of the non-relevant.

    Range: -1 to 1; 0 is no preference. Pure bias: none of these passages is an answer, whatever its language.
    Cannot say: how good the ranking is. Source: ours.

    Args:
        top_lang: int64, (n_queries, K), language index of each of the first K passages.
        wrong: (n_queries, K), which of them are not relevant; the first 10 count.
        q_lang: language index of the queries.
        pool_share: (n_queries,), share of ``q_lang`` among the query's non-relevant passages.
    """
    counted = wrong & (np.cumsum(wrong, axis=1) <= 10)
    n = counted.sum(axis=1)
    return np.where(n > 0, ((top_lang == q_lang) & counted).sum(axis=1) / np.maximum(n, 1) - pool_share, np.nan)


def other_language_recall(ranks: Ranks, foreign: Mask) -> Values:
    """TLR@10: recall at 10 of the relevant passages that are not in the query's language.

    Range: 0 to 1 (at most 10 / R where there are more than 10); higher is better. Cannot say: how the passage in the
    query's own language fares. Source: SHIFT, arXiv 2606.18801.

    Args:
        ranks: (n_queries, R).
        foreign: (n_queries, R), which relevant passages are in another language than the query.
    """
    foreign = foreign & (ranks < ABSENT)
    n = foreign.sum(axis=1)
    return np.where(n > 0, ((ranks <= 10) & foreign).sum(axis=1) / np.maximum(n, 1), np.nan)


def own_language_first(ranks: Ranks, own: Mask) -> Values:
    """Language preference: 1 where the best-ranked relevant passage is in the query's language, else 0.

    Range: its mean is 0 to 1; parity is 1 / L with one relevant passage in each of L languages, above it the own
    language is preferred. Cannot say: how far the others stand behind. Source: idea of MLAIRE (arXiv 2605.07249),
    formula ours. Not defined where the query's language has no relevant passage, or no other language has one.

    Args:
        ranks: (n_queries, R).
        own: (n_queries, R), which relevant passages are in the query's language.
    """
    present = ranks < ABSENT
    best = ranks.argmin(axis=1)
    defined = (own & present).any(axis=1) & (~own & present).any(axis=1) & (ranks.min(axis=1) < MISSED)
    return np.where(defined, np.take_along_axis(own, best[:, None], axis=1)[:, 0].astype(np.float64), np.nan)


def mean_rank_correlation(tops: Ranks) -> Values:
    """MRC@10: Spearman correlation of the top 10 that a question gets from its different language versions.

    Range: -1 to 1; 1 means that the query's language does not matter. The correlation is over the union of both top 10,
    passages missing from one of them tie behind its last. Cannot say: whether the ranking is good.
    Source: arXiv 2509.06195; the treatment of missing passages is ours.

    Args:
        tops: int64, (n_groups, n_versions, k), the first k columns for each version of each question.

    Returns:
        float64, (n_groups, n_versions), the mean over a version's correlations with the others.
    """
    versions, k = tops.shape[1:]
    if versions < 2 or k < 2:
        return np.full(tops.shape[:2], np.nan)
    found = np.zeros((*tops.shape[:2], versions))
    for i in range(versions):
        for j in range(i + 1, versions):
            found[:, i, j] = found[:, j, i] = _spearman(tops[:, i], tops[:, j])
    return found.sum(axis=2) / (versions - 1)


def _spearman(a: Ranks, b: Ranks) -> Values:
    """Of two top-k lists (n, k) over their union; the closed form of Pearson's correlation of tied ranks."""
    k = a.shape[1]
    same = a[:, :, None] == b[:, None, :]
    union = 2 * k - same.sum(axis=(1, 2))
    mean = (union + 1) / 2
    behind = k + (union - k + 1) / 2 - mean  # centred rank of what a list lacks
    own = np.arange(1, k + 1) - mean[:, None]
    variance = (own**2).sum(axis=1) + (union - k) * behind**2
    shared = (same * own[:, :, None] * own[:, None, :]).sum(axis=(1, 2))
    only_a = (~same.any(axis=2) * own).sum(axis=1) * behind
    only_b = (~same.any(axis=1) * own).sum(axis=1) * behind
    return (shared + only_a + only_b) / variance


def alone_in_pool(ranks: Ranks, inside: Mask) -> Values:
    """H2 of the strong-weak gap: AP of the answers in one language in the whole pool, the other answers removed.

    H1 is the AP with the pool cut to that language; H1 - H2 (0 to 1, lower is better) is what the passages of other
    languages cost. Cannot say: which language's passages stand in the way. Source: ours, after the strong and weak
    alignment of LAReQA (arXiv 2004.05484).

    Args:
        ranks: (n_queries, R), of all relevant passages in the pool.
        inside: (n_queries, R), which of them are in the language; at least one in each row.
    """
    inside = inside & (ranks < ABSENT)
    others_ahead = (ranks[:, None, :] < ranks[:, :, None]) & ~inside[:, None, :]
    alone = np.where(ranks == MISSED, MISSED, ranks - others_ahead.sum(axis=2))
    return average_precision(np.where(inside, alone, ABSENT))


def peer(ranks: Ranks, lang: Ranks) -> Values:
    """PEER: p of the Kruskal-Wallis test that the relevant passages of all languages have equal ranks.

    Range: 0 to 1; higher is fairer. Defined only with at least two relevant passages in each of at least two languages:
    with one per language every ranking gives the same p, so no number is given then. Cannot say: whether passages stand
    near the top. Source: arXiv 2405.00978, for the relevant passages as one level of relevance.

    Args:
        ranks: (n_queries, R).
        lang: (n_queries, R), language index of each relevant passage.
    """
    from scipy import stats

    present = (ranks < ABSENT) & (ranks != MISSED)
    order = np.where(present, np.argsort(np.argsort(ranks, axis=1), axis=1) + 1.0, 0.0)
    n = present.sum(axis=1)
    langs = np.unique(lang)
    sizes = np.stack([((lang == x) & present).sum(axis=1) for x in langs], axis=1)
    sums = np.stack([(order * (lang == x)).sum(axis=1) for x in langs], axis=1)
    between = (sums**2 / np.maximum(sizes, 1)).sum(axis=1)
    h = 12 / np.maximum(n * (n + 1), 1) * between - 3 * (n + 1)
    groups = (sizes > 0).sum(axis=1)
    defined = (groups >= 2) & ((sizes >= 2) | (sizes == 0)).all(axis=1) & (ranks != MISSED).all(axis=1)
    return np.where(defined, stats.chi2.sf(h, np.maximum(groups - 1, 1)), np.nan)
