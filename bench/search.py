"""Ranks of relevant passages from query and passage vectors: exact, in blocks, ties settled once and here.

Ties: score descending, then doc_id descending, which is trec_eval's rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from bench.errors import BenchError
from bench.measures import ABSENT

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Vectors = Floats | sparse.csr_matrix

BLOCK = 1 << 24
"""Similarities held at once (64 MB in float32)."""


class Corpus(NamedTuple):
    """The pool of all languages, in columns ordered by language and then by doc_id descending.

    Attributes:
        langs: language codes.
        doc_id: one per column.
        text: one per column.
        segment: int64, (n_langs + 1,). Columns segment[l]:segment[l + 1] are in language l.
        tie: int64, (n_docs,). Place of a column among all when ordered by doc_id descending: the smaller goes first.
    """

    langs: tuple[str, ...]
    doc_id: list[str]
    text: list[str]
    segment: Ints
    tie: Ints


def build_corpus(passages: dict[str, dict[str, str]]) -> Corpus:
    """Lay out ``passages`` (language -> doc_id -> text) as columns."""
    langs = tuple(sorted(passages))
    columns = [(doc_id, passages[lang][doc_id]) for lang in langs for doc_id in sorted(passages[lang], reverse=True)]
    doc_id = [d for d, _ in columns]
    tie = np.empty(len(doc_id), np.int64)
    tie[sorted(range(len(doc_id)), key=doc_id.__getitem__, reverse=True)] = np.arange(len(doc_id))
    segment = np.cumsum([0, *(len(passages[lang]) for lang in langs)])
    return Corpus(langs, doc_id, [t for _, t in columns], segment, tie)


def similarity_blocks(queries: Vectors, passages: Vectors) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of ``queries @ passages.T``; queries (n, dim), passages (m, dim), both dense or both sparse.

    Raises:
        BenchError: a similarity is not a number.
    """
    n, m = queries.shape[0], passages.shape[0]
    height = max(1, BLOCK // m)
    for start in range(0, n, height):
        rows = slice(start, min(start + height, n))
        product = queries[rows] @ passages.T
        block: Floats = product.toarray() if sparse.issparse(product) else product
        if not np.isfinite(block).all():
            raise BenchError("a similarity is not a number: the model's vectors hold NaN or infinity, retrain it")
        yield rows, np.ascontiguousarray(block, dtype=np.float32)


def ranks_per_language(block: Floats, relevant: Ints, corpus: Corpus) -> Ints:
    """How many passages of each language stand before each relevant passage.

    Args:
        block: similarities, (n, n_docs).
        relevant: columns of the relevant passages of each row, (n, R), padded with -1.
        corpus: the columns.

    Returns:
        int64, (n, R, n_langs). Summed over the last axis, plus 1, it is the rank in the pool of all languages.
    """
    column = np.where(relevant >= 0, relevant, 0)
    score = np.take_along_axis(block, column, axis=1)  # (n, R)
    before = np.empty((*relevant.shape, len(corpus.langs)), np.int64)
    for lang in range(len(corpus.langs)):
        part = slice(int(corpus.segment[lang]), int(corpus.segment[lang + 1]))
        above, tied = _count(block[:, part], score)
        rows, slots = np.nonzero(tied)
        for chunk in np.array_split(np.arange(len(rows)), 1 + len(rows) * (part.stop - part.start) // BLOCK):
            r, s = rows[chunk], slots[chunk]
            first = corpus.tie[part] < corpus.tie[column[r, s]][:, None]
            above[r, s] += ((block[r, part] == score[r, s][:, None]) & first).sum(axis=1)
        before[:, :, lang] = above
    return before


def _count(part: Floats, score: Floats) -> tuple[Ints, NDArray[np.bool_]]:
    """Passages with a larger score than ``score`` (n, R) in each row of ``part`` (n, m), and whether any is equal."""
    ascending = torch.from_numpy(np.sort(part, axis=1))
    wanted = torch.from_numpy(np.ascontiguousarray(score))
    up_to = torch.searchsorted(ascending, wanted, right=True).numpy()
    below = torch.searchsorted(ascending, wanted, right=False).numpy()
    return part.shape[1] - up_to, up_to > below


def top_columns(block: Floats, k: int, corpus: Corpus) -> Ints:
    """Columns of the k best passages of each row, best first, (n, min(k, n_docs))."""
    k = min(k, block.shape[1])
    if k == block.shape[1]:
        return np.stack([np.lexsort((corpus.tie, -row)) for row in block])
    value, column = (t.numpy() for t in torch.topk(torch.from_numpy(block), k + 1, dim=1))
    order = np.lexsort((corpus.tie[column[:, :k]], -value[:, :k]), axis=1)
    best = np.take_along_axis(column[:, :k], order, axis=1)
    for row in np.flatnonzero(value[:, k] == value[:, k - 1]):
        best[row] = np.lexsort((corpus.tie, -block[row]))[:k]
    return best


def padded(ranks: Ints, relevant: Ints) -> Ints:
    """``ranks`` with ``ABSENT`` where ``relevant`` is padding."""
    return np.where(relevant >= 0, ranks, ABSENT)
