"""Reads and writes results/<experiment>/<cell>/. All is written aside and renamed, so nothing is ever half there."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import BenchError
from tasks.files import sha256

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
"""Version of the files in a cell; part of a cell's identity."""

VALIDATION = "validation.jsonl"
"""In a cell's folder: what held-out items scored while it was trained, a line each time."""

PACKAGES = (
    "batch-strategy-bench", "torch", "transformers", "sentence-transformers", "accelerate", "tokenizers", "numpy",
    "scipy", "scikit-learn", "pyarrow",
)  # fmt: skip


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


def canonical(value: object) -> str:
    """JSON with sorted keys and no blanks: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash64(value: object) -> str:
    """The 64 hex digits of a value's sha256: equal values, equal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def hash8(identity: Mapping[str, object]) -> str:
    """The first eight hex digits of the identity's sha256."""
    return hash64(identity)[:8]


def cell_name(label: str, identity: Mapping[str, object], seed: int) -> str:
    """``<strategy>-<hash8>-s<seed>``."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.split("(")[0].rpartition("/")[2].lower()).strip("-") or "cell"
    return f"{slug}-{hash8(identity)}-s{seed}"


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make one line of what the system says where something cannot be written (full, read-only, no rights).

    Raises:
        BenchError: it said so in the block.
    """
    try:
        yield
    except OSError as error:
        raise BenchError(f"{error.filename or target}: cannot be written ({error.strerror or error})") from None
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):
            raise
        raise BenchError(f"{target}: cannot be written ({' '.join(str(error).split())})") from None


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``target`` when the block ends well, and vanishes when it does not.

    Raises:
        BenchError: the folder cannot be written.
    """
    aside = target.with_name(f".{target.name}.partial-{secrets.token_hex(6)}")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(aside, target)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            with suppress(OSError):
                aside.unlink()


def clear_unfinished(cell: Path) -> None:
    """Remove what a killed process was writing of a cell, as long as nobody else is at work in it."""
    for path in (*cell.parent.glob(f".{cell.name}.partial-*"), *cell.rglob(".*.partial-*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Refuse a folder that results cannot be written to before any work is done."""
    with written_aside(folder / ".probe") as aside:
        aside.write_text("")
    (folder / ".probe").unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object that ``write_json`` wrote."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not readable ({error}); delete the cell's folder to run it again") from None
    if not isinstance(value, dict):
        raise BenchError(f"{path}: a JSON object is expected; delete the cell's folder to run it again")
    return value


def read_cells(experiment: Path) -> list[Cell]:
    """The cells of an experiment, in order of their names; folders without a config are none."""
    if not experiment.is_dir():
        there = sorted(p.name for p in experiment.parent.glob("*") if p.is_dir())
        raise BenchError(f"no results in {experiment}; {experiment.parent} has {', '.join(there) or 'nothing'}")
    cells = []
    for path in sorted(experiment.iterdir()):
        if path.name.startswith(".") or not (path / "config.json").is_file():
            continue
        config = read_json(path / "config.json")
        if config.get("schema") != SCHEMA:
            raise BenchError(f"{path}: written by another version (schema {config.get('schema')}, this is {SCHEMA})")
        done = read_json(path / "done") if (path / "done").is_file() else None
        cells.append(Cell(path, config, done))
    return cells


def score_path(cell: Path, task: str, version: str) -> Path:
    """Where the scores of one task version are kept."""
    return cell / "scores" / f"{task}@{version}.parquet"


def write_scores(path: Path, table: pa.Table) -> None:
    """Write per-query values; the bytes depend on the values alone."""
    import pyarrow.parquet as pq

    with written_aside(path) as aside:
        pq.write_table(table, aside, compression="zstd")


def write_small(path: Path, table: pa.Table) -> None:
    """As ``write_scores``, in the fewest bytes; takes many times as long."""
    import pyarrow.parquet as pq

    with written_aside(path) as aside:
        pq.write_table(table, aside, compression="brotli", compression_level=11)


def read_scores(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read per-query values, all columns or those named.

    Raises:
        BenchError: not readable, or written by a version that had other columns.
    """
    import pyarrow.parquet as pq

    with _readable(path):
        absent = [name for name in columns or () if name not in pq.read_schema(path).names]
        if absent:
            raise BenchError(
                f"{path}: written by another version (no column {absent[0]}); delete it, and the command that made it "
                "scores it again"
            )
        return pq.read_table(path, columns=columns)


def read_about(path: Path) -> dict[str, Any]:
    """What a scores file says of itself: task, version, checksums, sets."""
    import pyarrow.parquet as pq

    with _readable(path):
        stored = (pq.read_schema(path).metadata or {}).get(b"bench")
    if stored is None:
        raise BenchError(f"{path}: not a scores file of this program; delete it")
    found: dict[str, Any] = json.loads(stored)
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"{path}: not a readable scores file ({str(error).splitlines()[0]}); delete it and run again"
        ) from None


def folder_hash(folder: Path) -> str:
    """sha256 over names and contents of a model folder's files (weights, tokenizer, configuration)."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".json", ".safetensors", ".txt", ".model")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + sha256(path).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Of the packages that numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def environment() -> dict[str, object]:
    """Versions of what computed the numbers."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": versions(),
        "git": _git_commit(),
    }


def _git_commit() -> str:
    """The commit of this checkout, with '+changes' where files differ; 'none' outside of a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10)
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    if head.returncode != 0:
        return "none"
    return head.stdout.strip() + ("+changes" if changes.stdout.strip() else "")
