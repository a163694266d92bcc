"""Similarities to ranks; ties settled once and here; what a search gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from bench.data.corpus import Corpus, Floats, Ints, Passages, Vectors
from bench.errors import BenchError
from bench.evaluation.measures import ABSENT, MISSED

NOT_A_NUMBER = "a similarity is not a number: the model's vectors hold NaN or infinity, retrain it"


SIMILARITIES_AT_ONCE = 1 << 24
"""Similarities held at once (64 MB in float32)."""


def similarity_blocks(queries: Vectors, passages: Vectors) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of ``queries @ passages.T``; queries (n, dim), passages (m, dim), both dense or both sparse.

    Raises:
        BenchError: a similarity is not a number.
    """
    for rows in query_blocks(queries.shape[0], passages.shape[0]):
        yield rows, similarities(queries[rows], passages)


def query_blocks(n: int, width: int) -> Iterator[slice]:
    """The rows of ``n`` queries in blocks of at most ``SIMILARITIES_AT_ONCE`` similarities to ``width`` passages."""
    height = max(1, SIMILARITIES_AT_ONCE // width)
    for start in range(0, n, height):
        yield slice(start, min(start + height, n))


def similarities(queries: Vectors, passages: Vectors) -> Floats:
    """``queries @ passages.T``, (n, m), dense.

    Minus infinity where sparse vectors have no dimension in common, as texts without a common term: such a passage is
    not retrieved, whatever its id.

    Raises:
        BenchError: a similarity is not a number.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # refused below, in one line
        product = queries @ passages.T
    values = product.data if sparse.issparse(product) else product
    if not np.isfinite(values).all():
        raise BenchError(NOT_A_NUMBER)
    return _matched(product.tocsr()) if sparse.issparse(product) else np.ascontiguousarray(product, dtype=np.float32)


def _matched(found: sparse.csr_matrix) -> Floats:
    """Dense, minus infinity where nothing is stored."""
    block = np.full(found.shape, -np.inf, np.float32)
    block[np.repeat(np.arange(found.shape[0]), np.diff(found.indptr)), found.indices] = found.data
    return block


class Sought(NamedTuple):
    """Relevant passages whose ranks are counted; arrays are (n, R).

    Attributes:
        score: float32. Their similarities.
        tie: int64. Their places among all passages when ordered by doc_id descending.
        lang: int64. Their languages; -1 is padding.
    """

    score: Floats
    tie: Ints
    lang: Ints

    def of(self, rows: slice) -> Sought:
        """Those of some queries."""
        return Sought(self.score[rows], self.tie[rows], self.lang[rows])


def ranks(block: Floats, relevant: Ints, corpus: Corpus) -> tuple[Ints, Ints]:
    """1-based ranks of the relevant passages, among those of their own language and in the pool of all languages.

    Args:
        block: similarities, (n, n_docs).
        relevant: columns of the relevant passages of each row, (n, R), padded with -1.
        corpus: the columns.

    Returns:
        int64, (n, R), twice; ``ABSENT`` where ``relevant`` is padding, ``MISSED`` where it is not retrieved.
    """
    score = np.take_along_axis(block, np.maximum(relevant, 0), axis=1)
    found = before(block, sought(score, relevant, corpus), relevant >= 0, corpus)
    own, pool = (padded(np.where(score == -np.inf, MISSED, each + 1), relevant) for each in found)
    return own, pool


def sought(score: Floats, relevant: Ints, corpus: Corpus) -> Sought:
    """The relevant columns (n, R), padded with -1, of which the similarities are known."""
    lang = np.where(relevant >= 0, language_of(relevant, corpus), -1)
    return Sought(score, corpus.tie[np.maximum(relevant, 0)], lang)


def before(block: Floats, those: Sought, here: NDArray[np.bool_], corpus: Corpus) -> tuple[Ints, Ints]:
    """How many passages of a block stand before each of those that are sought.

    They are counted, not sorted, of a few rows together: these and their comparisons stay in the processor's cache.

    Args:
        block: similarities, (n, width).
        those: (n, R).
        here: whether each is itself in the block, (n, R).
        corpus: the block's columns.

    Returns:
        int64, (n, R), twice: among the passages of its own language, and among all; 0 for padding.
    """
    own, pool = np.zeros_like(those.lang), np.zeros_like(those.lang)
    sizes = np.diff(corpus.segment)
    there = np.flatnonzero(sizes)
    place = np.cumsum(sizes > 0) - 1
    counted = np.uint16 if sizes.max() < 1 << 16 else np.int64  # the small one is twice as fast
    together = max(1, COMPARED_TOGETHER // block.shape[1])
    for start in range(0, len(block), together):
        some = slice(start, start + together)
        for r in range(those.lang.shape[1]):
            rows = start + np.flatnonzero(those.lang[some, r] >= 0)
            score, tie, lang = those.score[rows, r, None], those.tie[rows, r, None], those.lang[rows, r]
            among = block[some] if len(rows) == len(block[some]) else block[rows]
            first = _first(among, score, tie, int(np.count_nonzero(here[rows, r])), corpus.tie)
            counts = np.add.reduceat(first, corpus.segment[there], axis=1, dtype=counted)  # (rows, languages there)
            pool[rows, r] = counts.sum(axis=1, dtype=np.int64)
            own[rows, r] = np.where(sizes[lang] > 0, counts[np.arange(len(rows)), place[lang]], 0)
    return own, pool


COMPARED_TOGETHER = 1 << 19
"""Similarities that are compared with a relevant passage's at once."""


def _first(rows: Floats, score: Floats, tie: Ints, selves: int, ties: Ints) -> NDArray[np.bool_]:
    """Which passages of each row, (n, width) with ``ties`` (width,), stand before one of ``score`` and ``tie`` (n, 1).

    ``selves`` of the latter are among them.
    """
    first, tied = rows > score, rows == score
    if np.count_nonzero(tied) > selves:  # more than each with itself
        first |= tied & (ties < tie)
    return first


def top_columns(block: Floats, k: int, corpus: Corpus) -> Ints:
    """Columns of the k best passages of each row, best first, (n, min(k, n_docs)); -1 where no more is retrieved."""
    best = _top_columns(block, min(k, block.shape[1]), corpus)
    return np.where(np.take_along_axis(block, best, axis=1) > -np.inf, best, -1)


def _top_columns(block: Floats, k: int, corpus: Corpus) -> Ints:
    if k == block.shape[1]:
        return np.stack([np.lexsort((corpus.tie, -row)) for row in block])
    value, column = (t.numpy() for t in torch.topk(torch.from_numpy(block), k + 1, dim=1))
    order = np.lexsort((corpus.tie[column[:, :k]], -value[:, :k]), axis=1)
    best = np.take_along_axis(column[:, :k], order, axis=1)
    for row in np.flatnonzero(value[:, k] == value[:, k - 1]):
        best[row] = _best(block[row], value[row, k], k, corpus)
    return best


def _best(row: Floats, last: np.float32, k: int, corpus: Corpus) -> Ints:
    """The k best columns of a row in which the k-th score is ``last`` and more than k passages have that or better."""
    above, tied = np.flatnonzero(row > last), np.flatnonzero(row == last)
    wanted = k - len(above)
    first = tied[np.argpartition(corpus.tie[tied], wanted - 1)[:wanted]]
    found = np.concatenate([above, first])
    return found[np.lexsort((corpus.tie[found], -row[found]))]


def leave(block: Floats, leaving: Ints) -> None:
    """Take the column ``leaving`` (n,), where it is not -1, out of each row's ranking."""
    rows = np.flatnonzero(leaving >= 0)
    block[rows, leaving[rows]] = -np.inf


def language_of(columns: Ints, corpus: Corpus) -> Ints:
    """Language index of each column; 0 for padding."""
    return np.searchsorted(corpus.segment, np.maximum(columns, 0), side="right") - 1


def padded(ranks: Ints, relevant: Ints) -> Ints:
    """``ranks`` with ``ABSENT`` where ``relevant`` is padding."""
    return np.where(relevant >= 0, ranks, ABSENT)


class Ranking(NamedTuple):
    """Of the queries of one language.

    Attributes:
        own: int64, (n, R). 1-based rank of each relevant passage among those of its own language.
        pool: int64, (n, R). Its rank in the pool of all languages.
        top: int64, (n, K). Columns of the K best passages of the pool, best first; -1 where no more is retrieved.

    Ranks are ``ABSENT`` where ``relevant`` is padding, and ``MISSED`` where the passage is not retrieved: it has no
    term of the query, or a cut run ends before it.
    """

    own: Ints
    pool: Ints
    top: Ints


class Searcher(Protocol):
    """Ranks the passages of one corpus."""

    def rank(self, queries: Vectors, relevant: Ints, k: int, leaving: Ints | None = None) -> Ranking:
        """Rank for ``queries`` (n, dim), whose relevant columns are (n, R), padded with -1; the k best are listed.

        ``leaving``, (n,), is the column that leaves the ranking of each query (none of the relevant ones), or -1.
        """


Search = Callable[[Passages, Ints, Corpus], Searcher]
"""Vectors of the distinct passages, for each column its row among them, the corpus: something that ranks it."""
