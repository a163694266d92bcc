"""The grid: which cells a plan has, which of them are finished, and the loop that runs the rest."""

from __future__ import annotations

import dataclasses
import gc
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import checkpoint, derived_cell, lock, precision, processes, resolve
from bench.cell import Request, missing, run_cell
from bench.claims import Claims, Left
from bench.config import BUILT_IN, Plan
from bench.derived import Merge, Shift, explained
from bench.errors import BenchError
from bench.job import BASELINES, Job, describe_model, describe_source, plain_job
from bench.languages import TRAINED_IN_PAPER
from bench.overlap import Overlap, find_overlaps, without
from bench.protocol import FILE as PROTOCOL
from bench.protocol import keep_protocol, require_same_protocol
from bench.schedule import Audit, TrainData, combine, schedule
from bench.score_table import LoadedTask
from bench.shapes import file_name
from bench.writing import require_no_link, require_no_links, require_writable
from tasks import EvalSet, Source, Task, TrainSet
from tasks.files import checksums
from tasks.held_out import HeldOut, evalset_of, held_out

Say = Callable[[str], None]


class Grid(NamedTuple):
    """A plan, resolved: nothing is trained yet, every name is known to mean something."""

    plan: Plan
    jobs: list[Job]
    sources: list[Source]
    tasks: list[Task]
    root: Path | None
    folder: Path

    def left(self, job: Job) -> Left | None:
        """What is left to do of a cell; None where it is finished."""
        tasks = missing(job, self.folder, self.tasks, self.plan)
        if not tasks and (self.folder / job.name / "done").is_file():
            return None
        return Left([t.name for t in tasks], derived_cell.needs_data(job, self.folder))

    def unfinished(self) -> list[tuple[Job, list[Task]]]:
        """The cells that have work left, with the tasks they still have to be scored on."""
        todo = [(job, missing(job, self.folder, self.tasks, self.plan)) for job in self.jobs]
        return [(job, tasks) for job, tasks in todo if tasks or not (self.folder / job.name / "done").is_file()]


def build_grid(plan: Plan, root: Path | None, results: Path, fetch: bool = True) -> Grid:
    """Resolve every name of a plan, and describe data and model by their checksums; ``fetch`` allows the Hub."""
    asked, small = plan.settings.precision, plan.settings.model in BUILT_IN
    resolved = processes.agreed(lambda: precision.resolve(asked, small))
    plan = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, precision=resolved))
    strategies = [resolve.recipe(text) for text in plan.strategies]
    tasks = [resolve.task(text) for text in plan.tasks]
    sources = [resolve.source(text) for text in plan.settings.train] if strategies else []
    wanted = [t.name for t in tasks if isinstance(t, HeldOut)]
    if wanted and strategies and not plan.settings.hold_out:
        raise BenchError(f"{wanted[0]} asks for items that are not trained on; add --hold-out")
    unknown = [name for name in plan.baselines if name not in BASELINES]
    if unknown:
        raise BenchError(f"a baseline is one of {', '.join(BASELINES)}; got {unknown[0]!r}")
    code = plan.settings.trust_remote_code
    model = describe_model(plan.settings.model, fetch, code) if strategies or "untrained" in plan.baselines else None
    recorded: dict[str, object] = {s.name: describe_source(s, root) for s in sources}
    jobs = [plain_job(name, plan.settings, model if name == "untrained" else None) for name in plan.baselines]
    if not strategies and not jobs:
        jobs = [_as_it_is(plan, fetch)]
    jobs += [
        derived_cell.job_of(s, seed, plan, recorded, model or {})
        for s in strategies
        for seed in derived_cell.seeds_of(s, plan)
    ]
    moved = [job.label for job in jobs if job.derived is not None and not isinstance(job.derived, Merge)]
    if plan.shards and moved:
        raise BenchError(f"{moved[0]} moves the vectors of all passages in memory; run it without --shards")
    names = [job.name for job in jobs]
    if len(set(names)) < len(names):
        raise BenchError(f"every cell is named once; {max(names, key=names.count)} comes up twice: drop the repetition")
    return Grid(plan, derived_cell.with_parents(jobs), sources, tasks, root, results / plan.experiment)


def _as_it_is(plan: Plan, fetch: bool) -> Job:
    """The row of a model that is scored without training, named after its folder."""
    name = plan.settings.model
    if name in BASELINES:
        return plain_job(name, plan.settings, None)
    path = Path(name)
    label = path.parent.name if path.name == "model" else path.name
    model = describe_model(name, fetch, plan.settings.trust_remote_code)
    return plain_job(label or name, plan.settings, model)


