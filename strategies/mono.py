"""X-X-mono: a batch speaks one language."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, later
from strategies.draws import check_draws, draws_of
from strategies.items import ItemStream
from strategies.languages import Temperature, Weights, check_temperature, drawn_langs, language_weights


@dataclass(frozen=True, repr=False)
class Mono(Strategy):
    """All rows of a batch in one language, drawn per batch (X-X-mono of arXiv 2004.05484 and 2408.10536).

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
        """One language, for query and passage alike."""
        return ("same", "one_pair", "uniform") if self.language_temperature is None else ("same", "one_pair")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` monolingual batches."""
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        weights = language_weights(pool, self.language_temperature, batch_size * steps)
        require_mono(items, batch_size, weights)
        draws = draws_of(self.draws, pool, weights, lang_rng, steps=steps)
        for step in range(steps):
            yield mono_batch(items, batch_size, draws.lang(step))


def require_mono(items: ItemStream, batch_size: int, weights: Weights) -> None:
    """Every language that may be drawn must fill a batch."""
    for lang in drawn_langs(weights):
        items.require(batch_size, (lang,))


def mono_batch(items: ItemStream, batch_size: int, lang: int) -> Batch:
    """A batch in one language."""
    langs = np.full(batch_size, lang)
    return Batch(items.take(batch_size, (lang,)), langs, langs.copy())
