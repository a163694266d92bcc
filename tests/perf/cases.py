"""Every folder of a collection of odd data sets: what is read of it, what is said, and our values beside ir_measures'.

python tests/perf/cases.py FOLDER [--model bm25]

ir_measures gets the run that `export trec` writes and the judgements as they stand in the folder, which are split at
blanks here and not by this program's reader; judgements of queries that the folder lacks do not count, as in trec_eval
without `-c` and in BEIR. A set whose queries are passages under their own ids is scored with and
without them; a folder of SQuAD's files is a training source.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import unquote

import ir_measures
from ir_measures import AP, Qrel, R, ScoredDoc, nDCG
from tabulate import tabulate

from bench.analysis.means import read_means
from bench.cli import main as bench
from bench.plan import resolve
from bench.store.cells import read_cells

MEASURES = (nDCG @ 10, AP, R @ 100)


def judgements(path: Path) -> Iterator[Qrel]:
    """Query, passage and grade of every line, but for a header: the last column that is no number."""
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        fields = line.split("\t") if "\t" in line else line.split()
        if fields and re.fullmatch(r"-?\d+(\.0)?", fields[-1].strip()):
            yield Qrel(fields[0], fields[-2], int(float(fields[-1])))


def ids(path: Path) -> set[str]:
    """Of a file of queries or passages."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return {str(json.loads(line)["_id"]) for line in lines if line.strip()}


def answers(path: Path) -> Iterator[ScoredDoc]:
    """The lines of a run, with the ids of the data."""
    for line in path.read_text(encoding="utf-8").splitlines():
        query, _, passage, _, score, _ = line.split()
        yield ScoredDoc(unquote(query), unquote(passage), float(score))


def asked(arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code of a command, and what it said."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        return bench(arguments), said.getvalue()


def scored(folder: Path, model: str, parameters: str) -> tuple[list[str], float]:
    """What is shown of a folder in BEIR's layout, and the largest difference of a value."""
    task = f"beir:{folder}{parameters}"
    with tempfile.TemporaryDirectory() as place:
        results = ["--results", f"{place}/results"]
        code, said = asked(["evaluate", "--model", model, "--task", task, "--reports", f"{place}/reports", *results])
        told = [line.partition(": ")[2] for line in said.splitlines() if line.startswith(f"{folder.name}")]
        noticed = "; ".join(told) or "nothing"
        if code:
            return ["-", said.strip().splitlines()[-1].replace(f"{folder.parent}/", ""), "refused", "-"], 0.0
        (cell,) = read_cells(Path(place) / "results" / "evaluate")
        out = ["--task", task, "--out", f"{place}/out", "--depth", "1000"]
        code, said = asked(["export", "trec", "evaluate", cell.path.name, *out, *results])
        if code:
            raise SystemExit(said)
        (means,), (run,) = read_means([cell]), Path(place, "out").glob("*.run")
        known = ids(folder / "queries.jsonl")
        qrels = [qrel for qrel in judgements(folder / "qrels" / "test.tsv") if qrel.query_id in known]
        theirs = ir_measures.calc_aggregate(MEASURES, qrels, answers(run))
    (evalset,) = resolve.task(task).load(None)
    ours = means.pairs["en", "en"]
    read = f"{len(evalset.passages['en'])} passages, {len(evalset.queries['en'])} queries"
    shown = [" ".join(f"{values[name]:.4f}" for name in values) for values in (
        {str(m): ours[str(m)] for m in MEASURES}, {str(m): theirs[m] for m in MEASURES})]  # fmt: skip
    return [read, noticed, *shown], max(abs(ours[str(m)] - theirs[m]) for m in MEASURES)


def trained_on(folder: Path) -> list[str]:
    """What is shown of a folder in SQuAD's layout."""
    train = resolve.source(f"tasks.hub_sources:SquadFolder(folder='{folder}')").load(None)
    noticed = "; ".join(map(str, train.noticed)) or "nothing"
    return [f"{len(train.group)} items in {', '.join(train.langs)}", noticed, "a source", "-"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and fail where a value is another one, or nothing was scored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="bm25")
    options = parser.parse_args(arguments)
    rows, worst = [], 0.0
    for folder in sorted(path for path in options.folder.resolve().iterdir() if path.is_dir()):
        situation = next((p.read_text(encoding="utf-8").strip() for p in folder.glob("README*")), "")
        if not (folder / "qrels").is_dir():
            rows.append([folder.name, situation, *trained_on(folder)])
            continue
        both = ids(folder / "queries.jsonl") & ids(folder / "corpus.jsonl")
        for parameters in ("", "(ignore_identical_ids=True)") if both else ("",):
            shown, difference = scored(folder, options.model, parameters)
            worst = max(worst, difference)
            rows.append([folder.name + parameters, situation, *shown])
    header = [
        "folder",
        "situation",
        "read",
        "noticed",
        f"{options.model}: {' '.join(map(str, MEASURES))}",
        "ir_measures",
    ]
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True))
    if all(row[-1] == "-" for row in rows):
        sys.exit(f"{options.folder}: nothing there was scored")
    if worst > 1e-6:
        sys.exit(f"a value differs by {worst:.1e}")


if __name__ == "__main__":
    main()
