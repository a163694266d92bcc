"""What each command does with its options: results go to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import processes
from bench.errors import BenchError
from bench.plan import presets
from bench.plan.options import given
from bench.store.writing import require_writable
from bench.training.trackers import require_trackers

if TYPE_CHECKING:
    from bench.analysis.set_scores import SetScores
    from bench.plan.settings import Plan
    from bench.running.grid import Grid
    from bench.running.run import Engine


def _say(text: str) -> None:
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def _print(
    rows: Sequence[Sequence[object]],
    header: Sequence[str],
    as_json: bool = False,
    form: str = "plain",
    align: Sequence[str] | None = None,
) -> None:
    """A table, or a list of objects."""
    if as_json:
        return _print_json([dict(zip(header, row, strict=True)) for row in rows])
    from tabulate import tabulate

    print(tabulate(rows, header, disable_numparse=True, tablefmt=form, colalign=align))


def _tell(texts: Iterable[str]) -> int:
    for text in texts:
        print(text)
    return 0


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=1, ensure_ascii=False))


def run(options: argparse.Namespace) -> int:
    """Train and score what is unfinished of a plan, then show the leaderboard and write the report."""
    from bench.running.grid import build_grid
    from bench.running.run import run_grid

    plan = presets.load_plan(presets.chosen(options.preset, options.model, options.train), given(options))
    require_trackers(plan.log_with)
    if not plan.strategies:
        raise BenchError("--strategy names what to train, for example --strategy mono,cross,hybrid")
    if options.until:
        return _run_until_settled(options, plan)
    if options.pilot or options.components:
        raise BenchError("--pilot and --components say what --until settled is likely to take; add it, with --dry-run")
    grid = build_grid(plan, options.data_root, options.results, fetch=not options.dry_run)
    if options.dry_run:
        return _planned(grid)
    engine = _engine(options)
    if not options.no_report:
        processes.agreed(lambda: require_writable(options.reports / plan.experiment))
    ran = run_grid(grid, options.command_line, options.overwrite, _say, options.resume, engine)
    return _ran(options, grid, ran)


def _ran(options: argparse.Namespace, grid: Grid, ran: int) -> int:
    """The leaderboard and the report of what was run."""
    if not processes.is_first():
        return 0
    _say(f"{ran} of {len(grid.jobs)} cells run, the rest finished before; results in {grid.folder}")
    options.experiment = grid.plan.experiment
    sets = _sets(options)
    leaderboard(options, sets)
    return 0 if options.no_report else report(options, sets)


def _run_until_settled(options: argparse.Namespace, plan: Plan) -> int:
    from bench.door import settle
    from bench.running.grid import build_grid
    from bench.running.run import run_grid

    seeds = plan.seeds if options.seeds is not None else ()
    plan = settle.sequential(plan, options.results / plan.experiment, seeds, _say)
    if options.dry_run:
        return _tell(settle.likely(plan, options.data_root, options.results, options.pilot, options.components or ()))
    engine, ran = _engine(options), 0
    grids: list[Grid] = []
    if not options.no_report:
        processes.agreed(lambda: require_writable(options.reports / plan.experiment))

    def more(of: Plan) -> Path:
        nonlocal ran
        grids.append(build_grid(of, options.data_root, options.results))
        again = options.overwrite and len(grids) == 1
        ran += run_grid(grids[-1], options.command_line, again, _say, options.resume, engine, stay=True)
        return grids[-1].folder

    settle.until_settled(plan, more, _say)
    return _ran(options, grids[-1], ran)


def _engine(options: argparse.Namespace) -> Engine | None:
    """What runs the cells; None is this process."""
    if options.engine == "ray":
        from bench.running import ray_engine as ray_engine_
        from bench.running.ray_engine import Cluster

        return ray_engine_.engine(Cluster(options.address, options.gpus or 0))
    for name in ("address", "gpus"):
        if getattr(options, name) is not None:
            raise BenchError(f"--{name} belongs to --engine ray; got --engine local")
    return None


def evaluate(options: argparse.Namespace) -> int:
    """Score a model as it is."""
    from bench.running.grid import build_grid
    from bench.running.run import run_grid

    options.experiment = options.experiment or "evaluate"
    plan = presets.load_plan(None, given(options))
    grid = build_grid(plan, options.data_root, options.results, fetch=not options.dry_run)
    if options.dry_run:
        return _planned(grid)
    run_grid(grid, options.command_line, options.overwrite, _say)
    return leaderboard(options) if processes.is_first() else 0


def _planned(grid: Grid) -> int:
    from bench.running.estimate import planned

    return _tell(planned(grid))


def _sets(options: argparse.Namespace) -> Sequence[SetScores]:
    from bench.analysis.set_scores import read_sets
    from bench.store.cells import read_cells

    return read_sets(read_cells(options.results / options.experiment))


def leaderboard(options: argparse.Namespace, sets: Sequence[SetScores] = ()) -> int:
    """Print the leaderboards of an experiment; as it is when nothing is asked for, behind other commands."""
    from bench.analysis.leaderboard import Wanted, boards

    asked = {name: getattr(options, name) for name in Wanted._fields if hasattr(options, name)}
    return _tell(boards(sets or _sets(options), Wanted(**asked)))


def compare(options: argparse.Namespace) -> int:
    """Print how two strategies compare."""
    from bench.analysis import compare as compare_
    from bench.analysis.compare import as_rows, explained, header
    from bench.store.cells import read_cells

    cells = read_cells(options.results / options.experiment)
    seeds = options.seeds or ()
    found = compare_.compare(cells, options.a, options.b, options.measure, options.margin, seeds, flips=options.json)
    if options.json:
        _print_json([c.plain() for c in found])
        return 0
    columns = header(options.margin)
    _print(as_rows(found), columns, form="pipe", align=("left", "left", *("right" for _ in columns[2:])))
    print(f"\n{explained(options.a, options.b, found, options.margin)}")
    return 0


def report(options: argparse.Namespace, sets: Sequence[SetScores] = ()) -> int:
    """Write the report of an experiment."""
    from bench.report.report import write_report

    html, folder = getattr(options, "html", False), options.reports / options.experiment
    path = write_report(options.results / options.experiment, folder, html, _say, sets)
    _say(f"report: {path}")
    return 0


def list_what(options: argparse.Namespace) -> int:
    """Print what there is of a kind."""
    from bench.plan.listing import table

    header, rows = table(options.what)
    _print(rows, header, options.json)
    return 0


def check(options: argparse.Namespace) -> int:
    """Hold a plugin to its contract."""
    from bench.plan.resolve import source, strategy, task
    from strategies.check import check_strategy
    from tasks.check import check_source, check_task

    results: Sequence[tuple[str, bool, str]]
    if options.what == "strategy":
        results = check_strategy(strategy(options.name))
    elif options.what == "task":
        results = check_task(task(options.name), options.data_root, options.strict)
    else:
        results = check_source(source(options.name), options.data_root, options.strict)
    return _show(options.name, results, options.json)


def _show(name: str, results: Sequence[tuple[str, bool, str]], as_json: bool) -> int:
    """Print which properties hold; returns the exit code."""
    if as_json:
        _print([tuple(result) for result in results], ("property", "holds", "detail"), as_json)
    else:
        rows = [[prop, "holds" if passed else "BROKEN", detail] for prop, passed, detail in results]
        _print(rows, ["property", "", "detail"])
    broken = sum(not passed for _, passed, _ in results)
    _say(f"{name}: {len(results) - broken} of {len(results)} properties hold")
    return 2 if broken else 0


def data_list(options: argparse.Namespace) -> int:
    """Print the data sets."""
    from bench.data import catalogue

    _print(catalogue.listed(), catalogue.Line._fields, options.json)
    return 0


def data_fetch(options: argparse.Namespace) -> int:
    """Download a data set."""
    from bench.data import catalogue

    catalogue.fetch(options.name, options.accept_licence, _say)
    return 0


def data_check(options: argparse.Namespace) -> int:
    """Hold data on disk against the stored facts."""
    from bench.data import catalogue

    root, strict = options.data_root, options.strict
    return max(_show(name, catalogue.check(name, root, strict), options.json) for name in options.names)


def data_facts(options: argparse.Namespace) -> int:
    """Print the facts of data on disk."""
    from bench.data import catalogue
    from tasks import facts

    _print_json(facts.measure(catalogue.find(options.name), options.data_root))
    return 0


def data_cite(options: argparse.Namespace) -> int:
    """Print the licences and citations of what an experiment used."""
    from bench.data import catalogue

    rows, entries = catalogue.cite(options.results / options.experiment)
    _print(rows, ["name", "use", "licence", "citation"])
    print("", *entries, sep="\n")
    return 0


def export_trec(options: argparse.Namespace) -> int:
    """Write runs and judgements in TREC form."""
    from bench.door import export as export_

    cell = export_.find_cell(options.results / options.experiment, options.cell)
    written = export_.export_trec(
        cell, options.task, options.data_root, options.out, options.depth, bool(options.trust_remote_code)
    )
    _say(f"{len(written.files)} files in {options.out}: {written.compared}")
    return 0


def export_mteb(options: argparse.Namespace) -> int:
    """Write scores as mteb does."""
    from bench.door import export as export_

    written = export_.export_mteb(options.results / options.experiment, options.out)
    _say(f"{len(written)} files in {options.out}")
    return 0


def export_results(options: argparse.Namespace) -> int:
    """Copy an experiment without its models."""
    from bench.store import copies

    written = copies.archive(options.results / options.experiment, options.out)
    _say(f"{len(written)} cells in {options.out / options.experiment}")
    return 0


def show_strategy(options: argparse.Namespace) -> int:
    """Print batches of strategies, and draw them."""
    import os

    from bench.door import picture, show

    show.require_ending(options.out)
    plan = presets.load_plan(presets.chosen(None, options.model, options.train), given(options))
    panels = show.panels(options.names, plan, options.data_root, options.rows, options.batches, options.seed, _say)
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    _tell(picture.text(panels, colours))
    if options.out is not None:
        picture.write(panels, options.out)
        _say(f"picture: {options.out}")
    return 0
