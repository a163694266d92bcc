"""SIGKILL at random moments of every phase, and the same command again: the results are those of an undisturbed run.

python tests/perf/kills.py [--kills 50]

Each trial is a process that kills itself inside a function of a phase, at a random call, and then the same command with
--resume until it ends. Compared: sha256 of weights, scores and batches, the losses, and what is left in the folders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tabulate import tabulate

from bench.cli import main as bench
from bench.models.loading import load_encoder
from bench.plan.settings import Settings

RUN = [
    "run", "--strategy", "mono,centering(mono)", "--model", "demo-transformer", "--languages", "en,de", "--steps", "12",
    "--batch-size", "8", "--learning-rate", "3e-3", "--baselines", "untrained", "--experiment", "killed",
    "--checkpoint-every", "3", "--hold-out", "--validate-every", "4",
]  # fmt: skip

TASK = """
from dataclasses import dataclass
from tasks import EvalSet, Task


@dataclass(frozen=True)
class Tiny(Task):
    name, version, licence, citation = "tiny", "1", "CC0-1.0", "none"

    def load(self, root):
        texts = {lang: {f"{lang}/{i}": f"{lang} thing number {i}" for i in range(8)} for lang in ("de", "en")}
        queries = {lang: {f"{q}?": text for q, text in part.items()} for lang, part in texts.items()}
        relevant = {f"{lang}/{i}?": {f"de/{i}": 1, f"en/{i}": 1} for lang in ("de", "en") for i in range(8)}
        yield EvalSet("tiny", queries, texts, relevant, group={q: q[3:] for q in relevant})
