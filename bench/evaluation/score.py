"""Scores one evaluation set: all language pairs, the pool of all languages, language bias, from the same vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.corpus import Corpus, Ints, Ranker, build_corpus
from bench.evaluation.bias import BIAS, IN_POOL, all_columns
from bench.evaluation.exact_search import Exact
from bench.evaluation.measures import MEASURES, Observed, pairs
from bench.evaluation.ranks import Ranking, Search, language_of
from bench.store.scores import POOL
from tasks.contract import EvalSet

TOP = 10
"""Passages that language bias looks at."""


COLUMNS = (*MEASURES, IN_POOL, *BIAS)
"""What is derived for every row."""


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
    """Every measure of every language pair, and of the pool where there are several passage languages.

    Only queries with a relevant passage in the pool (for a pair: in its passage language) are counted.
    """
    asked = observe(evalset, ranker, search_with)
    columns = all_columns([of for _, of in asked])
    return [rows for (query_id, of), values in zip(asked, columns, strict=True) for rows in _rows(query_id, of, values)]


def _rows(query_id: list[str], of: Observed, values: dict[str, NDArray[np.float64]]) -> Iterator[Rows]:
    """The rows of one query language, apart by passage language."""
    found = pairs(of)
    langs, first = np.unique(found.lang, return_index=True)
    parts = [(list(of.passages)[lang], found.query[found.lang == lang]) for lang in langs]
    if of.pooled:
        parts.append((POOL, np.arange(len(query_id))))
        first = np.append(first, len(found.lang))
    for (d_lang, query), start in zip(parts, first, strict=True):
        rows = slice(start, start + len(query))
        yield Rows(of.q_lang, d_lang, [query_id[q] for q in query], {name: v[rows] for name, v in values.items()})


def observe(evalset: EvalSet, ranker: Ranker, search_with: Search = Exact) -> list[tuple[list[str], Observed]]:
    """What every measure derives from: of each query language its answered queries, and what was seen of them."""
    corpus = build_corpus(evalset.passages)
    wanted = {d for found in evalset.relevant.values() for d in found}
    column = {d: i for i, d in enumerate(corpus.doc_id) if d in wanted}
    languages = [part for lang in sorted(evalset.queries) if (part := _language(evalset, lang, column)).query_id]
    searcher = search_with(*ranker.passages(corpus), corpus)
    asked = [(evalset.queries[part.name][q], part.name) for part in languages for q in part.query_id]
    queries = ranker.queries([text for text, _ in asked], [lang for _, lang in asked])
    group = evalset.group or {}
    number = {g: i for i, g in enumerate(dict.fromkeys(group.get(q, q) for part in languages for q in part.query_id))}
    found = []
    start = 0
    for part in languages:
        own = queries[start : start + len(part.query_id)]
        start += len(part.query_id)
        ranking = searcher.rank(own, part.relevant, TOP + part.relevant.shape[1])
        question = np.array([number[group.get(q, q)] for q in part.query_id])
        found.append((part.query_id, _observed(part, question, ranking, corpus)))
    return found


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


def _observed(part: _Language, question: Ints, ranking: Ranking, corpus: Corpus) -> Observed:
    sizes = dict(zip(corpus.langs, np.diff(corpus.segment).tolist(), strict=True))
    lang = np.where(part.relevant >= 0, language_of(part.relevant, corpus), -1)
    own = corpus.langs.index(part.name) if part.name in corpus.langs else -1
    wrong = (ranking.top >= 0) & ~(ranking.top[:, :, None] == part.relevant[:, None, :]).any(axis=2)
    counted = wrong & (np.cumsum(wrong, axis=1) <= TOP)
    in_own = counted & (language_of(ranking.top, corpus) == own)
    return Observed(
        part.name, sizes, question, lang, part.grade, ranking.own, ranking.pool, ranking.top[:, :TOP],
        counted.sum(axis=1), in_own.sum(axis=1),
    )  # fmt: skip
