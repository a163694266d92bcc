"""What was observed of each query, as parquet; what a row of values is about: mono, cross, multi.

A scores file has a row per query: which languages its relevant passages are in, their grades, their ranks among the
passages of their language and in the pool of all, the top of that pool. Every measure derives from these. In pandas,
``pd.read_parquet(path).explode(["d_lang", "relevance", "in_corpus", "rank", "rank_in_pool"])`` has a row per relevant
passage; ``bench.analysis.rows.measured(path).to_pandas()`` has every measure of every query.
Files of version 0.1 hold measures instead, a row per query and passage language; they stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import BenchError
from bench.store.cells import SCORES
from bench.store.json_files import as_written, file_name
from bench.store.writing import written_aside
from tasks import TaskError
from tasks.contract import Noticed, first_line
from tasks.json_text import json_object

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS = ("mono", "cross", "multi")
"""mono: q_lang = d_lang. cross: q_lang != d_lang. multi: every query against the pool of all languages."""


SETTING_NAMES = {"mono": "within a language", "cross": "across languages", "multi": "pool of all languages"}
"""What people read: ``mono`` and ``cross`` are names of strategies as well."""


def in_words(setting: str) -> str:
    """One or several settings, ``mono, multi``, as people read them."""
    return " and ".join(SETTING_NAMES.get(part, part) for part in setting.split(", "))


POOL = "*"
"""Stands for the passage language in rows about the pool of all languages."""


def setting_of(q_lang: str, d_lang: str) -> str:
    """The setting that a language pair belongs to."""
    return "multi" if d_lang == POOL else "mono" if q_lang == d_lang else "cross"


SCHEMA = 2
"""Of scores files; those that name none hold measures (1)."""


class AboutSet(NamedTuple):
    """What a scores file says of a set: the measure that tables lead with, passages per language, what to know of it.

    ``noticed`` is what was repaired or left out in reading it.
    """

    main: str
    passages: dict[str, int]
    note: str = ""
    noticed: tuple[Noticed, ...] = ()


class About(NamedTuple):
    """What a scores file says of itself; newer ones say more.

    Attributes:
        task: its name.
        version: of the task.
        files: name -> sha256 of the local files that were read.
        sets: name -> what is said of a set.
        content: what else the task was (``data.content``); None in files of version 0.1.
        weights_sha256: of the model.
        schema: of the file; 1 holds measures.
        pools: of each pool of passages that was searched, language -> passages.
        matching: numbers of the pools in which passages without a term of the query are not retrieved
            (``Observed.matching``).
    """

    task: str
    version: str
    files: dict[str, str]
    sets: dict[str, AboutSet]
    content: dict[str, object] | None = None
    weights_sha256: str = ""
    schema: int = 1
    pools: tuple[dict[str, int], ...] = ()
    matching: tuple[int, ...] = ()


SCORED_AGAIN = "delete it, and the command that made it scores it again"


OBSERVED = {
    "set": "string",
    "pool": "int32",
    "q_lang": "string",
    "query_id": "string",
    "group": "string",
    "d_lang": "list<string>",
    "relevance": "list<int64>",
    "in_corpus": "list<bool>",
    "rank": "list<int32>",
    "rank_in_pool": "list<int32>",
    "top": "list<int32>",
    "nonrelevant": "int32",
    "nonrelevant_own": "int32",
}
"""Columns of a file of observations, and their types.

``pool`` counts the pools of the file. ``d_lang`` to ``rank_in_pool`` have a place for each relevant passage, in the
order of the pool (by language, then as the data set has them), and one of ``relevance`` 0 for each language in which
all that is judged is not relevant. ``d_lang`` is null for a passage that no language of the pool has. A rank is null
where there is none: the corpus lacks the passage (``in_corpus`` is false), or a cut run misses it.
``top``: the best ten passages of a pool of several languages, as numbers in its order; null where a cut run has no
more. ``nonrelevant``: how many of the best-ranked passages that are not relevant were looked at, at most ten;
``nonrelevant_own``: how many of these are in the query's language.
"""


PACKED = {
    "query_id": "DELTA_BYTE_ARRAY",
    "group": "DELTA_BYTE_ARRAY",
    "rank": "BYTE_STREAM_SPLIT",
    "rank_in_pool": "BYTE_STREAM_SPLIT",
    "top": "BYTE_STREAM_SPLIT",
}
"""Columns that are smaller in another encoding than that of dictionaries: three quarters of the bytes."""


LEVEL = 19
"""Of zstd: a quarter of a second for 13,000 queries."""


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


def keep_former(path: Path, digest_of: Callable[[About], str]) -> None:
    """Move the scores that stand for a task to where they are kept under the digest of their own content."""
    for old in standing(path):
        aside = former(old, digest_of(read_about(old)))
        aside.parent.mkdir(exist_ok=True)
        old.replace(aside)


def observed_schema() -> pa.Schema:
    """The columns of a file of observations."""
    import pyarrow as pa

    of = {"string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "bool": pa.bool_()}
    lists = {f"list<{name}>": pa.list_(kind) for name, kind in of.items()}
    return pa.schema({name: (of | lists)[kind] for name, kind in OBSERVED.items()})


def write_scores(path: Path, table: pa.Table) -> None:
    """Write what was observed; the bytes depend on the table alone."""
    import pyarrow.parquet as pq

    observed = table.column_names == list(OBSERVED)
    leaves = [f"{name}.list.element" if kind.startswith("list") else name for name, kind in OBSERVED.items()]
    packed = {leaf: encoding for leaf in leaves if (encoding := PACKED.get(leaf.partition(".")[0]))}
    others = [leaf for leaf in leaves if leaf not in packed]
    how = {"use_dictionary": others, "column_encoding": packed} if observed else {}
    with written_aside(path) as aside:
        pq.write_table(table, aside, compression="zstd", compression_level=LEVEL, **how)


def read_scores(path: Path, columns: Mapping[str, str] | None = None) -> pa.Table:
    """Read a scores file: all columns, or those named, of the types that stand beside their names.

    Raises:
        BenchError: not readable, or written by a version that had other columns.
    """
    import pyarrow.parquet as pq

    with _readable(path), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        for name, kind in (columns or {}).items():
            there = name in schema.names
            if not there or _plain(schema.field(name).type) != kind:
                seen = f"{name} of another type" if there else f"no column {name}"
                raise BenchError(f"{path}: written by another version ({seen}); {SCORED_AGAIN}")
        return file.read(list(columns) if columns is not None else None)


def _plain(kind: pa.DataType) -> str:
    """A type in words, without dictionaries."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return f"list<{_plain(kind.value_type)}>"
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else str(kind)


def read_about(path: Path) -> About:
    """What a scores file says of itself.

    Raises:
        BenchError: it says nothing, or another version wrote it.
    """
    found = as_written(About, plain_about(path), path, way_out=SCORED_AGAIN)
    if found.schema not in (1, SCHEMA):
        raise BenchError(f"{path}: written by another version (schema {found.schema}); update this program")
    for name in found.sets:
        file_name(name, f"{path}: a set")
    return found


def plain_about(path: Path) -> dict[str, object]:
    """The same as it is written."""
    import pyarrow.parquet as pq

    with _readable(path):
        stored = (pq.read_schema(path).metadata or {}).get(b"bench")
    if stored is None:
        raise BenchError(f"{path}: not a scores file of this program; delete it")
    try:
        return json_object(stored, str(path))
    except TaskError as error:
        raise BenchError(f"{error}; or {SCORED_AGAIN}") from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except BenchError:
        raise
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise BenchError(f"{path}: not a readable scores file ({first_line(error)}); delete it and run again") from None
