"""What values out of stored files must be, checked before they are used: others may have written them."""

from __future__ import annotations

from typing import Any

from bench.errors import BenchError

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
