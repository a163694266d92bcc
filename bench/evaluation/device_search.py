"""Every passage against every query on a GPU: the ranks that ``Exact`` gives of the same similarities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from bench.data.corpus import Corpus, Floats, Ints, Vectors
from bench.errors import BenchError
from bench.evaluation import ranks
from bench.evaluation.measures import ABSENT, MISSED
from bench.evaluation.ranks import NOT_A_NUMBER, Ranking, language_of


class OnDevice:
    """Every passage is compared with every query, in blocks, on a device that holds the passages.

    A similarity and the place of its passage among equal ones make one whole number, a key: passages in descending
    order of their keys are the ranking, and a rank is counted as one more than the number of larger keys. No two keys
    of a query are equal, so that nothing depends on how the device orders equal ones.

    Args:
        passages: vectors of the distinct passages, float32 (n_distinct, dim).
        place: for each column its row among them, (n_docs,); where no passage is twice, the rows in their order.
        corpus: the columns.
        device: holds the vectors and does all work; what comes and goes are numpy arrays.
    """

    def __init__(self, passages: Floats, place: Ints, corpus: Corpus, device: torch.device) -> None:
        self._device, self._corpus, self._width = device, corpus, len(place)
        self._passages = self._moved(passages, torch.float32)
        self._shown = self._moved(place) if len(passages) < len(place) else None
        self._behind = self._moved(len(corpus.tie) - 1 - corpus.tie)  # what a key ends in: the larger goes first
        self._lang = self._moved(np.repeat(np.arange(len(corpus.langs)), np.diff(corpus.segment)))

    def _moved(self, values: Floats | Ints, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.tensor(values, dtype=dtype).to(self._device)

    @torch.inference_mode()
    def rank(self, queries: Vectors, relevant: Ints, k: int, leaving: Ints | None = None) -> Ranking:
        """Exact ranks in the whole pool; the device is waited for once.

        Raises:
            BenchError: a similarity is not a number.
        """
        if not isinstance(queries, np.ndarray):
            raise TypeError(f"dense passages are compared with dense queries, not with {type(queries).__name__}")
        asked, sought = self._moved(queries, torch.float32), self._moved(relevant)
        lang = self._moved(language_of(relevant, self._corpus))
        gone = self._moved(leaving) if leaving is not None and (leaving >= 0).any() else None
        parts = [sought.new_empty((0, 2 * relevant.shape[1] + min(k, self._width) + 1))]
        for rows in ranks.query_blocks(len(queries), self._width):
            score, finite = self._similarities(asked[rows])
            if gone is not None:
                score.masked_fill_(torch.arange(self._width, device=self._device) == gone[rows, None], -torch.inf)
            keys = self._keys(score)
            own, pool = self._ranks(score, keys, sought[rows], lang[rows])
            parts.append(torch.cat([own, pool, _top(score, keys, k), finite], dim=1))
        found = torch.cat(parts).cpu().numpy()
        if not found[:, -1].all():
            raise BenchError(NOT_A_NUMBER)
        return Ranking(*np.split(found[:, :-1], [relevant.shape[1], 2 * relevant.shape[1]], axis=1))

    def _similarities(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Of every column, (n, n_docs), and whether all of a row are numbers, (n, 1)."""
        with _whole_float32():
            product = queries @ self._passages.T
        finite = product.isfinite().all(dim=1, keepdim=True)
        # one passage shown by several columns has one similarity: its vector is not multiplied twice
        return product if self._shown is None else product.index_select(1, self._shown), finite

    def _keys(self, score: Tensor) -> Tensor:
        """int64: the bits of a similarity as a number in the same order, 0 of both signs alike, and what ends ties."""
        bits = score.view(torch.int32)
        ordered = torch.where(bits < 0, torch.iinfo(torch.int32).min - bits, bits)
        return ordered.to(torch.int64).bitwise_left_shift_(32).bitwise_or_(self._behind)

    def _ranks(self, score: Tensor, keys: Tensor, relevant: Tensor, lang: Tensor) -> list[Tensor]:
        """As ``ranks.ranks``, of similarities and keys (n, n_docs); ``lang`` has the languages of ``relevant``."""
        own, pool = torch.empty_like(relevant), torch.empty_like(relevant)
        column = relevant.clamp(min=0)
        those = keys.gather(1, column)
        together = max(1, ranks.SIMILARITIES_AT_ONCE // keys.numel())
        for start in range(0, relevant.shape[1], together):
            some = slice(start, start + together)
            first = keys[:, None] > those[:, some, None]  # (n, some, n_docs)
            pool[:, some] = first.sum(dim=2)
            own[:, some] = first.logical_and_(self._lang == lang[:, some, None]).sum(dim=2)
        missed, absent = score.gather(1, column) == -torch.inf, relevant < 0
        return [(each + 1).masked_fill_(missed, MISSED).masked_fill_(absent, ABSENT) for each in (own, pool)]


def _top(score: Tensor, keys: Tensor, k: int) -> Tensor:
    """As ``ranks.top_columns``."""
    best = keys.topk(min(k, keys.shape[1]), dim=1).indices
    return best.masked_fill_(score.gather(1, best) == -torch.inf, -1)


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Products are not rounded to TF32: ranks are those of float32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
