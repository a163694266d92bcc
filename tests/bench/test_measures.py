"""Every measure against ir_measures on random runs with ties, and AP against scikit-learn where there are none."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import search
from bench.measures import ABSENT, MEASURES, all_measures, average_precision, ndcg_at, recall_at, reciprocal_rank_at


def oracle(scores: np.ndarray, qrels: dict[str, dict[str, int]], doc_ids: list[str]) -> dict[str, dict[str, float]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ir_measures
    # strictly decreasing scores in our order: the providers of ir_measures disagree on ties
    run = {}
    for row, query in enumerate(qrels):
        order = sorted(range(len(doc_ids)), key=lambda j: (scores[row, j], doc_ids[j]), reverse=True)
        run[query] = {doc_ids[j]: float(-place) for place, j in enumerate(order)}
    wanted = [ir_measures.parse_measure(name) for name in MEASURES]
    found: dict[str, dict[str, float]] = {name: {} for name in MEASURES}
    for value in ir_measures.iter_calc(wanted, qrels, run):
        found[str(value.measure)][value.query_id] = value.value
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_equal_to_ir_measures_with_ties(seed: int, docs_per_lang: int, levels: int, langs: int) -> None:
    rng = np.random.default_rng(seed)
    passages = {f"l{k}": {f"l{k}/{i}": f"text {k} {i}" for i in range(docs_per_lang)} for k in range(langs)}
    corpus = search.build_corpus(passages)
    scores = rng.integers(0, levels, (6, len(corpus.doc_id))).astype(np.float32)
    qrels: dict[str, dict[str, int]] = {}
    width = min(5, len(corpus.doc_id))
    relevant = np.full((6, width), -1)
    grades = np.zeros((6, width), np.int64)
    for q in range(6):
        chosen = rng.choice(len(corpus.doc_id), rng.integers(1, width + 1), replace=False)
        relevant[q, : len(chosen)] = chosen
        grades[q, : len(chosen)] = rng.integers(1, 4, len(chosen))
        pairs = zip(chosen, grades[q], strict=False)
        qrels[f"q{q}"] = {corpus.doc_id[j]: int(g) for j, g in pairs}
    ranks = search.padded(search.ranks_per_language(scores, relevant, corpus).sum(axis=2) + 1, relevant)
    ours = all_measures(ranks, grades)
    theirs = oracle(scores, qrels, corpus.doc_id)
    for name in MEASURES:
        expected = [theirs[name][q] for q in qrels]
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=1e-12, err_msg=name)


def test_average_precision_equals_sklearn_without_ties() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(3)
    scores = rng.permutation(200).astype(float)
    relevant = rng.choice(200, 7, replace=False)
    truth = np.isin(np.arange(200), relevant)
    ranks = np.array([[1 + int((scores > scores[j]).sum()) for j in relevant]])
    assert average_precision(ranks)[0] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_by_hand() -> None:
    ranks = np.array([[4, 1, ABSENT], [20, ABSENT, ABSENT]])
    assert average_precision(ranks).tolist() == [(1 + 2 / 4) / 2, 1 / 20]
    assert recall_at(ranks, 1).tolist() == [0.5, 0.0]
    assert reciprocal_rank_at(ranks, 10).tolist() == [1.0, 0.0]
    grades = np.array([[1, 1, 9], [1, 9, 9]])
    best = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(ndcg_at(ranks, grades, 10), [(1 + 1 / np.log2(5)) / best, 0.0])
