"""X-Y: the query and the passage of a row are in different languages."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError, later
from strategies.draws import Draws, check_draws, draws_of
from strategies.items import ItemStream
from strategies.languages import Temperature, Weights, check_temperature, drawn_langs, language_weights


@dataclass(frozen=True, repr=False)
class Cross(Strategy):
    """In every row the query and the passage are in different languages (X-Y of arXiv 2004.05484 and 2408.10536).

    Attributes:
        pairs: "row" draws an ordered language pair for each row, "batch" one for the whole batch.
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform, and
            'unimax' too, as far as no language is passed over more than once.
        draws: "independent", or "balanced": in shuffled rounds, so that every training has its exact shares.
    """

    pairs: str = "row"
    language_temperature: Temperature = None
    draws: str = later("independent")

    def __post_init__(self) -> None:
        check_pairs(self.pairs)
        check_temperature(self.language_temperature)
        check_draws(self.draws)

    @property
    def claims(self) -> tuple[str, ...]:
        """Different languages; one pair for all where pairs are drawn per batch."""
        uniform = ("uniform",) if self.language_temperature is None else ()
        return ("different", *(("one_pair",) if self.pairs == "batch" else ()), *uniform)

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` cross-lingual batches."""
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        weights = language_weights(pool, self.language_temperature, batch_size * steps)
        require_cross(items, batch_size, weights, self.pairs)
        draws = draws_of(self.draws, pool, weights, lang_rng, steps=steps)
        for step in range(steps):
            yield cross_batch(items, batch_size, self.pairs, draws, step)


def check_pairs(pairs: str) -> None:
    """Refuse what is not a way to draw pairs."""
    if pairs not in ("row", "batch"):
        raise StrategyError(f"pairs is 'row' or 'batch'; got {pairs!r}")


def require_cross(items: ItemStream, batch_size: int, weights: Weights, pairs: str) -> None:
    """Every language pair that may be drawn must fill a batch; per row, items in two languages must."""
    langs = drawn_langs(weights)
    if len(langs) < 2:
        raise StrategyError(f"cross-lingual rows need at least 2 languages with items; the pool has {len(langs)}")
    if pairs == "row":
        items.require(batch_size, coverage=2)
    for a, b in permutations(langs, 2) if pairs == "batch" else ():
        items.require(batch_size, (min(a, b), max(a, b)))


def cross_batch(items: ItemStream, batch_size: int, pairs: str, draws: Draws, step: int) -> Batch:
    """A batch whose rows are all cross-lingual."""
    if pairs == "row":
        item = items.take(batch_size, coverage=2)
        return Batch(item, *draws.row_pairs(step, item))
    q_lang, d_lang = draws.pair(step)
    item = items.take(batch_size, (min(q_lang, d_lang), max(q_lang, d_lang)))
    return Batch(item, np.full(batch_size, q_lang), np.full(batch_size, d_lang))