"""


class Phase(NamedTuple):
    """A phase and the function that stands for it: module, class or nothing, name."""

    name: str
    module: str
    owner: str
    function: str


PHASES = [
    Phase("reading", "tasks.files", "", "sha256"),
    Phase("training", "bench.training.loop", "", "pair_counts"),
    Phase("training: checkpoint", "bench.store.checkpoints", "", "sync"),
    Phase("training: validation", "bench.training.validation", "", "mean_ap"),
    Phase("encoding", "bench.encoding.encoder", "Encoder", "embed"),
    Phase("scoring", "bench.evaluation.score", "", "_observed"),
    Phase("locking", "os", "", "rename"),
    Phase("writing", "os", "", "replace"),
    Phase("writing: scores", "pyarrow.parquet", "", "write_table"),
    Phase("reporting", "bench.figures.plots", "", "draw"),
]


def make_data(folder: Path) -> None:
    """A task and a source that are read in no time."""
    (folder / "tiny.py").write_text(TASK)
    with (folder / "tiny.jsonl").open("w") as file:
        for i in range(200):
            query, passage = ({lang: f"{what} {lang} {i}" for lang in ("en", "de")} for what in ("who?", "it is"))
            file.write(json.dumps({"id": str(i), "query": query, "passage": passage}) + "\n")


def run(root: Path, *more: str) -> None:
    torch.set_num_threads(1)
    data = ["--train", f"{root.parent}/tiny.jsonl", "--task", f"{root.parent}/tiny.py:Tiny"]
    code = bench([*RUN, *data, "--results", str(root / "results"), "--reports", str(root / "reports"), *more])
    os._exit(code)


def ended(do: Callable[[], None]) -> int:
    """How a forked process ended: minus the signal that killed it, or its exit code."""
    child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(9)
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def patched(phase: Phase, act: Callable[[int], None]) -> None:
    """Have ``act`` called with the number of every call of a phase's function, from 1."""
    holder: Any = import_module(phase.module)
    holder = getattr(holder, phase.owner) if phase.owner else holder
    inner, calls = getattr(holder, phase.function), [0]

    def outer(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        act(calls[0])
        return inner(*arguments, **named)

    setattr(holder, phase.function, outer)


def counted(root: Path) -> list[int]:
    """How often an undisturbed run calls the function of each phase."""
    whole = root / "undisturbed"
    file = root / "calls.json"
    calls = [0] * len(PHASES)

    def note(phase: int) -> Callable[[int], None]:
        def noted(call: int) -> None:
            calls[phase] = call
            file.write_text(json.dumps(calls))

        return noted

    def count() -> None:
        for i, phase in enumerate(PHASES):
            patched(phase, note(i))
        run(whole)

    if ended(count):
        sys.exit("the undisturbed run failed")
    found: list[int] = json.loads(file.read_text())
    unmet = [f"{p.module}.{p.function}" for p, calls in zip(PHASES, found, strict=True) if not calls]
    if unmet:
        sys.exit(f"every phase has a function that a run calls; {', '.join(unmet)} is called by none: name another one")
    return found


def killed_at(root: Path, phase: Phase, call: int, *more: str) -> int:
    def until() -> None:
        patched(phase, lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == call else None)
        run(root, *more)

    return ended(until)


def outcome(root: Path) -> dict[str, Any]:
    """What must be equal: of every cell weights, scores, batches, losses, validation; and the names that are there."""
    found: dict[str, Any] = {}
    for done in sorted((root / "results" / "killed").glob("*/done")):
        cell = done.parent
        files = [*cell.glob("scores/*"), *cell.glob("batches.json"), *cell.glob("validation.jsonl")]
        steps = cell / "steps.jsonl"
        losses = [json.loads(x)["loss"] for x in steps.read_text().splitlines()] if steps.is_file() else []
        hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        found[cell.name] = [json.loads(done.read_text())["weights_sha256"], hashes, losses]
    found["report"] = sorted(p.name for p in (root / "reports" / "killed").iterdir())
    found["left"] = sorted(p.name for made in ("results", "reports") for p in (root / made).rglob(".*"))
    return found


def trial(root: Path, phase: Phase, call: int, again: int) -> tuple[int, int]:
    """How often the command was killed before it ended, and the exit code of the last run."""
    kills = int(killed_at(root, phase, call) == -signal.SIGKILL)
    if again:  # killed a second time while it recovers
        kills += int(killed_at(root, phase, again, "--resume") == -signal.SIGKILL)
    return kills, ended(lambda: run(root, "--resume"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    draw = random.Random(options.seed)
    load_encoder(Settings(model="demo-transformer"), 0).encode(["a"], "query")  # imported before processes are forked
    import matplotlib.pyplot  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    screen, start = os.dup(1), time.perf_counter()
    os.dup2(2, 1)  # the commands' own output
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root)
        calls = dict(zip(PHASES, counted(root), strict=True))
        undisturbed = outcome(root / "undisturbed")
        rows: dict[Phase, list[int]] = {phase: [0, 0, 0] for phase in PHASES}
        number = killed = 0
        while killed < options.kills:
            phase = PHASES[number % len(PHASES)]
            second = draw.randint(1, calls[phase]) if number % 4 == 3 else 0
            kills, code = trial(root / f"trial-{number}", phase, draw.randint(1, calls[phase]), second)
            found = outcome(root / f"trial-{number}") if code == 0 else {}
            same = found == undisturbed
            rows[phase] = [a + b for a, b in zip(rows[phase], (1, kills, int(same)), strict=True)]
            wrong = {name for name in {*found, *undisturbed} if found.get(name) != undisturbed.get(name)}
            print(number, phase.name, kills, code, "same" if same else f"DIFFERENT {wrong} {found.get('left')}",
                  file=sys.stderr, flush=True)  # fmt: skip
            number, killed = number + 1, killed + kills
    table = [
        [p.name, f"`{p.module}.{p.owner + '.' if p.owner else ''}{p.function}`", calls[p], *rows[p]] for p in PHASES
    ]
    total = [sum(r[i] for r in rows.values()) for i in range(3)]
    header = ["phase", "killed inside", "calls of an undisturbed run", "trials", "kills", "same results"]
    text = (f"`python tests/perf/kills.py --kills {options.kills}`: {total[1]} kills in {total[0]} trials, {total[2]} "
            f"ended with the results of an undisturbed run ({time.perf_counter() - start:,.0f} s).\n\n"
            f"{tabulate(table, header, tablefmt='pipe')}\n")  # fmt: skip
    os.write(screen, text.encode())
    return 0 if total[2] == total[0] else 1


if __name__ == "__main__":
    sys.exit(main())
