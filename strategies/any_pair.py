"""Any ordered language pair per row, equal ones included: a rival that hybrid must beat."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, later
from strategies.draws import check_draws, draws_of
from strategies.items import ItemStream
from strategies.languages import Temperature, check_temperature, language_weights


@dataclass(frozen=True, repr=False)
class AnyPair(Strategy):
    """Each row has any ordered pair of its item's languages, equal ones included.

    Attributes:
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform, and
            'unimax' too, as far as no language is passed over more than once.
        draws: "independent", or "balanced": in shuffled rounds, so that every training has its exact shares.
    """

    language_temperature: Temperature = None
    draws: str = later("independent")

    def __post_init__(self) -> None:
        check_temperature(self.language_temperature)
        check_draws(self.draws)

    @property
    def claims(self) -> tuple[str, ...]:
        """Nothing about a single row."""
        return ("uniform",) if self.language_temperature is None else ()

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches of any pairs."""
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        weights = language_weights(pool, self.language_temperature, batch_size * steps)
        draws = draws_of(self.draws, pool, weights, lang_rng, steps=steps)
        for step in range(steps):
            item = items.take(batch_size)
            yield Batch(item, *draws.row_any_pairs(step, item))
