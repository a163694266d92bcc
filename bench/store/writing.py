"""Written aside and renamed, never through a link: who is killed, or finds the disk full, leaves the old or nothing.

A machine that loses power may lose more: what must not be half there then is synced as well (checkpoints, arrays).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from bench.errors import BenchError, one_line


@contextmanager
def told_in_one_line(target: Path) -> Iterator[None]:
    """Make one line of what the system says where something cannot be written (full, read-only, no rights).

    Raises:
        BenchError: it said so in the block.
    """
    try:
        yield
    except FileExistsError as error:
        why = "a file, or a link that leads nowhere, is in its place"
        raise BenchError(f"{error.filename or target}: cannot be written ({why})") from None
    except OSError as error:
        raise BenchError(f"{error.filename or target}: cannot be written ({error.strerror or error})") from None
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):
            raise
        raise BenchError(f"{target}: cannot be written ({one_line(error)})") from None


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``target`` when the block ends well, and vanishes when it does not.

    Raises:
        BenchError: the folder cannot be written, or a link stands in its place.
    """
    aside = target.with_name(f".{target.name}.partial-{secrets.token_hex(6)}")
    require_no_link(target)
    try:
        with told_in_one_line(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            _put_in_place(aside, target)
    finally:
        _remove(aside)


def _put_in_place(aside: Path, target: Path) -> None:
    """A folder replaces none that holds files: the old one moves away whole, and back if the new one cannot come."""
    if not target.is_dir():
        os.replace(aside, target)
        return
    old = aside.with_name(f"{aside.name}-old")
    os.replace(target, old)
    try:
        os.replace(aside, target)
    except OSError:
        os.replace(old, target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder that may be there."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def clear_unfinished(target: Path) -> None:
    """Remove what a killed process was writing of a folder, as long as nobody else is at work in it."""
    for left in (*target.parent.glob(f".{escape(target.name)}.partial-*"), *target.rglob(".*.partial-*")):
        _remove(left)


def require_no_link(path: Path) -> None:
    """Refuse to write where a symbolic link stands: what it leads to is not of this program.

    The folders that --results and --reports name may be links, what is written below them may not.
    """
    if path.is_symlink():
        raise BenchError(f"{path}: a symbolic link; results and reports are never written through one, remove it")


def require_no_links(folder: Path) -> None:
    """The same for a folder and everything in it; what links inside lead to is not looked at."""
    require_no_link(folder)
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            require_no_link(Path(above) / name)


def require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or a link, before any work is done; the folder is not made."""
    require_no_link(folder)
    with told_in_one_line(folder):
        place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not place.is_dir():
            raise FileExistsError(errno.EEXIST, "no folder", str(place))
        tempfile.TemporaryFile(dir=place).close()  # one without a name, where the system has such: none is left


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk; some shared folders have no way to."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
