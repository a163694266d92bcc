"""Batches of items that are near each other: in-batch negatives that are hard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.contract import Batch, Pool, Strategy, StrategyError, later
from strategies.hybrid import Hybrid
from strategies.near import neighbours_of

REACH = 4
"""Neighbours that are looked at, in sizes of a clump: among them those come first that were drawn least."""


@dataclass(frozen=True, repr=False)
class Neighbours(Strategy):
    """Batches made of clumps of near items, in the languages that an inner strategy chooses.

    After B3 (arXiv 2505.11293: batches of small communities in a sparse graph of similar items, without the most
    similar ones, which are likely to be false negatives) and GCBS (arXiv 2210.12874: batches of near items, anew as the
    model moves). Here a batch of the inner strategy keeps its languages, row by row, and every ``size``-th item; the
    others give way to near items of that one that exist in their row's languages, those first that were drawn least. So
    item counts stay even, languages are exactly the inner strategy's, and no graph has to be cut.

    Attributes:
        size: rows of a clump, whose items are near each other.
        strategy: chooses languages and the item that a clump grows from.
        skip: so many nearest items of an item never share a batch with it: the guard against false negatives.
        refresh_every: steps after which all items are encoded again by the model as it is; 0 never.
    """

    positional: ClassVar[tuple[str, ...]] = ("size", "strategy")

    size: int = 8
    strategy: Strategy = field(default_factory=Hybrid)
    skip: int = 3
    refresh_every: int = later(0)

    def __post_init__(self) -> None:
        for name, least in (("size", 2), ("skip", 0), ("refresh_every", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise StrategyError(f"{name} is a whole number of at least {least}; got {value!r}")
        if not isinstance(self.strategy, Strategy) or self.strategy.repeats_groups or self.strategy.refresh_every:
            raise StrategyError(
                "neighbours takes a strategy that repeats no groups and is not refreshed itself, as "
                f"neighbours(8, hybrid()); got {self.strategy!r:.80}"
            )

    def __repr__(self) -> str:
        said = f", skip={self.skip}" + (f", refresh_every={self.refresh_every}" if self.refresh_every else "")
        return f"neighbours({self.size}, {self.strategy!r}{said})"

    @property
    def claims(self) -> tuple[str, ...]:
        """Near rows, in the languages of the inner strategy."""
        return ("near", *(name for name in self.strategy.claims if name != "one_source"))

    @property
    def needs(self) -> tuple[str, ...]:
        """Vectors."""
        return tuple(dict.fromkeys(["vectors", *self.strategy.needs]))

    @property
    def reads(self) -> tuple[str, ...]:
        """Those of the inner strategy."""
        return self.strategy.reads

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches of clumps."""
        if pool.vectors is None:
            raise StrategyError(f"{self!r} needs the items' vectors; the pool has none")
        inner = self.strategy.batches(pool, batch_size, steps, rng)
        first = next(inner, None)  # what cannot be filled is refused before the graph is made
        if first is None:
            return
        near = neighbours_of(pool.vectors, min(self.skip + REACH * self.size, max(pool.n_items - 1, 1)))
        counts = np.zeros(pool.n_items, np.int32) if pool.drawn is None else pool.drawn.astype(np.int32)
        while first is not None:
            batch = self._grown(first, pool, near, counts)
            np.add.at(counts, batch.item, 1)
            yield batch
            first = next(inner, None)

    def _grown(self, batch: Batch, pool: Pool, near: NDArray[np.int32], counts: NDArray[np.int32]) -> Batch:
        """The batch with all but every ``size``-th item replaced by near ones, where there are any."""
        item = batch.item.tolist()
        groups = set(pool.group[batch.item].tolist())
        taken = set(item[:: self.size])
        close = {other for i in taken for other in near[i, : self.skip].tolist()}
        pairs = list(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True))
        for start in range(0, len(item), self.size):
            offered = near[item[start], self.skip :]
            offered = offered[offered >= 0]
            offered = offered[np.argsort(counts[offered], kind="stable")]
            own = near[offered, : self.skip].tolist()
            free = list(zip(offered.tolist(), pool.group[offered].tolist(), own, strict=True))
            for row in range(start + 1, min(start + self.size, len(item))):
                q_lang, d_lang = pairs[row]
                for i, group, closest in free:
                    if group in groups or i in close or not taken.isdisjoint(closest):
                        continue
                    if pool.has[i, q_lang] and pool.has[i, d_lang]:
                        item[row] = i
                        groups.add(group)
                        break
                taken.add(item[row])
                close.update(near[item[row], : self.skip].tolist())
        return Batch(np.array(item, np.int64), batch.q_lang, batch.d_lang)
