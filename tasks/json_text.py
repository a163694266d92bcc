"""JSON that others wrote: strict, and whatever is wrong with it is said in one line."""

from __future__ import annotations

import json

from tasks.contract import TaskError
from tasks.notes import Notes


def json_object(data: bytes, where: str, notes: Notes | None = None) -> dict[str, object]:
    """The object that ``data`` is; ``where`` names it in messages. With ``notes``, NaN is read and noted.

    Raises:
        TaskError: as of ``json_value``, or it is something else than an object.
    """
    value = json_value(data, where, notes)
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a JSON object is expected; got {type(value).__name__}")
    return value


def json_value(data: bytes, where: str, notes: Notes | None = None) -> object:
    """The value that ``data`` is. With ``notes``, NaN and infinities are read and noted: others' fields hold them.

    Raises:
        TaskError: not UTF-8, not JSON, nested too deeply, a key that comes up twice in an object, half of a surrogate
            pair; without ``notes`` also NaN and infinities.
    """
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise TaskError(f"{where}: begins with a byte order mark; write the file as UTF-8 without one")
        value = _decoded(text, where, notes)
        if b"\\u" in data:  # half a surrogate pair is valid JSON, but no text: tokenizers would fail on it hours later
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(data, where, error) from None
    except UnicodeEncodeError:
        raise TaskError(f"{where}: holds half of a surrogate pair (\\ud800 to \\udfff); write the file again") from None
    except json.JSONDecodeError as error:
        raise TaskError(f"{where}: invalid JSON ({error.msg}, at character {error.pos}); correct it") from None
    except TaskError:
        raise
    except ValueError as error:
        raise TaskError(f"{where}: invalid JSON ({error}); correct it") from None
    except RecursionError:
        raise TaskError(f"{where}: JSON nested too deeply; is this the right file?") from None
    return value


def not_utf8(data: bytes, where: str, error: UnicodeDecodeError) -> TaskError:
    """The line that says so."""
    how = "it looks like UTF-16: " if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
    return TaskError(f"{where}: not UTF-8 (byte {error.start}); {how}convert the file")


def _decoded(text: str, where: str, notes: Notes | None) -> object:
    try:
        return _DECODER.decode(text)
    except _NoNumber:
        if notes is None:
            raise
    notes.repaired("records with NaN or infinity", where)
    return _LENIENT.decode(text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; readers differ in which of two equal keys they take, so there is one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r:.40} comes up twice in an object")
    return found


class _NoNumber(ValueError):
    pass


def _no_number(name: str) -> object:
    raise _NoNumber(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
_LENIENT = json.JSONDecoder(object_pairs_hook=_unique)
