"""Scores one evaluation set: all language pairs, the pool of all languages, language bias, from the same vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import search
from bench.bias import BIAS, rank_distance, same_language_share
from bench.measures import ABSENT, MEASURES, all_measures
from bench.ranking import Exact, Ranking, Search
from bench.search import Corpus, Ints, Ranker
from tasks.contract import EvalSet

POOL = "*"
"""Stands for the passage language in rows about the pool of all languages."""


TOP = 10
"""Passages that language bias looks at."""


class Rows(NamedTuple):
    """Per-query values of one (query language, passage language); arrays are (n_queries,)."""

    q_lang: str
    d_lang: str
    query_id: list[str]
    values: dict[str, NDArray[np.float64]]


class _Language(NamedTuple):
    """The answered queries of one language, with their relevant columns and grades (n, R), padded with -1."""

    query_id: list[str]
    relevant: Ints
    grade: Ints


def score(evalset: EvalSet, ranker: Ranker, search_with: Search = Exact) -> list[Rows]:
    """Per-query measures of every language pair, and of the pool where there are several passage languages.

    Only queries with a relevant passage in the pool (for a pair: in its passage language) are counted.
    """
    corpus = search.build_corpus(evalset.passages)
    languages = {lang: _language(evalset, lang, corpus) for lang in sorted(evalset.queries)}
    searcher = search_with(*ranker.passages(corpus), corpus)
    asked = [(evalset.queries[lang][q], lang) for lang, part in languages.items() for q in part.query_id]
    queries = ranker.queries([text for text, _ in asked], [lang for _, lang in asked])
    rows: list[Rows] = []
    start = 0
    for lang, part in languages.items():
        own = queries[start : start + len(part.query_id)]
        start += len(part.query_id)
        if part.query_id:
            rows += _score_language(lang, part, searcher.rank(own, part.relevant, TOP), corpus)
    return rows


def _language(evalset: EvalSet, lang: str, corpus: Corpus) -> _Language:
    column = {d: i for i, d in enumerate(corpus.doc_id)}
    relevant = {q: evalset.relevant.get(q, {}) for q in evalset.queries[lang]}
    answered = [q for q, found in relevant.items() if found]
    width = max((len(relevant[q]) for q in answered), default=1)
    columns = np.full((len(answered), width), -1, np.int64)
    grades = np.zeros((len(answered), width), np.int64)
    for i, q in enumerate(answered):
        for j, (d, grade) in enumerate(sorted(relevant[q].items(), key=lambda pair: column[pair[0]])):
            columns[i, j], grades[i, j] = column[d], grade
    return _Language(answered, columns, grades)


def _score_language(lang: str, part: _Language, ranking: Ranking, corpus: Corpus) -> list[Rows]:
    results = [r for i in range(len(corpus.langs)) if (r := _pair(lang, i, part, ranking, corpus)) is not None]
    return [*results, _pooled(lang, part, ranking, corpus)] if len(corpus.langs) > 1 else results


def _pair(lang: str, d: int, part: _Language, ranking: Ranking, corpus: Corpus) -> Rows | None:
    inside = (part.relevant >= corpus.segment[d]) & (part.relevant < corpus.segment[d + 1])
    has = inside.any(axis=1)
    if not has.any():
        return None
    ranks = np.where(inside, ranking.own, ABSENT)[has]
    ids = [q for q, keep in zip(part.query_id, has, strict=True) if keep]
    return Rows(lang, corpus.langs[d], ids, all_measures(ranks, part.grade[has]) | _no_bias(len(ids)))


def _pooled(lang: str, part: _Language, ranking: Ranking, corpus: Corpus) -> Rows:
    sizes = np.diff(corpus.segment)
    own = corpus.langs.index(lang) if lang in corpus.langs else -1
    share = float(sizes[own] / sizes.sum()) if own >= 0 else 0.0
    top_lang = search.language_of(ranking.top, corpus)
    bias = {"rank_distance": rank_distance(ranking.pool), "same_language@10": same_language_share(top_lang, own, share)}
    return Rows(lang, POOL, part.query_id, all_measures(ranking.pool, part.grade) | bias)


def _no_bias(n: int) -> dict[str, NDArray[np.float64]]:
    return {name: np.full(n, np.nan) for name in BIAS}


COLUMNS = (*MEASURES, *BIAS)
