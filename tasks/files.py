"""Reading files below a data root; whatever is wrong with one is said in one line with file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from tasks.contract import TaskError

MAX_LINE = 10_000_000
"""Bytes of a line; a longer one is refused, so that a hostile archive cannot fill the memory."""

MAX_FILE = 2_000_000_000
"""Unpacked bytes of a JSON file that is read as a whole."""


def below(root: Path | None, name: str, what: str) -> Path:
    """``root / name``; refused where there is no root, or the name leaves it."""
    if root is None:
        raise TaskError(f"{what} is read from a local folder; give it with --data-root")
    if not root.is_dir():
        raise TaskError(f"{root}: no such folder; --data-root names the folder that holds {name}")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise TaskError(f"{name!r} leaves the data root; names are relative and have no '..'")
    return root / name


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file (gzip where the name ends in .gz)."""
    value = _parse(b"".join(line for _, line in _lines(path)), str(path))
    if not isinstance(value, dict):
        raise TaskError(f"{path}: a JSON object is expected; got {type(value).__name__}")
    return value


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Line number (from 1) and object of every line that is not blank."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        value = _parse(line, f"{path}, line {number}")
        if not isinstance(value, dict):
            raise TaskError(f"{path}, line {number}: a JSON object is expected; got {type(value).__name__}")
        yield number, value


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    total, number = 0, 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                total += len(line)
                if total > MAX_FILE or (len(line) > MAX_LINE and path.name.endswith((".jsonl", ".jsonl.gz"))):
                    raise TaskError(f"{path}, line {number}: longer than any data set here; is this the right file?")
                yield number, line
    except FileNotFoundError:
        raise TaskError(f"{path}: no such file; check --data-root") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TaskError(f"{path}, after line {number}: broken gzip ({error}); fetch the file again") from None
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror or error})") from None


def _parse(data: bytes, where: str) -> object:
    try:
        value: object = json.loads(data.decode("utf-8"))
        if (
            b"\\u" in data
        ):  # half of a surrogate pair is valid JSON but no text: a tokenizer would fail on it, hours later
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except UnicodeDecodeError as error:
        raise TaskError(f"{where}: not UTF-8 (byte {error.start}); convert the file") from None
    except UnicodeEncodeError:
        raise TaskError(f"{where}: holds half of a surrogate pair (\\ud800 to \\udfff); write the file again") from None
    except RecursionError:
        raise TaskError(f"{where}: JSON nested too deeply") from None
    except ValueError as error:  # json's own errors, and numbers with more digits than Python reads
        raise TaskError(f"{where}: invalid JSON ({error})") from None
