"""Reading files below a data root; whatever is wrong with one is said in one line with file and line."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.contract import TaskError

MAX_LINE = 10_000_000
"""Bytes of a line of JSON lines; a longer one is refused before it is held, as a hostile archive would have it."""

MAX_FILE = 256_000_000
"""Unpacked bytes of a JSON file that is read as a whole."""


def below(root: Path | None, name: str, what: str) -> Path:
    """``root / name``; refused where there is no root, or the name leaves it."""
    if root is None:
        raise TaskError(f"{what} is read from a local folder; give it with --data-root")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise TaskError(f"{name!r} leaves the data root; names are relative and have no '..'")
    if not root.is_dir():
        raise TaskError(f"{root}: no such folder; --data-root names the folder that holds {name}")
    return root / name


def find(root: Path | None, name: str, what: str) -> Path:
    """``root / name``; without a root, or where the root lacks it, the place where fetched data are kept.

    Raises:
        TaskError: it is in neither, with the command that would fetch it where there is one.
    """
    given = below(root, name, what) if root is not None else None
    if given is not None and given.exists():
        return given
    kept = cache() / name
    if kept.exists():
        return kept
    if given is not None:
        return given
    raise TaskError(
        f"{what} is read from a local folder; give the folder that holds {name} with --data-root, or fetch what can "
        f"be fetched with 'python -m bench data fetch {what}'"
    )


def cache() -> Path:
    """Where fetched data are kept: the variable BENCH_CACHE, or the user's cache folder."""
    given = os.environ.get("BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "batch-strategy-bench"


def first_existing(folder: Path, name: str) -> Path:
    """``folder / name``, or that gzipped.

    Raises:
        TaskError: neither is there.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise TaskError(f"{folder / name}: no such file, nor {name}.gz; check --data-root")


def checksums(files: Iterable[Path]) -> dict[str, str]:
    """``folder/name`` -> sha256; of qrels the data set's folder too, so that two languages' files do not collide."""
    found = {}
    for path in files:
        parts = path.parts[-3:] if path.parent.name == "qrels" else path.parts[-2:]
        found["/".join(parts)] = sha256(path)
    return found


def sha256(path: Path) -> str:
    """Checksum of a file of any size, as 64 hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file (gzip where the name ends in .gz)."""
    parts: list[bytes] = []
    left = MAX_FILE
    for number, part in _lines(path):
        left -= len(part)
        if left < 0:
            raise TaskError(
                f"{path}, line {number}: longer than any data set here ({MAX_FILE} bytes); is this the right file?"
            )
        parts.append(part)
    return _object(b"".join(parts), str(path))


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Line number (from 1) and object of every line that is not blank (gzip where the name ends in .gz)."""
    for number, line in _lines(path):
        if len(line) > MAX_LINE:
            raise TaskError(
                f"{path}, line {number}: longer than any data set here ({MAX_LINE} bytes); is this JSON lines?"
            )
        if line.strip():
            yield number, _object(line, f"{path}, line {number}")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of every line that is not blank, without its end."""
    for number, line in _lines(path):
        if len(line) > MAX_LINE:
            raise TaskError(f"{path}, line {number}: longer than any data set here ({MAX_LINE} bytes); is this text?")
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise TaskError(f"{path}, line {number}: not UTF-8 (byte {error.start}); convert the file") from None
        if text.strip():
            yield number, text


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines by number; what goes beyond ``MAX_LINE`` bytes comes in parts."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TaskError(f"{path}, after line {number}: broken gzip ({error}); fetch the file again") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> TaskError:
    if isinstance(error, FileNotFoundError):
        return TaskError(f"{path}: no such file; check --data-root")
    return TaskError(f"{path}: cannot be read ({error.strerror or error})")


def _object(data: bytes, where: str) -> dict[str, object]:
    try:
        value = json.loads(data.decode("utf-8"))
        if b"\\u" in data:  # half a surrogate pair is valid JSON, but no text: tokenizers would fail on it hours later
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(f"{where}: not UTF-8 (byte {error.start}); convert the file") from None
    except UnicodeEncodeError:
        raise TaskError(f"{where}: holds half of a surrogate pair (\\ud800 to \\udfff); write the file again") from None
    except json.JSONDecodeError as error:
        raise TaskError(f"{where}: invalid JSON ({error.msg}, at character {error.pos}); correct it") from None
    except ValueError as error:
        raise TaskError(f"{where}: invalid JSON ({error}); correct it") from None
    except RecursionError:
        raise TaskError(f"{where}: JSON nested too deeply; is this the right file?") from None
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a JSON object is expected; got {type(value).__name__}")
    return value
