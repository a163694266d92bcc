"""Runs what is left of a grid; here, under locks."""

from __future__ import annotations

import dataclasses
import gc
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import accelerator, processes
from bench.data.batches import Audit, schedule
from bench.data.content import require_same
from bench.data.loading import LoadedTask, Say, judged_sets, load_task, load_training
from bench.data.train_data import TrainData
from bench.errors import BenchError
from bench.evaluation.score_table import suffix
from bench.plan.derived import Shift
from bench.plan.protocol import digest_of, keep_protocol, require_in_order, require_same_protocol
from bench.plan.settings import Plan
from bench.running.cell import run_cell
from bench.running.grid import Grid, changed
from bench.running.jobs import Job, Left
from bench.running.recorded import Request, computed_with
from bench.store import checkpoints, locks
from bench.store.cells import DONE, PROTOCOL
from bench.store.locks import Lock, Owner, Watch
from bench.store.writing import clear_unfinished, require_no_link, require_no_links, require_writable
from strategies.check import require_sound


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
                time.sleep(locks.POLL)
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
        found = locks.attempt(path, self._watch)
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


Engine = Callable[["Grid", "Mapping[str, Left]", "Loaded", Request], int]
"""Runs the cells that are left, by name and parents first; returns how many it ran."""


def run_grid(
    grid: Grid,
    command: str,
    overwrite: bool,
    say: Say,
    resume: bool = False,
    engine: Engine | None = None,
    stay: bool = False,
) -> int:
    """Run what is unfinished, one cell after the other or by ``engine``; returns the number of cells that were run.

    Finished cells are kept. Of several processes that train together, all call it with the same arguments; with
    ``stay`` they do not part, since more is run.
    """
    if overwrite and resume:
        raise BenchError("--overwrite runs cells from their first step, --resume goes on with them; give one of them")
    todo = processes.agreed(lambda: _prepared(grid, overwrite, say))
    ran = 0
    if todo:
        set_up(grid.plan)
        loaded = Loaded(grid, say)
        loaded.require_fit([job for job in grid.jobs if job.name in todo], todo)
        protocol = processes.agreed(lambda: _fixed(grid, loaded, say))
        request = Request(grid.plan, command, resume, say, protocol=protocol, needs=grid.needs())
        ran = (engine or run_here)(grid, todo, loaded, request)
    if processes.is_first():
        locks.tidy(grid.folder)
    if not stay:
        processes.leave()
    return ran


def _fixed(grid: Grid, loaded: Loaded, say: Say) -> str:
    """Write the protocol with the first run, hold it against what was read since; gives its digest."""
    with locks.hold(grid.folder / PROTOCOL, say):
        begun = (grid.folder / PROTOCOL).is_file()
        tasks = loaded.read() if begun else loaded.tasks([t.name for t in grid.tasks])
        keep_protocol(grid.folder, grid.plan.protocol, judged_sets(tasks, suffix(grid.plan)))
    return digest_of(grid.folder)


def run_here(grid: Grid, todo: Mapping[str, Left], loaded: Loaded, request: Request) -> int:
    """Run cells one after the other in this process, or in those that train together."""
    jobs = {job.name: job for job in grid.jobs if job.name in todo}
    claims = Claims(list(jobs.values()), grid.left, grid.folder, request.say)
    request = request._replace(require_held=claims.require_held)
    ran = 0
    gc.freeze()  # what was imported and read is not looked through again after every cell
    try:
        while (taken := processes.agreed(claims.take)) is not None:
            ran, job = ran + 1, jobs[taken[0]]
            request.say(f"[{ran}/{len(jobs)}] {job.label}, seed {job.seed}")
            run_job(grid, job, taken[1], loaded, request)
            claims.release()
    finally:
        claims.release()
        gc.unfreeze()
    return ran


def run_job(grid: Grid, job: Job, left: Left, loaded: Loaded, request: Request) -> None:
    """Run what is left of a cell, whose lock is held."""
    data = loaded.data() if left.to_train else None
    run_cell(job, grid.folder, data, loaded.tasks(left.tasks), request)
    gc.collect()  # a SentenceTransformer refers to itself: else models of many cells are held at once


