"""JSON written canonically and hashed, checked when read; names of files."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bench.errors import BenchError
from bench.store.writing import written_aside
from tasks import TaskError
from tasks.files import read_json as read_json_file

LONGEST_NAME = 200
"""Bytes of a file's name; file systems take 255, and endings come behind it."""


T = TypeVar("T")


KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table",
         tuple: "a list", NoneType: "nothing"}  # fmt: skip


def typed(cls: type[T], values: object, where: str, what: str = "it", more: bool = False) -> T:
    """Plain values, as JSON and TOML give them, as a dataclass or NamedTuple whose type hints say what fits.

    Hints are of ``KINDS``, unions of these, ``object``, ``tuple[hint, ...]`` (of a list), ``dict[str, hint]``, and
    further such classes (of a table). A whole number does for a ``float``.

    Args:
        cls: what comes out.
        values: a table with what ``cls`` has, but for what has a default there.
        where: names the source in messages.
        what: names the table in messages.
        more: whether keys that ``cls`` does not have are passed over: what newer versions write.

    Raises:
        BenchError: a value is missing, unknown or of another kind.
    """
    if not isinstance(values, dict):
        raise BenchError(f"{where}: {what} is a table; got {values!r:.200}")
    kind: type = cls
    hints, needed = _fields(kind)
    unknown = [name for name in values if name not in hints]
    if unknown and not more:
        raise BenchError(f"{where}: {what} has no {unknown[0]!r:.80}; there are {', '.join(sorted(hints))}")
    missing = [name for name in needed if name not in values]
    if missing:
        raise BenchError(f"{where}: {what} has no {missing[0]!r}, which it needs")
    return cls(**{k: _fitted(v, hints[k], where, k, more) for k, v in values.items() if k in hints})


@lru_cache
def _fields(cls: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Name -> type hint of what a class is made of, and the names without a default."""
    parameters = inspect.signature(cls).parameters
    hints = get_type_hints(cls)
    return {k: hints[k] for k in parameters}, tuple(k for k, p in parameters.items() if p.default is p.empty)


def _fitted(value: object, hint: Any, where: str, what: str, more: bool) -> Any:
    """``value`` as a type hint has it, or refused."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if object in kinds or type(value) in kinds:
        return value
    for kind, inside in ((k, get_args(k)) for k in kinds):
        if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
            return tuple(_fitted(x, inside[0], where, f"a part of {what}", more) for x in value)
        if get_origin(kind) is dict and isinstance(value, dict):
            return {k: _fitted(v, inside[1], where, f"{k!r:.40} of {what}", more) for k, v in value.items()}
        if not inside and kind not in KINDS:
            return typed(kind, value, where, what, more)
    if float in kinds and type(value) is int and abs(value) < 2**53:
        return float(value)
    raise BenchError(f"{where}: {what} is {' or '.join(KINDS[get_origin(k) or k] for k in kinds)}; got {value!r:.200}")


ANOTHER_RUN = "delete the cell's folder to run it again"


def read_as(cls: type[T], path: Path) -> T:
    """The JSON object of a file as a dataclass or NamedTuple; what newer versions write besides is passed over.

    Raises:
        BenchError: not readable, or not of this kind.
    """
    return as_written(cls, read_json(path), path)


def as_written(cls: type[T], values: object, path: Path, what: str = "it", way_out: str = ANOTHER_RUN) -> T:
    """The same of a value that was read from a file; ``way_out`` ends the message."""
    try:
        return typed(cls, values, f"{path}: not as this program writes it", what, more=True)
    except BenchError as error:
        raise BenchError(f"{error}; {way_out}") from None


def require_owner(path: Path, theirs: Mapping[str, object], ours: Mapping[str, object], way_out: str) -> None:
    """Refuse a file that was made from something else than what is at hand.

    Args:
        path: of the file.
        theirs: what it says that it was made from.
        ours: what is at hand.
        way_out: what to do.

    Raises:
        BenchError: the first difference.
    """
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) != ours.get(name):
            raise BenchError(
                f"{path}: foreign, made with {name} {theirs.get(name)}, and this is {ours.get(name)}; {way_out}"
            )


def file_name(text: str, what: str) -> str:
    """``text``, where it can be the name of a file in a folder and of nothing else.

    Raises:
        BenchError: it leads elsewhere, is hidden, or no file can be called so.
    """
    plain = text.isprintable() and "/" not in text and not text.startswith(".")
    if not text or not plain or len(text.encode()) > LONGEST_NAME:
        raise BenchError(
            f"{what} becomes the name of a file: printable, without '/', no '.' in front, at most {LONGEST_NAME} "
            f"bytes; got {text!r:.200}"
        )
    return text


def canonical(value: object) -> str:
    """JSON with sorted keys and no blanks: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash64(value: object) -> str:
    """The 64 hex digits of a value's sha256: equal values, equal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def hash8(identity: Mapping[str, object]) -> str:
    """The first eight hex digits of the identity's sha256."""
    return hash64(identity)[:8]


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object that ``write_json`` wrote."""
    try:
        return read_json_file(path)
    except TaskError as error:
        raise BenchError(f"not readable: {error}; or {ANOTHER_RUN}") from None
