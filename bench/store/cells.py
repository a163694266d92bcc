"""What lies where in results/<experiment>/<cell>; reads config and done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError, did_you_mean
from bench.store.json_files import as_written, file_name, hash8, read_as, read_json
from tasks.files import is_folder

SCHEMA = 1
"""Version of the files in a cell; part of a cell's identity."""


CONFIG = "config.json"
"""In a cell's folder: what the cell is."""


STEPS = "steps.jsonl"
"""In a cell's folder: a line for each step of its training."""


VALIDATION = "validation.jsonl"
"""In a cell's folder: what held-out items scored while it was trained, a line each time."""


BATCHES = "batches.json"
"""In a cell's folder: the audit of the batches that it was trained on."""


SCHEDULE = "batches.safetensors"
"""In a cell's folder: the batches themselves, of a strategy that followed the model, so that nothing else has them."""


COST = "cost.json"
"""In a cell's folder: seconds of loading, training and saving, and the formula behind the operations."""


MODEL = "model"
"""In a cell's folder: the encoder that was trained or merged, as sentence-transformers opens it."""


OFFSETS = "offsets.safetensors"
"""In a cell's folder: what is subtracted from the passages of a language."""


PARENTS = "parents"
"""In a cell's folder: the cells whose weights were averaged."""


SCORES = "scores"
"""In a cell's folder: a file of per-query values for each task."""


DONE = "done"
"""In a cell's folder, written last: the hash of the weights, seconds, memory."""


PROTOCOL = "protocol.json"
"""In an experiment's folder: what it is to decide."""


LOOKS = "looks.jsonl"
"""In an experiment's folder: what each look at the trainings decided, a line each time."""


FINDINGS = "findings.md"
"""In an experiment's folder: what people concluded."""


class Parent(NamedTuple):
    """A cell that another one is made of: its folder, its strategy, the steps of training that it rests on."""

    cell: str
    strategy: str
    steps: int


class Derivation(NamedTuple):
    """How a cell is made of others.

    Attributes:
        kind: ``merge``, ``centering``, ``lir`` or ``shift``.
        what: was done, in words.
        parameters: of the kind.
        languages: whose passages are moved, where some are.
    """

    kind: str
    what: str
    parameters: dict[str, object]
    languages: tuple[str, ...] | None = None


class Config(NamedTuple):
    """What readers of a cell rely on of its ``config.json``; newer cells have more.

    Attributes:
        schema: version of the files.
        strategy: its signature, or the name of a row without training.
        trained: whether there is training in it, or in what it is made of.
        seed: of the cell.
        hash: that its folder is named after.
        settings: as ``plan.settings.Settings`` has them.
        languages: of the pool it was trained on.
        items: of the pool it was trained on.
        sources: name -> what is recorded of a training source.
        model: its name and the hash of its files; empty where there is none.
        threads: of the plan.
        note: of the plan.
        command: that was run.
        environment: versions of what computed it.
        overlap: what of the training items was found in test sets, and what was done with it.
        identity: what is hashed; None where it is not recorded.
        parents: the cells that it is made of.
        derived: how; None where it is made of none.
        protocol: digest of the protocol that it was made under; empty where none was recorded.
    """

    schema: int
    strategy: str
    trained: bool
    seed: int
    hash: str
    settings: dict[str, object]
    languages: tuple[str, ...]
    items: int
    sources: dict[str, dict[str, object]]
    model: dict[str, object]
    threads: int
    note: str
    command: str
    environment: dict[str, object]
    overlap: dict[str, object] = {}  # noqa: RUF012  # read alone
    identity: dict[str, object] | None = None
    parents: tuple[Parent, ...] = ()
    derived: Derivation | None = None
    protocol: str = ""


class Done(NamedTuple):
    """What ``done`` holds: the hash of the weights; seconds, and megabytes at the peak, of training and scoring."""

    weights_sha256: str
    seconds: dict[str, int | float]
    peak_memory_mb: dict[str, int | float] = {}  # noqa: RUF012  # read alone


class Cell(NamedTuple):
    """One finished or unfinished cell on disk."""

    path: Path
    config: Config
    done: Done | None

    @property
    def label(self) -> str:
        """The strategy's signature, or the name of a baseline."""
        return self.config.strategy

    @property
    def settings(self) -> dict[str, object]:
        """What all strategies of the plan shared."""
        return self.config.settings

    @property
    def seed(self) -> int:
        """The cell's seed."""
        return self.config.seed


def cell_name(label: str, identity: Mapping[str, object], seed: int) -> str:
    """``<strategy>-<hash8>-s<seed>``."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.split("(")[0].rpartition("/")[2].lower()).strip("-")[:100] or "cell"
    return f"{slug}-{hash8(identity)}-s{seed}"


def read_config(path: Path) -> Config:
    """What ``config.json`` of the cell ``path`` holds.

    Raises:
        BenchError: another version of this program wrote it, or not this program.
    """
    return config_from(read_json(path / CONFIG), path)


def config_from(values: Mapping[str, object], path: Path) -> Config:
    """The same of what is to be written there.

    Raises:
        BenchError: another version of this program made it, or not this program.
    """
    if values.get("schema") != SCHEMA:
        seen = f"schema {values.get('schema')!r:.40}, this is {SCHEMA}"
        raise BenchError(f"{path}: written by another version ({seen}); read it with that one, or move it elsewhere")
    return as_written(Config, values, path / CONFIG)


def read_done(path: Path) -> Done | None:
    """What ``done`` of the cell ``path`` holds; None where the cell is not finished."""
    if not (path / DONE).is_file():
        return None
    done = read_as(Done, path / DONE)
    file_name(done.weights_sha256, f"{path / DONE}: weights_sha256")
    return done


def read_cells(experiment: Path) -> list[Cell]:
    """The cells of an experiment, in order of their names; folders without a config are none."""
    if not is_folder(experiment):
        there = sorted(p.name for p in experiment.parent.glob("*") if p.is_dir())
        hint = did_you_mean(experiment.name, there)
        raise BenchError(f"no results in {experiment}; {experiment.parent} has {', '.join(there) or 'nothing'}{hint}")
    cells = []
    for path in sorted(experiment.iterdir()):
        if path.name.startswith(".") or not (path / CONFIG).is_file():
            continue
        cells.append(Cell(path, read_config(path), read_done(path)))
    return cells
