"""Files of a commit, here: fetched where they are not, each held against the checksum that the Hub records."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tasks.checksums import checksum
from tasks.files import is_file
from tasks.hub.asking import asked
from tasks.hub.commits import folder
from tasks.hub.listing import Entry, listing
from tasks.hub.modes import looking, offline, tell
from tasks.hub.names import Name
from tasks.hub.words import HubError, place

AT_ONCE = 4
"""Files that are fetched at a time."""

SAID_FROM = 1_000_000
"""Bytes from which it is said how much will be fetched."""


class NotHere(HubError):
    """Files would have to be fetched, and that was not allowed.

    Attributes:
        name: of the repository.
        files: how many.
        size: their bytes.
    """

    def __init__(self, name: Name, files: int, size: int, why: str) -> None:
        super().__init__("offline", f"{name}: {files:,} files ({told_size(size)}) are not here, and {why}")
        self.name, self.files, self.size = name, files, size


_LACKING: dict[Name, tuple[int, int]] = {}


def lacking() -> dict[Name, tuple[int, int]]:
    """What was missing so far while nothing could be fetched: files and bytes."""
    return dict(_LACKING)


def note_lacking(name: Name, files: int, size: int) -> None:
    """Something is missing that may not be fetched now."""
    _LACKING[name] = (files, size)


def have(name: Name, wanted: Callable[[str], bool], to_look: bool = False) -> Path:
    """The folder of a commit in which all wanted files are, proven to be of it.

    Args:
        name: of the repository, at a commit.
        wanted: which of its files.
        to_look: they are small, and say what there is: also a dry run fetches them.

    Raises:
        NotHere: some are not, and nothing may be fetched.
        HubError: they cannot be had.
    """
    top = folder(name) / "snapshots" / name.revision
    entries = [entry for entry in listing(name) if wanted(entry.path)]
    missing = [entry for entry in entries if not is_file(top / entry.path)]
    if missing:
        _fetch(name, missing, to_look)
    for entry in entries:
        _require_whole(name, top, entry)
    return top


def why_not() -> str:
    """Why nothing is fetched now."""
    return "a dry run fetches nothing" if looking() else "the network is switched off"


def size_of(entries: Sequence[Entry]) -> int:
    """Bytes of some files."""
    return sum(entry.size for entry in entries)


def told_size(size: float) -> str:
    """Bytes for people: ``3.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def _fetch(name: Name, entries: Sequence[Entry], to_look: bool) -> None:
    size = size_of(entries)
    if (looking() and not to_look) or offline():
        note_lacking(name, len(entries), size)
        raise NotHere(name, len(entries), size, why_not())
    _require_room(name, size)
    if size >= SAID_FROM:
        tell(f"fetching {name}: {len(entries):,} files, {told_size(size)}")
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
    with ThreadPoolExecutor(min(AT_ONCE, len(entries))) as pool:
        list(pool.map(partial(_download, name), entries))


def _require_room(name: Name, size: int) -> None:
    there = Path(place())
    while not there.exists() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    if size > free:
        few = f"{told_size(size)}, and {place()} has {told_size(free)} left"
        raise HubError("disk", f"{name} takes {few}; make room there, or let HF_HOME name a larger disk")


def _download(name: Name, entry: Entry, again: bool = False) -> None:
    from huggingface_hub import hf_hub_download

    asked(
        lambda: hf_hub_download(
            name.repo, entry.path, repo_type=name.kind, revision=name.revision, force_download=again
        ),
        name,
        entry.path,
    )


def _require_whole(name: Name, top: Path, entry: Entry) -> None:
    """Refuse a file that is not the recorded one; it is fetched once more where that is allowed."""
    path = top / entry.path
    if _digest(path, entry) == entry.checksum:
        return
    if not (offline() or looking()):
        tell(f"{name}: {entry.path} here is not what the Hub records; fetched again")
        _download(name, entry, again=True)
        if _digest(path, entry) == entry.checksum:
            return
        found = _digest(path, entry)
        path.unlink()  # the link: no other program takes it for whole
        raise HubError("damaged", f"{name}: {entry.path} arrives damaged ({found[:12]}, the Hub records "
                       f"{entry.checksum[:12]}); try again later, or from another network")  # fmt: skip
    raise HubError("damaged", f"{path}: is not the file of {name} ({_digest(path, entry)[:12]}, the Hub records "
                   f"{entry.checksum[:12]}); run once with a network, which fetches it again")  # fmt: skip


def _digest(path: Path, entry: Entry) -> str:
    if len(entry.checksum) == 64:
        return checksum(path)
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
