"""JSON written canonically and hashed, checked when read; names of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store.writing import written_aside
from tasks import TaskError
from tasks.files import read_json as read_json_file

NUMBER = (int, float)


LONGEST = 200
"""Bytes of a file's name; file systems take 255, and endings come behind it."""


def require_shape(value: object, shape: Any, where: str, what: str = "it") -> None:
    """Refuse a value that is not of a shape.

    Args:
        value: as JSON gives it.
        shape: a type or several; ``[shape]`` for lists of it; ``{str: shape}`` for objects of it under any key;
            ``{"a": shape}`` for objects with at least these keys.
        where: names the file in messages.
        what: names the value in messages.

    Raises:
        BenchError: the first difference.
    """
    if isinstance(shape, list):
        _require_kind(value, list, where, what)
        for part in value:  # type: ignore[attr-defined]
            require_shape(part, shape[0], where, f"a part of {what}")
    elif isinstance(shape, dict):
        _require_kind(value, dict, where, what)
        _require_keys(value, shape, where, what)  # type: ignore[arg-type]
    else:
        _require_kind(value, shape, where, what)


def _require_keys(value: dict[str, object], shape: dict[Any, Any], where: str, what: str) -> None:
    if str in shape:
        for key, part in value.items():
            require_shape(part, shape[str], where, f"{key!r:.40} of {what}")
        return
    for key, inner in shape.items():
        if key not in value:
            raise BenchError(f"{where}: not as this program writes it ({what} has no {key!r})")
        require_shape(value[key], inner, where, repr(key))


def _require_kind(value: object, kind: Any, where: str, what: str) -> None:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(k.__name__ for k in kinds)
        raise BenchError(f"{where}: not as this program writes it ({what} is {type(value).__name__}, not {wanted})")


def file_name(text: str, what: str) -> str:
    """``text``, where it can be the name of a file in a folder and of nothing else.

    Raises:
        BenchError: it leads elsewhere, is hidden, or no file can be called so.
    """
    plain = text.isprintable() and "/" not in text and not text.startswith(".")
    if not text or not plain or len(text.encode()) > LONGEST:
        raise BenchError(
            f"{what} becomes the name of a file: printable, without '/', no '.' in front, at most {LONGEST} bytes; "
            f"got {text!r:.200}"
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
        raise BenchError(f"not readable: {error}; or delete the cell's folder to run it again") from None
