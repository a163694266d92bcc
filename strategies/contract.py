"""What a batch-sampling strategy is given and what it must yield.

Three words to learn:

* **item** - one query-passage pair, in all the languages in which it exists. ``Pool`` says which items exist.
* **row** - an item with its two languages chosen: query in ``q_lang``, passage in ``d_lang``.
* **batch** - B rows that are each other's in-batch negatives. ``Batch`` holds three index arrays, nothing else.

A strategy is a frozen dataclass with one method, ``batches``. Its fields are its parameters and its ``repr`` is its
signature in every table. It never sees a text, a model or a file, and draws all its randomness from the generator
it is given, so that its batches are a pure function of (strategy, pool, batch size, seed).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
T = TypeVar("T")


class StrategyError(ValueError):
    """A strategy cannot do what it was asked to: the message says the rule, the value and the way out."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The items that a strategy may draw rows from.

    Attributes:
        langs: the language codes (BCP-47); a language is elsewhere its index in this tuple.
        has: bool, (n_items, n_langs). ``has[i, l]``: item i has query and passage in language l.
        group: int64, (n_items,). Items of one group are translations of each other or share a passage:
            two of them must never meet in a batch, where one would be a false negative of the other.
        source: int64, (n_items,). The number of the data set that an item came from.
    """

    langs: tuple[str, ...]
    has: NDArray[np.bool_]
    group: Ints
    source: Ints

    def __post_init__(self) -> None:
        n = len(self.group)
        if self.has.shape != (n, len(self.langs)) or self.source.shape != (n,):
            raise StrategyError(
                f"a pool's has is (n_items, n_langs), its group and source (n_items,); got has {self.has.shape}, "
                f"group {self.group.shape}, source {self.source.shape} with {len(self.langs)} languages"
            )

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.group)


class Batch(NamedTuple):
    """The rows of one training step over all devices: row r trains query(item, q_lang) against passage(item, d_lang).

    All three arrays are int64 of shape (B,); languages are indices into ``Pool.langs``.
    """

    item: Ints
    q_lang: Ints
    d_lang: Ints


def later(default: T) -> T:
    """The default of a parameter that a class got after its first release.

    The signature shows such a parameter only where it has another value, so that older cells keep their names.
    """
    made: T = field(default=default, metadata={"later": True})
    return made


class Strategy(ABC):
    """Decides which rows share a batch.

    Attributes:
        claims: promises that ``python -m bench check strategy`` holds the class to; see ``strategies.check.CLAIMS``
            for the names.
    """

    @property
    def claims(self) -> tuple[str, ...]:
        """Nothing is promised unless a class says so."""
        return ()

    def __repr__(self) -> str:
        """As it is written on the command line: ``hybrid(alpha=0.5)``. For dataclasses declared with ``repr=False``."""
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        values = [(f, getattr(self, f.name)) for f in fields(self)]  # type: ignore[arg-type]
        shown = (f"{f.name}={v!r}" for f, v in values if not (f.metadata.get("later") and v == f.default))
        return f"{name}({', '.join(shown)})"

    @abstractmethod
    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield exactly ``steps`` batches of exactly ``batch_size`` rows each.

        Built-in strategies call ``item_rng, lang_rng = rng.spawn(2)`` first and draw items through ``ItemStream``
        with ``item_rng``: on a pool where every item exists in every language, all of them then see the same items in
        the same order, and two strategies differ in their languages alone.

        Raises:
            StrategyError: the pool cannot fill such a batch; the message names the language or group that is short.
        """
