"""What a batch-sampling strategy is given and what it must yield.

Three words to learn:

* **item** - one query-passage pair, in all the languages in which it exists. ``Pool`` says which items exist.
* **row** - an item with its two languages chosen: query in ``q_lang``, passage in ``d_lang``.
* **batch** - B rows that are each other's in-batch negatives. ``Batch`` holds three index arrays, nothing else.

A strategy is a frozen dataclass with one method, ``batches``. Its fields are its parameters and its ``repr`` is its
signature in every table. It never sees a text, a model or a file, and draws all its randomness from the generator
it is given, so that its batches are a pure function of (strategy, pool, batch size, seed); with ``refresh_every`` also
of the vectors that it was given so far.

Two things stay out on purpose. A strategy is told no losses: it would see single numbers of one machine's rounding, and
two strategies would differ in more than who shares a batch; what the model has learnt reaches it as vectors. And every
batch has the size that was asked for: with more rows a batch has more negatives, another loss and another gradient, so
strategies of different sizes would not be compared under equal conditions.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]
T = TypeVar("T")


class StrategyError(ValueError):
    """A strategy cannot do what it was asked to: the message says the rule, the value and the way out."""


NEEDS = ("vectors", "lengths")
"""What a strategy may ask for beside the numbers of a pool."""


LABELS = ("langs", "source_names", "ids")
"""The fields of a pool that are names."""


class Ids(Sequence[str]):
    """``source/number`` of every item, made when asked for: as texts, millions would take more than all arrays.

    Args:
        names: of the sources.
        source: int64, (n,), the source of each item.
        number: int64, (n,), its number among the items that the source gave.
    """

    def __init__(self, names: tuple[str, ...], source: Ints, number: Ints) -> None:
        self._names, self._source, self._number = names, source, number

    def __len__(self) -> int:
        return len(self._number)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Ids: ...

    def __getitem__(self, at: int | slice) -> str | Ids:
        if isinstance(at, slice):
            return self.of(np.arange(len(self))[at])
        return f"{self._names[self._source[at]]}/{self._number[at]}"

    def of(self, items: Ints) -> Ids:
        """Those of some items."""
        return Ids(self._names, self._source[items], self._number[items])


@dataclass(frozen=True, eq=False)
class Pool:
    """The items that a strategy may draw rows from.

    Attributes:
        langs: the language codes (BCP-47); a language is elsewhere its index in this tuple.
        has: bool, (n_items, n_langs). ``has[i, l]``: item i has query and passage in language l.
        group: int64, (n_items,). Items of one group are translations of each other or share a passage:
            two of them must never meet in a batch, where one would be a false negative of the other.
        source: int64, (n_items,). The number of the data set that an item came from.
        source_names: of the data sets, by their numbers; () where nobody named them.
        ids: one per item, ``source/number`` in the order of the source's records: the same whatever other sources,
            languages or left out items there are; () where there are none.
        vectors: float32, (n_items, dim), unit length, for those that need them: one per item, the sum of the vectors
            of its query and its passage, in that of its languages which most items have; of the untrained encoder,
            or of the encoder as it is when a refresh is due.
        lengths: int64, (n_items, n_langs), for those that need them: tokens of query and passage together, as they
            are cut in training; 0 where the item does not exist.
        drawn: int64, (n_items,), behind a refresh: how often each item was drawn before it. ``ItemStream`` begins with
            the items that were drawn least, so that passes go on.
    """

    langs: tuple[str, ...]
    has: NDArray[np.bool_]
    group: Ints
    source: Ints
    source_names: tuple[str, ...] = ()
    ids: Sequence[str] = ()
    vectors: Vectors | None = None
    lengths: Ints | None = None
    drawn: Ints | None = None

    def __post_init__(self) -> None:
        n = len(self.group)
        if self.has.shape != (n, len(self.langs)) or self.source.shape != (n,):
            raise StrategyError(
                f"a pool's has is (n_items, n_langs), its group and source (n_items,); got has {self.has.shape}, "
                f"group {self.group.shape}, source {self.source.shape} with {len(self.langs)} languages"
            )
        for name, shape in (("vectors", (n,)), ("lengths", (n, len(self.langs))), ("drawn", (n,))):
            value = getattr(self, name)
            if value is not None and value.shape[: len(shape)] != shape:
                raise StrategyError(f"a pool's {name} begin with {shape}; got {value.shape}")
        if len(self.ids) not in (0, n) or (
            self.source_names and n and int(self.source.max()) >= len(self.source_names)
        ):
            raise StrategyError(
                f"a pool names every item, and every source, or none; got {len(self.ids)} ids for {n} items and "
                f"{len(self.source_names)} source names"
            )

    def part(self, items: Ints, langs: Ints) -> Pool:
        """The pool of some items, in some languages alone; both are numbered anew, in the given order."""
        return Pool(
            tuple(self.langs[lang] for lang in langs.tolist()), np.ascontiguousarray(self.has[np.ix_(items, langs)]),
            self.group[items], self.source[items], self.source_names,
            self.ids.of(items) if isinstance(self.ids, Ids) else [self.ids[i] for i in items.tolist() if self.ids],
            None if self.vectors is None else self.vectors[items],
            None if self.lengths is None else self.lengths[np.ix_(items, langs)],
            None if self.drawn is None else self.drawn[items],
        )  # fmt: skip

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

    What a class says of itself, as properties or plain class attributes:

    Attributes:
        claims: promises that ``python -m bench check strategy`` holds the class to; see ``strategies.check.CLAIMS``
            for the names.
        needs: of ``"vectors"`` and ``"lengths"``, what the pool has to hold.
        reads: what it knows by name, so that other names are another case: ``"langs"``, ``"source_names"`` or ``"ids"``
            for all of a kind (a table of scripts), else the single names (``("en",)``). Texts among the parameters
            need not be said again, but for names of sources: those of a class that reads ``"source_names"``.
        refresh_every: steps after which all items are encoded again, and ``batches`` is called for the steps up to the
            next refresh with the new vectors; 0 never.
        repeats_groups: whether rows of one group may share a batch: they are then never each other's negatives.
    """

    @property
    def claims(self) -> tuple[str, ...]:
        """Nothing is promised unless a class says so."""
        return ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing beside the numbers."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """No names."""
        return ()

    @property
    def refresh_every(self) -> int:
        """Never."""
        return 0

    @property
    def repeats_groups(self) -> bool:
        """Never."""
        return False

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


def windows(
    strategy: Strategy, pool: Pool, batch_size: int, steps: int, generator: Callable[[int], np.random.Generator],
    vectors: Callable[[int], Vectors | None], first: int = 0, drawn: Ints | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """The batches of a training: of one call, or of one for each refresh.

    Args:
        strategy: what draws.
        pool: as it is before training.
        batch_size: rows of a batch.
        steps: of the whole training.
        generator: that of a window, the stretch between two refreshes, by its number.
        vectors: those that a window is given.
        first: the window to begin with.
        drawn: how often each item was drawn before it.

    Raises:
        StrategyError: a window ended early.
    """
    every = strategy.refresh_every
    if not every:
        yield from strategy.batches(pool, batch_size, steps, generator(0))
        return
    counts = np.zeros(pool.n_items, np.int64) if drawn is None else drawn.copy()
    for window in range(first, -(-steps // every)):
        left = min(every, steps - window * every)
        now = replace(pool, vectors=vectors(window), drawn=counts.copy())
        made = strategy.batches(now, batch_size, left, generator(window))
        number = 0
        for batch in made if window * every + left == steps else islice(made, left):
            yield batch
            np.add.at(counts, batch.item, 1)
            number += 1
        if number < left:
            raise StrategyError(f"{strategy!r} ended after {number} batches of {left} before a refresh")
