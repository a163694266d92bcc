"""Scores one evaluation set: all language pairs, the pool of all languages, language bias, from the same vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench.data.corpus import Corpus, Ints, Ranker, Vectors, build_corpus
from bench.errors import BenchError
from bench.evaluation.bias import BIAS, IN_POOL, all_columns
from bench.evaluation.exact_search import exact
from bench.evaluation.measures import LOST, MEASURES, MISSED, TOP, Observed, pairs
from bench.evaluation.ranks import Ranking, Search, Searcher, language_of
from bench.evaluation.tiles import WIDE
from bench.store.scores import POOL
from tasks.contract import EvalSet

COLUMNS = (*MEASURES, IN_POOL, *BIAS)
"""What is derived for every row."""


class Rows(NamedTuple):
    """Per-query values of one (query language, passage language); arrays are (n_queries,)."""

    q_lang: str
    d_lang: str
    query_id: list[str]
    values: dict[str, NDArray[np.float64]]


class _Language(NamedTuple):
    """The judged queries of one language, and their relevant passages.

    Attributes:
        name: of the language.
        query_id: n of them.
        relevant: int64, (n, R). Columns; -1 where there is none, and for passages that the corpus lacks.
        grade: int64, (n, R). Above 0; 0 where there is no relevant passage.
        lang: int64, (n, R). Numbers of the passages' languages, in order, and of those in which all that is judged is
            not relevant; -1 is padding.
        leaving: int64, (n,). Column of the passage that is the query itself and leaves its ranking; -1 for none.
    """

    name: str
    query_id: list[str]
    relevant: Ints
    grade: Ints
    lang: Ints
    leaving: Ints


def score(evalset: EvalSet, ranker: Ranker, search_with: Search = exact) -> list[Rows]:
    """Every measure of every language pair, and of the pool where there are several passage languages.

    Only queries with a judged passage in the pool (for a pair: in its passage language) are counted: as 0 where none
    of them is relevant.
    """
    asked = observe(evalset, ranker, search_with)
    columns = all_columns([of for _, of in asked])
    return [rows for (query_id, of), values in zip(asked, columns, strict=True) for rows in _rows(query_id, of, values)]


def _rows(query_id: list[str], of: Observed, values: dict[str, NDArray[np.float64]]) -> Iterator[Rows]:
    """The rows of one query language, apart by passage language."""
    found = pairs(of.lang, len(of.passages))
    langs, first = np.unique(found.lang, return_index=True)
    parts = [(list(of.passages)[lang], found.query[found.lang == lang]) for lang in langs]
    if of.pooled:
        parts.append((POOL, np.arange(len(query_id))))
        first = np.append(first, len(found.lang))
    for (d_lang, query), start in zip(parts, first, strict=True):
        rows = slice(start, start + len(query))
        yield Rows(of.q_lang, d_lang, [query_id[q] for q in query], {name: v[rows] for name, v in values.items()})


def observe(evalset: EvalSet, ranker: Ranker, search_with: Search = exact) -> list[tuple[list[str], Observed]]:
    """What every measure derives from: of each query language its judged queries, and what was seen of them."""
    corpus, languages = _laid_out(evalset)
    vectors, place = ranker.passages(corpus)
    searcher, matching = search_with(vectors, place, corpus), sparse.issparse(vectors)
    asked = [(evalset.queries[part.name][q], part.name) for part in languages for q in part.query_id]
    queries = ranker.queries([text for text, _ in asked], [lang for _, lang in asked])
    group = evalset.group or {}
    number = {g: i for i, g in enumerate(dict.fromkeys(group.get(q, q) for part in languages for q in part.query_id))}
    found = []
    start = 0
    for part in languages:
        own = queries[start : start + len(part.query_id)]
        start += len(part.query_id)
        ranking = _ranking(searcher, own, part)
        question = np.array([number[group.get(q, q)] for q in part.query_id])
        found.append((part.query_id, _observed(part, question, ranking, corpus)._replace(matching=matching)))
    return found


_LAID_OUT: WeakKeyDictionary[EvalSet, tuple[Corpus, list[_Language]]] = WeakKeyDictionary()
"""Of the sets that are loaded: all cells of a process are scored on the same ones."""


def _laid_out(evalset: EvalSet) -> tuple[Corpus, list[_Language]]:
    """The corpus, and the judged queries of every language that has any; kept as long as a set that is not large."""
    if evalset in _LAID_OUT:
        return _LAID_OUT[evalset]
    corpus = build_corpus(evalset.passages)
    those = _judged(evalset, corpus)
    languages = [part for lang in sorted(evalset.queries) if (part := _language(evalset, lang, those)).query_id]
    if len(corpus.doc_id) <= WIDE:
        _LAID_OUT[evalset] = (corpus, languages)
    return corpus, languages


def _ranking(searcher: Searcher, queries: Vectors, part: _Language) -> Ranking:
    """What is found for the queries of one language; a relevant passage that leaves the ranking is missed."""
    gone = (part.relevant >= 0) & (part.relevant == part.leaving[:, None])
    relevant = np.where(gone, -1, part.relevant)
    found = searcher.rank(queries, relevant, TOP + relevant.shape[1], part.leaving)
    return found._replace(own=np.where(gone, MISSED, found.own), pool=np.where(gone, MISSED, found.pool))


class _Judged(NamedTuple):
    """The judged passages, and those that are a query.

    Attributes:
        column: doc_id -> column, of those that the corpus has.
        lang: doc_id -> number of its language; the number of languages for one that no passage here has.
    """

    column: dict[str, int]
    lang: dict[str, int]


def _judged(evalset: EvalSet, corpus: Corpus) -> _Judged:
    """Where the judged passages are.

    Raises:
        BenchError: a judgement names a passage that the set neither has nor says to be absent.
    """
    wanted = {d for found in evalset.relevant.values() for d in found}
    seen = wanted | set(evalset.itself.values())
    column = {d: i for i, d in enumerate(corpus.doc_id) if d in seen}
    columns = np.fromiter(column.values(), np.int64, len(column))
    found = dict(zip(column, language_of(columns, corpus).tolist(), strict=True))
    place = {lang: i for i, lang in enumerate(corpus.langs)}
    found |= {d: place.get(lang, len(place)) for d, lang in evalset.absent.items() if d not in column}
    unknown = wanted.difference(found)
    if unknown:
        raise BenchError(f"{evalset.name}: a judgement names the passage {min(unknown)!r:.80}, which is not there; "
                         "'python -m bench check task' names what is broken")  # fmt: skip
    return _Judged(column, found)


def _language(evalset: EvalSet, lang: str, those: _Judged) -> _Language:
    asked = [q for q in evalset.queries[lang] if evalset.relevant.get(q)]
    places = [_places(evalset.relevant[q], those) for q in asked]
    width = max(map(len, places), default=1)
    langs, columns, grades = np.full((3, len(asked), width), -1, np.int64)
    for i, found in enumerate(places):
        langs[i, : len(found)], columns[i, : len(found)], grades[i, : len(found)] = np.array(found).T
    leaving = np.array([those.column.get(evalset.itself.get(q, ""), -1) for q in asked], np.int64)
    return _Language(lang, asked, columns, np.maximum(grades, 0), langs, leaving)


def _places(judged: Mapping[str, int], those: _Judged) -> list[tuple[int, int, int]]:
    """Language, column (-1: none) and grade of each relevant passage of a query, and of the languages without one."""
    found = [(those.lang[d], those.column.get(d, -1), grade) for d, grade in judged.items() if grade > 0]
    none = {those.lang[d] for d in judged} - {lang for lang, _, _ in found}
    return sorted([*found, *((lang, -1, 0) for lang in none)])


def _observed(part: _Language, question: Ints, ranking: Ranking, corpus: Corpus) -> Observed:
    sizes = dict(zip(corpus.langs, np.diff(corpus.segment).tolist(), strict=True))
    lost = (part.grade > 0) & (part.relevant < 0)
    own = corpus.langs.index(part.name) if part.name in corpus.langs else -1
    wrong = (ranking.top >= 0) & ~(ranking.top[:, :, None] == part.relevant[:, None, :]).any(axis=2)
    counted = wrong & (np.cumsum(wrong, axis=1) <= TOP)
    in_own = counted & (language_of(ranking.top, corpus) == own)
    return Observed(
        part.name, sizes, question, part.lang, part.grade, np.where(lost, LOST, ranking.own),
        np.where(lost, LOST, ranking.pool), ranking.top[:, :TOP], counted.sum(axis=1), in_own.sum(axis=1),
    )  # fmt: skip
