"""The files of cells as relative paths and bytes: how they travel between machines that share no folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.writing import told_in_one_line, written_aside

Parcel = Mapping[str, bytes]
"""``<cell>/config.json`` and the like, with '/' on every system, to the content."""


def pack(experiment: Path, cells: Iterable[str]) -> Parcel:
    """Every file of these cells that is there; links and what is still being written (names with a dot) stay behind."""
    files = {}
    for cell in cells:
        for path in sorted((experiment / cell).rglob("*")):
            name = path.relative_to(experiment)
            if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in name.parts):
                files[name.as_posix()] = path.read_bytes()
    return files


def unpack(parcel: Parcel, experiment: Path) -> None:
    """Write every file below ``experiment``, a folder that nobody else knows of.

    Raises:
        BenchError: a path leads elsewhere, or the folder cannot be written.
    """
    for name, content in parcel.items():
        path = experiment.joinpath(*_parts(name))
        with told_in_one_line(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def store(parcel: Parcel, experiment: Path, cell: str) -> None:
    """Put one cell in place, whole or not at all, for whatever stood there.

    Raises:
        BenchError: a path leads out of that cell, or the folder cannot be written.
    """
    for name in parcel:
        if _parts(name)[0] != cell:
            raise BenchError(f"a node sends files of the cell it ran, {cell}; got {name!r}: nothing of it was stored")
    with written_aside(experiment / cell) as aside:
        unpack({name.partition("/")[2]: content for name, content in parcel.items()}, aside)


def _parts(name: str) -> list[str]:
    """The parts of a relative path.

    Raises:
        BenchError: it is none, or leads out of the folder.
    """
    parts = name.split("/")
    if any(part.startswith(".") or not part or "\\" in part or ":" in part or "\0" in part for part in parts):
        raise BenchError(f"files of a cell have relative paths that stay in it; got {name!r}: nothing of it was stored")
    return parts
