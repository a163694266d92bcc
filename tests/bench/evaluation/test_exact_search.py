"""faiss against the exact ranking of the same vectors."""

import numpy as np
import pytest
from scipy import sparse

from bench.data.corpus import Corpus, build_corpus
from bench.errors import BenchError
from bench.evaluation.exact_search import Exact
from bench.evaluation.faiss_search import Faiss
from bench.evaluation.measures import ABSENT, MISSED, all_measures

SIZES = {"ar": 300, "de": 500, "en": 40}


@pytest.fixture
def corpus() -> Corpus:
    return build_corpus({lang: {f"{lang}/{i}": str(i) for i in range(n)} for lang, n in SIZES.items()})


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.standard_normal((n, 24)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def case(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of 700 distinct passages, the row of each column, 30 queries, up to 4 relevant columns of each."""
    rng = np.random.default_rng(3)
    passages, queries = unit(rng, 700), unit(rng, 30)
    place = np.concatenate([np.arange(700), rng.integers(0, 700, 140)])
    relevant = np.stack([rng.choice(840, 4, replace=False) for _ in range(30)])
    relevant[rng.random((30, 4)) < 0.3] = -1
    relevant[:, 0] = np.arange(30)
    return passages, place, queries, relevant


def test_flat_is_exact_to_its_depth_and_beyond_it_adds_nothing(corpus: Corpus, case) -> None:  # type: ignore[no-untyped-def]
    passages, place, queries, relevant = case
    exact = Exact(passages, place, corpus).rank(queries, relevant, 10)
    whole = Faiss("flat", 10_000)(passages, place, corpus).rank(queries, relevant, 10)
    for ours, theirs in zip(whole, exact, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    cut = Faiss("flat", 50)(passages, place, corpus).rank(queries, relevant, 10)
    known = np.where((exact.pool <= 50) | (exact.pool == ABSENT), exact.pool, MISSED)
    np.testing.assert_array_equal(cut.pool, known)
    np.testing.assert_array_equal(cut.own, np.where((exact.own <= 50) | (exact.own == ABSENT), exact.own, MISSED))
    values = all_measures(cut.pool, np.ones_like(relevant))
    assert values["AP"][(known >= MISSED).all(axis=1)] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(values["R@10"], all_measures(exact.pool, np.ones_like(relevant))["R@10"])


def test_ap_of_a_cut_run_is_that_of_ir_measures() -> None:
    import ir_measures

    ranks = np.array([[1, 4, MISSED, ABSENT]])
    run = [ir_measures.ScoredDoc("q", f"d{i}", 10.0 - i) for i in range(1, 6)]
    qrels = [ir_measures.Qrel("q", d, 1) for d in ("d1", "d4", "elsewhere")]
    theirs = ir_measures.calc_aggregate([ir_measures.AP, ir_measures.nDCG @ 10], qrels, run)
    ours = all_measures(ranks, np.ones_like(ranks))
    for measure, value in theirs.items():
        assert ours[str(measure)][0] == pytest.approx(value, abs=1e-12)


def test_hnsw_reports_the_recall_that_it_has(corpus: Corpus, case) -> None:  # type: ignore[no-untyped-def]
    passages, place, queries, relevant = case
    how = Faiss("hnsw", 20)
    found = how(passages, place, corpus).rank(queries, relevant, 20)
    exact = Exact(passages, place, corpus).rank(queries, relevant, 20)
    assert len(how.recalls) == 30 * len(SIZES)
    measured = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found.top, exact.top, strict=True)])
    assert np.mean(how.recalls) == pytest.approx(measured, abs=0.05)
    assert np.mean(how.recalls) > 0.9


def test_sparse_vectors_are_refused(corpus: Corpus) -> None:
    with pytest.raises(BenchError, match="lexical baselines are ranked with --index exact"):
        Faiss("flat", 10)(sparse.csr_matrix((840, 3)), np.arange(840), corpus)
