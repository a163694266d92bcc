"""JSON that others wrote: strict, and whatever is wrong with it is said in one line."""

from __future__ import annotations

import json

from tasks.contract import TaskError


def json_object(data: bytes, where: str) -> dict[str, object]:
    """The object that ``data`` is; ``where`` names it in messages.

    Raises:
        TaskError: as of ``json_value``, or it is something else than an object.
    """
    value = json_value(data, where)
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a JSON object is expected; got {type(value).__name__}")
    return value


def json_value(data: bytes, where: str) -> object:
    """The value that ``data`` is.

    Raises:
        TaskError: not UTF-8, not JSON (NaN and infinities are none), nested too deeply, a key that comes up twice in
            an object, or half of a surrogate pair.
    """
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise TaskError(f"{where}: begins with a byte order mark; write the file as UTF-8 without one")
        value: object = _DECODER.decode(text)
        if b"\\u" in data:  # half a surrogate pair is valid JSON, but no text: tokenizers would fail on it hours later
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(f"{where}: not UTF-8 (byte {error.start}); convert the file") from None
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


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; readers differ in which of two equal keys they take, so there is one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r:.40} comes up twice in an object")
    return found


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
