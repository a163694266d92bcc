"""Hybrid by row instead of by batch: separates two objectives from mixed negatives."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, later
from strategies.draws import check_draws, draws_of
from strategies.hybrid import check_share
from strategies.items import ItemStream
from strategies.languages import Temperature, check_temperature, language_weights


@dataclass(frozen=True, repr=False)
class HybridRows(Strategy):
    """Each row is monolingual with probability alpha, else cross-lingual; a batch mixes both.

    An item that exists in one language only gives a monolingual row.

    Attributes:
        alpha: probability of a monolingual row.
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform, and
            'unimax' too, as far as no language is passed over more than once.
        draws: "independent", or "balanced": in shuffled rounds, so that every training has its exact shares.
    """

    alpha: float = 0.5
    language_temperature: Temperature = None
    draws: str = later("independent")

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        check_temperature(self.language_temperature)
        check_draws(self.draws)

    @property
    def claims(self) -> tuple[str, ...]:
        """Nothing about a single row."""
        return ("uniform",) if self.language_temperature is None else ()

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches of both kinds of rows."""
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        weights = language_weights(pool, self.language_temperature, batch_size * steps)
        several = pool.has.sum(axis=1) >= 2
        draws = draws_of(self.draws, pool, weights, lang_rng, [self.alpha] * steps)
        for step in range(steps):
            item = items.take(batch_size)
            q_lang, other = draws.row_pairs(step, item)
            mono = draws.row_mono(step, batch_size) | ~several[item]
            yield Batch(item, q_lang, np.where(mono, q_lang, other))