Engine = Callable[["Grid", "Mapping[str, Left]", "Loaded", Request], int]
"""Runs the cells that are left, by name and parents first; returns how many it ran."""


def run_grid(
    grid: Grid, command: str, overwrite: bool, say: Say, resume: bool = False, engine: Engine | None = None
) -> int:
    """Run what is unfinished, one cell after the other or by ``engine``; returns the number of cells that were run.

    Finished cells are kept. Of several processes that train together, all call it with the same arguments.
    """
    if overwrite and resume:
        raise BenchError("--overwrite runs cells from their first step, --resume goes on with them; give one of them")
    todo = processes.agreed(lambda: _prepared(grid, overwrite, say))
    ran = 0
    if todo:
        set_threads(grid.plan.threads)
        loaded = Loaded(grid, say)
        loaded.require_fit([job for job in grid.jobs if job.name in todo], todo)
        if processes.is_first():
            with lock.hold(grid.folder / PROTOCOL, say):
                keep_protocol(grid.folder, grid.plan.protocol)
        ran = (engine or run_here)(grid, todo, loaded, Request(grid.plan, command, resume, say))
    if processes.is_first():
        lock.tidy(grid.folder)
    processes.leave()
    return ran


def run_here(grid: Grid, todo: Mapping[str, Left], loaded: Loaded, request: Request) -> int:
    """Run cells one after the other in this process, or in those that train together."""
    jobs = {job.name: job for job in grid.jobs if job.name in todo}
    claims = Claims(list(jobs.values()), grid.left, grid.folder, request.say)
    request = request._replace(require_held=claims.require_held)
    ran = 0
    try:
        while (taken := processes.agreed(claims.take)) is not None:
            ran, job = ran + 1, jobs[taken[0]]
            request.say(f"[{ran}/{len(jobs)}] {job.label}, seed {job.seed}")
            run_job(grid, job, taken[1], loaded, request)
            claims.release()
    finally:
        claims.release()
    return ran


def run_job(grid: Grid, job: Job, left: Left, loaded: Loaded, request: Request) -> None:
    """Run what is left of a cell, whose lock is held."""
    data = loaded.data() if left.to_train else None
    run_cell(job, grid.folder, data, loaded.tasks(left.tasks), request, derived_cell.make)
    gc.collect()  # a SentenceTransformer refers to itself: else models of many cells are held at once


def _prepared(grid: Grid, overwrite: bool, say: Say) -> dict[str, Left]:
    """The cells that have work left, by name; what is to be overwritten is removed.

    Raises:
        BenchError: a link stands where a cell is to be read or written: what it leads to is not this experiment's.
    """
    require_no_link(grid.folder)
    for job in grid.jobs:
        require_no_links(grid.folder / job.name)
        require_no_links(checkpoint.folder_of(grid.folder / job.name))
    if overwrite:
        for job in grid.jobs:
            path = grid.folder / job.name
            with lock.hold(path, say):
                shutil.rmtree(path, ignore_errors=True)
                checkpoint.discard(checkpoint.folder_of(path))
    found = {job.name: grid.left(job) for job in grid.jobs}
    todo = {name: left for name, left in found.items() if left is not None}
    for name in found:
        if name not in todo:
            say(f"{name}: finished before, skipped (--overwrite runs it again)")
    if todo:
        require_writable(grid.folder)
        if grid.plan.shards:
            require_writable(Path(grid.plan.shards))
        require_same_protocol(grid.folder, grid.plan.protocol)
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
                self._tasks[task.name] = load_task(task, self._grid.root)
        return [self._tasks[name] for name in names]

    def data(self) -> TrainData:
        """What is trained on; it is held against all tasks (``load_training``)."""
        if self._data is None:
            self._data = load_training(self._grid, self.tasks([t.name for t in self._grid.tasks]), self._say)
        return self._data

    def require_fit(self, jobs: Sequence[Job], todo: Mapping[str, Left]) -> None:
        """Read what is needed and draw a batch of every strategy: what does not fit is refused before any work."""
        if any(todo[job.name].to_train for job in jobs):
            try_first_batch(jobs, self.data())
        else:
            self.tasks([name for job in jobs for name in todo[job.name].tasks])


