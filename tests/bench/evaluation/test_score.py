"""The whole scoring against ir_measures, scikit-learn and plain loops over dictionaries, with many equal scores."""

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from bench.data.corpus import Corpus, build_corpus, distinct_texts, first_appearances
from bench.errors import BenchError
from bench.evaluation import exact_search, ranks
from bench.evaluation import score as module
from bench.evaluation.score import COLUMNS, score
from bench.evaluation.score_table import Remembering
from bench.models.lexical import CharTfidf
from bench.store.scores import POOL
from tasks import EvalSet
from tasks.contract import Texts
from tests.bench import oracles

LANGS = ("ar", "de", "en")


class Vectors:
    """A ranker that looks vectors up."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors
        self.encoded: list[str] = []

    def passages(self, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
        distinct, place = distinct_texts(list(corpus.texts()))
        self.encoded += distinct
        return np.stack([self.vectors[t] for t in distinct]), place

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> np.ndarray:
        return np.stack([self.vectors[t] for t in texts])


def make_set(rng: np.random.Generator) -> tuple[EvalSet, dict[str, np.ndarray]]:
    """Questions in two or three languages (some lack one), passages with repeated texts; a random vector per text."""
    passages = {lang: {f"{lang}/{i}": f"{lang} text {i // 2 if i < 4 else i}" for i in range(9)} for lang in LANGS}
    queries = {
        lang: {f"{lang}/q{i}": f"{lang} question {i}" for i in range(7) if (i + k) % 4} for k, lang in enumerate(LANGS)
    }
    relevant = {
        f"{lang}/q{i}": {f"{other}/{i}": 1 + i % 2 for other in LANGS if f"{other}/q{i}" in queries[other]}
        for lang in LANGS for i in range(7) if f"{lang}/q{i}" in queries[lang]
    }  # fmt: skip
    texts = {t for part in (*passages.values(), *queries.values()) for t in part.values()}
    vectors = {t: rng.standard_normal(8).astype(np.float32) for t in sorted(texts)}
    return EvalSet("toy", queries, passages, relevant), vectors


def plain_ranking(
    evalset: EvalSet, vectors: dict[str, np.ndarray], query: str, lang: str, among: tuple[str, ...]
) -> list[str]:
    q = vectors[evalset.queries[lang][query]]
    pool = {d: float(vectors[t] @ q) for other in among for d, t in evalset.passages[other].items()}
    return sorted(pool, key=lambda d: (round(pool[d], 5), d), reverse=True)


SIZES = st.dictionaries(st.sampled_from([*LANGS, "zh"]), st.integers(0, 40), min_size=1).filter(
    lambda s: any(s.values())
)
ASKED = st.dictionaries(st.sampled_from([*LANGS, "th"]), st.integers(0, 4), min_size=1)
CASES = st.builds(
    oracles.draw_case, st.integers(0, 2**32 - 1), SIZES, ASKED, st.integers(0, 3), st.booleans(), lexical=st.booleans()
)
"""Dense, or as words match: then passages may not be retrieved, and queries be passages."""


def cells_of(case: oracles.Case) -> dict[tuple[str, str], list[str]]:
    """Which queries each cell must hold."""
    langs = sorted(case.evalset.passages)
    settings = [*langs, POOL] if len(langs) > 1 else langs
    cells = {(q, d): case.answered(q, d) for q in case.evalset.queries for d in settings}
    return {cell: queries for cell, queries in cells.items() if queries}


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_every_measure_of_every_cell_equals_ir_measures(case: oracles.Case) -> None:
    cells, found = cells_of(case), score(case.evalset, case)
    assert {(r.q_lang, r.d_lang): r.query_id for r in found} == cells
    theirs = oracles.retrieval(case, cells) if cells else {}
    for r in found:
        assert set(r.values) == set(COLUMNS)
        for name in oracles.RETRIEVAL:
            expected = [theirs[name][r.q_lang, r.d_lang, q] for q in r.query_id]
            np.testing.assert_allclose(r.values[name], expected, rtol=0, atol=1e-12, err_msg=f"{name} {r[:2]}")


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_every_column_of_bias_equals_its_definition(case: oracles.Case) -> None:
    several = len(case.evalset.passages) > 1
    for r in score(case.evalset, case):
        for name in set(COLUMNS) - set(oracles.RETRIEVAL):
            if r.d_lang == POOL and name in oracles.OF_POOL:
                expected = [oracles.OF_POOL[name](case, q) for q in r.query_id]
            elif r.d_lang != POOL and several and name in oracles.OF_PAIR:
                expected = [oracles.OF_PAIR[name](case, q, r.d_lang) for q in r.query_id]
            else:
                expected = [np.nan] * len(r.query_id)
            np.testing.assert_allclose(r.values[name], expected, rtol=0, atol=1e-12, err_msg=f"{name} {r[:2]}")


def test_every_column_has_an_oracle() -> None:
    assert {*oracles.RETRIEVAL, *oracles.OF_POOL, *oracles.OF_PAIR} == set(COLUMNS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_average_precision_equals_sklearn_where_nothing_ties(seed: int, parallel: bool) -> None:
    case = oracles.draw_case(seed, {"ar": 9, "de": 20, "en": 1}, {"de": 3, "en": 2}, 1000, parallel, texts=10**9)
    compared = 0
    for r in score(case.evalset, case):
        for query, ours in zip(r.query_id, r.values["AP"], strict=True):
            pool = case.order(query, r.d_lang)
            scores = [case.scores[query][d] for d in pool]
            answers = case.answers(query, r.d_lang)
            if len(set(scores)) == len(scores) and answers and set(pool).issuperset(answers):
                truth = [d in answers for d in pool]
                assert ours == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
                compared += 1
    assert compared or not parallel


def test_constant_vectors_rank_by_doc_id() -> None:
    case = oracles.draw_case(4, {"ar": 30, "de": 20}, {"ar": 5, "en": 3}, 0, parallel=True)
    assert {s for scores in case.scores.values() for s in scores.values()} == {0}
    pooled = [r for r in score(case.evalset, case) if r.d_lang == POOL]
    order = sorted((d for part in case.evalset.passages.values() for d in part), reverse=True)
    for r in pooled:
        places = [[order.index(d) for d in case.evalset.relevant[q]] for q in r.query_id]
        assert r.values["rank_distance"].tolist() == [max(p) - min(p) for p in places]
    assert len({r.values["same_language@10"][0] for r in pooled if r.q_lang == "ar"}) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["query", "passage"])
def test_vectors_that_are_not_numbers_are_refused(value: float, side: str) -> None:
    case = oracles.draw_case(1, {"ar": 5, "de": 5}, {"ar": 3}, 3, parallel=True)
    broken = next(t for t in case.vectors if t.startswith(side))
    vectors = {t: np.full(3, value) if t == broken else v for t, v in case.vectors.items()}
    with pytest.raises(BenchError, match="a similarity is not a number"):
        score(case.evalset, oracles.Case(case.evalset, vectors))


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = oracles.draw_case(7, {"ar": 30, "de": 25, "en": 12}, {"ar": 9, "en": 4}, 2, parallel=False)
    whole = score(case.evalset, case)
    monkeypatch.setattr(ranks, "SIMILARITIES_AT_ONCE", 140)
    monkeypatch.setattr(exact_search, "TOGETHER", 2)
    for a, b in zip(whole, score(case.evalset, case), strict=True):
        assert a[:3] == b[:3]
        np.testing.assert_equal(a.values, b.values)


def test_queries_without_judgements_are_not_counted_and_those_with_wrong_ones_alone_are_0() -> None:
    queries = {"a": "x", "b": "y", "c": "y"}
    relevant = {"a": {"d": 1}, "c": {"e": 0, "d": -1}}
    evalset = EvalSet("toy", {"en": queries}, {"en": {"d": "x", "e": "y"}}, relevant)
    vectors = {"x": [1.0, 0.0], "y": [0.0, 1.0]}
    (rows,) = score(evalset, Vectors({t: np.array(v, np.float32) for t, v in vectors.items()}))
    assert (rows.q_lang, rows.d_lang, rows.query_id) == ("en", "en", ["a", "c"])
    for name in oracles.RETRIEVAL:
        assert rows.values[name].tolist() == [1.0, 0.0], name


def test_a_judged_passage_that_nobody_has_is_refused() -> None:
    evalset = EvalSet("toy", {"en": {"a": "x"}}, {"en": {"d": "x"}}, {"a": {"d": 1, "nowhere": 1}})
    with pytest.raises(BenchError, match="a judgement names the passage 'nowhere', which is not there"):
        score(evalset, Vectors({"x": np.ones(2, np.float32)}))


def test_passages_shared_by_several_sets_are_encoded_once() -> None:
    evalset, vectors = make_set(np.random.default_rng(6))
    ranker = Vectors(vectors)
    remembering = Remembering(ranker)
    first = score(evalset, remembering)
    once = len(ranker.encoded)
    second = score(evalset, remembering)
    assert len(ranker.encoded) == once > 0
    assert [r.values["AP"].tolist() for r in first] == [r.values["AP"].tolist() for r in second]
    score(make_set(np.random.default_rng(6))[0], remembering)
    assert len(ranker.encoded) == 2 * once


def test_a_lexical_ranker_reads_queries_by_the_corpus_that_they_search() -> None:
    """Sets of language pairs come back to a corpus: the words' weights are those of the last one."""
    few = {"en": {"d": "the big house", "e": "a small dog"}}
    more = {"de": {"f": "das grosse Haus und viel mehr", "g": "ein Hund"}}
    remembering, expected = Remembering(CharTfidf()), CharTfidf()
    for passages in (few, more, few, few):
        corpus = build_corpus(passages)
        found, place = remembering.passages(corpus)
        asked = remembering.queries(["the dog"], ["en"])
        plain, _ = expected.passages(corpus)
        scores = (asked @ found[:].T).toarray()
        np.testing.assert_array_equal(scores, (expected.queries(["the dog"], ["en"]) @ plain.T).toarray())
        assert place.tolist() == [0, 1]


