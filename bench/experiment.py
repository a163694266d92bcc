"""The grid: which cells a plan has, which of them are finished, and the loop that runs the rest."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import checkpoint, derived_cell, precision, processes, records, resolve
from bench.cell import (
    BASELINES,
    Job,
    Request,
    describe_model,
    describe_source,
    missing,
    plain_job,
    run_cell,
)
from bench.config import BUILT_IN, Plan
from bench.derived import Merge, Shift, explained
from bench.errors import BenchError
from bench.languages import TRAINED_IN_PAPER
from bench.overlap import Overlap, find_overlaps, without
from bench.protocol import keep_protocol, require_same_protocol
from bench.schedule import Audit, TrainData, combine, schedule
from bench.score_table import LoadedTask
from tasks import Source, Task, TrainSet
from tasks.files import checksums
from tasks.held_out import HeldOut, held_out

Say = Callable[[str], None]


class Grid(NamedTuple):
    """A plan, resolved: nothing is trained yet, every name is known to mean something."""

    plan: Plan
    jobs: list[Job]
    sources: list[Source]
    tasks: list[Task]
    root: Path | None
    folder: Path

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
    model = describe_model(plan.settings.model, fetch) if strategies or "untrained" in plan.baselines else None
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
    return plain_job(label or name, plan.settings, describe_model(name, fetch))


def run_grid(grid: Grid, command: str, overwrite: bool, say: Say, resume: bool = False) -> int:
    """Run what is unfinished, cell by cell; returns the number of cells that were run. Finished cells are kept.

    Of several processes, all call it with the same arguments.
    """
    if overwrite and resume:
        raise BenchError("--overwrite runs cells from their first step, --resume goes on with them; give one of them")
    todo = processes.agreed(lambda: _prepared(grid, overwrite, say))
    if not todo:
        processes.leave()
        return 0
    set_threads(grid.plan.threads)
    jobs = [job for job in grid.jobs if job.name in todo]
    trains = any(todo[job.name].to_train for job in jobs)
    names = {t.name for t in grid.tasks} if trains else {name for left in todo.values() for name in left.tasks}
    tasks = {t.name: load_task(t, grid.root) for t in grid.tasks if t.name in names}
    data = load_training(grid, list(tasks.values()), say) if trains else None
    if data is not None:
        try_first_batch(jobs, data)
    if processes.is_first():
        keep_protocol(grid.folder, grid.plan.protocol)
    request = Request(grid.plan, command, resume, say)
    for at, job in enumerate(jobs, start=1):
        say(f"[{at}/{len(jobs)}] {job.label}, seed {job.seed}")
        run_cell(job, grid.folder, data, [tasks[name] for name in todo[job.name].tasks], request, derived_cell.make)
    processes.leave()
    return len(todo)


class Left(NamedTuple):
    """What is left to do of a cell: the tasks to score it on, and whether training texts are needed for it."""

    tasks: list[str]
    to_train: bool


def _prepared(grid: Grid, overwrite: bool, say: Say) -> dict[str, Left]:
    """The cells that have work left, by name; what is to be overwritten is removed."""
    if overwrite:
        for job in grid.jobs:
            shutil.rmtree(grid.folder / job.name, ignore_errors=True)
            checkpoint.discard(checkpoint.folder_of(grid.folder / job.name))
    todo = grid.unfinished()
    started = {job.name for job, _ in todo}
    for job in grid.jobs:
        if job.name not in started:
            say(f"{job.name}: finished before, skipped (--overwrite runs it again)")
    if todo:
        records.require_writable(grid.folder)
        if grid.plan.shards:
            records.require_writable(Path(grid.plan.shards))
        require_same_protocol(grid.folder, grid.plan.protocol)
    lacks = {job.name: derived_cell.needs_data(job, grid.folder) for job, _ in todo}
    return {job.name: Left([t.name for t in tasks], lacks[job.name]) for job, tasks in todo}


def load_training(grid: Grid, tasks: Sequence[LoadedTask], say: Say) -> TrainData:
    """The items of all sources in the training languages; languages that no source has are named.

    Raises:
        BenchError: items share text with a test set, and the plan does not say what to do with them.
    """
    sets = [s.load(grid.root) for s in grid.sources]
    if grid.plan.settings.hold_out:
        sets = [without(t, held_out(t, s.name)) for s, t in zip(grid.sources, sets, strict=True)]
    overlaps = guard(grid, sets, tasks, say)
    if grid.plan.overlap == "drop":
        found = [frozenset[int]().union(*(o.items for o in overlaps if o.source == s.name)) for s in grid.sources]
        sets = [without(train, items) for train, items in zip(sets, found, strict=True)]
    data = combine(sets, grid.plan.settings.languages, grid.plan.settings.train_weights)
    data = dataclasses.replace(data, overlaps=tuple(o.summary() for o in overlaps))
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
    """Read a task once for all cells."""
    return LoadedTask(task, list(task.load(root)), checksums(task.files(root)))


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