def load_training(grid: Grid, tasks: Sequence[LoadedTask], say: Say) -> TrainData:
    """The items of all sources in the training languages; languages that no source has are named.

    Raises:
        BenchError: items share text with a test set, and the plan does not say what to do with them.
    """
    sets = [s.load(grid.root) for s in grid.sources]
    validated = _validated(grid, sets)
    if grid.plan.settings.hold_out:
        sets = [without(t, held_out(t, s.name)) for s, t in zip(grid.sources, sets, strict=True)]
    overlaps = guard(grid, sets, tasks, say)
    if grid.plan.overlap == "drop":
        found = [frozenset[int]().union(*(o.items for o in overlaps if o.source == s.name)) for s in grid.sources]
        sets = [without(train, items) for train, items in zip(sets, found, strict=True)]
    data = combine(sets, grid.plan.settings.languages, grid.plan.settings.train_weights)
    data = dataclasses.replace(data, overlaps=tuple(o.summary() for o in overlaps), held_out=validated)
    counts = data.pool.has.sum(axis=0).tolist()
    listed = ", ".join(f"{lang} {n:,}" for lang, n in zip(data.pool.langs, counts, strict=True))
    say(f"training items: {data.pool.n_items:,} ({listed})")
    absent = [lang for lang in grid.plan.settings.languages if lang not in data.pool.langs]
    unknown = [lang for lang in absent if lang not in TRAINED_IN_PAPER]
    if unknown:
        offered = ", ".join(data.pool.langs)
        raise BenchError(f"no source has the training language {unknown[0]!r}; of those asked for they have {offered}")
    if absent:
        say(f"no training items in {', '.join(absent)}: not trained on")
    return data


def _validated(grid: Grid, sets: Sequence[TrainSet]) -> tuple[EvalSet, ...]:
    """What is scored while training: a few held-out groups of every source, in the training languages."""
    if not grid.plan.settings.validate_every:
        return ()
    from bench.validation import few_groups

    whole = [evalset_of(train, source.name) for source, train in zip(grid.sources, sets, strict=True)]
    few = [few_groups(evalset, grid.plan.settings.languages) for evalset in whole]
    return tuple(evalset for evalset in few if evalset is not None)


def guard(grid: Grid, sets: Sequence[TrainSet], tasks: Sequence[LoadedTask], say: Say) -> list[Overlap]:
    """What the sources share with the test sets; refused unless the plan allows it."""
    found: list[Overlap] = []
    for source, train in zip(grid.sources, sets, strict=True):
        tested = [s for t in tasks if t.task.name not in source.apart_from for s in t.sets]
        found += find_overlaps([(source.name, train)], tested) if tested else []
    for o in found:
        seen = f"{len(o.items):,} of {o.of:,} items of {o.source} share a run of words with {o.set_name}"
        if grid.plan.overlap == "refuse":
            raise BenchError(
                f"never train on what is tested: {seen}, e.g. {o.example[:60]!r}; --overlap drop leaves them out, "
                "--overlap keep trains on them"
            )
        say(f"{seen}: {'left out' if grid.plan.overlap == 'drop' else 'kept'}")
    return found


def try_first_batch(jobs: Sequence[Job], data: TrainData) -> None:
    """Draw one batch of every strategy, so that a pool too small for one is refused before any work."""
    for job in (part for whole in jobs for part in (whole, *whole.parents)):
        if job.strategy is not None:
            batches = schedule(job.strategy, data.pool, job.settings.batch_size, 1, job.seed, Audit(data.pool.langs))
            next(batches)
        if isinstance(job.derived, Shift):
            from bench.posthoc import parallel_passages

            parallel_passages(data, job.derived.source)


def load_task(task: Task, root: Path | None) -> LoadedTask:
    """Read a task once for all cells.

    Raises:
        BenchError: a set's name could not be that of a file: figures and exports are named after it.
    """
    sets = list(task.load(root))
    for evalset in sets:
        file_name(evalset.name, f"task {task.name}: the name of a set")
    return LoadedTask(task, sets, checksums(task.files(root)))


def set_threads(threads: int) -> None:
    """Fix torch's and OpenMP's threads (0 leaves them)."""
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        import torch

        torch.set_num_threads(threads)


def describe(grid: Grid) -> list[list[str]]:
    """The plan as a table: cell, strategy, seed, steps, rows, tasks left to score, state."""
    todo = {job.name: tasks for job, tasks in grid.unfinished()}
    settings = grid.plan.settings
    table = []
    for job in grid.jobs:
        left = ", ".join(t.name for t in todo.get(job.name, [])) or "-"
        state = "to run" if job.name in todo else "finished"
        table.append(
            [job.name, job.label, str(job.seed), str(job.steps), f"{job.steps * settings.batch_size:,}", left, state]
        )
    return table


def explain(grid: Grid) -> list[str]:
    """A line per derived strategy of the plan."""
    return list(
        {job.label: f"{job.label}: {explained(derived_cell.about(job))}" for job in grid.jobs if job.derived}.values()
    )
