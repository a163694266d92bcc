"""Hard negatives: for each row some passages of its item's, in the passage's language or another one.

They join the batch as further passages that no row may find. Which ones is a pure function of (seed, step, batch), so
that strategies stay paired and a resumed run goes on with the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import randomness
from bench.data.train_data import TrainData
from bench.errors import BenchError
from strategies.contract import Batch


class Drawn(NamedTuple):
    """The negatives of a batch.

    Attributes:
        texts: of each row, at most as many as asked for: an item may have fewer.
        positive: bool, (B, N), N texts in order of the rows: the text belongs to the row's own group, so that it is
            not a negative of that row.
    """

    texts: list[list[str]]
    positive: NDArray[np.bool_]


class Negatives:
    """Draws the hard negatives of batches.

    Args:
        data: the training items.
        count: negatives per row, where an item has as many; 0 draws none.
        language: ``same`` as the passage's, the ``query``'s, or ``random``: drawn per row among those that the item
            has negatives in.
        seed: of the cell.

    Raises:
        BenchError: negatives are asked for, and no source has any.
    """

    def __init__(self, data: TrainData, count: int, language: str, seed: int) -> None:
        self._data, self._count, self._language, self._seed = data, count, language, seed
        if count and not any(texts for column in data.negative.values() for texts in column):
            raise BenchError(
                "no training source has hard negatives; give records a field 'negatives' of language: [texts], or "
                "leave --negatives out"
            )
        self._group_of = _groups(data) if count else {}

    def draw(self, step: int, batch: Batch) -> Drawn:
        """The negatives of a batch; (B, 0) where none are asked for."""
        if not self._count:
            return Drawn([[] for _ in batch.item], np.zeros((len(batch.item), 0), np.bool_))
        rng = randomness.generator(self._seed, "negatives", str(step))
        texts = [self._of_row(int(i), int(q), int(d), rng) for i, q, d in zip(*batch, strict=True)]
        own = self._data.pool.group[batch.item]  # (B,)
        theirs = np.array([self._group_of.get(t.strip(), -1) for row in texts for t in row], np.int64)  # (N,)
        return Drawn(texts, own[:, None] == theirs[None, :])

    def _of_row(self, item: int, q_lang: int, d_lang: int, rng: np.random.Generator) -> list[str]:
        langs = self._data.pool.langs
        if self._language == "random":
            there = [lang for lang in langs if self._data.negatives_of(item, lang)]
            chosen = there[int(rng.integers(len(there)))] if there else langs[d_lang]
        else:
            chosen = langs[d_lang if self._language == "same" else q_lang]
        offered = self._data.negatives_of(item, chosen)
        picked = rng.permutation(len(offered))[: self._count]
        return [offered[i] for i in picked]


def _groups(data: TrainData) -> dict[str, int]:
    """Passage text -> the group that it belongs to, in any language."""
    group = data.pool.group.tolist()
    return {
        text.strip(): group[i] for column in data.passage.values() for i, text in enumerate(column) if text is not None
    }
