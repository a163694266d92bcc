"""Scores one evaluation set: all language pairs, the pool of all languages, language bias, from the same vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.corpus import Corpus, Ints, Ranker, build_corpus
from bench.errors import BenchError
from bench.evaluation import bias
from bench.evaluation.bias import BIAS, IN_POOL
from bench.evaluation.exact_search import Exact
from bench.evaluation.measures import ABSENT, MEASURES, MISSED, all_measures
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
    """The judged queries of one language, and their relevant passages.

    Attributes:
        name: of the language.
        query_id: n of them.
        relevant: int64, (n, R). Columns; -1 for padding, and for passages that the corpus lacks.
        grade: int64, (n, R). Above 0; 0 for padding.
        lang: int64, (n, R). Index of the passages' language; -1 for padding.
        judged: bool, (n, n_langs + 1). Whether passages of a language are judged for a query, relevant or not.
    """

    name: str
    query_id: list[str]
    relevant: Ints
    grade: Ints
    lang: Ints
    judged: NDArray[np.bool_]


def score(evalset: EvalSet, ranker: Ranker, search_with: Search = Exact) -> list[Rows]:
    """Per-query measures of every language pair, and of the pool where there are several passage languages.

    Only queries with a judged passage in the pool (for a pair: in its passage language) are counted: as 0 where none
    of them is relevant.
    """
    corpus = build_corpus(evalset.passages)
    those = _judged(evalset, corpus)
    languages = [part for lang in sorted(evalset.queries) if (part := _language(evalset, lang, those)).query_id]
    searcher = search_with(*ranker.passages(corpus), corpus)
    asked = [(evalset.queries[part.name][q], part.name) for part in languages for q in part.query_id]
    queries = ranker.queries([text for text, _ in asked], [lang for _, lang in asked])
    rows: list[Rows] = []
    tops: list[tuple[_Language, Ints]] = []
    start = 0
    for part in languages:
        own = queries[start : start + len(part.query_id)]
        start += len(part.query_id)
        ranking = _with_lost(searcher.rank(own, part.relevant, TOP + part.relevant.shape[1]), part)
        rows += _score_language(part, ranking, corpus)
        tops.append((part, ranking.top[:, :TOP]))
    return _with_rank_correlation(rows, tops, evalset.group or {})


class _Judged(NamedTuple):
    """The judged passages.

    Attributes:
        column: doc_id -> column, of those that the corpus has.
        lang: doc_id -> index of its language; the number of languages for one that no passage here has.
        n_langs: how many indices there are.
    """

    column: dict[str, int]
    lang: dict[str, int]
    n_langs: int


def _judged(evalset: EvalSet, corpus: Corpus) -> _Judged:
    """Where the judged passages are.

    Raises:
        BenchError: a judgement names a passage that the set neither has nor says to be absent.
    """
    wanted = {d for found in evalset.relevant.values() for d in found}
    column = {d: i for i, d in enumerate(corpus.doc_id) if d in wanted}
    columns = np.fromiter(column.values(), np.int64, len(column))
    found = dict(zip(column, language_of(columns, corpus).tolist(), strict=True))
    place = {lang: i for i, lang in enumerate(corpus.langs)}
    found |= {d: place.get(lang, len(place)) for d, lang in evalset.absent.items() if d not in column}
    unknown = wanted.difference(found)
    if unknown:
        raise BenchError(f"{evalset.name}: a judgement names the passage {min(unknown)!r:.80}, which is not there; "
                         "'python -m bench check task' names what is broken")  # fmt: skip
    return _Judged(column, found, len(place) + 1)


def _language(evalset: EvalSet, lang: str, those: _Judged) -> _Language:
    asked = [q for q in evalset.queries[lang] if evalset.relevant.get(q)]
    relevant = [{d: grade for d, grade in evalset.relevant[q].items() if grade > 0} for q in asked]
    width = max(map(len, relevant), default=0) or 1
    columns, grades, langs = np.full((3, len(asked), width), -1, np.int64)
    judged = np.zeros((len(asked), those.n_langs), np.bool_)
    for i, (q, found) in enumerate(zip(asked, relevant, strict=True)):
        judged[i, [those.lang[d] for d in evalset.relevant[q]]] = True
        for j, d in enumerate(sorted(found, key=lambda d: those.column.get(d, -1))):
            columns[i, j], grades[i, j], langs[i, j] = those.column.get(d, -1), found[d], those.lang[d]
    return _Language(lang, asked, columns, np.maximum(grades, 0), langs, judged)


def _with_lost(ranking: Ranking, part: _Language) -> Ranking:
    """Relevant passages that the corpus lacks are missed: they count, and add nothing."""
    lost = (part.lang >= 0) & (part.relevant < 0)
    return ranking._replace(own=np.where(lost, MISSED, ranking.own), pool=np.where(lost, MISSED, ranking.pool))


def _score_language(part: _Language, ranking: Ranking, corpus: Corpus) -> list[Rows]:
    results = [r for i in range(len(corpus.langs)) if (r := _pair(i, part, ranking, corpus)) is not None]
    return [*results, _pooled(part, ranking, corpus)] if len(corpus.langs) > 1 else results


def _pair(d: int, part: _Language, ranking: Ranking, corpus: Corpus) -> Rows | None:
    inside = part.lang == d
    has = part.judged[:, d]
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
    lang, there = part.lang, part.relevant >= 0
    answers, own_answers = there.sum(axis=1), ((lang == own) & there).sum(axis=1)
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
