"""Runs and judgements in TREC's form, and what trec_eval makes of such files (through ir_measures)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from bench.data.corpus import Corpus, Ints, Passages, Ranker, Vectors, build_corpus
from bench.errors import BenchError
from bench.evaluation import ranks
from bench.evaluation.measures import MEASURES
from bench.store.scores import POOL
from tasks.contract import EvalSet

T = TypeVar("T", int, float)


ROUNDING = 1e-6
"""Of values: trec_eval computes in other orders."""


Values = Mapping[str, Mapping[str, float]]
"""Measure -> query_id -> value."""


class Listing(NamedTuple):
    """The lines of a run and of its judgements; ``d_lang`` is ``*`` for the pool of all languages."""

    q_lang: str
    d_lang: str
    run: list[str]
    qrels: list[str]


def trec_id(identity: str) -> str:
    """An id as a column of TREC's files: blanks of any kind percent-encoded, and '%' where it would be read as such.

    ``urllib.parse.unquote`` gives the id back; ids without blanks and '%' stay as they are.
    """
    blank = r"\s|[\x1c-\x1f]|%(?=[0-9A-Fa-f]{2})"
    return re.sub(blank, lambda sign: "".join(f"%{byte:02X}" for byte in sign[0].encode()), identity)


def judged_pairs(evalset: EvalSet) -> list[tuple[str, str]]:
    """(q_lang, d_lang) with judgements, d_lang ``POOL`` where there are several passage languages."""
    langs = [*sorted(evalset.passages), *([POOL] if len(evalset.passages) > 1 else [])]
    return [(q, d) for q in sorted(evalset.queries) for d in langs if any(_judgements(evalset, q, d))]


def _judgements(evalset: EvalSet, q_lang: str, d_lang: str) -> Iterator[tuple[str, str, int]]:
    """Query, passage and grade, of the queries of one language and the passages of one, or of the pool."""
    there = evalset.passages[d_lang] if d_lang != POOL else None
    for q in evalset.queries[q_lang]:
        for d, grade in evalset.relevant.get(q, {}).items():
            if there is None or d in there or evalset.absent.get(d) == d_lang:
                yield q, d, grade


def listings(evalset: EvalSet, ranker: Ranker, tag: str, depth: int) -> Iterator[Listing]:
    """The files of ``judged_pairs``, ranked with the vectors that are scored: all queries are encoded at once.

    Scores are written so that readers order them as they were ranked: equal ones by doc_id descending, as trec_eval.
    Judgements have the grades of the data, 0 and below too. Ids as ``trec_id`` writes them.
    """
    corpus = build_corpus(evalset.passages)
    column = {d: i for i, d in enumerate(corpus.doc_id)} if evalset.itself else {}
    passages, place = ranker.passages(corpus)
    asked = [(lang, q) for lang in sorted(evalset.queries) for q in evalset.queries[lang] if evalset.relevant.get(q)]
    vectors = ranker.queries([evalset.queries[lang][q] for lang, q in asked], [lang for lang, _ in asked])
    segments = {POOL: slice(0, len(corpus.doc_id))}
    segments |= {lang: slice(*corpus.segment[i : i + 2].tolist()) for i, lang in enumerate(corpus.langs)}
    for q_lang, d_lang in judged_pairs(evalset):
        mine = [i for i, (lang, _) in enumerate(asked) if lang == q_lang]
        part, ids = segments[d_lang], [asked[i][1] for i in mine]
        gone = np.array([column.get(evalset.itself.get(q, ""), -1) for q in ids], np.int64)
        gone = np.where((gone >= part.start) & (gone < part.stop), gone - part.start, -1)
        found = _found(vectors[mine[0] : mine[-1] + 1], passages, place[part], _cut(corpus, part), gone, depth)
        judged = list(_judgements(evalset, q_lang, d_lang))
        counted = {q for q, _, _ in judged}
        run = [
            f"{trec_id(q)} Q0 {trec_id(d)} {rank} {score!r} {tag}\n"
            for q, best in zip(ids, found, strict=True) if q in counted
            for rank, (d, score) in enumerate(best, start=1)
        ]  # fmt: skip
        yield Listing(q_lang, d_lang, run, [f"{trec_id(q)} 0 {trec_id(d)} {grade}\n" for q, d, grade in judged])


def _found(
    queries: Vectors, passages: Passages, place: Ints, corpus: Corpus, leaving: Ints, depth: int
) -> Iterator[list[tuple[str, float]]]:
    """The passages that are retrieved for each query, at most ``depth``, best first, with their scores."""
    if not len(place):
        yield from ([] for _ in leaving)
        return
    distinct, of = np.unique(place, return_inverse=True)  # equal texts have equal scores
    for rows, product in ranks.similarity_blocks(queries, passages[distinct]):
        block = np.take(product, of, axis=1)
        ranks.leave(block, leaving[rows])
        for scores, columns in zip(block, ranks.top_columns(block, depth, corpus), strict=True):
            yield [(corpus.doc_id[c], float(scores[c])) for c in columns if c >= 0]


def _cut(corpus: Corpus, part: slice) -> Corpus:
    return corpus._replace(doc_id=corpus.doc_id[part], tie=np.asarray(corpus.tie[part]))


class Agreement(NamedTuple):
    """How values of files compare with stored ones.

    Attributes:
        values: that were compared.
        near_ties: of them, those that differ, as far as near ties explain.
    """

    values: int
    near_ties: int


def require_agreement(name: str, run: Path, qrels: Path, stored: Values, depth: int, slack: float) -> Agreement:
    """Score two files with ir_measures and hold the values against stored ones, query by query.

    Vectors that are computed anew are rounded anew, which turns near ties around. So a value that differs has to lie
    between those that come out with the scores of relevant passages a little lower and a little higher.

    Args:
        name: of the run, in messages.
        run: a file of passages of each query.
        qrels: a file of their grades.
        stored: of the queries that are judged.
        depth: passages per query, where there are so many. Left out: measures that reach as far, AP where the run
            lacks a relevant passage.
        slack: how much scores may be off, as a share of a query's best score or of 1.

    Raises:
        BenchError: other queries, or a value that is another one.
    """
    ranked, judged = _table(run, 4, float), _table(qrels, 3, int)
    found = scored(ranked, judged)
    values, off = 0, list[tuple[str, str]]()
    for measure in MEASURES:
        if odd := found[measure].keys() ^ stored.get(measure, {}).keys():
            raise BenchError(f"{name}: other queries than were scored, of which {min(odd)!r:.80} is one; {_ANEW}")
        for q, value in found[measure].items():
            if _decided(measure, ranked.get(q, {}), judged[q], depth):
                values += 1
                if abs(value - stored[measure][q]) > ROUNDING:
                    off.append((measure, q))
    few = {q: ranked.get(q, {}) for _, q in off}
    low, high = (scored(_shifted(few, judged, sign * slack), {q: judged[q] for q in few}) for sign in (-1, 1))
    for measure, q in off:
        if not low[measure][q] - ROUNDING <= stored[measure][q] <= high[measure][q] + ROUNDING:
            raise BenchError(
                f"{name}: {measure} of query {q!r:.80} is {found[measure][q]:.6f} by ir_measures, and "
                f"{stored[measure][q]:.6f} is stored; {_ANEW}"
            )
    return Agreement(values, len(off))


_ANEW = "data, code or scores have changed since the cell was scored: delete its scores, and its run command makes them"


Run = Mapping[str, Mapping[str, float]]


Qrels = Mapping[str, Mapping[str, int]]


def scored(run: Run, qrels: Qrels) -> dict[str, dict[str, float]]:
    """Measure -> query_id -> value of trec_eval, with its ties: by doc_id descending."""
    from ir_measures import parse_measure, pytrec_eval

    whole = {m: "RR" if m.startswith("RR@") else m for m in MEASURES}  # of RR@k there are only providers of other ties
    found = {name: dict.fromkeys(qrels, 0.0) for name in whole.values()}  # of a query without passages as of others
    if run:
        for value in pytrec_eval.iter_calc([parse_measure(name) for name in found], qrels, run):
            found[str(value.measure)][value.query_id] = float(value.value)
    return {m: _reciprocal_at(found[name], m) if name != m else found[m] for m, name in whole.items()}


def _reciprocal_at(reciprocal: Mapping[str, float], measure: str) -> dict[str, float]:
    """RR@k of RR."""
    least = 1 / (int(measure.partition("@")[2]) + 0.5)
    return {q: value if value > least else 0.0 for q, value in reciprocal.items()}


def _decided(measure: str, ranked: Mapping[str, float], judged: Mapping[str, int], depth: int) -> bool:
    """Whether a run says what a measure is over the whole ranking."""
    if len(ranked) < depth:
        return True
    k = measure.partition("@")[2]
    return int(k) < depth if k else all(d in ranked for d, grade in judged.items() if grade > 0)


def _shifted(run: Run, qrels: Qrels, share: float) -> dict[str, dict[str, float]]:
    """A run with relevant passages moved by a share of each query's best score, those of a higher grade further."""
    moved = {}
    for q, scores in run.items():
        by = share * max([1.0, *map(abs, scores.values())])
        level = {grade: i for i, grade in enumerate(sorted({0, *(g for g in qrels[q].values() if g > 0)}))}
        moved[q] = {d: score + by * level[max(qrels[q].get(d, 0), 0)] for d, score in scores.items()}
    return moved


def _table(path: Path, column: int, number: Callable[[str], T]) -> dict[str, dict[str, T]]:
    """query_id -> doc_id -> a column of a file in TREC's form."""
    found: dict[str, dict[str, T]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            parts = line.split()
            found.setdefault(parts[0], {})[parts[2]] = number(parts[column])
    return found