def _prepared(grid: Grid, overwrite: bool, say: Say) -> dict[str, Left]:
    """The cells that have work left, by name; what is to be overwritten is removed.

    Raises:
        BenchError: a link stands where a cell is to be read or written: what it leads to is not this experiment's.
    """
    require_no_link(grid.folder)
    for job in grid.jobs:
        require_no_links(grid.folder / job.name)
        require_no_links(checkpoints.folder_of(grid.folder / job.name))
    if overwrite:
        for job in grid.jobs:
            path = grid.folder / job.name
            with locks.hold(path, say):
                shutil.rmtree(path, ignore_errors=True)
                checkpoints.discard(checkpoints.folder_of(path))
    found = {job.name: grid.left(job) for job in grid.jobs}
    todo = {name: left for name, left in found.items() if left is not None}
    for name in found:
        if name not in todo:
            say(f"{name}: finished before, skipped (--overwrite runs it again)")
    for line in [] if overwrite else changed(grid, todo):
        say(line)
    scored = any((grid.folder / job.name / DONE).is_file() for job in grid.jobs)
    for name in sorted(task for task, content in grid.contents.items() if content is None and scored):
        say(f"{name}: its files are not here, so finished scores are kept unchecked")
    if todo:
        require_writable(grid.folder)
        if grid.plan.shards:
            require_writable(Path(grid.plan.shards))
        require_same_protocol(grid.folder, grid.plan.protocol)
        require_in_order(grid.folder, grid.seeds())
    return todo


class Loaded:
    """Tasks and training data of a grid, each read once, when it is first asked for."""

    def __init__(self, grid: Grid, say: Say) -> None:
        self._grid, self._say = grid, say
        self._tasks: dict[str, LoadedTask] = {}
        self._data: TrainData | None = None

    def tasks(self, names: Sequence[str]) -> list[LoadedTask]:
        """The tasks of the grid that have these names."""
        for task in self._grid.tasks:
            if task.name in names and task.name not in self._tasks:
                self._tasks[task.name] = load_task(task, self._grid.root, self._grid.plan.strict, self._say)
        return [self._tasks[name] for name in names]

    def read(self) -> list[LoadedTask]:
        """The tasks that were asked for."""
        return list(self._tasks.values())

    def data(self) -> TrainData:
        """What is trained on; it is held against all tasks (``load_training``)."""
        if self._data is None:
            self._data = load_training(
                self._grid.plan,
                self._grid.sources,
                self._grid.root,
                self.tasks([t.name for t in self._grid.tasks]),
                self._say,
            )
            require_same(self._grid.sources, self._grid.root, self._grid.recorded)
        return self._data

    def require_fit(self, jobs: Sequence[Job], todo: Mapping[str, Left]) -> None:
        """Read what is needed and draw a batch of every strategy: what does not fit is refused before any work."""
        if any(todo[job.name].to_train for job in jobs):
            try_first_batch(jobs, self.data())
        else:
            self.tasks([name for job in jobs for name in todo[job.name].tasks])


def try_first_batch(jobs: Sequence[Job], data: TrainData) -> None:
    """Hold every strategy to its contract and draw one batch of it, so that what cannot train is refused before any.

    Raises:
        StrategyError: a strategy breaks its contract.
        BenchError: the pool is too small for one.
    """
    drawn: set[str] = set()
    for job in (part for whole in jobs for part in (whole, *whole.parents)):
        if job.strategy is not None and repr(job.strategy) not in drawn:
            drawn.add(repr(job.strategy))
            require_sound(job.strategy, data.pool.langs, data.pool.source_names)
            pool = handed_to(job, data).pool
            next(schedule(job.strategy, pool, job.settings.batch_size, 1, job.seed, Audit(pool.langs)))
        if isinstance(job.derived, Shift):
            from bench.data.train_data import parallel_passages

            parallel_passages(data, job.derived.source)


def handed_to(job: Job, data: TrainData) -> TrainData:
    """The items with what the strategy of a cell needs to know of them."""
    if job.strategy is None or not job.strategy.needs:
        return data
    from bench.encoding.handed import hand
    from bench.models.loading import load_to_train

    encoder = load_to_train(job.settings, job.seed)
    return dataclasses.replace(data, pool=hand(encoder, data, job.strategy.needs, computed_with()).pool)


def set_up(plan: Plan) -> None:
    """Fix torch's and OpenMP's threads (0 leaves them), and how a GPU computes.

    Raises:
        BenchError: checkpoints are asked for that a GPU could not go on from to the bit.
    """
    if plan.threads:
        os.environ["OMP_NUM_THREADS"] = str(plan.threads)
        import torch

        torch.set_num_threads(plan.threads)
    if plan.deterministic:
        accelerator.repeat()
    elif plan.checkpoint_every and accelerator.is_cuda():
        raise BenchError(
            "a GPU gives other bits at every run, and what --resume goes on with are the same; add --deterministic, or "
            "leave --checkpoint-every out"
        )
