"""Every ordered language pair equally often, dealt out like cards."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from strategies.contract import Batch, Ints, Pool, Strategy
from strategies.cross import require_cross
from strategies.items import ItemStream
from strategies.languages import language_weights, row_pairs


@dataclass(frozen=True, repr=False)
class RoundRobin(Strategy):
    """Every ordered pair of different languages equally often: a shuffled deck of all pairs, one card per row.

    X-Y of MIMO (arXiv 2605.31171). An item that lacks a language of its card gets a random pair of its own, so on a
    partially covered pool the pairs are only as equal as the data allows.
    """

    @property
    def claims(self) -> tuple[str, ...]:
        """Different languages, every pair as often as any other."""
        return ("different", "uniform")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches dealt from the deck."""
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        weights = language_weights(pool, None)
        require_cross(items, batch_size, weights, "row")
        every = np.array(list(permutations(np.flatnonzero(weights).tolist(), 2)), dtype=np.int64)
        deck = every[:0]
        for _ in range(steps):
            item = items.take(batch_size, coverage=2)
            while len(deck) < batch_size:
                deck = np.concatenate([deck, lang_rng.permutation(every)])
            dealt, deck = deck[:batch_size], deck[batch_size:]
            yield Batch(item, *_fitting(pool, item, dealt, row_pairs(pool, item, weights, lang_rng)))


def _fitting(pool: Pool, item: Ints, dealt: Ints, own: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """The dealt pairs (B, 2), replaced by the item's own random pair where the item lacks one of the two languages."""
    fits = pool.has[item, dealt[:, 0]] & pool.has[item, dealt[:, 1]]
    return np.where(fits, dealt[:, 0], own[0]), np.where(fits, dealt[:, 1], own[1])
