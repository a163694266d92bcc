"""The cells that a run has left, taken one at a time under their locks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import lock
from bench.job import Job
from bench.lock import Lock, Owner, Watch
from bench.writing import clear_unfinished


class Left(NamedTuple):
    """What is left to do of a cell: the tasks to score it on, and whether training texts are needed for it."""

    tasks: list[str]
    to_train: bool


class Claims:
    """Hands out cells in their order; what other processes hold is left for the end and waited for.

    A cell comes behind the cells that it is made of. Of several processes that train together, the first one alone
    has claims.

    Args:
        jobs: the cells that were unfinished when the run began, parents first.
        left: what is left of a cell now; None where it is finished.
        folder: the experiment's.
        say: prints a line of progress.
    """

    def __init__(
        self, jobs: Sequence[Job], left: Callable[[Job], Left | None], folder: Path, say: Callable[[str], None]
    ) -> None:
        self._pending = list(jobs)
        self._left, self._folder, self._say = left, folder, say
        self._watch, self._told = Watch(), dict[str, str]()
        self._held: Lock | None = None

    def take(self) -> tuple[str, Left] | None:
        """The next cell, locked until ``release``, and what is left of it; None once all are finished."""
        while self._pending:
            for job in self._ready():
                left = self._taken(job)
                if left is not None:
                    return job.name, left
                if job not in self._pending:
                    break  # finished elsewhere: cells that are made of it come first
            else:
                self._say_once("", f"waiting for {', '.join(job.name for job in self._pending)}")
                time.sleep(lock.POLL)
        return None

    def require_held(self) -> None:
        """Refuse to go on if the lock was lost (``Lock.require_held``)."""
        if self._held is not None:
            self._held.require_held()

    def release(self) -> None:
        """Give the cell back that was taken last."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def _ready(self) -> list[Job]:
        """The cells whose parents are all finished."""
        names = {job.name for job in self._pending}
        return [job for job in self._pending if not names & {parent.name for parent in job.parents}]

    def _taken(self, job: Job) -> Left | None:
        """What is left of a cell, if it could be locked and is not finished."""
        path = self._folder / job.name
        found = lock.attempt(path, self._watch)
        if isinstance(found, Owner):
            self._say_once(job.name, f"{job.name}: in work elsewhere ({found}), left for the end")
            return None
        self._held = found
        self._pending.remove(job)
        left = self._left(job)
        if left is None:
            self._say(f"{job.name}: finished by another process")
            self.release()
            return None
        if found.after is not None:
            self._say(f"{job.name}: taken over, {found.after} has ended in it")
        clear_unfinished(path)
        return left

    def _say_once(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            self._say(line)
