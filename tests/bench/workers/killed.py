"""Run by test_resume: trains a cell in one process, kills others of the same command with SIGKILL, resumes them.

Processes are forked from one that has imported everything, because starting each anew takes seconds.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

import torch

from bench.cli import main
from bench.models import loading
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training import loop
from tests.bench.workers.forked import in_a_process

STEPS, EVERY = 9, 2
TASK = """
from dataclasses import dataclass
from tasks import EvalSet, Task


@dataclass(frozen=True)
class Tiny(Task):
    name, version, licence, citation = "tiny", "1", "CC0-1.0", "none"

    def load(self, root):
        passages = {"en": {"1": "Rome is an old city.", "2": "Oslo lies in the north."}}
        yield EvalSet("tiny", {"en": {"q": "old city?"}}, passages, {"q": {"1": 1}})
"""


def killed_in(module: object, name: str, call: int) -> None:
    """Kill this process in the given call of a function (from 1)."""
    inner, calls = getattr(module, name), []

    def outer(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*arguments)

    setattr(module, name, outer)


def run(root: Path, experiment: str, *more: str) -> None:
    torch.set_num_threads(1)
    code = main([
        "run", "--strategy", "hybrid", "--model", "demo-transformer", "--train", f"{root}/tiny.jsonl",
        "--languages", "en,de,ar",
        "--steps", str(STEPS), "--batch-size", "8", "--learning-rate", "3e-3", "--task", f"{root}/tiny.py:Tiny",
        "--no-report", "--baselines", "none", "--results", str(root), "--experiment", experiment, *more,
    ])  # fmt: skip
    assert code == 0, code


def outcome(root: Path, experiment: str) -> dict[str, object]:
    (cell,) = (root / experiment).glob("hybrid-*")
    lines = (cell / "steps.jsonl").read_text().splitlines()
    return {
        "weights": json.loads((cell / "done").read_text())["weights_sha256"],
        "losses": [json.loads(line)["loss"] for line in lines],
        "batches": json.loads((cell / "batches.json").read_text()),
        "left": [p.name for p in (root / experiment).iterdir() if p.name.endswith(".checkpoint")],
    }


def trial(
    root: Path, micro: list[str], module: object, name: str, call: int, expected_at: list[int]
) -> dict[str, object]:
    experiment = f"{name.strip('_')}-{call}-{len(micro)}"

    def until_killed() -> None:
        killed_in(module, name, call)
        run(root, experiment, *micro, "--checkpoint-every", str(EVERY))

    signals = [in_a_process(until_killed)]
    assert in_a_process(lambda: run(root, experiment, *micro, "--resume", "--checkpoint-every", str(EVERY))) == 0
    (cell,) = (root / experiment).glob("hybrid-*")
    at = json.loads((cell / "config.json").read_text())["resumed_at"]
    return {"trial": experiment, "signals": signals, "resumed_at": at, "expected_at": expected_at,
            "resumed": outcome(root, experiment)}  # fmt: skip


def import_all() -> None:
    import pyarrow.parquet  # noqa: F401
    import safetensors.torch  # noqa: F401

    import bench.running.run  # noqa: F401

    loading.load_encoder(Settings(model="demo-transformer"), 0).encode(["a"], "query")


def everything(root: Path) -> list[dict[str, object]]:
    (root / "tiny.py").write_text(TASK)
    with (root / "tiny.jsonl").open("w") as file:
        for i in range(40):
            query, passage = ({lang: f"{what} {lang} {i}" for lang in ("en", "de", "ar")} for what in ("who?", "it is"))
            file.write(json.dumps({"id": str(i), "query": query, "passage": passage}) + "\n")
    found = []
    for micro in ([], ["--micro-batch", "4"]):
        whole = f"whole-{len(micro)}"
        assert in_a_process(lambda m=micro, w=whole: run(root, w, *m)) == 0  # type: ignore[misc]
        for step in sorted(random.Random(len(micro)).sample(range(STEPS), 3)):
            at = [step // EVERY * EVERY] if step >= EVERY else []
            found.append(trial(root, micro, loop, "pair_counts", step + 1, at))
            found[-1]["whole"] = outcome(root, whole)
    synced = 7  # per checkpoint: five files, their folder, the one above
    found.append(trial(root, micro, checkpoints, "sync", synced + 3, [EVERY]))
    found[-1]["whole"] = outcome(root, whole)
    return found


if __name__ == "__main__":
    screen = os.dup(1)
    os.dup2(2, 1)  # the commands' own output
    import_all()
    text = json.dumps(everything(Path(sys.argv[1])))
    os.write(screen, text.encode())
