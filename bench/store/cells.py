"""What lies where in results/<experiment>/<cell>; reads config and done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError
from bench.store.json_files import NUMBER, file_name, hash8, read_json, require_shape
from tasks.files import is_folder

SCHEMA = 1
"""Version of the files in a cell; part of a cell's identity."""


VALIDATION = "validation.jsonl"
"""In a cell's folder: what held-out items scored while it was trained, a line each time."""


CONFIG = {
    "strategy": str, "trained": bool, "seed": int, "hash": str, "settings": dict, "languages": [str], "items": int,
    "sources": {str: dict}, "model": dict, "threads": int, "note": str, "command": str, "environment": dict,
}  # fmt: skip
"""What readers of a cell rely on; newer cells have more."""


DERIVED = {"derived": {"kind": str, "what": str, "parameters": dict},
           "parents": [{"cell": str, "strategy": str, "steps": int}]}  # fmt: skip
"""The same of a cell that is derived from others."""


DONE = {"weights_sha256": str, "seconds": {str: NUMBER}}


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
    config = read_json(path / "config.json")
    if config.get("schema") != SCHEMA:
        raise BenchError(f"{path}: written by another version (schema {config.get('schema')!r}, this is {SCHEMA})")
    require_shape(config, CONFIG, str(path / "config.json"))
    if "derived" in config:
        require_shape(config, DERIVED, str(path / "config.json"))
    return config


def read_done(path: Path) -> dict[str, object] | None:
    """What ``done`` of the cell ``path`` holds; None where the cell is not finished."""
    if not (path / "done").is_file():
        return None
    done = read_json(path / "done")
    require_shape(done, DONE, str(path / "done"))
    require_shape(done.get("peak_memory_mb", {}), {str: NUMBER}, str(path / "done"), "peak_memory_mb")
    file_name(str(done["weights_sha256"]), f"{path / 'done'}: weights_sha256")
    return done


def read_cells(experiment: Path) -> list[Cell]:
    """The cells of an experiment, in order of their names; folders without a config are none."""
    if not is_folder(experiment):
        there = sorted(p.name for p in experiment.parent.glob("*") if p.is_dir())
        raise BenchError(f"no results in {experiment}; {experiment.parent} has {', '.join(there) or 'nothing'}")
    cells = []
    for path in sorted(experiment.iterdir()):
        if path.name.startswith(".") or not (path / "config.json").is_file():
            continue
        cells.append(Cell(path, read_config(path), read_done(path)))
    return cells


COST = "cost.json"
"""In a cell's folder: seconds of loading, training and saving, and the formula behind the operations."""


OFFSETS = "offsets.safetensors"


PROTOCOL = "protocol.json"


FINDINGS = "findings.md"
"""In an experiment's folder: what people concluded."""
