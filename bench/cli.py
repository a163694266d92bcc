"""The command line. Printing and exit codes live here; results go to stdout, everything else to stderr."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from bench import __version__, processes
from bench.door import commands
from bench.errors import EXPECTED, one_line
from bench.evaluation.measures import MEASURES
from bench.plan import options, presets
from bench.plan.options import Parser, option, switch
from bench.plan.settings import COMPARED, DATA, MACHINE, OUTPUT, TRAINING, require_experiment_name
from bench.store.scores import SETTINGS
from tasks import hub

EVALUATE = (
    "model", "query_length", "passage_length", "query_prompt", "passage_prompt", "precision", "trust_remote_code",
    "tasks", "strict", "index", "depth", "shards", "vectors", "threads", "experiment",
)  # fmt: skip
"""Fields of a plan that scoring a model without training asks for."""


FORMS = ("jsonl", "tevatron", "flagembedding")
"""As ``interop.batch_files`` has them, which is not read for a help."""


SHOW = ("train", "languages", "model", "trust_remote_code")
"""Fields of a plan that decide what a strategy draws from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for a request that cannot be carried out, 130 for Ctrl-C."""
    arguments = [_as_text(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    others = redirect_stdout(io.StringIO()) if not processes.is_first() else nullcontext()
    try:
        asked = parser().parse_args(arguments)
        asked.command_line = shlex.join(["python", "-m", "bench", *arguments])
        if getattr(asked, "offline", False):
            hub.go_offline()
        hub.look_only(getattr(asked, "dry_run", False))
        hub.set_tell(None if processes.is_first() else lambda text: None)
        if getattr(asked, "verify", False):
            from tasks.checksums import verify

            verify()
        with others:
            if getattr(asked, "experiment", None) is not None:
                require_experiment_name(asked.experiment)
            code: int = asked.call(asked)
        sys.stdout.flush()
        return code
    except EXPECTED as error:
        who = "" if processes.is_first() else f"process {processes.number()}: "
        print(f"bench: {who}{one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; finished cells are kept, the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        processes.part()


def _as_text(argument: str) -> str:
    """Bytes that are not UTF-8 are written out: arguments are recorded, and files are UTF-8."""
    return argument.encode("utf-8", "backslashreplace").decode()


def parser() -> Parser:
    """What understands a command line; ``call`` of what it gives is the command."""
    made = Parser(
        prog="python -m bench" if Path(sys.argv[0]).name == "__main__.py" else "bench",
        description="Compare batch-sampling strategies for multilingual dense retrievers.",
        epilog="example: %(prog)s run --strategy mono,cross,hybrid --seeds 0-2\n'%(prog)s COMMAND --help' says more",
    )
    made.add_argument("--version", action="version", version=f"bench {__version__}", help="print it and stop")
    subs = made.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in (_run, _evaluate, _leaderboard, _compare, _report, _list, _check, _show):
        add(subs)
    _data(_group(subs, "data", "list, fetch, check and cite data sets", "ACTION"))
    _export(_group(subs, "export", "files that other tools read", "FORM"))
    return made


def _command(subs: Any, name: str, call: Any, meaning: str, **more: Any) -> Parser:
    made: Parser = subs.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.", **more)
    made.set_defaults(call=call)
    return made


def _group(subs: Any, name: str, meaning: str, metavar: str) -> Any:
    return subs.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.").add_subparsers(
        required=True, metavar=metavar, title=f"{metavar.lower()}s"
    )


def _run(subs: Any) -> None:
    made = _command(
        subs, "run", commands.run, "train and score strategies, then write the report",
        usage="%(prog)s --strategy NAMES [options]",
        epilog=f"Without --preset, --model and --train the preset demo is taken:\n{presets.says('demo')}\n\n"
               "example: %(prog)s --strategy mono,'hybrid(alpha=0.3)' --seeds 0-2 --experiment shares",
    )  # fmt: skip
    groups = options.grouped(made)
    options.plan_options(groups)
    option(groups[COMPARED], "--preset", f"{', '.join(presets.presets())} ('list presets'), or a TOML file", None,
           "demo, if neither --model nor --train is given", type=options.word, metavar="NAME")  # fmt: skip
    stop = groups[COMPARED]
    option(stop, "--until", "settled: one training more of each strategy until each claim is shown or refuted", None,
           "as --seeds says", choices=("settled",))  # fmt: skip
    option(stop, "--pilot", "of --until settled --dry-run: an experiment whose trainings say how they vary", None,
           "none", metavar="NAME")  # fmt: skip
    option(stop, "--components", "the same in numbers: SD between trainings, SE of the questions", None, "none",
           type=options.numbers, metavar="SD,SE")  # fmt: skip
    switch(groups[TRAINING], "--resume", "go on from the checkpoint of a killed run, to the same bits")
    machine = groups[MACHINE]
    option(machine, "--engine", "local runs cells here, ray on a cluster", "local", choices=("local", "ray"))
    option(machine, "--address", "of a Ray cluster that runs, or auto", None, "one on this machine, for this run",
           type=options.word)  # fmt: skip
    option(machine, "--gpus", "GPUs that a cell takes of a Ray cluster", None, "0", type=options.amount, metavar="X")
    _data_options(groups[DATA])
    _output_options(groups[OUTPUT])
    switch(groups[OUTPUT], "--no-report", "leave the report for later")


def _evaluate(subs: Any) -> None:
    made = _command(
        subs, "evaluate", commands.evaluate, "score a model without training",
        usage="%(prog)s --model NAME --task NAMES [options]",
        epilog="example: %(prog)s --model intfloat/multilingual-e5-small --task mteb:BelebeleRetrieval",
    )  # fmt: skip
    groups = options.grouped(made)
    options.plan_options(groups, EVALUATE)
    _data_options(groups[DATA])
    _output_options(groups[OUTPUT])


def _data_options(where: Any) -> None:
    _data_root(where)
    _offline(where)


def _output_options(where: Any) -> None:
    switch(where, "--dry-run", "print the plan and stop")
    switch(where, "--overwrite", "run finished cells again")
    switch(where, "--verify", "read every data and model file again to see whether it changed")
    _folders(where)


def _data_root(where: Any) -> None:
    option(where, "--data-root", "folder of local data sets", None, "none", type=options.folder, metavar="FOLDER")


def _strict(where: Any) -> None:
    switch(where, "--strict", "refuse data that are read only with repair")


def _offline(where: Any) -> None:
    switch(where, "--offline", "never touch the network")


def _folders(where: Any) -> None:
    for name in ("results", "reports"):
        option(where, f"--{name}", f"folder of {name}", Path(name), type=options.folder, metavar="FOLDER")


def _experiment(where: Any) -> None:
    option(where, "experiment", "folder below those of results and reports", "demo", nargs="?")


def _json(where: Any) -> None:
    switch(where, "--json", "JSON instead of a table")


def _measure(where: Any) -> None:
    option(where, "--measure", "what is shown", None, "each set's main measure", choices=MEASURES)


def _leaderboard(subs: Any) -> None:
    made = _command(subs, "leaderboard", commands.leaderboard, "strategies x settings, mean and spread over seeds")
    _experiment(made)
    option(made, "--set", "evaluation set", None, "all", type=options.word)
    _measure(made)
    option(made, "--sort", "column: mono, cross, multi, 'rank distance', ...", None, "multi", metavar="COLUMN")
    option(made, "--by", "what columns stand for", "setting", choices=("setting", "language"))
    option(made, "--setting", "of --by language", None, "multi, or mono", choices=SETTINGS)
    switch(made, "--bias", "columns are the measures of language bias")
    option(made, "--format", "of the tables", "markdown", choices=("markdown", "csv", "json", "latex"))
    _folders(made)


def _compare(subs: Any) -> None:
    made = _command(
        subs, "compare", commands.compare, "two strategies: effect, interval, what it shows, p, in every setting",
        epilog="example: %(prog)s hybrid mono --seeds 0-2",
    )  # fmt: skip
    made.add_argument("a", help="a strategy (or 'untrained'): its signature, name or hash")
    made.add_argument("b", help="what it is compared with")
    option(made, "--experiment", "folder below those of results and reports", "demo", metavar="NAME")
    _measure(made)
    option(made, "--margin", "what is still not worse", 0.01, type=options.margin, metavar="X")
    option(made, "--seeds", "these trainings alone, as 0,2 or 0-4", None, "all, the same of both", type=options.seeds)
    _json(made)
    _folders(made)


def _report(subs: Any) -> None:
    made = _command(subs, "report", commands.report, "markdown and figures from stored results")
    _experiment(made)
    switch(made, "--html", "write report.html besides: one file, sortable tables")
    _folders(made)


def _list(subs: Any) -> None:
    made = _command(subs, "list", commands.list_what, "what there is to choose from")
    made.add_argument("what", choices=("strategies", "tasks", "sources", "models", "presets"), help="of what kind")
    _json(made)


def _check(subs: Any) -> None:
    made = _command(subs, "check", commands.check, "hold a plugin to its contract")
    made.add_argument("what", choices=("strategy", "task", "source"), help="its kind")
    made.add_argument("name", help="a name, package.module:Class or path/to/file.py:Class")
    _data_root(made)
    _strict(made)
    _json(made)


def _show(subs: Any) -> None:
    shown = _group(subs, "show", "what a plugin makes", "WHAT")
    made = _command(
        shown, "strategy", commands.show_strategy, "a few batches: which rows, in which languages",
        epilog="example: %(prog)s mono,'hybrid(alpha=.3)' --out batches.svg",
    )  # fmt: skip
    made.add_argument("names", type=options.names, help="strategies, separated by commas")
    option(made, "--rows", "of a batch", 12, type=options.counted, metavar="N")
    option(made, "--batches", "of each strategy", 6, type=options.counted, metavar="N")
    option(made, "--seed", "of the batches", 0, type=options.counted_from_zero, metavar="N")
    option(made, "--out", "a picture besides, .svg or .png", None, "none", type=options.folder, metavar="FILE")
    options.plan_options({title: made for title in options.GROUPS}, SHOW)
    _data_options(made)


def _data(subs: Any) -> None:
    _json(_command(subs, "list", commands.data_list, "name, version, licence, size, languages, origin"))
    fetch = _command(subs, "fetch", commands.data_fetch, "download a data set by checksum or pinned revision")
    fetch.add_argument("name", help="as 'data list' has it")
    option(fetch, "--accept-licence", "that a data set asks for; once for each", [], "none", action="append",
           metavar="LICENCE")  # fmt: skip
    _offline(fetch)
    held = _command(subs, "check", commands.data_check, "hold data sets against their contract and what is known")
    held.add_argument("names", type=options.names, help="data sets, separated by commas")
    _data_root(held)
    _strict(held)
    _json(held)
    _offline(held)
    known = _command(subs, "facts", commands.data_facts, "what 'check' compares, of the data that are here, as JSON")
    known.add_argument("name", help="a data set")
    _data_root(known)
    cite = _command(subs, "cite", commands.data_cite, "BibTeX and licences of what an experiment used")
    cite.add_argument("experiment", help="folder below that of results")
    _folders(cite)


def _export(subs: Any) -> None:
    trec = _command(subs, "trec", commands.export_trec, "run and qrels files of one cell on one task (ranks anew)")
    mteb = _command(subs, "mteb", commands.export_mteb, "mteb's result files of every finished cell")
    copy = _command(subs, "results", commands.export_results, "a copy of an experiment without models, to be published")
    for made in (trec, mteb, copy):
        made.add_argument("experiment", help="folder below that of results")
        made.add_argument("--out", type=options.folder, required=True, metavar="FOLDER", help="to write to (required)")
        _folders(made)
    trec.add_argument("cell", help="the cell's folder, or how its name begins")
    trec.add_argument("--task", required=True, type=options.word, metavar="NAME", help="to rank (required)")
    _data_root(trec)
    option(trec, "--depth", "passages per query", 1000, type=options.counted, metavar="N")
    options.plan_options({title: trec for title in options.GROUPS}, ("trust_remote_code",))
    batches = _command(subs, "batches", commands.export_batches, "the very batches of one cell, as others read them")
    batches.add_argument("experiment", help="folder below that of results")
    batches.add_argument("cell", help="the cell's folder, or how its name begins")
    batches.add_argument("--out", type=options.folder, required=True, metavar="FOLDER", help="to write to (required)")
    option(batches, "--form", "a batch a line, or a row a line as other trainers read them", "jsonl", choices=FORMS)
    option(batches, "--strategy", "of a plugin's cell, as it was named", None, "the cell's", type=options.word)
    option(batches, "--task", "tasks that --overlap drop held the training items against", None, "by their names",
           type=options.names, metavar="NAMES")  # fmt: skip
    _data_root(batches)
    _offline(batches)
    _folders(batches)
