"""Training beside sentence-transformers' trainer on the same card: batches, lengths, precision and updates alike."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from asked import CARD, Asked, Found, Job, job, kept, restart_peak
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from bench import accelerator
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.training.loop import Hooks, Step, train

LENGTH = 128
"""Tokens of a text at most, of queries too: the trainer has one limit for both."""

AIMS = {("me5-small", 32): 3.0, ("me5-small", 256): 1.3}
"""Times the trainer's rows a second."""

STEP_MS, SHARE = 15.0, 0.3
"""Of a step at 32 rows; of the card's measured bf16 rate at 256."""


class Plan(NamedTuple):
    """Steps of a job: some to warm up, then windows behind which the card is waited for."""

    rows: int
    warm: int
    window: int
    windows: int

    @property
    def steps(self) -> int:
        return self.warm + self.window * self.windows


PLANS = {"me5-small": [Plan(32, 10, 5, 8), Plan(256, 5, 3, 5)], "XLM-R-base's size": [Plan(128, 5, 3, 5)]}
SMALL = {"me5-small": [Plan(4, 1, 1, 2)], "XLM-R-base's size": [Plan(4, 1, 1, 2)]}


class Windows:
    """Milliseconds of a step: the median over windows. Between their ends nobody waits who would not by himself."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._done, self._ends = plan, 0, list[float]()

    def step(self) -> None:
        self._done += 1
        behind = self._done - self._plan.warm
        if behind >= 0 and behind % self._plan.window == 0:
            accelerator.wait()
            self._ends.append(time.perf_counter())

    @property
    def ms(self) -> float:
        taken = [b - a for a, b in zip(self._ends, self._ends[1:], strict=False)]
        return median(taken) / self._plan.window * 1e3


class Taken(NamedTuple):
    """Of one side; losses are read behind the clock."""

    ms: float
    peak: int | None
    flops: float = 0.0
    note: str = ""


def ours(work: Job, plan: Plan) -> Taken:
    encoder, windows, flops = load_encoder(work.settings, 0), Windows(plan), list[float]()

    def log(step: Step) -> None:
        windows.step()
        flops.append(step.flops)

    restart_peak()
    note = tolerated(lambda: train(encoder, work.data, iter(work.batches), work.settings, 0, Hooks(log)))
    timed = flops[plan.warm :]
    return Taken(windows.ms, accelerator.peak_mb(), sum(timed) / len(timed), note)


def tolerated(work: Callable[[], None]) -> str:
    """What a training of random weights may be refused for at its end; its clock has run by then."""
    try:
        work()
    except BenchError as error:
        return str(error)[:80]
    return ""


def theirs(work: Job, plan: Plan) -> Taken:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from torch.utils.data import SequentialSampler
    from transformers import TrainerCallback

    class InOrder(SentenceTransformerTrainer):  # type: ignore[misc]
        def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, **kwargs: Any) -> Any:
            return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            windows.step()

    windows, model = Windows(plan), SentenceTransformer(work.settings.model, local_files_only=True)
    model.max_seq_length = LENGTH
    prompts = {column: model.prompts.get(of) or "" for column, of in (("anchor", "query"), ("positive", "passage"))}
    queries = [text for batch in work.batches for text in work.data.queries(batch)]
    passages = [text for batch in work.batches for text in work.data.passages(batch)]
    settings = work.settings
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=len(work.batches), per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate, lr_scheduler_type="linear", weight_decay=settings.weight_decay,
            warmup_steps=round(settings.warmup * settings.steps), max_grad_norm=settings.max_grad_norm, bf16=True,
            prompts=prompts, use_cpu=not CARD(),
            logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True, seed=0,
            dataloader_drop_last=True,
        )  # fmt: skip
        loss = MultipleNegativesRankingLoss(model, scale=1 / settings.temperature)
        data = Dataset.from_dict({"anchor": queries, "positive": passages})
        trainer = InOrder(model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[Clock()])
        restart_peak()
        with redirect_stdout(sys.stderr):
            trainer.train()
    return Taken(windows.ms, accelerator.peak_mb())


PROFILED = (5, 8)
"""Steps between which launches are counted."""


def launches(work: Job) -> dict[str, float]:
    """Kernels, copies and waits that a step of ours asks the driver for, and the ms that its kernels took."""
    first, last = PROFILED if len(work.batches) > PROFILED[1] else (1, 2)
    watched = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if CARD() else [])]
    profiler, encoder = profile(activities=watched), load_encoder(work.settings, 0)

    def log(step: Step) -> None:
        if step.step in (first, last):
            accelerator.wait()
            (profiler.start if step.step == first else profiler.stop)()

    tolerated(lambda: train(encoder, work.data, iter(work.batches[: last + 1]), work.settings, 0, Hooks(log)))
    count, kernels = Counter[str](), 0.0
    for event in profiler.key_averages():
        launched = "LaunchKernel" in event.key
        what = "launches" if launched else "copies" if event.key.startswith(("cudaMemcpy", "cudaMemset")) else ""
        what = "waits" if "Synchronize" in event.key else what
        count[what] += event.count
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation:  # operations repeat their kernels'
            kernels += event.self_device_time_total
    steps = last - first
    found = {f"{what} a step": count[what] / steps for what in ("launches", "copies", "waits")}
    return found | {"ms of kernels": kernels / 1e3 / steps}


def xlm_roberta(tokens_of: str, folder: Path, small: bool) -> str:
    """A model of XLM-R-base's shape with random weights, and the tokens of another one, whose vocabulary it has."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokens_of)
    layers, hidden, heads, inner = (1, 32, 2, 64) if small else (12, 768, 12, 3072)
    config = XLMRobertaConfig(
        vocab_size=max(250_002, len(tokenizer)), hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, intermediate_size=inner, max_position_embeddings=514, type_vocab_size=1,
        layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder / "bare")
    tokenizer.save_pretrained(folder / "bare")
    body = Transformer(str(folder / "bare"), max_seq_length=512)
    model = SentenceTransformer(modules=[body, Pooling(hidden, "mean")], device="cpu")
    model.save(str(folder / "model"), create_model_card=False)
    return str(folder / "model")


