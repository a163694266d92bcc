"""What scoring must give: rankings by plain sorting, ir_measures for quality, definitions written out for bias.

``RETRIEVAL``, ``OF_PAIR`` and ``OF_POOL`` say by name what is checked; a new column is one more entry.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse, stats

from bench.data.corpus import Corpus, Vectors, distinct_texts
from bench.evaluation.measures import MEASURES
from bench.store.scores import POOL
from tasks import EvalSet

RETRIEVAL = MEASURES
"""Checked against ir_measures, in rows about pairs and about the pool."""


@dataclass(frozen=True)
class Case:
    """An evaluation set with whole-numbered vectors: products are exact, so that equal scores are equal everywhere.

    ``lexical`` ones are sparse and not negative: what has no dimension in common with a query is not retrieved.
    """

    evalset: EvalSet
    vectors: dict[str, np.ndarray]
    lexical: bool = False

    def passages(self, corpus: Corpus) -> tuple[Vectors, np.ndarray]:
        distinct, place = distinct_texts(list(corpus.texts()))
        vectors = np.stack([self.vectors[t] for t in distinct]).astype(np.float32)
        return sparse.csr_matrix(vectors) if self.lexical else vectors, place

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Vectors:
        vectors = np.array([self.vectors[t] for t in texts], np.float32).reshape(len(texts), 3)
        return sparse.csr_matrix(vectors) if self.lexical else vectors

    @cached_property
    def lang_of(self) -> dict[str, str]:
        """Language of each query_id and doc_id."""
        both = (self.evalset.queries, self.evalset.passages)
        there = {name: lang for part in both for lang, texts in part.items() for name in texts}
        return there | self.evalset.absent

    @cached_property
    def scores(self) -> dict[str, dict[str, int]]:
        """query_id -> doc_id -> score."""
        queries = {q: text for part in self.evalset.queries.values() for q, text in part.items()}
        docs = {d: text for part in self.evalset.passages.values() for d, text in part.items()}
        return {q: {d: int(self.vectors[s] @ self.vectors[t]) for d, t in docs.items()} for q, s in queries.items()}

    def order(self, query: str, d_lang: str = POOL) -> list[str]:
        """Passages of one language or of the pool that are retrieved: score descending, then doc_id descending."""
        scores = self.scores[query]
        pool = [d for d in scores if d_lang in (POOL, self.lang_of[d]) and d != self.evalset.itself.get(query)]
        found = [d for d in pool if scores[d] > 0 or not self.lexical]
        return sorted(found, key=lambda d: (scores[d], d), reverse=True)

    def answers(self, query: str, d_lang: str = POOL) -> dict[str, int]:
        """The relevant ones of those that are judged."""
        return {d: grade for d, grade in self.judged(query, d_lang).items() if grade > 0}

    def judged(self, query: str, d_lang: str = POOL) -> dict[str, int]:
        """Grades in one language or in the pool."""
        found = self.evalset.relevant.get(query, {})
        return {d: grade for d, grade in found.items() if d_lang in (POOL, self.lang_of[d])}

    def answered(self, q_lang: str, d_lang: str = POOL) -> list[str]:
        """Queries of one language that have a judgement."""
        return [q for q in self.evalset.queries[q_lang] if self.judged(q, d_lang)]

    def ranks(self, query: str) -> dict[str, float]:
        """Of the answers in the pool, 1-based; infinite where the corpus lacks one."""
        order = self.order(query)
        return {d: order.index(d) + 1 if d in order else np.inf for d in self.answers(query)}


def draw_case(
    seed: int,
    docs: Mapping[str, int],
    asked: Mapping[str, int],
    largest: int,
    parallel: bool,
    texts: int = 40,
    lexical: bool = False,
) -> Case:
    """Texts of which some are equal, several graded answers in several languages, queries that have none or wrong ones.

    Args:
        seed: of everything drawn.
        docs: language -> number of passages.
        asked: language -> number of queries.
        largest: vectors are whole numbers up to this; 0 makes all scores equal, small ones many.
        parallel: every query has one answer in each language, else any number in any, some of which are not relevant
            (0 or below) or not in the corpus; and some queries are passages, which leave their rankings.
        texts: passages are drawn from so many texts.
        lexical: vectors are sparse and not negative.
    """
    rng = np.random.default_rng(seed)
    ids = iter(rng.permutation(1000).tolist())
    # "9" is after "10", and languages are not in order
    passages = {
        lang: {f"{next(ids)}{lang}": f"passage {rng.integers(texts)}" for _ in range(n)} for lang, n in docs.items()
    }
    queries = {lang: {f"{lang}/{i}": f"query {lang} {i}" for i in range(n)} for lang, n in asked.items()}
    pool = [d for part in passages.values() for d in part]
    relevant = {}
    for q in (q for part in queries.values() for q in part):
        one_each = [rng.choice(list(part)) for part in passages.values() if part]
        chosen = one_each if parallel else rng.choice(pool, rng.integers(0, min(7, len(pool)) + 1), replace=False)
        relevant[q] = {str(d): int(rng.integers(1 if parallel else -1, 4)) for d in chosen}
    absent: dict[str, str] = {}
    for lang in () if parallel else docs:
        gone = [q for q in relevant if rng.integers(0, 4) == 0]
        absent |= {f"gone-{lang}": lang} if gone else {}
        for q in gone:
            relevant[q][f"gone-{lang}"] = int(rng.integers(0, 3))
    every = sorted({t for side in (passages, queries) for part in side.values() for t in part.values()})
    vectors = {t: rng.integers(-largest, largest + 1, 3) for t in every}
    itself = {q: str(rng.choice(pool)) for q in relevant if not parallel and pool and rng.integers(0, 3) == 0}
    if lexical:
        vectors = {t: np.abs(v) for t, v in vectors.items()}
    group = {q: q.split("/")[1] for part in queries.values() for q in part}
    evalset = EvalSet("drawn", queries, passages, relevant, group, itself=itself, absent=absent)
    return Case(evalset, vectors, lexical)


Cells = Mapping[tuple[str, str], Sequence[str]]
"""(q_lang, d_lang) -> query_ids."""


def retrieval(case: Case, cells: Cells) -> dict[str, dict[tuple[str, str, str], float]]:
    """Measure -> (q_lang, d_lang, query_id) -> value of ir_measures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ir_measures
    names = {f"{q} {d}": (case.lang_of[q], d, q) for (_, d), asked in cells.items() for q in asked}
    qrels = {name: case.judged(q, d) for name, (_, d, q) in names.items()}
    # strictly decreasing scores in our order: the providers of ir_measures disagree on ties
    run = {
        name: {doc: float(-place) for place, doc in enumerate(case.order(q, d))} for name, (_, d, q) in names.items()
    }
    found: dict[str, dict[tuple[str, str, str], float]] = {name: {} for name in RETRIEVAL}
    for value in ir_measures.iter_calc([ir_measures.parse_measure(name) for name in RETRIEVAL], qrels, run):
        found[str(value.measure)][names[value.query_id]] = value.value
    return found


