import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from bench.data.corpus import Corpus, build_corpus
from bench.errors import BenchError
from bench.evaluation import ranks as ranks_
from bench.evaluation.measures import ABSENT
from bench.evaluation.ranks import similarity_blocks, top_columns


def make_corpus(sizes: list[int]) -> Corpus:
    return build_corpus({f"l{k}": {f"d{i}-{k}": f"{i} {k}" for i in range(n)} for k, n in enumerate(sizes)})


def in_order(row: np.ndarray, corpus: Corpus) -> list[int]:
    """The columns as trec_eval would rank them, by plain sorting."""
    return sorted(range(len(row)), key=lambda j: (row[j], corpus.doc_id[j]), reverse=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 6))
def test_ranks_and_top_follow_trec_order(seed: int, sizes: list[int], levels: int) -> None:
    rng = np.random.default_rng(seed)
    corpus = make_corpus(sizes)
    n = len(corpus.doc_id)
    block = rng.integers(0, levels, (5, n)).astype(np.float32)
    relevant = np.stack([rng.choice(n, min(3, n), replace=False) for _ in range(5)])
    relevant[rng.random(relevant.shape) < 0.2] = -1
    own, pool = ranks_.ranks(block, relevant, corpus)
    top = top_columns(block, 4, corpus)
    for q in range(5):
        order = in_order(block[q], corpus)
        assert top[q].tolist() == order[:4]
        for r, column in enumerate(relevant[q]):
            if column < 0:
                assert own[q, r] == pool[q, r] == ABSENT
                continue
            language = np.searchsorted(corpus.segment, order, side="right")
            place = order.index(column)
            assert pool[q, r] == place + 1
            assert own[q, r] == (language[: place + 1] == language[place]).sum()


def test_constant_scores_are_ranked_by_doc_id() -> None:
    corpus = make_corpus([3, 2])
    block = np.zeros((1, 5), np.float32)
    every = np.arange(5)[None, :]
    ranks = ranks_.ranks(block, every, corpus)[1][0]
    assert [corpus.doc_id[j] for j in np.argsort(ranks)] == sorted(corpus.doc_id, reverse=True)


def test_similarity_blocks_cover_all_rows_dense_and_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks_, "SIMILARITIES_AT_ONCE", 20)
    rng = np.random.default_rng(0)
    queries, passages = rng.random((11, 4), np.float32), rng.random((7, 4), np.float32)
    for q, p in ((queries, passages), (sparse.csr_matrix(queries), sparse.csr_matrix(passages))):
        blocks = list(similarity_blocks(q, p))
        assert len(blocks) == 6
        np.testing.assert_allclose(np.concatenate([b for _, b in blocks]), queries @ passages.T, rtol=1e-6)


def test_nan_is_refused() -> None:
    with pytest.raises(BenchError, match="a similarity is not a number"):
        list(similarity_blocks(np.full((1, 2), np.nan, np.float32), np.ones((3, 2), np.float32)))
