"""Hybrid whose share of monolingual batches moves over training."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies.contract import Batch, Pool, Strategy, later
from strategies.cross import check_pairs
from strategies.draws import check_draws
from strategies.hybrid import check_share, coin_batches
from strategies.languages import Temperature, check_temperature


@dataclass(frozen=True, repr=False)
class Anneal(Strategy):
    """Hybrid whose alpha moves linearly from start to end over training (joint first, then align: arXiv 1910.04708).

    Attributes:
        start: probability of a monolingual batch at the first step.
        end: the same at the last step.
        pairs: "row" or "batch": how a cross-lingual batch draws its language pairs.
        language_temperature: languages are drawn in proportion to size to the power 1/T; None is uniform, and
            'unimax' too, as far as no language is passed over more than once.
        draws: "independent", or "balanced": in shuffled rounds, so that every training has its exact shares.
    """

    start: float = 1.0
    end: float = 0.0
    pairs: str = "row"
    language_temperature: Temperature = None
    draws: str = later("independent")

    def __post_init__(self) -> None:
        check_share("start", self.start)
        check_share("end", self.end)
        check_pairs(self.pairs)
        check_temperature(self.language_temperature)
        check_draws(self.draws)

    @property
    def claims(self) -> tuple[str, ...]:
        """Wholly monolingual or wholly cross-lingual batches."""
        return ("mono_or_cross", "uniform") if self.language_temperature is None else ("mono_or_cross",)

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches whose kind drifts from ``start`` to ``end``."""
        shares = [self.start + (self.end - self.start) * step / max(steps - 1, 1) for step in range(steps)]
        return coin_batches(self, pool, batch_size, shares, rng)
