"""Curricula: one strategy after another."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError
from strategies.hybrid import Hybrid, check_share
from strategies.mono import Mono


@dataclass(frozen=True, repr=False)
class Stages(Strategy):
    """First one strategy, then another: a curriculum (Bengio et al. 2009; for languages arXiv 1910.04708).

    More stages are stages of stages: ``stages(mono(), stages(hybrid(), cross()))``. The second stage begins with the
    items that were drawn least in the first.

    Attributes:
        a: draws the first batches.
        b: draws the rest.
        at: share of the steps after which ``b`` begins, rounded to a step.
    """

    positional: ClassVar[tuple[str, ...]] = ("a", "b")

    a: Strategy = field(default_factory=Mono)
    b: Strategy = field(default_factory=Hybrid)
    at: float = 0.5

    def __post_init__(self) -> None:
        check_share("at", self.at)
        for stage in (self.a, self.b):
            if not isinstance(stage, Strategy) or stage.refresh_every:
                raise StrategyError(
                    "stages takes two strategies that are not refreshed: behind a refresh the steps begin anew, and "
                    f"with them the stages; got {stage!r:.80}"
                )

    def __repr__(self) -> str:
        return f"stages({self.a!r}, {self.b!r}, at={self.at!r})"

    @property
    def claims(self) -> tuple[str, ...]:
        """What both claim."""
        return tuple(name for name in self.a.claims if name in self.b.claims)

    @property
    def needs(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys([*self.a.needs, *self.b.needs]))

    @property
    def reads(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys([*self.a.reads, *self.b.reads]))

    @property
    def repeats_groups(self) -> bool:
        """As one of them."""
        return self.a.repeats_groups or self.b.repeats_groups

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches, ``at`` of them from the first strategy."""
        first, second = rng.spawn(2)
        turn = round(self.at * steps)
        if turn < steps:  # a second stage that cannot be filled is refused before the first
            next(self.b.batches(pool, batch_size, 1, np.random.default_rng(0)), None)
        counts = np.zeros(pool.n_items, np.int64) if pool.drawn is None else pool.drawn.copy()
        if turn:
            for batch in self.a.batches(pool, batch_size, turn, first):
                np.add.at(counts, batch.item, 1)
                yield batch
        if turn < steps:
            yield from self.b.batches(replace(pool, drawn=counts), batch_size, steps - turn, second)
