"""Reads and writes results/<experiment>/<cell>/. All is written aside and renamed, so nothing is ever half there."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import BenchError
from bench.shapes import NUMBER, file_name, require_shape
from bench.writing import written_aside
from tasks import TaskError
from tasks.files import is_folder, sha256
from tasks.files import read_json as read_json_file
from tasks.json_text import json_object

if TYPE_CHECKING:
    import pyarrow as pa

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

ABOUT = {"task": str, "version": str, "files": {str: str},
         "sets": {str: {"main": str, "passages": {str: int}}}}  # fmt: skip
"""What a scores file says of itself."""

TEXTS = ("set", "q_lang", "d_lang", "query_id", "group")
"""Columns of a scores file that say what a row is about; the others are numbers."""

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
    slug = re.sub(r"[^a-z0-9]+", "-", label.split("(")[0].rpartition("/")[2].lower()).strip("-")[:100] or "cell"
    return f"{slug}-{hash8(identity)}-s{seed}"


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object that ``write_json`` wrote."""
    try:
        return read_json_file(path)
    except TaskError as error:
        raise BenchError(f"not readable: {error}; or delete the cell's folder to run it again") from None


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


def score_path(cell: Path, task: str, version: str) -> Path:
    """Where the scores of one task version are kept.

    Raises:
        BenchError: name and version of the task make no name of a file.
    """
    return cell / "scores" / f"{file_name(f'{task}@{version}', f'{task!r:.80}: name and version of a task')}.parquet"


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
        schema = pq.read_schema(path)
        wrong = [name for name in columns or () if name not in schema.names or not _has_its_type(schema, name)]
        if wrong:
            seen = f"no column {wrong[0]}" if wrong[0] not in schema.names else f"{wrong[0]} of another type"
            raise BenchError(
                f"{path}: written by another version ({seen}); delete it, and the command that made it scores it again"
            )
        return pq.read_table(path, columns=columns)


def _has_its_type(schema: pa.Schema, name: str) -> bool:
    """Whether a column of a scores file holds text, where it says what a row is about, or numbers."""
    import pyarrow as pa

    kind = schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) if name in TEXTS else pa.types.is_float64(kind))


def read_about(path: Path) -> dict[str, Any]:
    """What a scores file says of itself: task, version, checksums, sets."""
    import pyarrow.parquet as pq

    with _readable(path):
        stored = (pq.read_schema(path).metadata or {}).get(b"bench")
    if stored is None:
        raise BenchError(f"{path}: not a scores file of this program; delete it")
    try:
        found: dict[str, Any] = json_object(stored, str(path))
    except TaskError as error:
        raise BenchError(f"{error}; or delete it, and the command that made it scores it again") from None
    require_shape(found, ABOUT, str(path))
    for name in found["sets"]:
        file_name(name, f"{path}: a set")
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except BenchError:
        raise
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BenchError(f"{path}: not a readable scores file ({reason:.200}); delete it and run again") from None


def folder_hash(folder: Path, code: bool = False) -> str:
    """sha256 over names and contents of a model folder: weights, tokenizer, configuration; code where it may run."""
    kinds = (".json", ".safetensors", ".txt", ".model", *((".py",) if code else ()))
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in kinds):
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
