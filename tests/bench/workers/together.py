"""Run by test_devices, alone and by torchrun: trains small cells and writes what came out, from each process."""

import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import distributed, nn

from bench import processes
from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training.devices import Devices
from bench.training.loop import Hooks, Step, train
from bench.training.resume import Keeper
from strategies import STRATEGIES, Batch
from tasks.demo import DemoSource

SETTINGS = Settings(steps=6, batch_size=17, learning_rate=3e-3, temperature=0.05)
CASES = {
    "mono": (SETTINGS, "mono"),
    "cross": (SETTINGS, "cross"),
    "hybrid": (SETTINGS, "hybrid"),
    "transformer": (dataclasses.replace(SETTINGS, model="demo-transformer"), "hybrid"),
    "padded": (dataclasses.replace(SETTINGS, model="demo-transformer"), "hybrid"),
    "gradcache": (dataclasses.replace(SETTINGS, model="demo-transformer", micro_batch=4), "hybrid"),
    "negatives": (dataclasses.replace(SETTINGS, model="demo-transformer", negatives=2), "hybrid"),
    "even": (dataclasses.replace(SETTINGS, model="demo-transformer", micro_batch=4, batch_size=16), "hybrid"),
}


class Killed(Exception):
    """Stands for the end of the processes."""


def run(
    data: TrainData, case: str, dropout: float = 0.0, keep: Path | None = None, killed_after: int = -1, apart: int = 0
) -> tuple[dict[str, object], dict[str, torch.Tensor]]:
    """Train a case; ``apart`` hands the processes different batches, as accelerate's sampler would."""
    settings, strategy = CASES[case]
    if settings.negatives:
        data = dataclasses.replace(data, negative=neighbours(data))
    encoder, audit = load_encoder(settings, 0), Audit(data.pool.langs)
    encoder.packs &= case != "padded"
    for module in encoder.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    batches: Iterator[Batch] = schedule(STRATEGIES[strategy](), data.pool, settings.batch_size, 6, 0, audit)
    steps: list[Step] = []

    def log(step: Step) -> None:
        steps.append(step)
        if step.step == killed_after:
            raise Killed

    keeper = None
    if keep is not None:
        keep.with_name("steps.jsonl").write_text("")
        found_there = processes.agreed(lambda: checkpoints.find(keep, {}))
        keeper = Keeper(keep, 2, {}, keep.with_name("steps.jsonl"), audit, found_there)
    train(encoder, data, itertools.islice(batches, apart, None), settings, 0, Hooks(log, keeper))
    losses = [step.loss for step in steps]
    found = {"losses": losses, "padding": [step.padding for step in steps], "weights": encoder.weights_hash()}
    return found, dict(encoder.model.state_dict())


def neighbours(data: TrainData) -> dict[str, list[tuple[str, ...]]]:
    """Hard negatives: none for every third item, else the passages of the next two."""
    return {
        lang: [tuple(t for t in (*column, *column)[i + 1 : i + 3] if t) if i % 3 else () for i in range(len(column))]
        for lang, column in data.passage.items()
    }


def refusal(data: TrainData) -> str:
    try:
        run(data, "mono", apart=processes.number())
    except BenchError as error:
        return str(error)
    return "none"


def killed_and_resumed(data: TrainData, keep: Path) -> dict[str, object]:
    try:
        run(data, "transformer", dropout=0.1, keep=keep, killed_after=4)
    except Killed:
        return run(data, "transformer", dropout=0.1, keep=keep)[0]
    raise AssertionError("it was not killed")


def patience() -> list[str]:
    """What processes wait through on a CPU, and where their group is NCCL's."""
    found = [str(processes._patient())]
    processes._patient.cache_clear()
    with patch.object(distributed, "get_backend", return_value="nccl"):
        group = processes._patient()
        found.append(processes.agreed(lambda: f"from {processes.number()}"))
    processes._patient.cache_clear()
    return [*found, str(distributed.get_backend(group))]


def sharded(data: TrainData, out: Path) -> dict[str, object]:
    """Trained by FSDP; or why this torch does not."""
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    try:
        found, weights = run(data, "even")
    except BenchError as error:
        return {"refused": str(error)}
    finally:
        del os.environ["ACCELERATE_USE_FSDP"]
    if processes.is_first():
        save_file(weights, out / "sharded.safetensors")
    return found


def everything(out: Path) -> None:
    torch.set_num_threads(1)
    processes.join()
    data = combine([DemoSource().load(None)], ("en", "de", "ar"))
    found: dict[str, object] = {}
    for case in CASES:
        found[case], weights = run(data, case)
        if processes.is_first():
            save_file(weights, out / f"{case}.safetensors")
    if processes.count() > 1:
        found["again"] = run(data, "transformer")[0]
        found["dropout"] = run(data, "transformer", dropout=0.1)[0]
        found["resumed"] = killed_and_resumed(data, out / "kept")
        found["sharded"] = sharded(data, out)
        found["apart"] = refusal(data)
        found["sizes"] = Devices(17).sizes
        found["patient"] = patience()
    (out / f"process-{processes.number()}.json").write_text(json.dumps(found))
    processes.leave()


if __name__ == "__main__":
    everything(Path(sys.argv[1]))
