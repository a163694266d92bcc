"""Of several processes, on one machine or many, one holds ``.<name>.lock`` and may write ``<name>`` beside it.

A lock is a folder with one file, named after a token that never comes again, and is put in place by a rename, which
fails where one stands already. A lock whose process died is not removed, since somebody else may just have done so, but
followed: who is first to put ``.<name>.lock.<its token>`` in place holds the lock, and removes all of them at the end.

Whether a process lives is asked of the system where it is one of this machine: its pid with its start time, so that a
pid used again is told apart. A process of another machine lives while its file's time keeps changing: it is renewed
every ``BEAT`` seconds, and ``SILENCE`` seconds without a change, on this process's own monotonic clock, are its death.
Two clocks are never compared. Assumed of the folder: folders are renamed atomically, and a change is seen elsewhere
within ``SILENCE`` (NFS: a minute at most).

Why not ``filelock.SoftFileLease`` (tried: 4.3.1). It takes over by exchanging two names, which NFS cannot: a process
killed there holds its lease for ever, and on every disk one that is killed before it wrote into its file. A process
that is stopped loses its lease, although the system knows that it lives; one of another machine with the same host name
is taken for dead at once.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from glob import escape
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from bench.errors import BenchError
from bench.store.writing import told_in_one_line

BEAT = 10.0  # seconds between two signs of life
SILENCE = 120.0  # seconds without one after which a process of another machine counts as dead
POLL = 1.0  # seconds between two looks at a lock that is waited for
TRIES = 100  # looks at a lock that is given back whenever it is to be taken

LOCK = re.compile(r"\.(.+?)\.lock(\..*)?", re.DOTALL)
"""Names of locks, and of what is on its way to become one."""


STANDS = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
"""How a rename fails where a lock stands, where the answer to one that succeeded was lost on the way (NFS), or where
who got the lock meanwhile has cleared away what was to be renamed."""


GONE = (errno.ENOENT, errno.ESTALE)
"""How reading fails of what was removed meanwhile, here or by another machine."""


class Owner(NamedTuple):
    """A process that holds a lock.

    Attributes:
        token: of this holding; never comes again.
        machine: as ``machine`` says; '' where it is not known.
        host: for people.
        pid: its number on that machine.
        start: when it started, as ``/proc`` counts.
    """

    token: str
    machine: str
    host: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Standing(NamedTuple):
    """A lock on disk: its folder, who put it there, and the last sign of life, which is compared for change only."""

    folder: Path
    owner: Owner
    beat: int


class Watch:
    """Tells whether the process of a lock lives; it remembers what it saw of other machines.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[int, float]] = {}

    def lives(self, lock: Standing) -> bool:
        """Whether the process may still be at work."""
        owner, now = lock.owner, self._clock()
        if owner.machine and owner.machine == machine():
            return runs(owner.pid, owner.start)
        beat, since = self._heard.setdefault(owner.token, (lock.beat, now))
        if beat != lock.beat:
            self._heard[owner.token] = (lock.beat, now)
        return beat != lock.beat or now - since < SILENCE


class Lock:
    """A lock that this process holds; it gives signs of life until it is released.

    Attributes:
        after: the dead process that it was taken over from.
    """

    def __init__(self, path: Path, own: Standing, after: Owner | None) -> None:
        self.after = after
        self._path, self._own, self._stop = path, own, Event()
        Thread(target=self._beat, daemon=True, name=f"lock of {path.name}").start()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError):
                os.utime(self._own.folder / self._own.owner.token)

    def require_held(self) -> None:
        """Refuse to go on once others took this process for dead, because it was stopped for long.

        It looks at the disk, so who wakes up and asks before it writes does not write into what others hold.

        Raises:
            BenchError: they did.
        """
        with told_in_one_line(self._path):
            held = _head(self._path) == self._own.owner.token
        if not held:
            raise BenchError(
                f"{self._path}: its lock was deleted, or taken over since this process gave no sign of life for "
                f"{SILENCE:.0f} s; run the same command again"
            )

    def release(self) -> None:
        """Give the lock back; what cannot be removed counts as dead with this process."""
        self._stop.set()
        with suppress(OSError):
            standing = _standing(self._path)
            if standing and standing[-1].owner.token == self._own.owner.token:
                for each in standing:  # the first goes first: what follows it is then out of force
                    _remove(each.folder)


