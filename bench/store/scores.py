"""Per-query values as parquet; what a row is about: mono, cross, multi."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.store.cells import SCORES
from bench.store.json_files import file_name, require_shape
from bench.store.writing import written_aside
from tasks import TaskError
from tasks.contract import first_line
from tasks.json_text import json_object

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS = ("mono", "cross", "multi")
"""mono: q_lang = d_lang. cross: q_lang != d_lang. multi: every query against the pool of all languages."""


POOL = "*"
"""Stands for the passage language in rows about the pool of all languages."""


def setting_of(q_lang: str, d_lang: str) -> str:
    """The setting that a language pair belongs to."""
    return "multi" if d_lang == POOL else "mono" if q_lang == d_lang else "cross"


ABOUT = {"task": str, "version": str, "files": {str: str},
         "sets": {str: {"main": str, "passages": {str: int}}}}  # fmt: skip
"""What a scores file says of itself."""


TEXTS = ("set", "q_lang", "d_lang", "query_id", "group")
"""Columns of a scores file that say what a row is about; the others are numbers."""


def score_path(cell: Path, task: str, version: str) -> Path:
    """Where the scores of one task version are kept.

    Raises:
        BenchError: name and version of the task make no name of a file.
    """
    return cell / SCORES / f"{file_name(f'{task}@{version}', f'{task!r:.80}: name and version of a task')}.parquet"


def score_files(cell: Path) -> list[Path]:
    """The scores files of a cell, in order of their names."""
    return sorted((cell / SCORES).glob("*.parquet"))


def former(path: Path, digest: str) -> Path:
    """Where scores are kept of what is no longer the content of their task."""
    return path.parent / "former" / f"{path.stem}-{digest}{path.suffix}"


def standing(path: Path) -> list[Path]:
    """The scores that stand for a task now: of its version, or of others."""
    task, _, version = path.stem.rpartition("@")
    how = version.partition("+")[1:]
    others = path.parent.glob(f"{escape(task)}@*{path.suffix}")
    return sorted(p for p in others if p.stem.rpartition("@")[2].partition("+")[1:] == how)


def keep_former(path: Path, digest_of: Callable[[dict[str, Any]], str]) -> None:
    """Move the scores that stand for a task to where they are kept under the digest of their own content."""
    for old in standing(path):
        aside = former(old, digest_of(read_about(old)))
        aside.parent.mkdir(exist_ok=True)
        old.replace(aside)


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
        raise BenchError(f"{path}: not a readable scores file ({first_line(error)}); delete it and run again") from None
