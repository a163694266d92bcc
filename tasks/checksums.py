"""Checksums of data files, kept so that unchanged files are not read again.

What is known of a file is kept by its path, size, inode and times (of content and of change, in nanoseconds). A file
that was touched a moment before is read again next time: an edit within the clock's grain would go unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tasks.files import cache, sha256

VERIFY = "BENCH_VERIFY"
"""Variable that makes this process and its children read every file again."""

FRESH = 2_000_000_000
"""Nanoseconds for which a file that was changed is not trusted to be told from an edit: the grain of file systems."""


def verify() -> None:
    """From now on read every file again, whatever is known of it."""
    os.environ[VERIFY] = "1"


def checksums(files: Iterable[Path], parts: int = 2) -> dict[str, str]:
    """The last ``parts`` of each path, as ``folder/name`` -> sha256; more where two files would have one name.

    Of qrels the data set's folder stands there too, so that two languages' files do not collide. Names are those of
    the absolute paths: from which folder one is given decides nothing.
    """
    paths = list(dict.fromkeys(Path(os.path.abspath(path)) for path in files))
    depth = {path: parts + (parts == 2 and path.parent.name == "qrels") for path in paths}
    while len({_named(p, d) for p, d in depth.items()}) < len(paths) and max(depth.values()) < 99:
        names = [_named(p, d) for p, d in depth.items()]
        depth = {p: d + (names.count(_named(p, d)) > 1) for p, d in depth.items()}
    return {_named(path, depth[path]): checksum(path) for path in paths}


def _named(path: Path, depth: int) -> str:
    return "/".join(path.parts[-depth:])


def checksum(path: Path) -> str:
    """sha256 of a file as 64 hexadecimal digits; read only where the file is not known as it is now.

    Raises:
        TaskError: it cannot be read.
    """
    entry = cache() / "checksums" / (hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32] + ".json")
    before = _state(path)
    if before is not None and not os.environ.get(VERIFY):
        known = _known(entry)
        if known is not None and known[:-1] == before:
            return str(known[-1])
    found = sha256(path)
    if before is not None and before == _state(path) and time.time_ns() - max(before[2:]) > FRESH:
        _keep(entry, [*before, found])
    return found


State = list[int] | None
"""Size, inode and times of a file; None of one that is not there."""


def states(files: Iterable[Path]) -> dict[Path, State]:
    """How files are now, by what changes whenever they do."""
    return {path: _state(path) for path in files}


def _state(path: Path) -> State:
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return None
    return [seen.st_size, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns]


def _known(entry: Path) -> list[object] | None:
    try:
        found = json.loads(entry.read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, list) and len(found) == 5 and isinstance(found[-1], str) and len(found[-1]) == 64
    return found if whole else None


def _keep(entry: Path, known: list[object]) -> None:
    """Written aside and renamed; where the cache cannot be written, files are read again next time."""
    aside = entry.with_name(f"{entry.name}.{secrets.token_hex(4)}")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(known), encoding="utf-8")
        aside.replace(entry)
    except OSError:
        with suppress(OSError):
            aside.unlink()
