"""Which cell goes to the nodes when, and what is done with what comes back; nothing in here knows what a node is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from bench.errors import BenchError
from bench.running.jobs import Job, Left, with_parents
from bench.store import copies, locks
from bench.store.copies import Parcel
from bench.store.locks import Lock, Owner, Watch

RETRIES = 3
"""How often a cell is sent out again whose node or process was lost."""


FILE_PATIENCE = 90.0
"""Seconds until a file that a node has written is seen here, on a shared folder (NFS: a minute at most)."""


class Ticket(NamedTuple):
    """A cell on its way to a node.

    Attributes:
        job: the cell.
        files: what is there of it and of what it is made of, for a node that does not share the folder; None for one
            that does.
        patient: whether the node waits where another process holds the cell.
    """

    job: Job
    files: Parcel | None = None
    patient: bool = False


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        kind: ``finished``; ``elsewhere``: another process finished it; ``held``: another process is at work in it;
            ``apart``: the node does not share the folder, and nothing was done; ``failed``: it would fail again;
            ``lost``: its node or process was lost.
        text: why, for people.
        where: the node, for people.
        files: the finished cell, from a node that got files.
    """

    kind: Literal["finished", "elsewhere", "held", "apart", "failed", "lost"]
    text: str = ""
    where: str = ""
    files: Parcel | None = None


class Nodes(Protocol):
    """Where cells are run."""

    def send(self, ticket: Ticket) -> None:
        """Have a cell run as soon as a node is free."""

    def receive(self) -> tuple[Ticket, Outcome]:
        """What came back first of what was sent; waits for it."""


class Dispatch:
    """Runs cells on nodes, each behind those that it is made of.

    Args:
        jobs: the cells that are left, parents first.
        nodes: where they are run.
        folder: the experiment's.
        left: what is left of a cell, as seen here; None where it is finished.
        say: prints a line.
        count: told of every cell that is finished, with a line about it.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        nodes: Nodes,
        folder: Path,
        left: Callable[[Job], Left | None],
        say: Callable[[str], None],
        count: Callable[[str], None],
    ) -> None:
        self._nodes, self._folder, self._left, self._say, self._count = nodes, folder, left, say, count
        self._waiting, self._unfinished = list(jobs), {job.name for job in jobs}
        self._out, self._later = set[str](), list[Ticket]()
        self._lost, self._failed, self._held = Counter[str](), dict[str, str](), dict[str, Lock]()
        self._watch = Watch()

    def run(self) -> int:
        """Run all of them; returns how many were run.

        Raises:
            BenchError: some failed; all others were run before.
        """
        of, ran = len(self._unfinished), 0
        try:
            while self._advance():
                ticket, outcome = self._nodes.receive()
                self._out.remove(ticket.job.name)
                ran += outcome.kind == "finished"
                self._received(ticket, outcome)
        finally:
            for held in self._held.values():
                held.release()
        if self._failed:
            first, why = next(iter(self._failed.items()))
            raise BenchError(
                f"{len(self._unfinished)} of {of} cells are not finished, the others are and are kept; {first}: {why}"
            )
        return ran

    def _advance(self) -> bool:
        """Send what can be sent; False once nothing is out and nothing is left to send."""
        while True:
            ready = [j for j in self._waiting if not self._unfinished & {p.name for p in j.parents}]
            for job in ready:
                self._waiting.remove(job)
                self._send(Ticket(job))
            if self._out or not self._later:
                return bool(self._out)
            later, self._later = self._later, []
            for ticket in later:
                if ticket.files is None:
                    self._send(ticket._replace(patient=True))
                else:
                    self._send_with_files(ticket.job)
            if not self._out:
                time.sleep(locks.POLL)

    def _send(self, ticket: Ticket) -> None:
        self._out.add(ticket.job.name)
        self._nodes.send(ticket)

    def _received(self, ticket: Ticket, outcome: Outcome) -> None:
        job, name = ticket.job, ticket.job.name
        if outcome.kind == "finished":
            self._keep(name, outcome)
            self._finish(ticket, outcome)
        elif outcome.kind == "elsewhere":
            self._finish(ticket, outcome._replace(text="finished by another process"))
        elif outcome.kind == "held":
            self._say(f"{name}: in work elsewhere ({outcome.text}), left for the end")
            self._later.append(ticket)
        elif outcome.kind == "apart":
            self._send_with_files(job)
        elif outcome.kind == "lost" and self._lost[name] < RETRIES:
            self._lost[name] += 1
            self._say(f"{name}: {outcome.text}; run again ({self._lost[name]} of {RETRIES})")
            self._send(ticket)
        else:
            again = f" ({RETRIES + 1} times)" if outcome.kind == "lost" else ""
            self._fail(name, f"{outcome.text}{again}")

    def _send_with_files(self, job: Job) -> None:
        """Send a cell to where the folder is not seen: this process holds its lock until it is back."""
        found = locks.attempt(self._folder / job.name, self._watch)
        if isinstance(found, Owner):
            self._later.append(Ticket(job, {}))
            return
        self._held[job.name] = found
        if self._left(job) is None:
            self._finish(Ticket(job), Outcome("elsewhere", "finished by another process"))
            return
        self._send(Ticket(job, copies.pack(self._folder, [part.name for part in with_parents([job])])))

    def _keep(self, name: str, outcome: Outcome) -> None:
        """Put a cell in place that came back as files."""
        if outcome.files is not None:
            copies.store(outcome.files, self._folder, name)

    def _finish(self, ticket: Ticket, outcome: Outcome) -> None:
        name = ticket.job.name
        if not self._seen(ticket.job):
            self._fail(name, f"finished {outcome.where}, and not seen in {self._folder}: is it the same folder there?")
            return
        self._release(name)
        self._unfinished.remove(name)
        told = [outcome.text or "finished", outcome.where, f"try {self._lost[name] + 1}" if self._lost[name] else ""]
        self._count(f"{name}: {', '.join(part for part in told if part)}")

    def _fail(self, name: str, why: str) -> None:
        self._release(name)
        self._failed[name] = why
        self._say(f"{name}: failed, {why}")

    def _release(self, name: str) -> None:
        if name in self._held:
            self._held.pop(name).release()

    def _seen(self, job: Job) -> bool:
        """Whether a finished cell is seen here, sooner or later."""
        end = time.monotonic() + FILE_PATIENCE
        while self._left(job) is not None:
            if time.monotonic() > end:
                return False
            time.sleep(locks.POLL)
        return True
