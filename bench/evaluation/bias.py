"""Language bias per query, in the pool of all languages. Read beside AP, never instead of it.

Functions take ``ranks``: int64, (n_queries, R), 1-based ranks of the relevant passages in the pooled list, padded with
``ABSENT``, ``MISSED`` where a cut run does not answer the passage, ``LOST`` where the corpus lacks it; and give
float64, (n_queries,), NaN where the measure is not defined. The report's glossary is made of these docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.measures import (
    ABSENT,
    LOST,
    MEASURES,
    MISSED,
    Observed,
    Pairs,
    Ranks,
    Values,
    average_precision,
    observed_measures,
    pairs,
)

Mask = NDArray[np.bool_]


IN_POOL = "AP_in_pool"
"""Column of rows about a language pair: H2 of the strong-weak gap; the pair's AP is H1."""


def rank_distance(ranks: Ranks) -> Values:
    """Largest minus smallest rank of a query's parallel relevant passages.

    Range: L - 1 (one relevant passage in each of L languages, all on top) to the pool's size; lower is less biased.
    A passage that is not retrieved, as it has no term of the query, stands at the end of the pool.
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
    return ((ranks < ABSENT).sum(axis=1) >= 2) & ~_unanswered(ranks).any(axis=1)


def _unanswered(ranks: Ranks) -> Mask:
    """Relevant passages without a rank."""
    return (ranks >= LOST) & (ranks < ABSENT)


def _last(ranks: Ranks) -> Values:
    return ranks.max(axis=1, where=ranks < ABSENT, initial=1).astype(np.float64)


def same_language_share(top_lang: NDArray[np.int64], q_lang: int, pool_share: float) -> Values:
    """Share of the top 10 in the query's language, minus that language's share of the pool.

    Range: -1 to 1; 0 is no preference, above 0 the query's own language is preferred. Cannot say: whether that is bias
    or skill, because a good ranker finds relevant passages in the query's language too.
    Source: ours; the share of languages in the top ranks is what arXiv 2408.10536 and arXiv 2405.00978 look at.

    Args:
        top_lang: int64, (n_queries, k), language index of each of the first k passages; -1 where fewer are retrieved:
            the share is of those that are.
        q_lang: language index of the queries.
        pool_share: share of the pool's passages that are in ``q_lang``.
    """
    there = top_lang >= 0
    n = there.sum(axis=1)
    return np.where(n > 0, (there & (top_lang == q_lang)).sum(axis=1) / np.maximum(n, 1) - pool_share, np.nan)


def same_language_nonrelevant(looked_at: Ranks, own: Ranks, pool_share: Values) -> Values:
    """Share of the 10 best-ranked non-relevant passages in the query's language, minus its share of the non-relevant.

    Range: -1 to 1; 0 is no preference. Pure bias: none of these passages is an answer, whatever its language.
    Cannot say: how good the ranking is. Source: ours.

    Args:
        looked_at: int64, (n_queries,), best-ranked non-relevant passages that were looked at.
        own: int64, (n_queries,), those of them that are in the query's language.
        pool_share: (n_queries,), share of that language among the query's non-relevant passages.
    """
    return np.where(looked_at > 0, own / np.maximum(looked_at, 1) - pool_share, np.nan)


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
    defined = (own & present).any(axis=1) & (~own & present).any(axis=1) & (ranks.min(axis=1) < LOST)
    return np.where(defined, np.take_along_axis(own, best[:, None], axis=1)[:, 0].astype(np.float64), np.nan)


def mean_rank_correlation(tops: Ranks) -> Values:
    """MRC@10: Spearman correlation of the top 10 that a question gets from its different language versions.

    Range: -1 to 1; 1 means that the query's language does not matter. The correlation is over the union of both top 10,
    passages missing from one of them tie behind its last: two lists without a common passage give -.858, not 0. Cannot
    say: whether the ranking is good; nor is it comparable with published numbers. Not defined where one of them
    retrieves nothing, or both one and the same passage alone.
    Source: arXiv 2509.06195; the treatment of missing passages is ours.

    Args:
        tops: int64, (n_groups, n_versions, k), the first k columns for each version of each question; -1 where fewer
            are retrieved.

    Returns:
        float64, (n_groups, n_versions), the mean over a version's correlations with the others, as far as defined.
    """
    versions, k = tops.shape[1:]
    if versions < 2 or k < 2:
        return np.full(tops.shape[:2], np.nan)
    found = np.zeros((*tops.shape[:2], versions))
    for i in range(versions):
        for j in range(i + 1, versions):
            found[:, i, j] = found[:, j, i] = _spearman(tops[:, i], tops[:, j])
    known = ~np.isnan(found)
    number = known.sum(axis=2) - 1  # without the version itself
    return np.where(number > 0, np.where(known, found, 0).sum(axis=2) / np.maximum(number, 1), np.nan)


def _spearman(a: Ranks, b: Ranks) -> Values:
    """Of two top-k lists (n, k) over their union; the closed form of Pearson's correlation of tied ranks.

    Lists may be shorter than k, -1 behind their end. Sums over the passages in both lists are sums of whole numbers,
    exact in any order and, for k up to 100, in 32 bits.
    """
    k = a.shape[1]
    place = np.arange(1, k + 1, dtype=np.float32)
    weights = np.stack([np.ones((k, k)), *np.meshgrid(place, place, indexing="ij"), np.outer(place, place)], axis=-1)
    same = a[:, :, None] == np.where(b < 0, -2, b)[:, None, :]  # what is behind the ends is no passage
    sums = same.reshape(len(a), k * k).astype(np.float32) @ weights.reshape(k * k, 4).astype(np.float32)
    both, in_a, in_b, product = sums.T.astype(np.float64)
    sizes = (a >= 0).sum(axis=1), (b >= 0).sum(axis=1)
    union = sizes[0] + sizes[1] - both
    mean = (union + 1) / 2
    alone, variance = [], []
    for size, shared in zip(sizes, (in_a, in_b), strict=True):
        total, squares = size * (size + 1) / 2, size * (size + 1) * (2 * size + 1) / 6
        alone.append(total - shared - (size - both) * mean)  # centred ranks of what this list has alone
        # what a list lacks has the centred rank size / 2
        variance.append(squares - mean * (2 * total - size * mean) + (union - size) * (size / 2) ** 2)
    covariance = product - mean * (in_a + in_b - both * mean) + alone[0] * sizes[1] / 2 + alone[1] * sizes[0] / 2
    spread = np.sqrt(variance[0] * variance[1])
    return np.where(spread > 0, covariance / np.where(spread > 0, spread, 1.0), np.nan)


def alone_in_pool(ranks: Ranks, lang: Ranks, rows: Pairs) -> Values:
    """H2 of the strong-weak gap: AP of the answers in one language in the whole pool, the other answers removed.

    H1 is the AP with the pool cut to that language; H1 - H2 (0 to 1, lower is better) is what the passages of other
    languages cost. Cannot say: which language's passages stand in the way. Source: ours, after the strong and weak
    alignment of LAReQA (arXiv 2004.05484).

    Args:
        ranks: (n_queries, R), of all relevant passages in the pool.
        lang: (n_queries, R), number of the language of each.
        rows: queries and languages for which the value is asked.
    """
    others_ahead = np.zeros_like(ranks)
    for rank, other in zip(ranks.T[:, :, None], lang.T[:, :, None], strict=True):
        others_ahead += (rank < ranks) & (other != lang)
    alone = np.where(ranks >= LOST, ranks, ranks - others_ahead)
    return average_precision(rows.answers(alone))


def peer(ranks: Ranks, lang: Ranks) -> Values:
    """PEER: p of the Kruskal-Wallis test that the relevant passages of all languages have equal ranks.

    Range: 0 to 1; higher is fairer. Defined only with at least two relevant passages in each of at least two languages:
    with one per language every ranking gives the same p, so no number is given then. Cannot say: whether passages stand
    near the top. Source: arXiv 2405.00978, for the relevant passages as one level of relevance.

    Args:
        ranks: (n_queries, R).
        lang: (n_queries, R), language index of each relevant passage.
    """
    present = ranks < LOST
    row, slot = np.nonzero(present)
    width = int(lang.max(initial=-1)) + 2  # the first column is of padding
    sizes = np.bincount(row * width + lang[row, slot] + 1, minlength=len(lang) * width).reshape(len(lang), width)
    groups = (sizes > 0).sum(axis=1)
    defined = (groups >= 2) & ((sizes >= 2) | (sizes == 0)).all(axis=1) & ~_unanswered(ranks).any(axis=1)
    if not defined.any():
        return np.full(len(ranks), np.nan)
    from scipy import stats

    langs = np.unique(lang)
    n, sizes = present.sum(axis=1), sizes[:, langs + 1]
    order = np.where(present, np.argsort(np.argsort(ranks, axis=1), axis=1) + 1.0, 0.0)
    sums = np.stack([(order * (lang == x)).sum(axis=1) for x in langs], axis=1)
    between = (sums**2 / np.maximum(sizes, 1)).sum(axis=1)
    h = 12 / np.maximum(n * (n + 1), 1) * between - 3 * (n + 1)
    return np.where(defined, stats.chi2.sf(h, np.maximum(groups - 1, 1)), np.nan)


def _to_the_end(of: Observed) -> Ranks:
    """Ranks in the pool, those of passages that match no term at its end."""
    last = sum(of.passages.values())
    return np.where(of.rank_in_pool == MISSED, last, of.rank_in_pool) if of.matching else of.rank_in_pool


def _same_language(of: Observed) -> Values:
    segment = np.cumsum([0, *of.passages.values()])
    top_lang = np.where(of.top >= 0, np.searchsorted(segment, of.top, side="right") - 1, -1)
    return same_language_share(top_lang, of.own, _own_passages(of) / segment[-1])


def _same_language_nonrelevant(of: Observed) -> Values:
    there = (of.rank_in_pool < ABSENT) & (of.rank_in_pool != LOST)
    answers, own_answers = there.sum(axis=1), (there & (of.lang == of.own)).sum(axis=1)
    others = np.maximum(sum(of.passages.values()) - answers, 1)
    return same_language_nonrelevant(of.nonrelevant, of.nonrelevant_own, (_own_passages(of) - own_answers) / others)


def _own_passages(of: Observed) -> int:
    return of.passages.get(of.q_lang, 0)


OF_POOL: dict[str, Callable[[Observed], Values]] = {
    "rank_distance": lambda of: rank_distance(_to_the_end(of)),
    "rank_distance_log2": lambda of: rank_distance_log2(_to_the_end(of)),
    "same_language@10": _same_language,
    "same_language_nonrelevant@10": _same_language_nonrelevant,
    "TLR@10": lambda of: other_language_recall(of.rank_in_pool, of.lang != of.own),
    "own_language_first": lambda of: own_language_first(of.rank_in_pool, of.lang == of.own),
    "PEER": lambda of: peer(of.rank_in_pool, of.lang),
}
"""Column of rows about the pool -> its values, of the queries of one language."""


CORRELATION = "MRC@10"
"""Column of rows about the pool that compares the queries of several languages."""


BIAS = (
    "rank_distance",
    "rank_distance_log2",
    "same_language@10",
    "same_language_nonrelevant@10",
    "TLR@10",
    "own_language_first",
    CORRELATION,
    "PEER",
)
"""Columns of rows about the pool."""


def all_columns(of: Sequence[Observed], names: Sequence[str] = (*MEASURES, IN_POOL, *BIAS)) -> list[dict[str, Values]]:
    """Several columns of every row about one pool of passages, NaN where a column says nothing of a row.

    Args:
        of: what was observed of the queries of each language.
        names: of ``MEASURES``, ``IN_POOL`` and ``BIAS``.

    Returns:
        for each language column -> (n_rows,): the rows of ``pairs``, then, where there are several passage languages,
        one of each query about the pool.
    """
    correlations = _correlations(of) if of and CORRELATION in names else [np.empty(0)] * len(of)
    return [_columns(each, found, names) for each, found in zip(of, correlations, strict=True)]


def _columns(of: Observed, correlation: Values, names: Sequence[str]) -> dict[str, Values]:
    rows = pairs(of.lang, len(of.passages))
    found = observed_measures(of, rows, [name for name in names if name in MEASURES])
    n_pairs, n = len(rows.query), len(of.rank) if of.pooled else 0
    for name in (name for name in names if name not in MEASURES):
        pair, pool = np.full(n_pairs, np.nan), np.full(n, np.nan)
        if of.pooled and name == IN_POOL:
            pair = alone_in_pool(of.rank_in_pool, of.lang, rows)
        elif of.pooled:
            pool = correlation if name == CORRELATION else OF_POOL[name](of)
        found[name] = np.concatenate([pair, pool])
    return found


def _correlations(of: Sequence[Observed]) -> list[Values]:
    """MRC@10 of the queries of each language."""
    question, tops = np.concatenate([o.question for o in of]), np.concatenate([o.top for o in of])
    _, number, versions = np.unique(question, return_inverse=True, return_counts=True)
    found = np.full(len(question), np.nan)
    for size in np.unique(versions[versions > 1]):
        several = np.flatnonzero(versions[number] == size)
        alike = several[np.argsort(number[several], kind="stable")].reshape(-1, size)
        found[alike] = mean_rank_correlation(tops[alike])
    return np.split(found, np.cumsum([len(o.question) for o in of])[:-1])
