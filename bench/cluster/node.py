"""A cell on another machine: the plan is resolved anew there, and has to come out as the same cell."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from bench import environment
from bench.cluster.dispatch import Outcome
from bench.errors import EXPECTED, BenchError, one_line
from bench.plan.settings import Plan
from bench.running.grid import Grid, build_grid
from bench.running.jobs import Job
from bench.running.recorded import Request
from bench.running.run import Loaded, run_job, set_up
from bench.store import copies, locks
from bench.store.copies import Parcel
from bench.store.locks import Owner, Watch
from bench.store.writing import clear_unfinished
from tasks import hub


class Spec(NamedTuple):
    """What a node has to know; plain values alone, since plugins are not sent but resolved there.

    Attributes:
        plan: with all that the first machine has resolved (``--precision auto``).
        root: of local data.
        results: the folder of results, absolute.
        cwd: relative paths (of plugins, models, data) begin there.
        command: as recorded.
        resume: go on from checkpoints.
        offline: never touch the network.
        versions: of the packages that the bits depend on.
        mark: a file in the experiment's folder; who sees it shares the folder.
        protocol: digest of the protocol that the experiment is judged by.
        commits: what names of the Hub mean in this run.
        hub: where the Hub is asked and its files are kept (HF_ENDPOINT, HF_HOME), where the user said it. No token: a
            cluster keeps what it is sent, so each machine logs in itself ('hf auth login', HF_TOKEN).
    """

    plan: Plan
    root: str | None
    results: str
    cwd: str
    command: str
    resume: bool
    offline: bool
    versions: tuple[tuple[str, str], ...]
    mark: str
    protocol: str
    commits: tuple[tuple[str, str], ...] = ()
    hub: tuple[tuple[str, str], ...] = ()


def run_shared(spec: Spec, name: str, patient: bool) -> Outcome:
    """Run what is left of a cell under its lock, in the folder that all machines share.

    Args:
        spec: what a node has to know.
        name: the cell's.
        patient: wait for a cell that another process holds.
    """
    try:
        if not Path(spec.results, spec.plan.experiment, spec.mark).is_file():
            return Outcome("apart")
        grid, loaded = opened(spec)
        job = _job(grid, name)
        path = grid.folder / name
        if patient:
            with locks.hold(path, _say) as held:
                return _run(spec, grid, job, loaded, held)
        found = locks.attempt(path, Watch())
        if isinstance(found, Owner):
            return Outcome("held", str(found))
        try:
            return _run(spec, grid, job, loaded, found)
        finally:
            found.release()
    except EXPECTED as error:
        return Outcome("failed", one_line(error))


def run_apart(spec: Spec, name: str, files: Parcel) -> Outcome:
    """Run what is left of a cell in a folder of its own, which vanishes; the cell's files are part of what comes out.

    Args:
        spec: what a node has to know.
        name: the cell's.
        files: what there is of the cell and of those that it is made of.
    """
    try:
        grid, loaded = opened(spec)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            here = grid._replace(folder=Path(folder))
            copies.unpack(files, here.folder)
            outcome = _run(spec, here, _job(here, name), loaded, None)
            return outcome._replace(files=copies.pack(here.folder, [name]))
    except EXPECTED as error:
        return Outcome("failed", one_line(error))


@lru_cache(maxsize=1)
def opened(spec: Spec) -> tuple[Grid, Loaded]:
    """The grid as this machine resolves it, with its data once they are read: a process runs many cells of it.

    Raises:
        BenchError: this machine has other versions, or a name means nothing here.
    """
    if Path(spec.cwd).is_dir():
        os.chdir(spec.cwd)
    os.environ.update(spec.hub)  # before the Hub's library is imported, which reads them once
    if spec.offline:
        hub.go_offline()
    hub.take(dict(spec.commits))
    versions = environment.versions()
    for package, version in spec.versions:
        if versions.get(package) != version:
            raise BenchError(
                f"all machines have the same versions, or the bits differ; {package} is {version} where the run began "
                f"and {versions.get(package, 'not known')} on a node: install the same there"
            )
    grid = build_grid(spec.plan, Path(spec.root) if spec.root else None, Path(spec.results))
    return grid, Loaded(grid, _say)


def _job(grid: Grid, name: str) -> Job:
    for job in grid.jobs:
        if job.name == name:
            return job
    raise BenchError(
        f"a cell has the same name on all machines; {name} is none of {', '.join(job.name for job in grid.jobs)} on a "
        "node: data, model or plugins differ there"
    )


def _run(spec: Spec, grid: Grid, job: Job, loaded: Loaded, held: locks.Lock | None) -> Outcome:
    left = grid.left(job)
    if left is None:
        return Outcome("elsewhere")
    set_up(spec.plan)
    clear_unfinished(grid.folder / job.name)
    request = Request(spec.plan, spec.command, spec.resume, _say, protocol=spec.protocol, needs=grid.needs())
    if held is not None:
        request = request._replace(require_held=held.require_held)
    run_job(grid, job, left, loaded, request)
    return Outcome("finished")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
