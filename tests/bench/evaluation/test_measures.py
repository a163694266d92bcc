"""Every measure against ir_measures on random ranks, and by hand; test_score has whole cells."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evaluation.measures import (
    ABSENT,
    MEASURES,
    all_measures,
    average_precision,
    ndcg_at,
    recall_at,
    reciprocal_rank_at,
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 12))
def test_equal_to_ir_measures_on_random_ranks(seed: int, docs: int, width: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ir_measures
    rng = np.random.default_rng(seed)
    width = min(width, docs)
    ranks = np.stack([rng.choice(docs, width, replace=False) + 1 for _ in range(6)])
    ranks[:, 1:][rng.random((6, width - 1)) < 0.3] = ABSENT
    grades = rng.integers(1, 4, (6, width))
    qrels = {
        f"q{q}": {f"d{r}": int(g) for r, g in zip(*found, strict=True) if r < ABSENT}
        for q, found in enumerate(zip(ranks, grades, strict=True))
    }
    run = {q: {f"d{r}": float(-r) for r in range(1, docs + 1)} for q in qrels}
    ours = all_measures(ranks, grades)
    assert tuple(ours) == MEASURES
    for value in ir_measures.iter_calc([ir_measures.parse_measure(name) for name in MEASURES], qrels, run):
        found = ours[str(value.measure)][int(value.query_id[1:])]
        np.testing.assert_allclose(found, value.value, rtol=0, atol=1e-12, err_msg=str(value))


def test_by_hand() -> None:
    ranks = np.array([[4, 1, ABSENT], [20, ABSENT, ABSENT]])
    assert average_precision(ranks).tolist() == [(1 + 2 / 4) / 2, 1 / 20]
    assert recall_at(ranks, 1).tolist() == [0.5, 0.0]
    assert reciprocal_rank_at(ranks, 10).tolist() == [1.0, 0.0]
    grades = np.array([[1, 1, 9], [1, 9, 9]])
    best = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(ndcg_at(ranks, grades, 10), [(1 + 1 / np.log2(5)) / best, 0.0])