def training(asked: Asked, found: Found) -> None:
    """The trainer first, then ours, dropout as a user trains."""
    ceiling = kept(asked.out / "ceilings.json").get("bfloat16") if (asked.out / "ceilings.json").is_file() else None
    with tempfile.TemporaryDirectory() as folder:
        for name, plans in (SMALL if asked.small else PLANS).items():
            model = asked.model if name == "me5-small" else xlm_roberta(asked.model, Path(folder), asked.small)
            for plan in plans:
                work = job(asked, plan.rows, plan.steps, model=model, precision="bf16", query_length=LENGTH)
                compare(name, work, plan, ceiling, found)


def compare(name: str, work: Job, plan: Plan, ceiling: float | None, found: Found) -> None:
    of: dict[str, Taken] = {}
    sides: dict[str, Callable[[Job, Plan], Taken]] = {"sentence-transformers": theirs, "bench": ours}
    for side, run in sides.items():
        try:
            of[side] = run(work, plan)
        except Exception as error:
            found.row(model=name, rows=plan.rows, side=side, note=f"{type(error).__name__}: {str(error)[:120]}")
            continue
        taken = of[side]
        row: dict[str, Any] = {
            "model": name, "rows": plan.rows, "side": side, "ms a step": taken.ms,
            "rows / s": plan.rows / taken.ms * 1e3, "peak GPU MB": taken.peak,
        }  # fmt: skip
        if side == "bench":
            row |= judged(name, plan, of, ceiling)
            row |= launches(work)
        found.row(**row | ({"note": taken.note} if taken.note else {}))


def judged(name: str, plan: Plan, of: dict[str, Taken], ceiling: float | None) -> dict[str, Any]:
    """Ours beside the other, and beside the card's rate."""
    here, row = of["bench"], dict[str, Any]()
    rate = here.flops / here.ms * 1e3
    row |= {"GFLOP a step": here.flops / 1e9, "TFLOP / s": rate / 1e12}
    met = []
    if ceiling:
        row["of the bf16 rate"] = rate / ceiling
        met += [rate / ceiling >= SHARE] if plan.rows == 256 else []
    if "sentence-transformers" in of:
        times = of["sentence-transformers"].ms / here.ms
        row["x"] = times
        met += [times >= AIMS[name, plan.rows]] if (name, plan.rows) in AIMS else []
    met += [here.ms < STEP_MS] if (name, plan.rows) == ("me5-small", 32) else []
    return row | ({"aims met": all(met)} if met else {})