def test_first_appearances_are_those_of_a_dictionary() -> None:
    rng = np.random.default_rng(2)
    texts = [f"text {i}" for i in rng.integers(0, 40, 200)]
    found = first_appearances(texts, len(texts))
    distinct, expected = distinct_texts(texts)
    assert list(found.of(texts)) == distinct
    assert found.size == len(distinct)
    np.testing.assert_array_equal(found.place, expected)


def test_distinct_texts_are_identified_by_their_order_and_letters() -> None:
    def identity(*texts: str) -> str:
        return first_appearances(texts, len(texts)).identity

    assert identity("a", "b", "a") == identity("a", "b")
    assert len({identity("a", "b"), identity("b", "a"), identity("a", "b", "c"), identity("a", "B")}) == 4


def test_a_set_is_laid_out_once_and_given_up_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[object] = []

    def noted(passages: Texts) -> Corpus:
        laid.append(passages)
        return build_corpus(passages)

    monkeypatch.setattr(module, "build_corpus", noted)
    case = oracles.draw_case(7, {"ar": 30, "de": 25}, {"ar": 9, "en": 4}, 2, parallel=False)
    first, second = score(case.evalset, case), score(case.evalset, case)
    assert len(laid) == 1
    for a, b in zip(first, second, strict=True):
        assert a[:3] == b[:3]
        np.testing.assert_equal(a.values, b.values)
    monkeypatch.setattr(module, "WIDE", 54)  # too large to be kept
    another = replace(case, evalset=replace(case.evalset))
    assert len(score(another.evalset, another)) == len(score(another.evalset, another)) == len(first)
    assert len(laid) == 3
    kept = len(module._LAID_OUT)
    del case, another
    gc.collect()
    assert len(module._LAID_OUT) < kept
