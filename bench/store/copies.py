"""Cells as copies: an experiment to publish, files between machines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.store import scores
from bench.store.cells import (
    BATCHES,
    CONFIG,
    COST,
    DONE,
    FINDINGS,
    LOOKS,
    PROTOCOL,
    SCORES,
    STEPS,
    VALIDATION,
    read_cells,
)
from bench.store.writing import told_in_one_line, written_aside

KEPT = (CONFIG, STEPS, BATCHES, COST, VALIDATION)


def archive(experiment: Path, out: Path) -> list[Path]:
    """Copy every finished cell to ``out``/<experiment>, without models and what training leaves behind.

    Cells that are there already are replaced, others stay.

    Returns:
        the folders of the cells.

    Raises:
        BenchError: the copy would overwrite its original, or no cell is finished.
    """
    target = out / experiment.name
    if os.path.realpath(target) == os.path.realpath(experiment):
        raise BenchError(f"{target}: a copy of an experiment goes to another folder; name one with --out")
    cells = [cell for cell in read_cells(experiment) if cell.done is not None]
    if not cells:
        raise BenchError(f"{experiment}: no cell is finished yet")
    for name in (PROTOCOL, LOOKS, FINDINGS):
        if (experiment / name).is_file():
            with written_aside(target / name) as aside:
                shutil.copyfile(experiment / name, aside)
    return [_copied(cell.path, target / cell.path.name) for cell in cells]


def _copied(cell: Path, target: Path) -> Path:
    with written_aside(target) as aside:
        (aside / SCORES).mkdir(parents=True)
        for name in KEPT:
            if (cell / name).is_file():
                shutil.copyfile(cell / name, aside / name)
        for path in scores.score_files(cell):
            shutil.copyfile(path, aside / SCORES / path.name)
        shutil.copyfile(cell / DONE, aside / DONE)
    return target


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