def to_the_end(case: Case, query: str) -> list[float]:
    """Ranks of the answers, those that match no term at the end of the pool."""
    ranks = case.ranks(query)
    unmatched = {d for d in ranks if case.lexical and d in case.scores[query]}
    return [len(case.scores[query]) if d in unmatched and r == np.inf else r for d, r in ranks.items()]


def rank_distance(case: Case, query: str) -> float:
    ranks = to_the_end(case, query)
    known = len(ranks) > 1 and np.inf not in ranks
    return max(abs(a - b) for a in ranks for b in ranks) if known else np.nan


def rank_distance_log2(case: Case, query: str) -> float:
    logs = [np.log2(r) for r in to_the_end(case, query)]
    return max(logs) - min(logs) if len(logs) > 1 and np.inf not in logs else np.nan


def share(case: Case, docs: Sequence[str], query: str) -> float:
    """Of ``docs``, those in the query's language."""
    return sum(case.lang_of[d] == case.lang_of[query] for d in docs) / len(docs)


def same_language(case: Case, query: str) -> float:
    order = case.order(query)
    return share(case, order[:10], query) - share(case, list(case.scores[query]), query) if order else np.nan


def same_language_nonrelevant(case: Case, query: str) -> float:
    wrong = [d for d in case.order(query) if d not in case.answers(query)]
    every = [d for d in case.scores[query] if d not in case.answers(query)]
    return share(case, wrong[:10], query) - share(case, every, query) if wrong else np.nan


def other_language_recall(case: Case, query: str) -> float:
    foreign = [r for d, r in case.ranks(query).items() if case.lang_of[d] != case.lang_of[query]]
    return sum(r <= 10 for r in foreign) / len(foreign) if foreign else np.nan


def own_language_first(case: Case, query: str) -> float:
    own = {d for d in case.answers(query) if case.lang_of[d] == case.lang_of[query]}
    found = [d for d in case.order(query) if d in case.answers(query)]
    if not own or len(own) == len(case.answers(query)) or not found:
        return np.nan
    return float(found[0] in own)


def rank_correlation(case: Case, query: str) -> float:
    group = case.evalset.group or {}
    queries = [q for lang in case.evalset.queries for q in case.answered(lang)]
    others = [q for q in queries if q != query and group[q] == group[query]]
    own = case.order(query)[:10]
    if len(case.scores[query]) < 2:
        return np.nan
    found = []
    for other in (case.order(q)[:10] for q in others):
        union = sorted({*own, *other})
        places = [[top.index(d) if d in top else len(top) for d in union] for top in (own, other)]
        if all(len(set(place)) > 1 for place in places):
            found.append(stats.spearmanr(*places).statistic)
    return float(np.mean(found)) if found else np.nan


def peer(case: Case, query: str) -> float:
    ranks = case.ranks(query)
    langs = {case.lang_of[d] for d in ranks}
    per_lang = [[r for d, r in ranks.items() if case.lang_of[d] == lang] for lang in langs]
    if len(langs) < 2 or np.inf in ranks.values() or min(map(len, per_lang)) < 2:
        return np.nan
    return float(stats.kruskal(*per_lang).pvalue)


OF_POOL: dict[str, Callable[[Case, str], float]] = {
    "rank_distance": rank_distance,
    "rank_distance_log2": rank_distance_log2,
    "same_language@10": same_language,
    "same_language_nonrelevant@10": same_language_nonrelevant,
    "TLR@10": other_language_recall,
    "own_language_first": own_language_first,
    "MRC@10": rank_correlation,
    "PEER": peer,
}
"""Columns of rows about the pool: of a query."""


def ap_in_pool(case: Case, query: str, d_lang: str) -> float:
    wanted = case.answers(query, d_lang)
    kept = [d for d in case.order(query) if d in wanted or d not in case.answers(query)]
    ranks = [place for place, d in enumerate(kept, start=1) if d in wanted]
    return sum(found / r for found, r in enumerate(ranks, start=1)) / max(1, len(wanted))


OF_PAIR: dict[str, Callable[[Case, str, str], float]] = {"AP_in_pool": ap_in_pool}
"""Columns of rows about a language pair, where there are several passage languages: of a query and the language."""