def attempt(path: Path, watch: Watch) -> Lock | Owner:
    """Take the lock of ``path``; where a living process holds it, that one is returned.

    Raises:
        BenchError: the folder cannot be written.
    """
    with told_in_one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            standing = _standing(path)
            if standing and watch.lives(standing[-1]):
                return standing[-1].owner
            own = _put(_successor(path, standing[-1].owner.token if standing else ""))
            if _head(path) == own.owner.token:
                _clear(path)
                return Lock(path, own, standing[-1].owner if standing else None)
            late = _read(own.folder)
            if late and late.owner.token == own.owner.token:  # put behind a lock that was given back meanwhile
                _remove(own.folder)
    raise BenchError(f"{_successor(path, '')}: this lock cannot be taken; delete it where no process is at work")


def tidy(folder: Path) -> None:
    """Remove what killed processes left of locks in a folder, as far as nobody holds them."""
    watch = Watch()
    for name in sorted({found[1] for path in folder.glob(".*.lock*") if (found := LOCK.fullmatch(path.name))}):
        with suppress(BenchError):
            taken = attempt(folder / name, watch)
            if isinstance(taken, Lock):
                taken.release()


@contextmanager
def hold(path: Path, say: Callable[[str], None]) -> Iterator[Lock]:
    """Hold the lock of ``path``, waiting for whoever has it.

    Raises:
        BenchError: the folder cannot be written.
    """
    watch, told = Watch(), ""
    while isinstance(found := attempt(path, watch), Owner):
        if str(found) != told:
            told = str(found)
            say(f"{path.name}: in work elsewhere ({found}), waited for")
        time.sleep(POLL)
    try:
        yield found
    finally:
        found.release()


@lru_cache(maxsize=1)
def machine() -> str:
    """This machine since its last start, with the name space that pids belong to; '' where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started(pid: int) -> str:
    """When a process started, in ticks since the machine did; '' for one that has ended.

    Raises:
        OSError: ``/proc`` does not show it.
    """
    state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return "" if state in (b"Z", b"X") else fields[18].decode()  # proc(5): field 22; the state is field 3


def runs(pid: int, start: str) -> bool:
    """Whether a process of this machine runs that started then."""
    try:
        return started(pid) == start
    except OSError:  # gone, or hidden from this user
        try:
            os.kill(pid, 0)
        except (OSError, OverflowError) as error:
            return isinstance(error, PermissionError)
        return True


def _standing(path: Path) -> list[Standing]:
    """The lock of ``path`` and those that followed it; the last one is in force."""
    found: list[Standing] = []
    folder = _successor(path, "")
    while (lock := _read(folder)) is not None and lock.owner.token not in {each.owner.token for each in found}:
        found.append(lock)
        folder = _successor(path, lock.owner.token)
    return found


def _head(path: Path) -> str | None:
    """The token in force."""
    standing = _standing(path)
    return standing[-1].owner.token if standing else None


def _successor(path: Path, token: str) -> Path:
    """Where the lock stands that follows a token ('': the first one)."""
    return path.with_name(f".{path.name}.lock{token and '.'}{token}")


def _read(folder: Path) -> Standing | None:
    """The lock in a folder."""
    try:
        token = next(iter(os.listdir(folder)), None)
        if token is None:
            return None
        text = (folder / token).read_bytes()  # opened first: NFS then asks for the time anew
        beat = (folder / token).stat().st_mtime_ns
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None
    try:
        told = json.loads(text)
        owner = Owner(token, str(told["machine"]), str(told["host"]), int(told["pid"]), str(told["start"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # damaged: it still beats
        owner = Owner(token, "", "an unknown machine", 0, "")
    return Standing(folder, owner, beat)


def _put(folder: Path) -> Standing:
    """Try to put a lock of this process into place; whether it stands there has to be looked up."""
    start = started(os.getpid()) if machine() else ""
    owner = Owner(secrets.token_hex(8), machine(), platform.node(), os.getpid(), start)
    aside = folder.with_name(f"{folder.name}.aside-{owner.token}")
    aside.mkdir()
    try:
        (aside / owner.token).write_text(json.dumps(owner._asdict()) + "\n", encoding="utf-8")
        os.rename(aside, folder)
    except OSError as error:
        if error.errno not in STANDS:
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Standing(folder, owner, 0)


def _clear(path: Path) -> None:
    """Remove what others left on its way to become a lock, or to be deleted; who is still at it tries again."""
    for aside in path.parent.glob(f".{escape(path.name)}.lock*.aside-*"):
        shutil.rmtree(aside, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Out of force at once, then from the disk."""
    aside = folder.with_name(f"{folder.name}.aside-{secrets.token_hex(8)}")
    os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)
