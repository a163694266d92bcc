"""Checkpoints of a cell in training: whole, sealed, owned. No pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import BenchError
from bench.store import cells, json_files
from bench.store.json_files import as_written, file_name, require_owner
from bench.store.writing import sync, told_in_one_line
from tasks import TaskError
from tasks.files import read_json, sha256

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.json"


WITHOUT_RESUME = "without --resume the cell is trained from its first step"


class Scalars(NamedTuple):
    """What is no tensor of the optimiser's state and of the learning rate's schedule."""

    optimizer: dict[str, object]
    scheduler: dict[str, object]


class State(NamedTuple):
    """What ``state.json`` holds.

    Attributes:
        step: how many updates were done.
        owner: what the checkpoint and the run that resumes it have in common.
        files: name -> sha256.
        batches_sha256: of the batches that were drawn.
        resumed_at: updates that were done whenever the cell was resumed.
        scalars: what of the state is no tensor.
        validation: scores of held-out items so far.
    """

    step: int
    owner: dict[str, object]
    files: dict[str, str]
    batches_sha256: str
    resumed_at: tuple[int, ...]
    scalars: Scalars
    validation: tuple[dict[str, object], ...] = ()


class Checkpoint(NamedTuple):
    """A checkpoint whose files are what was written.

    Attributes:
        path: its folder.
        state: what ``write`` was given.
    """

    path: Path
    state: State

    @property
    def step(self) -> int:
        """Updates that were done."""
        return self.state.step

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file, on the CPU."""
        from safetensors.torch import load_file

        return load_file(self.path / f"{name}.safetensors")


def folder_of(cell: Path) -> Path:
    """Where the checkpoints of a cell are kept; its name starts with a dot, so it is never taken for a cell."""
    return cell.with_name(f".{cell.name}.checkpoint")


def discard(folder: Path) -> None:
    """Remove the checkpoints of a cell."""
    shutil.rmtree(folder, ignore_errors=True)


def write(
    folder: Path, step: int, state: Mapping[str, object], tensors: Mapping[str, Mapping[str, Tensor]], log: Path
) -> None:
    """Store a checkpoint after ``step`` updates and remove the one before.

    Args:
        folder: that of the cell's checkpoints.
        step: updates done.
        state: plain JSON; ``owner`` is compared by ``find``.
        tensors: one safetensors file for each name.
        log: steps.jsonl so far.

    Raises:
        BenchError: the folder cannot be written.
    """
    from safetensors.torch import save_file

    target = folder / f"step-{step:08d}"
    aside = folder / ".partial"
    with told_in_one_line(target):
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            for name, table in tensors.items():
                save_file(_apart(table), aside / f"{name}.safetensors")
            shutil.copyfile(log, aside / log.name)
            _seal(aside, {**state, "schema": cells.SCHEMA, "step": step})
            os.replace(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)  # on a full disk, it would fill it
        sync(folder)
        for path in folder.glob("step-*"):
            if path != target:
                shutil.rmtree(path)


def _seal(folder: Path, state: Mapping[str, object]) -> None:
    """Write ``state.json`` with the sha256 of every file, and have all of it on the disk."""
    whole = {**state, "files": {path.name: sha256(path) for path in sorted(folder.iterdir())}}
    text = json.dumps({**whole, "sha256": json_files.hash64(whole)}, indent=1, sort_keys=True)
    (folder / STATE).write_text(text + "\n", encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        sync(path)


def find(folder: Path, owner: Mapping[str, object]) -> Checkpoint | None:
    """The latest checkpoint in ``folder``; None where there is none.

    Raises:
        BenchError: it is damaged, or another cell, number of processes or threads, or other versions wrote it.
    """
    there = sorted(folder.glob("step-*"))
    if not there:
        return None
    path = there[-1]
    state = _read_state(path / STATE)
    require_owner(path / STATE, state.owner, owner, f"resuming gives the same bits or nothing; {WITHOUT_RESUME}")
    if path.name != f"step-{state.step:08d}":
        raise BenchError(f"{path / STATE}: damaged, it is of step {state.step}; {WITHOUT_RESUME}")
    for name, digest in state.files.items():
        file_name(name, f"{path / STATE}: a file of the checkpoint")
        if not (path / name).is_file():
            raise BenchError(f"{path / name}: this file of the checkpoint is missing; {WITHOUT_RESUME}")
        if sha256(path / name) != digest:
            raise BenchError(f"{path / name}: damaged, its sha256 is not the one that was written; {WITHOUT_RESUME}")
    return Checkpoint(path, state)


def _read_state(path: Path) -> State:
    try:
        state = read_json(path)
    except TaskError as error:
        raise BenchError(f"damaged or missing, this is no checkpoint: {error}; {WITHOUT_RESUME}") from None
    told = state.pop("sha256", None)
    if told != json_files.hash64(state):
        raise BenchError(f"{path}: damaged, its sha256 is not the one that was written; {WITHOUT_RESUME}")
    return as_written(State, state, path, way_out=WITHOUT_RESUME)


def _apart(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share memory (tied weights) are copied: safetensors refuses them."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in table.items():
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return apart
