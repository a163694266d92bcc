"""Rows per second of training, beside sentence-transformers' trainer on the same model, batches and updates.

python tests/perf/training.py --model <folder> --train lo-help --data-root <folder> > tests/perf/training.md
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch.utils.data import SequentialSampler

from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.environment import peak_mb, restart_peak
from bench.errors import EXPECTED
from bench.models.loading import load_encoder
from bench.models.precision import resolve as resolve_precision
from bench.plan import resolve
from bench.plan.settings import Settings
from bench.training.loop import Hooks, Step, train
from strategies import Batch


class Run(NamedTuple):
    """Of one side in one round: median seconds of a step behind the first one, losses, peak memory."""

    seconds: float
    losses: list[float]
    peak: int


class Job(NamedTuple):
    """What both sides train on."""

    settings: Settings
    data: TrainData
    batches: list[Batch]

    def rows(self) -> Iterator[tuple[list[str], list[str]]]:
        for batch in self.batches:
            yield self.data.queries(batch), self.data.passages(batch)


def without_dropout(model: torch.nn.Module) -> None:
    """Random masks differ between the two sides; without them losses can be compared."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def ours(job: Job, precision: str, dropout: bool) -> Run:
    settings = dataclasses.replace(job.settings, precision=precision)
    encoder = load_encoder(settings, 0)
    if not dropout:
        without_dropout(encoder.model)
    steps: list[Step] = []
    restart_peak()
    train(encoder, job.data, iter(job.batches), settings, 0, Hooks(steps.append))
    seconds = [settings.batch_size / s.rows_per_s for s in steps[1:]]
    return Run(median(seconds), [s.loss for s in steps], peak_mb())


def theirs(job: Job, precision: str, dropout: bool) -> Run:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    class InOrder(SentenceTransformerTrainer):  # type: ignore[misc]
        def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, **kwargs: Any) -> Any:
            return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            found = super().compute_loss(*args, **kwargs)
            losses.append(float(found[0] if isinstance(found, tuple) else found))
            return found

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.taken: list[float] = []
            self.start = 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            now = time.perf_counter()
            if self.start:  # from one step's begin to the next: collating is part of a step
                self.taken.append(now - self.start)
            self.start = now

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            self.taken.append(time.perf_counter() - self.start)

    losses: list[float] = []
    encoder = load_encoder(job.settings, 0)
    model: SentenceTransformer = encoder.model
    model.max_seq_length = job.settings.passage_length
    if not dropout:
        without_dropout(model)
    texts = [(q, p) for queries, passages in job.rows() for q, p in zip(queries, passages, strict=True)]
    data = Dataset.from_dict({"anchor": [q for q, _ in texts], "positive": [p for _, p in texts]})
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=len(job.batches), per_device_train_batch_size=job.settings.batch_size,
            learning_rate=job.settings.learning_rate, lr_scheduler_type="linear", warmup_steps=0, weight_decay=0.0,
            max_grad_norm=job.settings.max_grad_norm, bf16=precision == "bf16", use_cpu=not torch.cuda.is_available(),
            prompts={"anchor": encoder.prompt["query"], "positive": encoder.prompt["passage"]}, logging_steps=1,
            save_strategy="no", report_to="none", disable_tqdm=True, seed=0, dataloader_drop_last=True,
        )  # fmt: skip
        loss = MultipleNegativesRankingLoss(model, scale=1 / job.settings.temperature)
        trainer = InOrder(model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[clock])
        restart_peak()
        with redirect_stdout(sys.stderr):  # the trainer prints its log
            trainer.train()
    return Run(median(clock.taken[1:]), losses, peak_mb())


SIDES: list[tuple[str, Callable[[Job, str, bool], Run], str]] = [
    ("sentence-transformers", theirs, "float32"),
    ("bench", ours, "float32"),
    ("sentence-transformers", theirs, "bf16"),
    ("bench", ours, "bf16"),
]


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """What ``make_job`` reads."""
    parser.add_argument("--model", default="demo-transformer")
    parser.add_argument("--train", default="demo")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3, help="of each round; the first one is not timed")


def make_job(options: argparse.Namespace) -> Job:
    settings = Settings(
        model=options.model, train=(options.train,), steps=options.steps, batch_size=options.batch_size, warmup=0.0,
        weight_decay=0.0, query_length=256, passage_length=256,
    )  # fmt: skip
    data = combine([resolve.source(options.train).load(options.data_root)], settings.languages)
    strategy = resolve.strategy("hybrid")
    audit = Audit(data.pool.langs)
    batches = list(schedule(strategy, data.pool, settings.batch_size, settings.steps, 0, audit))
    return Job(settings, data, batches)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_job_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precisions", default="float32,bf16", help="float32 alone compares losses over many steps")
    parser.add_argument("--dropout", action="store_true", help="as a user trains; losses are then not compared")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        job = make_job(options)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    runs: dict[tuple[str, str], list[Run]] = {}
    asked = [s for s in SIDES if s[2] in options.precisions.split(",")]
    for number in range(options.rounds):
        for name, side, precision in asked:
            runs.setdefault((name, precision), []).append(side(job, precision, options.dropout))
            print(number, name, precision, f"{runs[name, precision][-1].seconds:.3f} s", file=sys.stderr, flush=True)
    _print(options, job, runs)
    return 0


def _print(options: argparse.Namespace, job: Job, runs: dict[tuple[str, str], list[Run]]) -> None:
    seconds = {key: median(r.seconds for r in of_side) for key, of_side in runs.items()}
    size = job.settings.batch_size
    rows = []
    for key, of_side in runs.items():
        peer = ("sentence-transformers", "float32"), ("sentence-transformers", key[1])
        ratios = [f"{median(t.seconds / o.seconds for t, o in zip(runs[p], of_side, strict=True)):.2f}" for p in peer]
        rows.append(
            [
                *key,
                f"{seconds[key]:.3f}",
                f"{size / seconds[key]:.1f}",
                *ratios,
                f"{of_side[0].losses[-1]:.4f}",
                f"{max(r.peak for r in of_side):,}",
            ]
        )
    header = [
        "",
        "precision",
        "s / step",
        "rows / s",
        "x trainer float32",
        "x trainer, same precision",
        "last loss",
        "peak MB",
    ]
    named = f"{Path(options.model).name}, source {options.train}, batch {size}, hybrid"
    packages = ", ".join(f"{p} {version(p)}" for p in ("sentence-transformers", "transformers", "torch"))
    print(f"\n## {named}\n\n{options.rounds} alternating rounds of {options.steps} steps (the first is not timed), one "
          f"thread; medians. dropout {'on' if options.dropout else 'off'}. Python {python_version()}, {packages}. "
          f"auto would choose {resolve_precision('auto', small=False)} here.\n")  # fmt: skip
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=("left", "left", *["right"] * 6)))
    if not options.dropout:
        a, b = (runs[name, "float32"][0].losses for name in ("sentence-transformers", "bench"))
        apart = max(abs(x - y) for x, y in zip(a, b, strict=True))
        print(f"\nLargest difference of the losses in float32, over {len(a)} steps: {apart:.1e}.")


if __name__ == "__main__":
    sys.exit(main())
