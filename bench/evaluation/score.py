"""Scores one evaluation set: all language pairs, the pool of all languages, language bias, from the same vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.corpus import Corpus, Ints, Ranker, build_corpus
from bench.evaluation import bias
from bench.evaluation.bias import BIAS, IN_POOL
from bench.evaluation.exact_search import Exact
from bench.evaluation.measures import ABSENT, MEASURES, all_measures
from bench.evaluation.ranks import Ranking, Search, language_of
from bench.store.scores import POOL
from tasks.contract import EvalSet

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

    name: str
    query_id: list[str]
    relevant: Ints
    grade: Ints


def score(evalset: EvalSet, ranker: Ranker, search_with: Search = Exact) -> list[Rows]:
    """Per-query measures of every language pair, and of the pool where there are several passage languages.

    Only queries with a relevant passage in the pool (for a pair: in its passage language) are counted.
    """
    corpus = build_corpus(evalset.passages)
    wanted = {d for found in evalset.relevant.values() for d in found}
    column = {d: i for i, d in enumerate(corpus.doc_id) if d in wanted}
    languages = [part for lang in sorted(evalset.queries) if (part := _language(evalset, lang, column)).query_id]
    searcher = search_with(*ranker.passages(corpus), corpus)
    asked = [(evalset.queries[part.name][q], part.name) for part in languages for q in part.query_id]
    queries = ranker.queries([text for text, _ in asked], [lang for _, lang in asked])
    rows: list[Rows] = []
    tops: list[tuple[_Language, Ints]] = []
    start = 0
    for part in languages:
        own = queries[start : start + len(part.query_id)]
        start += len(part.query_id)
        ranking = searcher.rank(own, part.relevant, TOP + part.relevant.shape[1])
        rows += _score_language(part, ranking, corpus)
        tops.append((part, ranking.top[:, :TOP]))
    return _with_rank_correlation(rows, tops, evalset.group or {})


def _language(evalset: EvalSet, lang: str, column: Mapping[str, int]) -> _Language:
    relevant = {q: evalset.relevant.get(q, {}) for q in evalset.queries[lang]}
    answered = [q for q, found in relevant.items() if found]
    width = max((len(relevant[q]) for q in answered), default=1)
    columns = np.full((len(answered), width), -1, np.int64)
    grades = np.zeros((len(answered), width), np.int64)
    for i, q in enumerate(answered):
        for j, (d, grade) in enumerate(sorted(relevant[q].items(), key=lambda pair: column[pair[0]])):
            columns[i, j], grades[i, j] = column[d], grade
    return _Language(lang, answered, columns, grades)


def _score_language(part: _Language, ranking: Ranking, corpus: Corpus) -> list[Rows]:
    results = [r for i in range(len(corpus.langs)) if (r := _pair(i, part, ranking, corpus)) is not None]
    return [*results, _pooled(part, ranking, corpus)] if len(corpus.langs) > 1 else results


def _pair(d: int, part: _Language, ranking: Ranking, corpus: Corpus) -> Rows | None:
    inside = (part.relevant >= corpus.segment[d]) & (part.relevant < corpus.segment[d + 1])
    has = inside.any(axis=1)
    if not has.any():
        return None
    ranks = np.where(inside, ranking.own, ABSENT)[has]
    ids = [q for q, keep in zip(part.query_id, has, strict=True) if keep]
    values = all_measures(ranks, part.grade[has]) | _undefined(len(ids))
    if len(corpus.langs) > 1:
        values[IN_POOL] = bias.alone_in_pool(ranking.pool[has], inside[has])
    return Rows(part.name, corpus.langs[d], ids, values)


def _pooled(part: _Language, ranking: Ranking, corpus: Corpus) -> Rows:
    sizes = np.diff(corpus.segment)
    own = corpus.langs.index(part.name) if part.name in corpus.langs else -1
    size = int(sizes[own]) if own >= 0 else 0
    lang = np.where(part.relevant >= 0, language_of(part.relevant, corpus), -1)
    answers, own_answers = (lang >= 0).sum(axis=1), ((lang == own) & (lang >= 0)).sum(axis=1)
    top_lang = language_of(ranking.top, corpus)
    wrong = ~(ranking.top[:, :, None] == part.relevant[:, None, :]).any(axis=2)
    others = np.maximum(sizes.sum() - answers, 1)
    found = {
        "rank_distance": bias.rank_distance(ranking.pool),
        "rank_distance_log2": bias.rank_distance_log2(ranking.pool),
        "same_language@10": bias.same_language_share(top_lang[:, :TOP], own, size / sizes.sum()),
        "same_language_nonrelevant@10": bias.same_language_nonrelevant(
            top_lang, wrong, own, (size - own_answers) / others
        ),
        "TLR@10": bias.other_language_recall(ranking.pool, lang != own),
        "own_language_first": bias.own_language_first(ranking.pool, lang == own),
        "PEER": bias.peer(ranking.pool, lang),
    }
    values = all_measures(ranking.pool, part.grade) | _undefined(len(part.query_id)) | found
    return Rows(part.name, POOL, part.query_id, values)


def _with_rank_correlation(rows: list[Rows], tops: list[tuple[_Language, Ints]], group: dict[str, str]) -> list[Rows]:
    """``rows`` with MRC@10 in those about the pool, of queries that belong to one group."""
    versions: dict[str, list[tuple[str, Ints]]] = {}
    for part, top in tops:
        for q, first in zip(part.query_id, top, strict=True):
            if q in group:
                versions.setdefault(group[q], []).append((q, first))
    found: dict[str, float] = {}
    for size in {len(v) for v in versions.values()} - {1}:
        alike = [v for v in versions.values() if len(v) == size]
        stacked = np.array([[first for _, first in v] for v in alike])
        correlations = bias.mean_rank_correlation(stacked)
        found |= {q: c for v, row in zip(alike, correlations, strict=True) for (q, _), c in zip(v, row, strict=True)}
    for r in rows:
        if r.d_lang == POOL:
            r.values["MRC@10"] = np.array([found.get(q, np.nan) for q in r.query_id])
    return rows


def _undefined(n: int) -> dict[str, NDArray[np.float64]]:
    return {name: np.full(n, np.nan) for name in (IN_POOL, *BIAS)}


COLUMNS = (*MEASURES, IN_POOL, *BIAS)
