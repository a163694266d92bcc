"""The command line. Printing and exit codes live here; results go to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from bench import config, processes
from bench.config import require_experiment_name
from bench.errors import EXPECTED, BenchError
from bench.measures import MEASURES
from bench.precision import PRECISIONS
from bench.protocol import SETTINGS
from bench.trackers import require_trackers

if TYPE_CHECKING:
    from bench.experiment import Engine

LONGEST = 2000
"""Characters of a message."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for a request that cannot be carried out, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args([_as_text(argument) for argument in arguments])
    if getattr(options, "offline", False) or getattr(options, "dry_run", False):
        from tasks.hub import go_offline

        go_offline()
    options.command_line = shlex.join(["python", "-m", "bench", *map(_as_text, arguments)])
    others = redirect_stdout(io.StringIO()) if not processes.is_first() else nullcontext()
    try:
        with others:
            if getattr(options, "experiment", None) is not None:
                require_experiment_name(options.experiment)
            code: int = options.call(options)
        sys.stdout.flush()
        return code
    except EXPECTED as error:
        who = "" if processes.is_first() else f"process {processes.number()}: "
        print(f"bench: {who}{_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; finished cells are kept, the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _as_text(argument: str) -> str:
    """Bytes that are not UTF-8 are written out: arguments are recorded, and files are UTF-8."""
    return argument.encode("utf-8", "backslashreplace").decode()


def _one_line(error: Exception) -> str:
    """A message with what would move a terminal's cursor or change its colours written out."""
    text = " ".join(str(error).split())
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Compare batch-sampling strategies for multilingual dense retrievers."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train and score strategies, then write the report")
    run.set_defaults(call=_run)
    run.add_argument("--strategy", help="comma-separated: mono,'hybrid(alpha=0.3)',my.py:Mine,'merge(mono, cross)'")
    run.add_argument("--seeds", help="comma-separated whole numbers")
    run.add_argument("--baselines", help="rows without training: untrained,char-tfidf,bm25; 'none' for none")
    run.add_argument(
        "--preset", help=f"{', '.join(config.presets())} or a TOML file (default: demo, if no model or data is named)"
    )
    run.add_argument("--overwrite", action="store_true", help="run finished cells again")
    run.add_argument(
        "--checkpoint-every", type=int, metavar="N", help="store a checkpoint every N steps (default: none)"
    )
    run.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint of a killed run, to the same bits"
    )
    run.add_argument("--log-with", help="comma-separated trackers: tensorboard,wandb,mlflow (default: none)")
    run.add_argument("--no-report", action="store_true", help="leave the report for later")
    run.add_argument("--engine", choices=("local", "ray"), default="local", help="where cells run (default: here)")
    run.add_argument("--address", help="of a Ray cluster, or auto (default: one on this machine, for this run)")
    run.add_argument("--gpus", type=float, help="GPUs that a cell takes of a Ray cluster (default: 0)")
    _settings_options(run)
    evaluate = commands.add_parser("evaluate", help="score a model without training")
    evaluate.set_defaults(call=_evaluate)
    evaluate.add_argument("--overwrite", action="store_true", help="score again")
    _model_options(evaluate)
    board = commands.add_parser("leaderboard", help="strategies x settings, mean and spread over seeds")
    board.set_defaults(call=_leaderboard)
    board.add_argument("--set", help="evaluation set (default: all)")
    board.add_argument("--measure", choices=MEASURES, help="default: the set's main measure")
    board.add_argument("--sort", help="column: mono, cross, multi, 'rank distance', ... (default: multi)")
    board.add_argument("--by", choices=("setting", "language"), default="setting", help="what columns stand for")
    board.add_argument("--setting", choices=SETTINGS, help="of --by language (default: multi, or mono)")
    board.add_argument("--bias", action="store_true", help="columns are the measures of language bias")
    board.add_argument("--format", choices=("markdown", "csv", "json", "latex"), default="markdown")
    comparing = commands.add_parser("compare", help="two strategies: effect, interval, p, verdict in every setting")
    comparing.set_defaults(call=_compare)
    comparing.add_argument("a", help="a strategy (or 'untrained'): its signature, name or hash")
    comparing.add_argument("b", help="what it is compared with")
    comparing.add_argument("--experiment", default="demo")
    comparing.add_argument("--measure", choices=MEASURES, help="default: each set's main measure")
    comparing.add_argument("--margin", type=float, default=0.01, help="what is still not worse (default: .01)")
    comparing.add_argument("--json", action="store_true")
    _folders(comparing)
    report = commands.add_parser("report", help="markdown and figures from stored results")
    report.set_defaults(call=_report)
    report.add_argument("--html", action="store_true", help="write report.html besides: one file, sortable tables")
    for sub in (board, report):
        sub.add_argument("experiment", nargs="?", default="demo")
        _folders(sub)
    listing = commands.add_parser("list", help="what there is to choose from")
    listing.set_defaults(call=_list)
    listing.add_argument("what", choices=("strategies", "tasks", "sources", "models", "presets"))
    listing.add_argument("--json", action="store_true")
    check = commands.add_parser("check", help="hold a plugin to its contract")
    check.set_defaults(call=_check)
    check.add_argument("what", choices=("strategy", "task", "source"))
    check.add_argument("name", help="a name, package.module:Class or path/to/file.py:Class")
    check.add_argument("--data-root", type=Path)
    check.add_argument("--json", action="store_true")
    data = commands.add_parser("data", help="list, fetch, check and cite data sets").add_subparsers(
        required=True, metavar="ACTION"
    )
    what = data.add_parser("list", help="name, version, licence, size, languages, origin")
    what.add_argument("--json", action="store_true")
    what.set_defaults(call=_data_list)
    fetch = data.add_parser("fetch", help="download a data set by checksum or pinned revision")
    fetch.add_argument("name")
    fetch.add_argument("--accept-licence", action="append", default=[], metavar="LICENCE")
    fetch.add_argument("--offline", action="store_true", help="never touch the network")
    fetch.set_defaults(call=_data_fetch)
    held = data.add_parser("check", help="hold data sets against their contract and what is known of them")
    held.add_argument("name", help="comma-separated")
    held.add_argument("--data-root", type=Path)
    held.add_argument("--json", action="store_true")
    held.add_argument("--offline", action="store_true", help="never touch the network")
    held.set_defaults(call=_data_check)
    known = data.add_parser("facts", help="what 'check' compares, of the data that are here, as JSON")
    known.add_argument("name")
    known.add_argument("--data-root", type=Path)
    known.set_defaults(call=_data_facts)
    cite = data.add_parser("cite", help="BibTeX and licences of what an experiment used")
    cite.add_argument("experiment")
    _folders(cite)
    cite.set_defaults(call=_data_cite)
    export = commands.add_parser("export", help="files that other tools read").add_subparsers(
        required=True, metavar="FORM"
    )
    trec = export.add_parser("trec", help="run and qrels files of one cell on one task (ranks anew)")
    trec.add_argument("experiment")
    trec.add_argument("cell", help="the cell's folder, or how its name begins")
    trec.add_argument("--task", required=True)
    trec.add_argument("--data-root", type=Path)
    trec.add_argument("--depth", type=int, default=1000, help="passages per query")
    _trust_option(trec)
    trec.set_defaults(call=_export_trec)
    result = export.add_parser("mteb", help="mteb's result files of every finished cell")
    result.add_argument("experiment")
    result.set_defaults(call=_export_mteb)
    copy = export.add_parser("results", help="a copy of an experiment without models, to be published")
    copy.add_argument("experiment")
    copy.set_defaults(call=_export_results)
    for sub in (trec, result, copy):
        sub.add_argument("--out", type=Path, required=True, help="folder to write to")
        _folders(sub)
    return parser


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="built-in name, folder or Hub name")
    _trust_option(parser)
    parser.add_argument("--task", help="comma-separated tasks to score on")
    parser.add_argument("--data-root", type=Path, help="folder of local data sets")
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    parser.add_argument("--query-length", type=int, help="tokens kept of a query")
    parser.add_argument("--passage-length", type=int, help="tokens kept of a passage")
    parser.add_argument("--query-prompt", help="text in front of queries (default: the model's own)")
    parser.add_argument("--passage-prompt", help="text in front of passages (default: the model's own)")
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="default: auto, bf16 where this machine is faster in it"
    )
    parser.add_argument("--index", choices=config.INDEXES, help="rank all passages, or the first by faiss")
    parser.add_argument("--depth", type=int, help="passages per query and language of a faiss index (default: 1000)")
    parser.add_argument("--shards", metavar="FOLDER", help="keep vectors of passages there (default: in memory)")
    parser.add_argument("--vectors", choices=config.VECTORS, help="in shards; float16 is approximate, and recorded")
    parser.add_argument("--threads", type=int, help="CPU threads (0: torch's choice)")
    parser.add_argument("--experiment", help="folder name below the results and reports folders")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    _folders(parser)


