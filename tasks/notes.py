"""What a reader repairs or leaves out, counted by kind while it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tasks.contract import Noticed


class Notes:
    """Collects what a reader notices; kinds come in the order in which they were first met.

    Args:
        below: a folder whose name is left out of places: notes are stored with scores, and folders are the user's.
    """

    def __init__(self, below: Path | None = None) -> None:
        self._below = f"{below}{os.sep}" if below is not None else ""
        self._found: dict[str, Noticed] = {}

    def repaired(self, what: str, where: str, count: int = 1) -> None:
        """Something that ``--strict`` refuses; ``where`` is kept of the first of its kind."""
        self._add(what, where, count, True)

    def left_out(self, what: str, where: str, count: int = 1) -> None:
        """Something that data sets have by design."""
        self._add(what, where, count, False)

    def found(self) -> tuple[Noticed, ...]:
        """Everything so far."""
        return tuple(self._found.values())

    def take(self, noticed: Iterable[Noticed]) -> None:
        """What another reader noticed."""
        for n in noticed:
            self._add(n.what, n.example, n.count, n.dirty)

    def _add(self, what: str, where: str, count: int, dirty: bool) -> None:
        first = self._found.get(what)
        if first is not None and count:
            self._found[what] = replace(first, count=first.count + count)
        elif count:
            self._found[what] = Noticed(what, count, where.removeprefix(self._below), dirty)


def together(parts: Iterable[Iterable[Noticed]]) -> tuple[Noticed, ...]:
    """What several readers noticed, each kind once."""
    notes = Notes()
    for part in parts:
        notes.take(part)
    return notes.found()
