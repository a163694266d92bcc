"""Batches that stay within one part of the pool: a source, a script, a topic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError, later
from strategies.draws import Rounds
from strategies.hybrid import Hybrid
from strategies.languages import Weights, check_temperature
from strategies.parts import Cut, Part, Script, Source

KEPT = ("same", "different", "one_pair", "mono_or_cross")
"""Claims about single batches: a batch within a part is one of the strategy inside."""


@dataclass(frozen=True, repr=False)
class Within(Strategy):
    """Batches of a strategy, each drawn inside one part of the pool: ``within(source, hybrid())``.

    Negatives of one source share its style (GTE, arXiv 2308.03281; Nomic Embed, arXiv 2402.01613), those of one cluster
    its topic (arXiv 2407.18887), those of one script its letters. Parts come in shuffled rounds, so that every training
    has their exact shares. Each part has an item order of its own. A language with too few items for a batch in a part
    is left out there, if the strategy inside asks for whole batches in it.

    Attributes:
        part: ``source``, ``script`` or ``cluster(k)``, or a ``strategies.parts.Part`` of your own.
        strategy: any strategy, also a plugin.
        temperature: parts are drawn in proportion to size to the power 1/T; None is uniform. GTE takes T = 2.
    """

    positional: ClassVar[tuple[str, ...]] = ("part", "strategy")

    part: Part = field(default_factory=Source)
    strategy: Strategy = field(default_factory=Hybrid)
    temperature: float | None = later(1.0)

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not isinstance(self.part, Part) or not isinstance(self.strategy, Strategy):
            raise StrategyError(
                "within takes a part and a strategy, as within(source, hybrid()); "
                f"got {self.part!r:.80} and {self.strategy!r:.80}"
            )

    def __repr__(self) -> str:
        said = "" if self.temperature == 1.0 else f", temperature={self.temperature!r}"
        return f"within({self.part!r}, {self.strategy!r}{said})"

    @property
    def claims(self) -> tuple[str, ...]:
        """The part's, and those of the strategy inside that hold in every part."""
        inside = set(self.strategy.claims)
        even = not isinstance(self.part, Script) or self.temperature == 1.0
        uniform = ("uniform",) if even and "uniform" in inside else ()
        return (*self.part.claims, *(name for name in KEPT if name in inside), *uniform)

    @property
    def needs(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys([*self.part.needs, *self.strategy.needs]))

    @property
    def reads(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys([*self.part.reads, *self.strategy.reads]))

    @property
    def refresh_every(self) -> int:
        """That of the strategy inside."""
        return self.strategy.refresh_every

    @property
    def repeats_groups(self) -> bool:
        """As the strategy inside."""
        return self.strategy.repeats_groups

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield ``steps`` batches, each within one part."""
        cuts = self.part.cuts(pool, batch_size)
        part_rng, *own = rng.spawn(1 + len(cuts))
        weights = self._weights(pool, cuts)
        order = Rounds(weights, part_rng).deal(steps)
        count = np.bincount(order, minlength=len(cuts)).tolist()
        streams = [
            self._begun(pool, cut, batch_size, n, r) if n or steps > len(cuts) else iter(())
            for cut, n, r in zip(cuts, count, own, strict=True)
        ]
        for at in order.tolist():
            batch, cut = next(streams[at]), cuts[at]
            yield Batch(cut.items[batch.item], cut.langs[batch.q_lang], cut.langs[batch.d_lang])

    def _weights(self, pool: Pool, cuts: list[Cut]) -> Weights:
        """Probability of each part, (n_parts,); its size is that of its items, in each of their languages."""
        size = np.array([pool.has[cut.items][:, cut.langs].sum() for cut in cuts], np.float64)
        if not size.any():
            raise StrategyError("a pool has at least one item in one language; this one has none")
        power = 0.0 if self.temperature is None else 1.0 / self.temperature
        weight = np.where(size > 0, (size / size.max()) ** power, 0.0)
        shares: Weights = weight / weight.sum()
        return shares

    def _begun(self, pool: Pool, cut: Cut, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """The batches of a part, the first one drawn: what cannot be filled is refused before any is used.

        Raises:
            StrategyError: the strategy cannot fill a batch in it.
        """
        steps = max(steps, 1)
        part, every = pool.part(cut.items, cut.langs), np.arange(len(cut.langs))
        try:
            return self._first(part, every, batch_size, steps, rng)
        except StrategyError as error:
            enough = np.array([_groups(part, lang) >= batch_size for lang in every.tolist()])
            if enough.all() or not enough.any():
                raise StrategyError(f"{self!r}, {cut.name}: {error}") from None
            whole = error
        try:
            return self._first(part, every[enough], batch_size, steps, rng)
        except StrategyError:
            raise StrategyError(f"{self!r}, {cut.name}: {whole}") from None

    def _first(
        self, part: Pool, langs: np.ndarray, batch_size: int, steps: int, rng: np.random.Generator
    ) -> Iterator[Batch]:
        """The batches of a part in some of its languages, by their numbers in it."""
        whole = len(langs) == len(part.langs)
        items = np.arange(part.n_items) if whole else np.flatnonzero(part.has[:, langs].any(axis=1))
        here = part if whole else part.part(items, langs)
        made = self.strategy.batches(here, batch_size, steps, rng)
        numbered = (Batch(items[b.item], langs[b.q_lang], langs[b.d_lang]) for b in made)
        first = next(numbered, None)
        return chain([] if first is None else [first], numbered)


def _groups(pool: Pool, lang: int) -> int:
    """Groups that exist in a language."""
    return len(np.unique(pool.group[pool.has[:, lang]]))
