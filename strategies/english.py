"""One fixed language: En-En of LAReQA."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError
from strategies.items import ItemStream
from strategies.mono import mono_batch


@dataclass(frozen=True, repr=False)
class English(Strategy):
    """All rows in one fixed language (En-En of LAReQA, arXiv 2004.05484).

    Attributes:
        language: the language's code.
    """

    language: str = "en"

    @property
    def claims(self) -> tuple[str, ...]:
        """One fixed language, nothing else."""
        return ("same", "one_pair")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches in that language."""
        item_rng, _ = rng.spawn(2)
        if self.language not in pool.langs:
            raise StrategyError(f"{self!r} needs the language {self.language!r}; the pool has {', '.join(pool.langs)}")
        items = ItemStream(pool, item_rng)
        lang = pool.langs.index(self.language)
        for _ in range(steps):
            yield mono_batch(items, batch_size, lang)
