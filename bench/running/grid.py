"""Which cells a plan has, and what is left of each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from bench import processes
from bench.data.content import Content, content_if_here
from bench.data.loading import share_texts
from bench.errors import BenchError, require_known
from bench.evaluation.score_table import is_scored, scores_of
from bench.models import precision
from bench.plan import resolve
from bench.plan.derived import Merge, Shift, explained
from bench.plan.identity import Move, changes, moved
from bench.plan.resolve import NO_OBJECTS, Objects
from bench.plan.settings import BUILT_IN, Plan, Settings
from bench.running.jobs import (
    BASELINES,
    Job,
    Left,
    Made,
    jobs_of,
    plain_job,
    with_parents,
)
from bench.running.recorded import derivation_of, describe_model, describe_source
from bench.store.cells import DONE, MODEL, OFFSETS, Cell, read_cells
from bench.store.scores import About, read_about, standing
from tasks import Source, Task, TaskError, hub
from tasks.contract import Read, plain
from tasks.files import is_folder
from tasks.held_out import HeldOut
from tasks.hub.reading import quoted


def missing(
    job: Job, folder: Path, tasks: Sequence[Task], plan: Plan, contents: Mapping[str, Content | None]
) -> list[Task]:
    """The tasks that a cell still has to be scored on; all of them where it is not finished."""
    path = folder / job.name
    if not (path / DONE).is_file():
        return list(tasks)
    return [t for t in tasks if not is_scored(scores_of(path, t, plan), contents[t.name])]


def needs_data(job: Job, folder: Path) -> bool:
    """Whether training texts are needed to make a cell, and not only what is stored of it."""
    path = folder / job.name
    if isinstance(job.derived, Shift):
        return not (path / OFFSETS).is_file()
    return job.steps > 0 and not (path / MODEL).is_dir()


class Grid(NamedTuple):
    """A plan, resolved: nothing is trained yet, every name is known to mean something."""

    plan: Plan
    jobs: list[Job]
    sources: list[Source]
    tasks: list[Task]
    root: Path | None
    folder: Path
    contents: Mapping[str, Content | None]
    recorded: Mapping[str, object]

    def seeds(self) -> list[int]:
        """Of what is trained, in order."""
        return list(dict.fromkeys(job.seed for job in self.jobs if job.trained))

    def needs(self) -> tuple[str, ...]:
        """What its strategies are handed, those of merged cells too."""
        every = [part.strategy for job in self.jobs for part in (job, *job.parents)]
        return tuple(dict.fromkeys(name for strategy in every if strategy is not None for name in strategy.needs))

    def left(self, job: Job) -> Left | None:
        """What is left to do of a cell; None where it is finished."""
        tasks = missing(job, self.folder, self.tasks, self.plan, self.contents)
        if not tasks and (self.folder / job.name / DONE).is_file():
            return None
        return Left([t.name for t in tasks], needs_data(job, self.folder))

    def unfinished(self) -> list[tuple[Job, list[Task]]]:
        """The cells that have work left, with the tasks they still have to be scored on."""
        todo = [(job, missing(job, self.folder, self.tasks, self.plan, self.contents)) for job in self.jobs]
        return [(job, tasks) for job, tasks in todo if tasks or not (self.folder / job.name / DONE).is_file()]


def build_grid(plan: Plan, root: Path | None, results: Path, fetch: bool = True, objects: Objects = NO_OBJECTS) -> Grid:
    """Resolve every name of a plan, and describe data and model by their checksums; ``fetch`` allows the Hub."""
    asked, small = plan.settings.precision, plan.settings.model in BUILT_IN
    resolved = processes.agreed(lambda: precision.resolve(asked, small))
    plan = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, precision=resolved))
    strategies = [objects.strategy(text) for text in plan.strategies]
    tasks = [objects.tasks.get(text) or resolve.task(text) for text in plan.tasks]
    trained_on = plan.settings.train if strategies else ()
    sources = [objects.sources.get(text) or resolve.source(text) for text in trained_on]
    wanted = [t.name for t in tasks if isinstance(t, HeldOut)]
    if wanted and strategies and not plan.settings.hold_out:
        raise BenchError(f"{wanted[0]} asks for items that are not trained on; add --hold-out")
    for baseline in plan.baselines:
        require_known("a baseline", baseline, BASELINES)
    code = plan.settings.trust_remote_code
    hub.take(processes.agreed(lambda: _commits(plan, [*sources, *tasks], root, fetch)))
    model = describe_model(plan.settings.model, fetch, code) if strategies or "untrained" in plan.baselines else None
    _require_names(sources, "source")
    _require_names(tasks, "task")
    with nullcontext() if strategies and plan.overlap == "drop" else hub.without_downloads():
        contents = {t.name: content_if_here(t, root) for t in tasks}
    recorded: dict[str, object] = {s.name: describe_source(s, root) for s in sources}
    dropped_for = _dropped_for(contents) if strategies and plan.overlap == "drop" else {}
    made = Made(recorded, model or {}, dropped_for, processes.agreed(lambda: share_texts(sources, root, recorded)))
    jobs = [plain_job(name, plan.settings, model if name == "untrained" else None) for name in plan.baselines]
    if not strategies and not jobs:
        jobs = [_as_it_is(plan, fetch)]
    jobs += [job for s in strategies for job in jobs_of(s, plan, made)]
    shifted = [job.label for job in jobs if job.derived is not None and not isinstance(job.derived, Merge)]
    if plan.shards and shifted:
        raise BenchError(f"{shifted[0]} moves the vectors of all passages in memory; run it without --shards")
    merged = [job.label for job in jobs if isinstance(job.derived, Merge)]
    if plan.settings.lora and merged:
        raise BenchError(f"{merged[0]} averages whole weights, which adapters are not; run it without --lora")
    names = [job.name for job in jobs]
    if len(set(names)) < len(names):
        raise BenchError(f"every cell is named once; {max(names, key=names.count)} comes up twice: drop the repetition")
    return Grid(plan, with_parents(jobs), sources, tasks, root, results / plan.experiment, contents, recorded)


def _commits(plan: Plan, read: Sequence[Read], root: Path | None, fetch: bool) -> dict[str, str]:
    """What names of the Hub mean in this run: the first process asks, and all have the same."""
    if processes.count() > 1:
        with suppress(BenchError):
            describe_model(plan.settings.model, fetch, plan.settings.trust_remote_code)
        for thing in read:
            with suppress(TaskError):  # said where it is read
                thing.origin(root)
    return hub.taken()


def _require_names(named: Sequence[Task] | Sequence[Source], what: str) -> None:
    """Results are kept under the names of tasks and sources: two of one name would be taken for each other."""
    names = [thing.name for thing in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BenchError(
            f"every {what} has a name of its own; two are called {twice!r:.80}: rename the folder or file of one, or "
            "give each an experiment of its own (of hub-qa, called='another name')"
        )


def _dropped_for(contents: Mapping[str, Content | None]) -> dict[str, object]:
    absent = next((name for name, content in contents.items() if content is None), None)
    if absent is not None:
        raise BenchError(f"--overlap drop holds the training items against {absent}, whose files are not here")
    return {name: content.digest() for name, content in contents.items() if content is not None}


def _as_it_is(plan: Plan, fetch: bool) -> Job:
    """The row of a model that is scored without training, named after its folder."""
    name = plan.settings.model
    from bench.models.hub_models import bare

    if name in BASELINES:
        return plain_job(name, plan.settings, None)
    path = Path(bare(name))
    label = path.parent.name if path.name == MODEL else path.name
    model = describe_model(name, fetch, plan.settings.trust_remote_code)
    return plain_job(label or name, plan.settings, model)


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
    made = {job.label: derivation for job in grid.jobs if (derivation := derivation_of(job)) is not None}
    return [f"{label}: {explained(how, parents)}" for label, (how, parents) in made.items()]


def changed(grid: Grid, todo: Collection[str]) -> list[str]:
    """What a run makes anew because what it is made of changed, a line each: scores, and cells beside older ones.

    ``todo`` names the cells that have work left: of the others nothing changed.
    """
    jobs = [job for job in grid.jobs if job.name in todo]
    lines = [line for job in jobs for line in _scored_again(job, grid)]
    if jobs and is_folder(grid.folder):
        stored = [cell for cell in read_cells(grid.folder) if cell.config.identity is not None]
        made = {cell.path.name for cell in stored}
        lines += _once(_beside_older(job, stored, grid) for job in jobs if job.name not in made)
    return lines


def _once(told: Iterable[_Told | None]) -> list[str]:
    """What is said of several cells, of the first of them."""
    found: dict[object, str] = {}
    for one in told:
        if one is not None:
            found.setdefault(one.moves or one.line, one.line)
    return list(found.values())


def _scored_again(job: Job, grid: Grid) -> Iterator[str]:
    path = grid.folder / job.name
    for task in grid.tasks if (path / DONE).is_file() else ():
        now, content = scores_of(path, task, grid.plan), grid.contents[task.name]
        before = [read_about(scores) for scores in standing(now)] if content is not None else []
        found = [content.changes_since(about) or _of_version(about, task) for about in before if content is not None]
        if found and all(found):
            yield f"{job.name}: {task.name} is scored again ({_few(found[0])}); former scores are kept"


def _of_version(about: About, task: Task) -> list[str]:
    return [f"version is {task.version} (was {about.version})"] if about.version != task.version else []


class _Told(NamedTuple):
    """A line about a cell that will stand beside an older one, and what moved on the Hub where that is all."""

    line: str
    moves: tuple[Move, ...] = ()


def _beside_older(job: Job, stored: Sequence[Cell], grid: Grid) -> _Told | None:
    """What makes a cell another one than a stored cell of its name and seed, of the stored ones the most similar."""
    older = [cell for cell in stored if cell.label == job.label and cell.seed == job.seed]
    identity: dict[str, object] = plain(job.identity)  # type: ignore[assignment]
    found = [(changes(cell.config.identity or {}, identity), cell) for cell in older]
    if not found:
        return None
    least, cell = min(found, key=lambda pair: len(pair[0]))
    recorded = {"model": cell.config.model, "sources": cell.config.sources}
    moves = tuple(m for m in moved(recorded, {"model": job.model, "sources": job.sources}) if _by_itself(m))
    but = {"handed", "parents", *(move.under for move in moves)}
    if moves and not changes(cell.config.identity or {}, identity, but):
        names = " and ".join(dict.fromkeys(move.repo for move in moves))
        how = _continued(moves, grid.plan.settings)
        return _Told(f"{names} moved since {cell.path.name}: new cells{how}", moves)
    return _Told(f"{job.label}: {_few(least)} since {cell.path.name}: a new cell")


def _by_itself(move: Move) -> bool:
    """Whether a branch moved, and not the user, who asked for another commit."""
    return any(
        commit == move.now and key.partition("@")[0].endswith(f" {move.repo}") for key, commit in hub.taken().items()
    )


def _continued(moves: Sequence[Move], settings: Settings) -> str:
    """The options that ask for the commits of before; nothing where code moved, which has no option."""
    options: list[str] = []
    texts = list(settings.train)
    for kind, repo, before, *_ in moves:
        if kind == "model":
            options.append(f"--model {repo}@{before}")
        at = re.compile(rf"hub-qa:{re.escape(repo)}(@[^(]*)?(?=\(|$)")
        texts = [_at(text, at, f"hub-qa:{repo}@{before}") if kind == "dataset" else text for text in texts]
    if texts != list(settings.train):
        options.append(f"--train {quoted(','.join(texts))}")
    told = {move.kind for move in moves} <= {"model", "dataset"} and options
    return f"; {' '.join(options)} continues the old ones" if told else ""


def _at(text: str, name: re.Pattern[str], pinned: str) -> str:
    """A source with its name at a commit, in place of a revision that it gave elsewhere."""
    if not name.search(text):
        return text
    return name.sub(pinned, re.sub(r"""revision=(['"])[^'"]*\1, |, revision=(['"])[^'"]*\2""", "", text))


def _few(found: Sequence[str], most: int = 3) -> str:
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
