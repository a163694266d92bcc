"""The paper's proposal: each batch is monolingual or cross-lingual, by a coin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError, later
from strategies.cross import check_pairs, cross_batch, require_cross
from strategies.draws import check_draws, draws_of
from strategies.items import ItemStream
from strategies.languages import Temperature, check_temperature, language_weights
from strategies.mono import mono_batch, require_mono


@dataclass(frozen=True, repr=False)
class Hybrid(Strategy):
    """Each batch is monolingual with probability alpha, else cross-lingual (arXiv 2408.10536).

    Attributes:
        alpha: probability of a monolingual batch; the paper uses 0.5.
        pairs: "row" or "batch": how a cross-lingual batch draws its language pairs.
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform, and
            'unimax' too, as far as no language is passed over more than once.
        draws: "independent", or "balanced": in shuffled rounds, so that every training has its exact shares.
    """

    alpha: float = 0.5
    pairs: str = "row"
    language_temperature: Temperature = None
    draws: str = later("independent")

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        check_pairs(self.pairs)
        check_temperature(self.language_temperature)
        check_draws(self.draws)

    @property
    def claims(self) -> tuple[str, ...]:
        """Wholly monolingual or wholly cross-lingual batches."""
        return ("mono_or_cross", "uniform") if self.language_temperature is None else ("mono_or_cross",)

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches of either kind."""
        return coin_batches(self, pool, batch_size, [self.alpha] * steps, rng)


def check_share(name: str, value: float) -> None:
    """Refuse what is not a probability."""
    if not 0 <= value <= 1:
        raise StrategyError(f"{name} is a probability between 0 and 1; got {value}")


class Coin(Protocol):
    """A strategy with two kinds of batches."""

    @property
    def pairs(self) -> str:
        """How cross-lingual batches draw their pairs."""

    @property
    def language_temperature(self) -> Temperature:
        """As in ``language_weights``."""

    @property
    def draws(self) -> str:
        """As in ``draws_of``."""


def coin_batches(
    of: Coin, pool: Pool, batch_size: int, shares: Sequence[float], rng: np.random.Generator
) -> Iterator[Batch]:
    """Batches of which each is monolingual with its share, else cross-lingual; both walk one item stream."""
    item_rng, lang_rng = rng.spawn(2)
    items = ItemStream(pool, item_rng)
    weights = language_weights(pool, of.language_temperature, batch_size * len(shares))
    if any(share > 0 for share in shares):
        require_mono(items, batch_size, weights)
    if any(share < 1 for share in shares):
        require_cross(items, batch_size, weights, of.pairs)
    draws = draws_of(of.draws, pool, weights, lang_rng, shares)
    for step in range(len(shares)):
        if draws.mono(step):
            yield mono_batch(items, batch_size, draws.lang(step))
        else:
            yield cross_batch(items, batch_size, of.pairs, draws, step)
