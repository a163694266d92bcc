"""Passages that stay on disk, but for few: only ids are held, and the texts are read anew each time they are walked."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import NamedTuple

from tasks.contract import TaskError
from tasks.notes import Notes


class Row(NamedTuple):
    """One passage, and its line or row, from 1."""

    doc_id: str
    text: str
    line: int


HELD = 1 << 24
"""Characters of a file's texts that are held in memory, at most; where there are more, none are."""


Walk = Callable[[Notes], Iterator[Row]]
"""Reads from the start, and notes what it repairs."""


class Streamed(Mapping[str, str]):
    """doc_id -> text, in the order of the file.

    ``items()`` walks the file once and is the way to read; a single text is found by walking to it. The texts of a
    file of at most ``HELD`` characters are those of its first walk.

    Args:
        walk: reads the file.
        where: names the file in messages.
        notes: of the first walk; told also of passages that come up twice with one text, and of empty ones.
        look: shown every passage of the first walk.

    Raises:
        TaskError: an id has two texts, or no passage has any.
    """

    def __init__(
        self, walk: Walk, where: str, notes: Notes | None = None, look: Callable[[Row], None] | None = None
    ) -> None:
        self._walk, self._where = walk, where
        self._notes = notes if notes is not None else Notes()
        self._ids: dict[str, None] = {}
        self._twice: set[str] = set()
        self._held: dict[str, str] | None = {}
        empty = held = 0
        for row in walk(self._notes):
            if row.doc_id in self._ids:
                self._twice.add(row.doc_id)
                continue
            self._ids[row.doc_id] = None
            held += len(row.text)
            if held > HELD:
                self._held = None
            if self._held is not None:
                self._held[row.doc_id] = row.text
            if not row.text.strip():
                empty += 1
                self._notes.repaired("passages without text", self._place(row))
            if look is not None:
                look(row)
        if not self._ids:
            raise TaskError(f"{where}: holds no passage; fetch the file again")
        if empty == len(self._ids):
            raise TaskError(f"{where}: no passage has a text; is this the right file, with texts in a field 'text'?")
        if self._twice:
            self._require_equal()

    def items(self) -> ItemsView[str, str]:
        """Every (doc_id, text); iterating reads the file, unless its texts are held."""
        return self._held.items() if self._held is not None else _Items(self)

    def walk(self) -> Iterator[tuple[str, str]]:
        """Every passage as it is read now, each once."""
        seen: set[str] = set()
        for doc_id, text, _ in self._walk(Notes()):
            if doc_id in self._twice:
                if doc_id in seen:
                    continue
                seen.add(doc_id)
            yield doc_id, text

    def _require_equal(self) -> None:
        """Read again, and compare the texts of the ids that came up twice."""
        first: dict[str, Row] = {}
        for row in self._walk(Notes()):
            if row.doc_id not in self._twice:
                continue
            before = first.setdefault(row.doc_id, row)
            if before.text != row.text:
                raise TaskError(
                    f"{self._place(row)} comes up twice, with another text than in line {before.line}; ids of passages "
                    "are unique"
                )
            if before is not row:
                self._notes.repaired("passages that come up again, equal", self._place(row))

    def _place(self, row: Row) -> str:
        return f"{self._where}, line {row.line}: id {row.doc_id!r:.80}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identity: object) -> bool:
        return identity in self._ids

    def __getitem__(self, identity: str) -> str:
        if self._held is not None:
            return self._held[identity]
        if identity in self._ids:
            for found, text in self.walk():
                if found == identity:
                    return text
        raise KeyError(identity)


class _Items(ItemsView[str, str]):
    _mapping: Streamed

    def __iter__(self) -> Iterator[tuple[str, str]]:
        seen = 0
        for pair in self._mapping.walk():
            seen += 1
            yield pair
        if seen != len(self._mapping):
            raise TaskError(f"{self._mapping._where}: changed while it was being read; run again")
