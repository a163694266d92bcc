"""The whole scoring against plain loops over dictionaries."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.encoder import distinct_texts, first_appearances
from bench.score import POOL, score
from bench.search import Corpus, Remembering
from tasks import EvalSet

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


def test_every_cell_against_plain_loops() -> None:
    evalset, vectors = make_set(np.random.default_rng(5))
    found = {(r.q_lang, r.d_lang): r for r in score(evalset, Vectors(vectors))}
    assert set(found) == {(q, d) for q in LANGS for d in (*LANGS, POOL)}
    for (q_lang, d_lang), rows in found.items():
        among = LANGS if d_lang == POOL else (d_lang,)
        for i, query in enumerate(rows.query_id):
            ranking = plain_ranking(evalset, vectors, query, q_lang, among)
            wanted = {d for d in evalset.relevant[query] if d.split("/")[0] in among}
            ranks = sorted(ranking.index(d) + 1 for d in wanted)
            expected = sum((k + 1) / r for k, r in enumerate(ranks)) / len(ranks)
            assert rows.values["AP"][i] == pytest.approx(expected, abs=1e-12)
            if d_lang == POOL:
                own = np.mean([d.split("/")[0] == q_lang for d in ranking[:10]]) - 1 / 3
                assert rows.values["same_language@10"][i] == pytest.approx(own)
                spread = ranks[-1] - ranks[0] if len(ranks) > 1 else np.nan
                np.testing.assert_equal(rows.values["rank_distance"][i], spread)


def test_queries_without_an_answer_are_not_counted() -> None:
    evalset = EvalSet("toy", {"en": {"a": "x", "b": "y"}}, {"en": {"d": "x", "e": "y"}}, {"a": {"d": 1}})
    vectors = {"x": [1.0, 0.0], "y": [0.0, 1.0]}
    (rows,) = score(evalset, Vectors({t: np.array(v, np.float32) for t, v in vectors.items()}))
    assert (rows.q_lang, rows.d_lang, rows.query_id) == ("en", "en", ["a"])
    assert rows.values["AP"].tolist() == [1.0]


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


def test_first_appearances_are_those_of_a_dictionary() -> None:
    rng = np.random.default_rng(2)
    texts = [f"text {i}" for i in rng.integers(0, 40, 200)]
    new, place = first_appearances(texts, len(texts))
    distinct, expected = distinct_texts(texts)
    assert [t for t, first in zip(texts, new, strict=True) if first] == distinct
    np.testing.assert_array_equal(place, expected)