def _trust_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-remote-code", action="store_true", default=None,
        help="run code that comes with the model or that it names (default: such models are refused)",
    )  # fmt: skip


def _settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", help="comma-separated sources, or .jsonl[.gz] files")
    parser.add_argument("--train-weights", help="comma-separated shares of the sources (default: by size)")
    parser.add_argument(
        "--hold-out", action="store_true", default=None, help="leave out what the tasks held-out:<source> score on"
    )
    parser.add_argument("--negatives", type=int, metavar="N", help="hard negatives per row (default: 0)")
    parser.add_argument(
        "--negative-language",
        choices=("same", "query", "random"),
        help="of hard negatives (default: same as the passage)",
    )
    parser.add_argument("--validate-every", type=int, metavar="N", help="score the held-out items every N steps")
    parser.add_argument("--select", choices=("last", "best"), help="weights to keep: the last, or best in validation")
    parser.add_argument(
        "--overlap", choices=("refuse", "drop", "keep"), help="training items that share text with a test set"
    )
    parser.add_argument("--languages", help="comma-separated languages to train on")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--micro-batch", type=int, metavar="N", help="GradCache: rows in memory at once (0: all)")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--warmup", type=float, help="share of the steps")
    parser.add_argument("--weight-decay", type=float)
    parser.add_argument("--max-grad-norm", type=float)
    parser.add_argument("--temperature", type=float)
    _model_options(parser)


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="folder of reports")


