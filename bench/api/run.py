"""Train and score what a plan asks for: the functions behind ``bench run`` and ``bench evaluate``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack, get_type_hints

from bench import processes
from bench.api.experiment import Experiment
from bench.api.options import Options, Scoring, Seeds, Sources, Strategies, Tasks, given_of
from bench.errors import BenchError
from bench.plan import presets
from bench.plan.resolve import NO_OBJECTS, Objects
from bench.plan.settings import Plan
from tasks import hub

if TYPE_CHECKING:
    from bench.running.grid import Grid
    from bench.running.run import Engine


def run(
    strategies: Strategies = (),
    *,
    seeds: Seeds | None = None,
    train: Sources | None = None,
    task: Tasks | None = None,
    model: str | Path | None = None,
    preset: str | None = None,
    data_root: str | Path | None = None,
    results: str | Path = "results",
    overwrite: bool = False,
    resume: bool = False,
    until: str | None = None,
    engine: Engine | None = None,
    say: Callable[[str], None] | None = None,
    **options: Unpack[Options],
) -> Experiment:
    """Train strategies under equal conditions and score them; finished trainings are kept, not run again.

    ``bench.run(["mono", Mine(share=0.3)], seeds=3, train="pairs.jsonl", task="beir:scifact")`` is ``python -m bench run
    --strategy mono,my.py:Mine(share=0.3) --seeds 0-2 --train pairs.jsonl --task beir:scifact --no-report``.

    Args:
        strategies: names as on the command line ("hybrid(alpha=0.3)"), or objects of a class of your own. A class that
            was typed into a notebook is known by its text, and by that of what it names: an edit is another strategy.
        seeds: how many trainings each has, or their seeds.
        train: names, paths of .jsonl files, or sources; not the preset "demo" then, so the learning rate and others are
            those of a transformer, which is said.
        task: what is scored on: names, or tasks.
        model: a built-in name ('python -m bench list models'), a folder, or a name of the Hub.
        preset: 'python -m bench list presets', or a TOML file.
        data_root: folder of local data.
        results: folder of experiments.
        overwrite: run finished trainings again.
        resume: go on from checkpoints of a killed run.
        until: "settled" trains on until each claim of the preset is shown or refuted.
        engine: what runs the cells elsewhere (``bench.cluster.ray_engine.engine``); None is this process.
        say: told what goes on, line by line; None writes to stderr.
        options: every other option of 'python -m bench run --help', by its name with '_'.

    Returns:
        The experiment, with all that was run in it before.

    Raises:
        BenchError: a request that cannot be carried out; also StrategyError and TaskError, all of them ValueErrors of
            one line.
    """
    given, objects = given_of(strategies, seeds, train, task, {"model": model, **options})
    chosen = presets.chosen(preset, given.get("model"), given.get("train"))
    plan, told = require_strategies(presets.load_plan(chosen, given)), say or tell
    for line in presets.otherwise(chosen, plan, given):
        told(line)
    asked = {"seeds": seeds, "task": task, "train": train, "model": model, "preset": preset, "until": until} | options
    how = How(_call(strategies, asked), _path(data_root), Path(results), overwrite, resume, engine, told, objects)
    if until is None:
        return carry_out(plan, how).experiment
    if until != "settled":
        raise BenchError(f"until is 'settled', or None for the trainings that seeds say; got {until!r:.80}")
    return carry_out_until_settled(plan, how, plan.seeds if seeds is not None else ()).experiment


def evaluate(
    model: str | Path,
    *,
    task: Tasks,
    data_root: str | Path | None = None,
    results: str | Path = "results",
    overwrite: bool = False,
    say: Callable[[str], None] | None = None,
    **options: Unpack[Scoring],
) -> Experiment:
    """Score a model as it is: a name of the Hub, a folder, "bm25" or "char-tfidf"; as ``python -m bench evaluate``.

    Args and errors are those of ``run``; the experiment is called "evaluate" unless it is named.
    """
    require_known_options(options)
    given, objects = given_of((), None, None, task, {"experiment": "evaluate", "model": model, **options})
    plan = presets.load_plan(None, given | {"baselines": ()})
    call = f"bench.evaluate({str(model)!r}, {_arguments({'task': task} | options)})"
    how = How(call, _path(data_root), Path(results), overwrite, False, None, say or tell, objects)
    return carry_out(plan, how).experiment


def require_strategies(plan: Plan) -> Plan:
    """The plan, where it names what to train.

    Raises:
        BenchError: it does not.
    """
    if not plan.strategies:
        raise BenchError("--strategy names what to train, for example --strategy mono,cross,hybrid")
    return plan


def require_known_options(options: Mapping[str, object]) -> None:
    """Refuse options that scoring a model without training does not have."""
    for name in options:
        if name not in get_type_hints(Scoring):
            raise BenchError(f"evaluate has no option {name!r:.80}; it has {', '.join(get_type_hints(Scoring))}")


class How(NamedTuple):
    """How a plan is carried out.

    Attributes:
        command: as it is recorded.
        root: of local data.
        results: folder of experiments.
        overwrite: run finished cells again.
        resume: go on from checkpoints.
        engine: what runs the cells; None is this process.
        say: told what goes on.
        objects: what stands in the plan under a name that is no expression.
    """

    command: str
    root: Path | None
    results: Path
    overwrite: bool = False
    resume: bool = False
    engine: Engine | None = None
    say: Callable[[str], None] = lambda line: None
    objects: Objects = NO_OBJECTS


class Ran(NamedTuple):
    """What came of it: the experiment, how many cells were run of how many, and the folder."""

    experiment: Experiment
    ran: int
    cells: int
    folder: Path


def tell(text: str) -> None:
    """A line on stderr, of the first process."""
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def grid_of(plan: Plan, how: How, fetch: bool = True) -> Grid:
    """The plan, resolved; ``fetch`` allows the Hub."""
    if how.engine is not None and any(how.objects):
        raise BenchError("an engine runs cells in other processes, which know names alone: put the classes into a file")
    from bench.running.grid import build_grid

    return build_grid(plan, how.root, how.results, fetch, how.objects)


def carry_out(plan: Plan, how: How) -> Ran:
    """Run what is unfinished of a plan."""
    from bench.running.run import run_grid
    from bench.running.trackers import require_trackers

    require_trackers(plan.log_with)
    hub.forget()
    grid = grid_of(plan, how)
    ran = run_grid(grid, how.command, how.overwrite, how.say, how.resume, how.engine)
    return Ran(Experiment(grid.folder), ran, len(grid.jobs), grid.folder)


def carry_out_until_settled(plan: Plan, how: How, seeds: Sequence[int]) -> Ran:
    """The same, one training of each strategy after the other until every claim is settled (``settle``)."""
    from bench.api import settle
    from bench.running.run import run_grid
    from bench.running.trackers import require_trackers

    require_trackers(plan.log_with)
    hub.forget()
    plan = settle.sequential(plan, how.results / plan.experiment, seeds, how.say, how.objects)
    grids: list[Grid] = []
    ran = 0

    def more(of: Plan) -> Path:
        nonlocal ran
        grids.append(grid_of(of, how))
        again = how.overwrite and len(grids) == 1
        ran += run_grid(grids[-1], how.command, again, how.say, how.resume, how.engine, stay=True)
        return grids[-1].folder

    settle.until_settled(plan, more, how.say)
    return Ran(Experiment(grids[-1].folder), ran, len(grids[-1].jobs), grids[-1].folder)


def planned(plan: Plan, how: How) -> Iterator[str]:
    """What ``carry_out`` would do, in paragraphs; nothing is kept or written."""
    from bench.running.estimate import planned as told

    with hub.without_downloads():
        yield from told(grid_of(plan, how, fetch=False))


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _call(strategies: object, asked: dict[str, object]) -> str:
    return f"bench.run({strategies!r}, {_arguments(asked)})"


def _arguments(asked: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
