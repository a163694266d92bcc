"""Written aside, synced, renamed; never through a link."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import BenchError


@contextmanager
def told_in_one_line(target: Path) -> Iterator[None]:
    """Make one line of what the system says where something cannot be written (full, read-only, no rights).

    Raises:
        BenchError: it said so in the block.
    """
    try:
        yield
    except OSError as error:
        raise BenchError(f"{error.filename or target}: cannot be written ({error.strerror or error})") from None
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):
            raise
        raise BenchError(f"{target}: cannot be written ({' '.join(str(error).split())})") from None


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
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(aside, target)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            with suppress(OSError):
                aside.unlink()


def clear_unfinished(cell: Path) -> None:
    """Remove what a killed process was writing of a cell, as long as nobody else is at work in it."""
    for path in (*cell.parent.glob(f".{cell.name}.partial-*"), *cell.rglob(".*.partial-*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


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
    """Refuse a folder that results cannot be written to before any work is done."""
    with written_aside(folder / ".probe") as aside:
        aside.write_text("")
    (folder / ".probe").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
