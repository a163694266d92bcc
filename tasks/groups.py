"""Which items must not share a batch: those that have something in common, also through others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


class _Roots:
    """Numbers from 0, of which some are joined; the root of joined numbers is one of them."""

    def __init__(self, n: int = 0) -> None:
        self._parent = list(range(n))

    def add(self) -> int:
        """One more number."""
        self._parent.append(len(self._parent))
        return self._parent[-1]

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return len(self._parent)

    def of(self, i: int) -> int:
        """The root of a number."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """The root of the second becomes that of both."""
        self._parent[self.of(i)] = self.of(j)


def linked(keys: Iterable[Iterable[Hashable]]) -> list[int]:
    """A number from 0 per item, given what each item has: items that share anything share a number."""
    roots = _Roots()
    first: dict[Hashable, int] = {}
    for owned in keys:
        i = roots.add()
        for key in owned:
            roots.join(i, first.setdefault(key, i))
    number: dict[int, int] = {}
    return [number.setdefault(root, len(number)) for root in map(roots.of, range(roots.count))]


def joined(groups: Sequence[int], columns: Iterable[Iterable[str | None]]) -> list[int]:
    """The groups of items, where those that have an equal text in a column are one; it has the least of their numbers.

    Args:
        groups: whole numbers from 0, one per item.
        columns: each the texts of all items in one language, queries or passages; None where there is none. Blanks
            around a text do not count.
    """
    roots = _Roots(max(groups, default=-1) + 1)
    for column in columns:
        first: dict[str, int] = {}
        for group, text in zip(groups, column, strict=True):
            other = group if text is None else first.setdefault(text.strip(), group)
            if other != group:
                a, b = roots.of(group), roots.of(other)
                roots.join(max(a, b), min(a, b))
    return [roots.of(group) for group in groups]
