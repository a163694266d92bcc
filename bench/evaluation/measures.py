"""Retrieval measures per query, from the ranks of its relevant passages. Names and definitions as in ir_measures.

Functions of ``ranks``: int64, (n_queries, R), the 1-based ranks of a query's relevant passages, in any order,
padded with ``ABSENT``; give float64, (n_queries,). A query without a relevant passage has 0, as in trec_eval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


Values = NDArray[np.float64]


ABSENT = np.iinfo(np.int64).max
"""Padding: no relevant passage."""


MISSED = ABSENT - 1
"""Rank of a relevant passage that a cut run does not answer: it adds nothing (AP: less than 1e-17)."""


LOST = MISSED - 1
"""Rank of a relevant passage that the corpus lacks: the same."""


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


OF_RANKS: dict[str, Callable[[Ranks, Ranks], Values]] = {
    "AP": lambda ranks, grades: average_precision(ranks),
    "nDCG@10": lambda ranks, grades: ndcg_at(ranks, grades, 10),
    "R@1": lambda ranks, grades: recall_at(ranks, 1),
    "R@10": lambda ranks, grades: recall_at(ranks, 10),
    "R@100": lambda ranks, grades: recall_at(ranks, 100),
    "RR@10": lambda ranks, grades: reciprocal_rank_at(ranks, 10),
}
"""Measure -> its values, of ranks and grades (n_queries, R): a new one needs no cell to be scored again."""


MEASURES = tuple(OF_RANKS)


def all_measures(ranks: Ranks, grades: Ranks, names: Sequence[str] = MEASURES) -> dict[str, Values]:
    """Several measures at once."""
    return {name: OF_RANKS[name](ranks, grades) for name in names}


TOP = 10
"""Passages that language bias looks at."""


class Observed(NamedTuple):
    """What was seen of the queries of one language in one pool of passages: every measure derives from it.

    Arrays (n, R) have a place for each relevant passage of a query, in the order of the pool: by language, then as the
    data set has them; padding follows. A language whose judged passages are all not relevant has a place of grade 0.

    Attributes:
        q_lang: language of the queries.
        passages: language -> its passages in the pool; languages are in order.
        question: int64, (n,). Queries of one number, in any language, are versions of one question.
        lang: int64, (n, R). Number of the language of each relevant passage; -1 is padding, ``len(passages)`` is a
            language that no passage is in.
        relevance: int64, (n, R). Its grade; 0 where there is no relevant passage.
        rank: int64, (n, R). Rank of each among the passages of its language; ``ABSENT`` is that there is none,
            ``MISSED`` that a cut run does not answer it, ``LOST`` that the corpus lacks it.
        rank_in_pool: int64, (n, R). Its rank in the pool of all languages.
        top: int64, (n, K). The ``TOP`` best passages of the pool, or all of fewer, best first, as numbers in
            the order of the pool; -1 where a cut run has no more.
        nonrelevant: int64, (n,). How many of the best-ranked passages that are not relevant were looked at, at most
            ``TOP``.
        nonrelevant_own: int64, (n,). How many of these are in the language of the query.
        matching: whether only passages with a term of the query are retrieved. The others are ``MISSED``; in rank
            distance they stand at the end of the pool.
    """

    q_lang: str
    passages: dict[str, int]
    question: Ranks
    lang: Ranks
    relevance: Ranks
    rank: Ranks
    rank_in_pool: Ranks
    top: Ranks
    nonrelevant: Ranks
    nonrelevant_own: Ranks
    matching: bool = False

    @property
    def pooled(self) -> bool:
        """Whether there is a pool of several languages."""
        return len(self.passages) > 1

    @property
    def own(self) -> int:
        """Number of the queries' language among those of the passages; -1 where it is none of them."""
        langs = list(self.passages)
        return langs.index(self.q_lang) if self.q_lang in langs else -1


class Pairs(NamedTuple):
    """Rows about language pairs: for each passage language the queries that are judged in it, both in order.

    Attributes:
        lang: int64, (n_pairs,). Number of the passage language.
        query: int64, (n_pairs,). Number of the query.
        slot: int64, (n_pairs, R) or (n_pairs, 1). Places of the answers, and of others where a query has several.
        inside: (n_pairs, R) or (n_pairs, 1). Which of them are in the passage language.
    """

    lang: Ranks
    query: Ranks
    slot: Ranks
    inside: NDArray[np.bool_]

    def of(self, values: Ranks) -> Ranks:
        """``values`` (n, R) at the places of each row."""
        return values[self.query[:, None], self.slot]

    def answers(self, ranks: Ranks) -> Ranks:
        """``ranks`` (n, R) of the answers in the passage language of each row, ``ABSENT`` elsewhere."""
        return np.where(self.inside, self.of(ranks), ABSENT)


def pairs(lang: Ranks, n_langs: int) -> Pairs:
    """The rows about pairs of a query language and the ``n_langs`` of the passages, of ``Observed.lang``.

    Where no query has two places in one language, a row has one.
    """
    query, slot = np.nonzero((lang >= 0) & (lang < n_langs))
    place = np.full((n_langs, len(lang)), -1)
    place[lang[query, slot], query] = slot
    d_lang, asked = np.nonzero(place >= 0)
    if len(asked) == len(query):
        return Pairs(d_lang, asked, place[d_lang, asked][:, None], np.ones((len(asked), 1), np.bool_))
    inside = lang[asked] == d_lang[:, None]
    return Pairs(d_lang, asked, np.broadcast_to(np.arange(lang.shape[1]), inside.shape), inside)


def observed_measures(of: Observed, rows: Pairs, names: Sequence[str] = MEASURES) -> dict[str, Values]:
    """Several measures, (n_rows,): in language pairs, then, where there are several passage languages, in the pool."""
    found = all_measures(rows.answers(of.rank), rows.of(of.relevance), names)
    if not of.pooled:
        return found
    pool = all_measures(of.rank_in_pool, of.relevance, names)
    return {name: np.concatenate([found[name], pool[name]]) for name in names}
