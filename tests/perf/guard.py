"""While an input is read: no write, no program and no connection outside of what is allowed, and an end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Outside(BaseException):
    """Something outside of the output folder was to be changed; no ``except Exception`` hides it."""


class Hang(BaseException):
    """An input takes longer than allowed."""


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

CHANGES = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2,
           "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "shutil.rmtree": 1, "shutil.move": 2}  # fmt: skip
"""Audit events that change something, and how many of their arguments are paths."""

NEVER = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "webbrowser.open")

_allowed: list[Path] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _allowed:
        return
    if event in NEVER:
        raise Outside(f"{event} {arguments!r:.200}")
    if event == "open":
        path, mode, flags = arguments
        writes = bool(set(str(mode or "")) & set("wax+")) or (isinstance(flags, int) and bool(flags & WRITES))
        if writes and not isinstance(path, int):
            _require_inside(event, path)
    elif event in CHANGES:
        relative = event in ("os.remove", "os.rmdir", "os.mkdir") and arguments[-1] not in (-1, None)
        for path in arguments[: 0 if relative else CHANGES[event]]:
            _require_inside(event, path)


def _require_inside(event: str, path: object) -> None:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    name = os.fsdecode(path)
    if name == os.devnull:
        return
    whole = os.path.abspath(name)
    above, last = os.path.split(whole)
    real = Path(os.path.realpath(whole if event == "open" else above)) / ("" if event == "open" else last)
    if not real.is_relative_to(_allowed[0]):
        raise Outside(f"{event} {name!r:.200}")


@contextmanager
def writes_only_below(folder: Path) -> Iterator[None]:
    """Within the block, whatever changes a file or folder that is not below ``folder`` raises ``Outside``."""
    if _hook not in _installed:
        sys.addaudithook(_hook)  # cannot be removed again; it does nothing outside of the block
        _installed.append(_hook)
    _allowed.append(Path(os.path.realpath(folder)))
    try:
        yield
    finally:
        _allowed.clear()


_installed: list[object] = []


PATIENCE = 30
"""How many times its limit an input may take by the clock, where it waits or the machine is busy."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Within the block, ``Hang`` is raised after so many seconds of the processor, or ``PATIENCE`` as many in all."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no end after {seconds:g} s")

    timers = {signal.ITIMER_PROF: signal.SIGPROF, signal.ITIMER_REAL: signal.SIGALRM}
    before = {number: signal.signal(number, stop) for number in timers.values()}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
    try:
        yield
    finally:
        for timer, number in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
