"""Which items must not share a batch: those that have something in common, also through others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def linked(keys: Iterable[Iterable[Hashable]]) -> list[int]:
    """A number from 0 per item, given what each item has: items that share anything share a number."""
    parent: list[int] = []
    first: dict[Hashable, int] = {}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, owned in enumerate(keys):
        parent.append(i)
        for key in owned:
            parent[root(i)] = root(first.setdefault(key, i))
    number: dict[int, int] = {}
    return [number.setdefault(root(i), len(number)) for i in range(len(parent))]
