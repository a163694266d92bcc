"""Reading files below a data root; whatever is wrong with one is said in one line with file and line."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from tasks.contract import TaskError
from tasks.json_text import json_object, json_value, not_utf8
from tasks.notes import Notes

MAX_LINE = 10_000_000
"""Bytes of a line of JSON lines; a longer one is refused before it is held, as a hostile archive would have it."""

MAX_FILE = 256_000_000
"""Unpacked bytes of a JSON file that is read as a whole."""

UNPACK_RATIO = 100
"""How many times its size a gzip file may unpack to, unless BENCH_UNPACK_RATIO says otherwise; text has 3 to 30."""

UNPACK_FREE = 1 << 24
"""Bytes that any gzip file may unpack to."""


def below(root: Path | None, name: str, what: str) -> Path:
    """``root / name``; refused where there is no root, or the name leaves it."""
    if root is None:
        raise TaskError(f"{what} is read from a local folder; give it with --data-root")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise TaskError(f"{name!r:.200} leaves the data root; names are relative and have no '..'")
    if not is_folder(root):
        raise TaskError(f"{root}: no such folder; --data-root names the folder that holds {name}")
    return root / name


def find(root: Path | None, name: str, what: str, elsewhere: str = "") -> Path:
    """``root / name``; without a root, or where the root lacks it, the place where fetched data are kept.

    Raises:
        TaskError: it is in neither; ``elsewhere`` ends what is said.
    """
    given = below(root, name, what) if root is not None else None
    if given is not None and (is_file(given) or is_folder(given)):
        return given
    kept = cache() / name
    if is_file(kept) or is_folder(kept):
        return kept
    if given is not None:
        return given
    raise TaskError(
        f"{what} is read from a local folder; give the folder that holds {name} with --data-root{elsewhere}"
    )


def is_file(path: Path) -> bool:
    """Whether an ordinary file is there; no for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """The same for a folder."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def listed(folder: Path, pattern: str) -> list[Path]:
    """Files and folders in ``folder`` by a pattern, sorted; none where there is no such folder."""
    try:
        return sorted(folder.glob(pattern)) if is_folder(folder) else []
    except OSError as error:
        raise _unreadable(folder, error) from None


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
        if is_file(path):
            return path
    raise TaskError(f"{folder / name}: no such file, nor {name}.gz; check --data-root")


def sha256(path: Path) -> str:
    """Checksum of a file of any size, as 64 hexadecimal digits."""
    try:
        with _ordinary(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def read_json(path: Path, notes: Notes | None = None) -> dict[str, object]:
    """The JSON object in a file (gzip where the name ends in .gz); with ``notes`` as ``read_jsonl``."""
    return json_object(_whole(path, notes), str(path), notes)


def read_value(path: Path) -> object:
    """The JSON value in a file."""
    return json_value(_whole(path), str(path))


def _whole(path: Path, notes: Notes | None = None) -> bytes:
    parts: list[bytes] = []
    left = MAX_FILE
    for number, part in _cleaned(path, notes):
        left -= len(part)
        if left < 0:
            raise TaskError(
                f"{path}, line {number}: longer than any data set here ({MAX_FILE} bytes); is this the right file?"
            )
        parts.append(part)
    return b"".join(parts)


def read_jsonl(path: Path, notes: Notes | None = None) -> Iterator[tuple[int, dict[str, object]]]:
    """Line number (from 1) and object of every line that is not blank (gzip where the name ends in .gz).

    With ``notes``, byte order marks, line ends of Windows and NaN are noted there; without, marks and NaN are refused.
    """
    for number, line in _cleaned(path, notes):
        if len(line) > MAX_LINE:
            raise TaskError(
                f"{path}, line {number}: longer than any data set here ({MAX_LINE} bytes); is this JSON lines?"
            )
        if line.strip():
            yield number, json_object(line, f"{path}, line {number}", notes)


def read_lines(path: Path, notes: Notes | None = None) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of every line that is not blank, without its end; ``notes`` as ``read_jsonl``."""
    for number, line in _cleaned(path, notes):
        if len(line) > MAX_LINE:
            raise TaskError(f"{path}, line {number}: longer than any data set here ({MAX_LINE} bytes); is this text?")
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise not_utf8(line, f"{path}, line {number}", error) from None
        if text.strip():
            yield number, text


BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _cleaned(path: Path, notes: Notes | None) -> Iterator[tuple[int, bytes]]:
    """Lines by number. With ``notes``, marks in front of a line (files that were put together have several) go."""
    if notes is None:
        yield from _lines(path)
        return
    for number, line in _lines(path):
        if line.endswith(b"\r\n"):
            notes.repaired("lines that end as on Windows", f"{path}, line {number}")
        if line.startswith(BYTE_ORDER_MARK):
            notes.repaired("byte order marks", f"{path}, line {number}")
            line = line.removeprefix(BYTE_ORDER_MARK)
        yield number, line


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines by number; what goes beyond ``MAX_LINE`` bytes comes in parts."""
    number = size = 0
    try:
        with _ordinary(path) as packed, gzip.open(packed) if path.suffix == ".gz" else packed as file:
            limit = _unpacked_limit(path) if path.suffix == ".gz" else None
            while line := file.readline(MAX_LINE + 1):
                number += 1
                size += len(line)
                if number == 1:
                    _require_unpacked(path, line)
                if limit is not None and size > limit:
                    raise TaskError(
                        f"{path}, line {number}: unpacks to more than {limit:,} bytes, the limit for its size (a gzip "
                        "bomb?); if it is meant to, set the variable BENCH_UNPACK_RATIO higher"
                    )
                yield number, line
    except TaskError:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        plain = "" if number else f", or call it {path.name.removesuffix('.gz')} if it is plain text"
        raise TaskError(f"{path}, after line {number}: broken gzip ({error}); fetch the file again{plain}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
"""How packed files begin."""


def _require_unpacked(path: Path, first: bytes) -> None:
    kind = next((kind for begin, kind in PACKED.items() if first.startswith(begin)), None)
    if kind is not None:
        inside = " within gzip" if path.suffix == ".gz" else ""
        how = f"call it {path.name}.gz" if kind == "gzip" and not inside else "unpack it"
        raise TaskError(f"{path}: its content is packed with {kind}{inside}; {how}")


def _ordinary(path: Path) -> io.BufferedReader:
    """Open a file; nothing else: a pipe or device would be read without end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not an ordinary file")
    return path.open("rb")


def _unpacked_limit(path: Path) -> int:
    given = os.environ.get("BENCH_UNPACK_RATIO", str(UNPACK_RATIO))
    if not (given.isascii() and given.isdigit() and int(given[:9]) > 0):
        raise TaskError(f"BENCH_UNPACK_RATIO is a whole number above 0; got {given!r:.40}")
    return max(UNPACK_FREE, int(given[:9]) * path.stat().st_size)


def _unreadable(path: Path, error: OSError | ValueError) -> TaskError:
    if isinstance(error, FileNotFoundError):
        return TaskError(f"{path}: no such file; check --data-root")
    return TaskError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")
