"""Passages that stay on disk: only their ids are held, and the texts are read anew each time they are walked."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping

from tasks.contract import TaskError

Walk = Callable[[], Iterator[tuple[str, str]]]


class Streamed(Mapping[str, str]):
    """doc_id -> text, in the order of the file.

    ``items()`` walks the file once and is the way to read; a single text is found by walking to it.

    Args:
        walk: reads the file from its start and yields (doc_id, text).
        where: names the file in messages.

    Raises:
        TaskError: an id comes up twice.
    """

    def __init__(self, walk: Walk, where: str) -> None:
        self._walk = walk
        self._where = where
        self._ids: dict[str, None] = {}
        for identity, _ in walk():
            if identity in self._ids:
                raise TaskError(f"{where}: id {identity!r} comes up twice; ids of passages are unique")
            self._ids[identity] = None
        if not self._ids:
            raise TaskError(f"{where}: holds no passage; fetch the file again")

    def items(self) -> ItemsView[str, str]:
        """Every (doc_id, text); iterating reads the file."""
        return _Items(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identity: object) -> bool:
        return identity in self._ids

    def __getitem__(self, identity: str) -> str:
        if identity in self._ids:
            for found, text in self._walk():
                if found == identity:
                    return text
        raise KeyError(identity)


class _Items(ItemsView[str, str]):
    _mapping: Streamed

    def __iter__(self) -> Iterator[tuple[str, str]]:
        seen = 0
        for pair in self._mapping._walk():
            seen += 1
            yield pair
        if seen != len(self._mapping):
            raise TaskError(f"{self._mapping._where}: changed while it was being read; run again")