def _say(text: str) -> None:
    if processes.is_first():
        print(text, file=sys.stderr, flush=True)


def _plan(options: argparse.Namespace, preset: str | None) -> config.Plan:
    from bench.resolve import split

    names = {f for cls in (config.Plan, config.Settings) for f in cls.__dataclass_fields__}
    overrides = {k: v for k, v in vars(options).items() if k in names and v is not None}
    lists = {"strategies": getattr(options, "strategy", None), "tasks": options.task}
    lists |= {
        name: getattr(options, name, None)
        for name in ("train", "train_weights", "languages", "seeds", "baselines", "log_with")
    }
    for name, text in lists.items():
        if text is not None:
            overrides[name] = tuple(split(text)) if text != "none" else ()
    if "seeds" in overrides:
        overrides["seeds"] = tuple(_whole(text) for text in overrides["seeds"])
    if "train_weights" in overrides:
        overrides["train_weights"] = tuple(_number(text) for text in overrides["train_weights"])
    return config.load_plan(preset, overrides)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BenchError(f"train weights are numbers separated by commas; got {text!r}") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise BenchError(f"seeds are whole numbers separated by commas; got {text!r}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from bench import experiment

    preset = options.preset or (None if options.model or options.train else "demo")
    if preset is None and options.model in ("demo-static", "demo-transformer") and not options.train:
        preset = "demo" if options.model == "demo-static" else options.model
    plan = _plan(options, preset)
    require_trackers(plan.log_with)
    if not plan.strategies:
        raise BenchError("--strategy names what to train, for example --strategy mono,cross,hybrid")
    grid = experiment.build_grid(plan, options.data_root, options.results, fetch=not options.dry_run)
    if options.dry_run:
        return _dry_run(grid)
    engine = _engine(options)
    ran = experiment.run_grid(grid, options.command_line, options.overwrite, _say, options.resume, engine)
    if not processes.is_first():
        return 0
    _say(f"{ran} of {len(grid.jobs)} cells run, the rest finished before; results in {grid.folder}")
    options.experiment = plan.experiment
    _board(options)
    return 0 if options.no_report else _report(options)


def _engine(options: argparse.Namespace) -> Engine | None:
    """What runs the cells; None is this process."""
    if options.engine == "ray":
        from bench import ray_engine

        if not 0 <= (options.gpus or 0) < float("inf"):
            raise BenchError(f"--gpus is a number of at least 0; got {options.gpus}")
        return ray_engine.engine(ray_engine.Cluster(options.address, options.gpus or 0))
    for name in ("address", "gpus"):
        if getattr(options, name) is not None:
            raise BenchError(f"--{name} belongs to --engine ray; got --engine local")
    return None


def _evaluate(options: argparse.Namespace) -> int:
    from bench import experiment

    options.experiment = options.experiment or "evaluate"
    plan = _plan(options, None)
    grid = experiment.build_grid(plan, options.data_root, options.results, fetch=not options.dry_run)
    if options.dry_run:
        return _dry_run(grid)
    experiment.run_grid(grid, options.command_line, options.overwrite, _say)
    return _board(options) if processes.is_first() else 0


def _dry_run(grid: object) -> int:
    from tabulate import tabulate

    from bench import experiment

    assert isinstance(grid, experiment.Grid)
    header = ["cell", "strategy", "seed", "steps", "rows", "tasks to score", "state"]
    print(tabulate(experiment.describe(grid), header, tablefmt="pipe"))
    s = grid.plan.settings
    for line in experiment.explain(grid):
        print(f"\n{line}")
    print(f"\nmodel {s.model}; sources {', '.join(x.name for x in grid.sources) or 'none'}; batch size {s.batch_size}")
    absent = any(job.model and job.model["files"] is None for job in grid.jobs)
    print(f"to download: {f'model {s.model} from the Hub' if absent else 'nothing'}")
    print(_estimated(grid))
    print(f"results would go to {grid.folder}; nothing was kept or written.")
    return 0


def _estimated(grid: object) -> str:
    from bench import experiment
    from bench.estimate import estimate

    assert isinstance(grid, experiment.Grid)
    try:
        return "\n".join(estimate(grid).lines())
    except EXPECTED as error:
        return f"time not estimated: {_one_line(error)}"


def _board(options: argparse.Namespace) -> int:
    """The leaderboard as it is when nothing is asked for."""
    plain = {"set": None, "measure": None, "format": "markdown", "sort": None, "by": "setting", "bias": False}
    return _leaderboard(argparse.Namespace(**vars(options) | plain))


def _leaderboard(options: argparse.Namespace) -> int:
    from bench import leaderboard, records
    from bench.values import read_sets

    sets = read_sets(records.read_cells(options.results / options.experiment))
    names = [of.name for of in sets]
    if options.set is not None and options.set not in names:
        raise BenchError(f"no evaluation set {options.set!r} in {options.experiment}; there are {', '.join(names)}")
    columns: Sequence[str] = (*leaderboard.COLUMNS, leaderboard.GAP) if options.bias else leaderboard.BRIEF
    known = (*SETTINGS, *leaderboard.COLUMNS, leaderboard.GAP)
    if options.sort and options.sort not in known:
        raise BenchError(f"--sort names one of {', '.join(known)}; got {options.sort!r}")
    for of in sets if options.set is None else [of for of in sets if of.name == options.set]:
        measure = options.measure or of.main
        if options.by == "language":
            setting = options.setting or of.layout.settings()[-1]
            rows = leaderboard.by_language(of, measure, setting)
            columns = list(rows[0].mean)
        else:
            rows = leaderboard.leaderboard(of, measure, sort=options.sort or "")
        if options.format == "markdown":
            print(f"\n{of.name}{f', {setting} {measure} by query language' if options.by == 'language' else ''}\n")
        print(leaderboard.render(rows, measure, options.format, columns))
    if options.format == "markdown" and options.by == "setting":
        print(f"\n{leaderboard.RANKS}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    import json

    from bench import compare, records

    if not 0 <= options.margin < 1:
        raise BenchError(f"--margin is a difference of the measure, at least 0 and below 1; got {options.margin}")
    cells = records.read_cells(options.results / options.experiment)
    found = compare.compare(cells, options.a, options.b, options.measure, options.margin)
    if options.json:
        print(json.dumps([c.plain() for c in found], indent=1, ensure_ascii=False))
        return 0
    from tabulate import tabulate

    aligned = ("left", "left", *("right" for _ in compare.HEADER[2:]))
    print(tabulate(compare.as_rows(found), compare.HEADER, tablefmt="pipe", disable_numparse=True, colalign=aligned))
    print(f"\n{compare.explained(options.a, options.b, found, options.margin)}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from bench import report

    html, folder = getattr(options, "html", False), options.reports / options.experiment
    path = report.write_report(options.results / options.experiment, folder, html, _say)
    _say(f"report: {path}")
    return 0


def _list(options: argparse.Namespace) -> int:
    import json

    from bench import listing

    header, rows = listing.table(options.what)
    if options.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1, ensure_ascii=False))
        return 0
    from tabulate import tabulate

    print(tabulate(rows, header, tablefmt="plain", disable_numparse=True))
    return 0


def _check(options: argparse.Namespace) -> int:
    from bench import resolve
    from strategies.check import check_strategy
    from tasks.check import check_source, check_task

    results: Sequence[tuple[str, bool, str]]
    if options.what == "strategy":
        results = check_strategy(resolve.strategy(options.name))
    elif options.what == "task":
        results = check_task(resolve.task(options.name), options.data_root)
    else:
        results = check_source(resolve.source(options.name), options.data_root)
    return _show(options.name, results, options.json)


def _show(name: str, results: Sequence[tuple[str, bool, str]], as_json: bool) -> int:
    """Print which properties hold; returns the exit code."""
    import json

    if as_json:
        named = [dict(zip(("property", "holds", "detail"), tuple(r), strict=True)) for r in results]
        print(json.dumps(named, indent=1, ensure_ascii=False))
    else:
        from tabulate import tabulate

        rows = [[prop, "holds" if passed else "BROKEN", detail] for prop, passed, detail in results]
        print(tabulate(rows, ["property", "", "detail"], tablefmt="plain"))
    broken = sum(not passed for _, passed, _ in results)
    _say(f"{name}: {len(results) - broken} of {len(results)} properties hold")
    return 2 if broken else 0


def _data_list(options: argparse.Namespace) -> int:
    import json

    from bench import data

    lines = data.listed()
    if options.json:
        print(json.dumps([line._asdict() for line in lines], indent=1, ensure_ascii=False))
        return 0
    from tabulate import tabulate

    print(tabulate(lines, data.Line._fields, tablefmt="plain", disable_numparse=True))
    return 0


def _data_fetch(options: argparse.Namespace) -> int:
    from bench import data

    data.fetch(options.name, options.accept_licence, _say)
    return 0


def _data_check(options: argparse.Namespace) -> int:
    from bench import data
    from bench.resolve import split

    codes = [_show(name, data.check(name, options.data_root), options.json) for name in split(options.name)]
    return max(codes, default=0)


def _data_facts(options: argparse.Namespace) -> int:
    import json

    from bench import data
    from tasks import facts

    print(json.dumps(facts.measure(data.find(options.name), options.data_root), indent=1, ensure_ascii=False))
    return 0


def _data_cite(options: argparse.Namespace) -> int:
    from tabulate import tabulate

    from bench import data

    rows, entries = data.cite(options.results / options.experiment)
    print(tabulate(rows, ["name", "use", "licence", "citation"], tablefmt="plain", disable_numparse=True))
    print("", *entries, sep="\n")
    return 0


def _export_trec(options: argparse.Namespace) -> int:
    from bench import export

    if options.depth < 1:
        raise BenchError(f"--depth is a whole number of at least 1; got {options.depth}")
    cell = export.find_cell(options.results / options.experiment, options.cell)
    written = export.export_trec(
        cell, options.task, options.data_root, options.out, options.depth, bool(options.trust_remote_code)
    )
    _say(f"{len(written)} files in {options.out}")
    return 0


def _export_mteb(options: argparse.Namespace) -> int:
    from bench import export

    written = export.export_mteb(options.results / options.experiment, options.out)
    _say(f"{len(written)} files in {options.out}")
    return 0


def _export_results(options: argparse.Namespace) -> int:
    from bench import archive

    written = archive.archive(options.results / options.experiment, options.out)
    _say(f"{len(written)} cells in {options.out / options.experiment}")
    return 0
