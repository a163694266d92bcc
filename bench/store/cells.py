"""What lies where in results/<experiment>/<cell>; reads config and done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError, did_you_mean
from bench.store.json_files import NUMBER, file_name, hash8, read_json, require_shape
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


FINDINGS = "findings.md"
"""In an experiment's folder: what people concluded."""


CONFIG_SHAPE = {
    "strategy": str, "trained": bool, "seed": int, "hash": str, "settings": dict, "languages": [str], "items": int,
    "sources": {str: dict}, "model": dict, "threads": int, "note": str, "command": str, "environment": dict,
}  # fmt: skip
"""What readers of a cell rely on; newer cells have more."""


DERIVED_SHAPE = {"derived": {"kind": str, "what": str, "parameters": dict},
           "parents": [{"cell": str, "strategy": str, "steps": int}]}  # fmt: skip
"""The same of a cell that is derived from others."""


DONE_SHAPE = {"weights_sha256": str, "seconds": {str: NUMBER}}


class Cell(NamedTuple):
    """One finished or unfinished cell on disk."""

    path: Path
    config: dict[str, object]
    done: dict[str, object] | None

    @property
    def label(self) -> str:
        """The strategy's signature, or the name of a baseline."""
        return str(self.config["strategy"])

    @property
    def settings(self) -> dict[str, object]:
        """What all strategies of the plan shared."""
        stored = self.config["settings"]
        assert isinstance(stored, dict)
        return stored

    @property
    def seed(self) -> int:
        """The cell's seed."""
        return int(str(self.config["seed"]))


def cell_name(label: str, identity: Mapping[str, object], seed: int) -> str:
    """``<strategy>-<hash8>-s<seed>``."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.split("(")[0].rpartition("/")[2].lower()).strip("-")[:100] or "cell"
    return f"{slug}-{hash8(identity)}-s{seed}"


def read_config(path: Path) -> dict[str, object]:
    """What ``config.json`` of the cell ``path`` holds.

    Raises:
        BenchError: another version of this program wrote it, or not this program.
    """
    config = read_json(path / CONFIG)
    if config.get("schema") != SCHEMA:
        seen = f"schema {config.get('schema')!r:.40}, this is {SCHEMA}"
        raise BenchError(f"{path}: written by another version ({seen}); read it with that one, or move it elsewhere")
    require_shape(config, CONFIG_SHAPE, str(path / CONFIG))
    if "derived" in config:
        require_shape(config, DERIVED_SHAPE, str(path / CONFIG))
    return config


def read_done(path: Path) -> dict[str, object] | None:
    """What ``done`` of the cell ``path`` holds; None where the cell is not finished."""
    if not (path / DONE).is_file():
        return None
    done = read_json(path / DONE)
    require_shape(done, DONE_SHAPE, str(path / DONE))
    require_shape(done.get("peak_memory_mb", {}), {str: NUMBER}, str(path / DONE), "peak_memory_mb")
    file_name(str(done["weights_sha256"]), f"{path / DONE}: weights_sha256")
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
