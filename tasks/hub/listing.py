"""The files of a commit with their sizes and checksums, as the Hub has them; kept: a second run asks nothing."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tasks.contract import TaskError
from tasks.files import cache
from tasks.hub.asking import api
from tasks.hub.commits import folder
from tasks.hub.modes import offline
from tasks.hub.names import Name
from tasks.hub.words import AWAY, HubError

SHA256, SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class Entry(NamedTuple):
    """A file of a commit.

    Attributes:
        path: in the repository.
        size: bytes.
        checksum: sha256 of large files (64 digits), git's sha1 of others (40), as the Hub records them.
    """

    path: str
    size: int
    checksum: str


def listing(name: Name) -> tuple[Entry, ...]:
    """All files of a commit, by path.

    Where no list is kept and the Hub cannot be asked, those of the library's cache, which knows each by its checksum.

    Raises:
        HubError: neither.
    """
    kept = cache() / "hub" / f"{name.kind}s" / name.repo / f"{name.revision}.json"
    found = _read(kept)
    if found is not None:
        return found
    try:
        pages = list(api(name, f"tree/{name.revision}?recursive=true"))
    except HubError as error:
        cached = _cached(name) if error.kind in AWAY else ()
        if not cached:
            raise
        return cached
    found = tuple(sorted(_entry(row, name) for page in pages for row in page if row.get("type") == "file"))
    _keep(kept, found)
    return found


def entry_of(name: Name, path: str) -> Entry:
    """What a commit has under a path.

    Raises:
        HubError: nothing; without a network, nothing that is known here.
    """
    for entry in listing(name):
        if entry.path == path:
            return entry
    if offline():
        raise HubError("offline", f"{name}: {path!r} is not here, and the network is switched off")
    raise HubError("file", f"{name} has no file {path!r}; {name.url}/tree/{name.revision} lists what it has")


def _entry(row: dict[str, object], name: Name) -> Entry:
    path, size, large = row.get("path"), row.get("size"), row.get("lfs")
    checksum = large.get("oid") if isinstance(large, dict) else row.get("oid")
    entry = _checked([path, size, str(checksum).removeprefix("sha256:")])
    if entry is None:
        raise HubError("portal", f"{name}: the Hub lists {path!r:.80} in a form that is not known here")
    return entry


def _checked(value: object) -> Entry | None:
    if not (isinstance(value, list) and len(value) == 3):
        return None
    path, size, checksum = value
    if not (isinstance(path, str) and type(size) is int and isinstance(checksum, str)):
        return None
    inside = PurePosixPath(path)
    if inside.is_absolute() or ".." in inside.parts or not path or not path.isprintable():
        return None
    return Entry(path, size, checksum) if SHA256.fullmatch(checksum) or SHA1.fullmatch(checksum) else None


def _cached(name: Name) -> tuple[Entry, ...]:
    """The library's cache: its files are links to blobs that are called after their checksums."""
    top = folder(name) / "snapshots" / name.revision
    found = []
    for path in sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else ():
        blob = Path(os.readlink(path)).name if path.is_symlink() else ""
        entry = _checked([path.relative_to(top).as_posix(), path.stat().st_size, blob])
        if entry is None:
            raise TaskError(f"{path}: nothing says what this file has to be; run once with a network, which does")
        found.append(entry)
    _require_all_parts(found, name)
    return tuple(found)


def _require_all_parts(entries: Iterable[Entry], name: Name) -> None:
    """Files that are numbered ``-00000-of-00003`` are all there."""
    parts: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        seen = re.search(r"^(.*)-(\d{5})-of-(\d{5})", entry.path)
        if seen:
            parts.setdefault((seen[1], seen[3]), set()).add(seen[2])
    for (stem, of), there in parts.items():
        if len(there) < int(of):
            few = f"{len(there)} of {int(of)} files {stem}-* are here"
            raise HubError("offline", f"{name}: {few}, and the Hub cannot be asked; fetch it where there is a network")


def _read(path: Path) -> tuple[Entry, ...] | None:
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    found = [_checked(row) for row in rows] if isinstance(rows, list) else [None]
    return None if None in found or not found else tuple(e for e in found if e is not None)


def _keep(path: Path, entries: tuple[Entry, ...]) -> None:
    """Written aside and renamed; where the cache cannot be written, the Hub is asked again next time."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(entries), encoding="utf-8")
        aside.replace(path)
