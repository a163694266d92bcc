"""The shared stream of items: one shuffled order, walked by every strategy in the same way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategies.contract import Ints, Pool, StrategyError

Exists = Callable[[Ints], NDArray[np.bool_]]

CHUNK = 4096
"""Places of the order that are looked at together."""


class ItemStream:
    """Items in a shuffled order, each once per pass.

    ``take`` gives the first items that exist in what is asked for and whose groups differ; the others keep their places
    at the front. When too few are left, those are taken first; then the used items that exist in what is asked for are
    shuffled and join the *end* of the order. A language with few items therefore starts its next pass behind everybody
    else's current one, and does not push its items on the other languages.

    On a pool where every item exists in every language this is one shuffled pass after the other, whatever is asked.

    Args:
        pool: where the items come from.
        rng: the generator of item order, used for nothing else.
    """

    def __init__(self, pool: Pool, rng: np.random.Generator) -> None:
        self._pool = pool
        self._rng = rng
        self._order = rng.permutation(pool.n_items).astype(np.int32)
        if pool.drawn is not None:
            self._order = self._order[np.argsort(pool.drawn[self._order], kind="stable")]
        self._fresh = np.ones(pool.n_items, np.bool_)  # by place in the order
        self._cursor: dict[tuple[object, ...], int] = {}  # no place before it is both fresh and wanted
        self._group = _dense(pool.group)
        self._checked: set[tuple[object, ...]] = set()

    def require(self, n: int, langs: tuple[int, ...] = (), coverage: int = 1) -> None:
        """Refuse a pool that cannot give ``n`` items of different groups; arguments as of ``take``.

        Raises:
            StrategyError: fewer than ``n`` groups have an item that exists in what is asked for.
        """
        key = (n, langs, coverage)
        if key in self._checked:
            return
        wanted = self._exists(langs, coverage)(np.arange(self._pool.n_items))
        groups = int(np.count_nonzero(np.bincount(self._group[wanted], minlength=1)))
        if groups < n:
            where = " and ".join(repr(self._pool.langs[lang]) for lang in langs) or f"at least {coverage} language(s)"
            raise StrategyError(
                f"batch size {n} needs {n} distinct groups that exist in {where}; the pool has {groups}. "
                "Lower the batch size, add data or leave the language out."
            )
        self._checked.add(key)

    def take(self, n: int, langs: tuple[int, ...] = (), coverage: int = 1) -> Ints:
        """The next ``n`` items, of ``n`` different groups: int64, (n,).

        Args:
            n: how many.
            langs: the items exist in all of these languages (indices into ``pool.langs``).
            coverage: where no ``langs`` are given, the items exist in at least so many languages.

        Raises:
            StrategyError: the pool has too few.
        """
        self.require(n, langs, coverage)
        exists = self._exists(langs, coverage)
        key = (langs, coverage)
        taken = self._walk(n, key, exists, np.empty(0, np.int64))
        while len(taken) < n:
            self._restart(exists)
            taken = self._walk(n, key, exists, taken)
        return taken

    def _exists(self, langs: tuple[int, ...], coverage: int) -> Exists:
        has = self._pool.has

        def exists(items: Ints) -> NDArray[np.bool_]:
            found: NDArray[np.bool_] = has[items, langs[0]] if langs else has[items].sum(axis=1) >= coverage
            for lang in langs[1:]:
                found = found & has[items, lang]
            return found

        return exists

    def _walk(self, n: int, key: tuple[object, ...], exists: Exists, taken: Ints) -> Ints:
        """``taken`` with fresh items added from the cursor of ``key`` on, until there are ``n`` or the order ends."""
        place = self._cursor.get(key, 0)
        skipped = len(self._order)  # the first place that is wanted and stays fresh
        while len(taken) < n and place < len(self._order):
            places = place + np.flatnonzero(self._fresh[place : place + CHUNK])
            items = self._order[places].astype(np.int64)
            wanted = exists(items)
            places, items = places[wanted], items[wanted]
            chosen = self._distinct(items, taken, n - len(taken))
            self._fresh[places[chosen]] = False
            left = np.delete(places, chosen)
            if len(left):
                skipped = min(skipped, int(left[0]))
            taken = np.concatenate([taken, items[chosen]])
            place += CHUNK
        self._cursor[key] = min(skipped, place, len(self._order))
        return taken

    def _distinct(self, items: Ints, taken: Ints, n: int) -> Ints:
        """Places in ``items`` of the first ``n`` whose groups differ from each other's and from those of ``taken``."""
        groups = self._group[items]
        first = np.unique(groups, return_index=True)[1]
        first.sort()
        if len(taken):
            first = first[~np.isin(groups[first], self._group[taken])]
        return first[:n].astype(np.int64)

    def _restart(self, exists: Exists) -> None:
        """Drop used places; shuffle the used items that exist and put them behind the fresh ones."""
        self._cursor = {k: int(np.count_nonzero(self._fresh[:place])) for k, place in self._cursor.items()}
        kept = self._order[self._fresh]
        used = np.ones(self._pool.n_items, np.bool_)
        used[kept] = False
        again = np.flatnonzero(used)
        again = self._rng.permutation(again[exists(again)]).astype(np.int32)
        self._order = np.concatenate([kept, again])
        self._fresh = np.ones(len(self._order), np.bool_)


def _dense(group: Ints) -> Ints:
    """Groups renumbered from 0, for counting; already dense ones are left alone."""
    if len(group) and group.min() >= 0 and group.max() < 2 * len(group):
        return group
    return np.unique(group, return_inverse=True)[1].astype(np.int64)
