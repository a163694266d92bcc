"""What each command does with its options: results go to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from bench import processes
from bench.errors import BenchError
from bench.plan import presets
from bench.plan.options import given
from bench.running.trackers import require_trackers
from bench.store.writing import require_writable

if TYPE_CHECKING:
    from bench.api.experiment import Experiment
    from bench.api.run import How
    from bench.running.run import Engine


def _say(text: str) -> None:
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def _print(
    rows: Sequence[Sequence[object]], header: Sequence[str], form: str = "plain", align: Sequence[str] | None = None
) -> None:
    from tabulate import tabulate

    print(tabulate(rows, header, disable_numparse=True, tablefmt=form, colalign=align))


def _tell(texts: Iterable[str]) -> int:
    for text in texts:
        print(text)
    return 0


def run(options: argparse.Namespace) -> int:
    """Train and score what is unfinished of a plan, then show the leaderboard and write the report."""
    from bench.api import run as api
    from bench.api import settle

    chosen = presets.chosen(options.preset, options.model, options.train)
    plan = api.require_strategies(presets.load_plan(chosen, given(options)))
    require_trackers(plan.log_with)
    otherwise = presets.otherwise(chosen, plan, given(options))
    if not options.until and (options.pilot or options.components):
        raise BenchError("--pilot and --components say what --until settled is likely to take; add it, with --dry-run")
    how = _how(options)
    seeds = plan.seeds if options.seeds is not None else ()
    if options.dry_run and options.until:
        plan = settle.sequential(plan, options.results / plan.experiment, seeds, _say)
        return _tell(settle.likely(plan, how.root, how.results, options.pilot, options.components or ()))
    if options.dry_run:
        return _tell(chain(otherwise, api.planned(plan, how)))
    for line in otherwise:
        _say(line)
    how = how._replace(engine=_engine(options), resume=options.resume)
    if not options.no_report:
        processes.agreed(lambda: require_writable(options.reports / plan.experiment))
    done = api.carry_out_until_settled(plan, how, seeds) if options.until else api.carry_out(plan, how)
    if not processes.is_first():
        return 0
    _say(f"{done.ran} of {done.cells} cells run, the rest finished before; results in {done.folder}")
    _show(done.experiment, options)
    return 0 if options.no_report else _report(done.experiment, options)


def _how(options: argparse.Namespace) -> How:
    from bench.api.run import How, tell

    return How(options.command_line, options.data_root, options.results, options.overwrite, say=tell)


def _engine(options: argparse.Namespace) -> Engine | None:
    """What runs the cells; None is this process."""
    if options.engine == "ray":
        from bench.cluster import ray_engine as ray_engine_
        from bench.cluster.ray_engine import Cluster

        return ray_engine_.engine(Cluster(options.address, options.gpus or 0))
    for name in ("address", "gpus"):
        if getattr(options, name) is not None:
            raise BenchError(f"--{name} belongs to --engine ray; got --engine local")
    return None


def evaluate(options: argparse.Namespace) -> int:
    """Score a model as it is."""
    from bench.api import run as api

    options.experiment = options.experiment or "evaluate"
    plan = presets.load_plan(None, given(options) | {"baselines": ()})
    if options.dry_run:
        return _tell(api.planned(plan, _how(options)))
    done = api.carry_out(plan, _how(options))
    return _show(done.experiment, options) if processes.is_first() else 0


def _experiment(options: argparse.Namespace) -> Experiment:
    from bench.api.experiment import load

    return load(options.results / options.experiment)


def leaderboard(options: argparse.Namespace) -> int:
    """Print the leaderboards of an experiment."""
    return _show(_experiment(options), options)


def _show(experiment: Experiment, options: argparse.Namespace) -> int:
    """The leaderboards; as they are when nothing is asked for, behind other commands."""
    from bench.api.boards import FORMATS, Wanted, shown

    asked = {name: getattr(options, name) for name in Wanted._fields if hasattr(options, name)}
    form = getattr(options, "format", FORMATS[0])
    return _tell(shown(experiment.name, experiment.set_scores, Wanted(**asked), form))


def compare(options: argparse.Namespace) -> int:
    """Print how two strategies compare."""
    from bench.analysis import compare as compare_
    from bench.analysis.wording import as_rows, explained, header

    experiment = _experiment(options)
    seeds = options.seeds or ()
    found = compare_.compare(
        experiment.cells, options.a, options.b, options.measure, options.margin, seeds, flips=options.json
    )
    if options.json:
        from bench.api import documents

        return _tell([documents.text(documents.compare(experiment.name, options.a, options.b, options.margin, found))])
    columns = header(options.margin)
    _print(as_rows(found), columns, form="pipe", align=("left", "left", *("right" for _ in columns[2:])))
    print(f"\n{explained(options.a, options.b, found, options.margin)}")
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the report of an experiment."""
    return _report(_experiment(options), options)


def _report(experiment: Experiment, options: argparse.Namespace) -> int:
    _say(f"report: {experiment.report(options.reports, getattr(options, 'html', False), _say)}")
    return 0


def list_what(options: argparse.Namespace) -> int:
    """Print what there is of a kind."""
    from bench.door.listing import table

    return _listed(options.what, *table(options.what), options.json)


def _listed(what: str, header: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> int:
    if as_json:
        from bench.api import documents

        return _tell([documents.text(documents.listed(what, header, rows))])
    _print(rows, header)
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
    return _checked([(options.name, results)], options.json)


def _checked(found: Iterable[tuple[str, Sequence[tuple[str, bool, str]]]], as_json: bool) -> int:
    """Print which properties hold; returns the exit code."""
    kept, broken = [], 0
    for name, results in found:
        if not as_json:
            rows = [[prop, "holds" if passed else "BROKEN", detail] for prop, passed, detail in results]
            _print(rows, ["property", "", "detail"])
        held = sum(passed for _, passed, _ in results)
        broken += len(results) - held
        kept.append((name, results))
        _say(f"{name}: {held} of {len(results)} properties hold")
    if as_json:
        from bench.api import documents

        _tell([documents.text(documents.checked(kept))])
    return 2 if broken else 0


def data_list(options: argparse.Namespace) -> int:
    """Print the data sets."""
    from bench.data import catalogue

    return _listed("data", catalogue.Line._fields, catalogue.listed(), options.json)


def data_fetch(options: argparse.Namespace) -> int:
    """Download a data set."""
    from bench.data import catalogue

    catalogue.fetch(options.name, options.accept_licence, _say)
    return 0


def data_check(options: argparse.Namespace) -> int:
    """Hold data on disk against the stored facts."""
    from bench.data import catalogue

    root, strict = options.data_root, options.strict
    return _checked(((name, catalogue.check(name, root, strict)) for name in options.names), options.json)


def data_facts(options: argparse.Namespace) -> int:
    """Print the facts of data on disk."""
    from bench.api import documents
    from bench.data import catalogue
    from tasks import facts

    return _tell([documents.text(facts.measure(catalogue.find(options.name), options.data_root))])


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


def export_batches(options: argparse.Namespace) -> int:
    """Write the batches of a cell."""
    from bench.door import export as export_
    from bench.interop import batch_files

    cell = export_.find_cell(options.results / options.experiment, options.cell)
    written = batch_files.export_batches(
        cell, options.data_root, options.out, options.form, _say, options.strategy, options.task
    )
    _say(f"batches: {written}")
    return 0
