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

from bench import commands, processes
from bench.errors import EXPECTED, one_line
from bench.evaluation.measures import MEASURES
from bench.plan import presets, settings
from bench.plan.settings import PRECISIONS, require_experiment_name
from bench.store.scores import SETTINGS


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
        print(f"bench: {who}{one_line(error)}", file=sys.stderr)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Compare batch-sampling strategies for multilingual dense retrievers."
    )
    subs = parser.add_subparsers(required=True, metavar="COMMAND")
    run = subs.add_parser("run", help="train and score strategies, then write the report")
    run.set_defaults(call=commands.run)
    run.add_argument("--strategy", help="comma-separated: mono,'hybrid(alpha=0.3)',my.py:Mine,'merge(mono, cross)'")
    run.add_argument("--seeds", help="comma-separated whole numbers")
    run.add_argument("--baselines", help="rows without training: untrained,char-tfidf,bm25; 'none' for none")
    run.add_argument(
        "--preset", help=f"{', '.join(presets.presets())} or a TOML file (default: demo, if no model or data is named)"
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
    evaluate = subs.add_parser("evaluate", help="score a model without training")
    evaluate.set_defaults(call=commands.evaluate)
    evaluate.add_argument("--overwrite", action="store_true", help="score again")
    _model_options(evaluate)
    board = subs.add_parser("leaderboard", help="strategies x settings, mean and spread over seeds")
    board.set_defaults(call=commands.leaderboard)
    board.add_argument("--set", help="evaluation set (default: all)")
    board.add_argument("--measure", choices=MEASURES, help="default: the set's main measure")
    board.add_argument("--sort", help="column: mono, cross, multi, 'rank distance', ... (default: multi)")
    board.add_argument("--by", choices=("setting", "language"), default="setting", help="what columns stand for")
    board.add_argument("--setting", choices=SETTINGS, help="of --by language (default: multi, or mono)")
    board.add_argument("--bias", action="store_true", help="columns are the measures of language bias")
    board.add_argument("--format", choices=("markdown", "csv", "json", "latex"), default="markdown")
    comparing = subs.add_parser("compare", help="two strategies: effect, interval, p, verdict in every setting")
    comparing.set_defaults(call=commands.compare)
    comparing.add_argument("a", help="a strategy (or 'untrained'): its signature, name or hash")
    comparing.add_argument("b", help="what it is compared with")
    comparing.add_argument("--experiment", default="demo")
    comparing.add_argument("--measure", choices=MEASURES, help="default: each set's main measure")
    comparing.add_argument("--margin", type=float, default=0.01, help="what is still not worse (default: .01)")
    comparing.add_argument("--seeds", help="comma-separated: of these trainings only (default: all, the same of both)")
    comparing.add_argument("--json", action="store_true")
    _folders(comparing)
    report = subs.add_parser("report", help="markdown and figures from stored results")
    report.set_defaults(call=commands.report)
    report.add_argument("--html", action="store_true", help="write report.html besides: one file, sortable tables")
    for sub in (board, report):
        sub.add_argument("experiment", nargs="?", default="demo")
        _folders(sub)
    listing = subs.add_parser("list", help="what there is to choose from")
    listing.set_defaults(call=commands.list_what)
    listing.add_argument("what", choices=("strategies", "tasks", "sources", "models", "presets"))
    listing.add_argument("--json", action="store_true")
    check = subs.add_parser("check", help="hold a plugin to its contract")
    check.set_defaults(call=commands.check)
    check.add_argument("what", choices=("strategy", "task", "source"))
    check.add_argument("name", help="a name, package.module:Class or path/to/file.py:Class")
    check.add_argument("--data-root", type=Path)
    check.add_argument("--json", action="store_true")
    data = subs.add_parser("data", help="list, fetch, check and cite data sets").add_subparsers(
        required=True, metavar="ACTION"
    )
    what = data.add_parser("list", help="name, version, licence, size, languages, origin")
    what.add_argument("--json", action="store_true")
    what.set_defaults(call=commands.data_list)
    fetch = data.add_parser("fetch", help="download a data set by checksum or pinned revision")
    fetch.add_argument("name")
    fetch.add_argument("--accept-licence", action="append", default=[], metavar="LICENCE")
    fetch.add_argument("--offline", action="store_true", help="never touch the network")
    fetch.set_defaults(call=commands.data_fetch)
    held = data.add_parser("check", help="hold data sets against their contract and what is known of them")
    held.add_argument("name", help="comma-separated")
    held.add_argument("--data-root", type=Path)
    held.add_argument("--json", action="store_true")
    held.add_argument("--offline", action="store_true", help="never touch the network")
    held.set_defaults(call=commands.data_check)
    known = data.add_parser("facts", help="what 'check' compares, of the data that are here, as JSON")
    known.add_argument("name")
    known.add_argument("--data-root", type=Path)
    known.set_defaults(call=commands.data_facts)
    cite = data.add_parser("cite", help="BibTeX and licences of what an experiment used")
    cite.add_argument("experiment")
    _folders(cite)
    cite.set_defaults(call=commands.data_cite)
    export = subs.add_parser("export", help="files that other tools read").add_subparsers(required=True, metavar="FORM")
    trec = export.add_parser("trec", help="run and qrels files of one cell on one task (ranks anew)")
    trec.add_argument("experiment")
    trec.add_argument("cell", help="the cell's folder, or how its name begins")
    trec.add_argument("--task", required=True)
    trec.add_argument("--data-root", type=Path)
    trec.add_argument("--depth", type=int, default=1000, help="passages per query")
    _trust_option(trec)
    trec.set_defaults(call=commands.export_trec)
    result = export.add_parser("mteb", help="mteb's result files of every finished cell")
    result.add_argument("experiment")
    result.set_defaults(call=commands.export_mteb)
    copy = export.add_parser("results", help="a copy of an experiment without models, to be published")
    copy.add_argument("experiment")
    copy.set_defaults(call=commands.export_results)
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
    parser.add_argument("--index", choices=settings.INDEXES, help="rank all passages, or the first by faiss")
    parser.add_argument("--depth", type=int, help="passages per query and language of a faiss index (default: 1000)")
    parser.add_argument("--shards", metavar="FOLDER", help="keep vectors of passages there (default: in memory)")
    parser.add_argument("--vectors", choices=settings.VECTORS, help="in shards; float16 is approximate, and recorded")
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
