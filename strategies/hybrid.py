"""The paper's proposal: each batch is monolingual or cross-lingual, by a coin."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError
from strategies.cross import check_pairs, cross_batch, require_cross
from strategies.items import ItemStream
from strategies.languages import check_temperature, draw_lang, language_weights
from strategies.mono import mono_batch, require_mono


@dataclass(frozen=True, repr=False)
class Hybrid(Strategy):
    """Each batch is monolingual with probability alpha, else cross-lingual (arXiv 2408.10536).

    Attributes:
        alpha: probability of a monolingual batch; the paper uses 0.5.
        pairs: "row" or "batch": how a cross-lingual batch draws its language pairs.
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform.
    """

    alpha: float = 0.5
    pairs: str = "row"
    language_temperature: float | None = None

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        check_pairs(self.pairs)
        check_temperature(self.language_temperature)

    @property
    def claims(self) -> tuple[str, ...]:
        """Wholly monolingual or wholly cross-lingual batches."""
        return ("mono_or_cross", "uniform") if self.language_temperature is None else ("mono_or_cross",)

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches of either kind."""
        return coin_batches(
            pool, batch_size, steps, rng, lambda step: self.alpha, self.pairs, self.language_temperature
        )


def check_share(name: str, value: float) -> None:
    """Refuse what is not a probability."""
    if not 0 <= value <= 1:
        raise StrategyError(f"{name} is a probability between 0 and 1; got {value}")


def coin_batches(
    pool: Pool,
    batch_size: int,
    steps: int,
    rng: np.random.Generator,
    alpha: Callable[[int], float],
    pairs: str,
    language_temperature: float | None,
) -> Iterator[Batch]:
    """Batches that are monolingual with probability ``alpha(step)``, else cross-lingual; both walk one item stream."""
    item_rng, lang_rng = rng.spawn(2)
    items = ItemStream(pool, item_rng)
    weights = language_weights(pool, language_temperature)
    shares = [alpha(step) for step in range(steps)]
    if any(share > 0 for share in shares):
        require_mono(items, batch_size, weights)
    if any(share < 1 for share in shares):
        require_cross(items, batch_size, weights, pairs)
    for share in shares:
        if lang_rng.random() < share:
            yield mono_batch(items, batch_size, draw_lang(weights, lang_rng))
        else:
            yield cross_batch(pool, items, batch_size, weights, pairs, lang_rng)
