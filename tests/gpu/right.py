"""Whether the numbers are right: losses and AP beside a CPU's, and whether the same work gives the same bits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from asked import CARD, Asked, Found, Job, job, kept

from bench import accelerator
from bench.data.batches import Audit, schedule
from bench.encoding.encoder import Encoder
from bench.evaluation.score import score
from bench.evaluation.score_table import Remembering
from bench.models.loading import load_encoder
from bench.plan import resolve
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training.loop import Hooks, Step, train
from bench.training.resume import Keeper
from tasks import EvalSet

FIRST, LARGEST, MEAN_AP = 1e-5, 1e-3, 5e-4
"""How far the first loss, every loss, and the mean AP in float32 may be from a CPU's."""

PROBE = ("what is the capital of Peru?", "das ist eine Frage", "这是一个问题")


def without_dropout(model: torch.nn.Module) -> None:
    """Masks differ from device to device."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):  # a number where it is no module
            module.attention_dropout = 0.0


def losses(asked: Asked, found: Found) -> None:
    """20 steps of 32 rows in float32, without dropout; and vectors behind them."""
    if not CARD():
        torch.set_num_threads(1)
    work = job(asked, *((4, 3) if asked.small else (32, 20)), precision="float32")
    encoder, steps = load_encoder(work.settings, 0), list[Step]()
    without_dropout(encoder.model)
    start = time.perf_counter()
    train(encoder, work.data, iter(work.batches), work.settings, 0, Hooks(steps.append))
    accelerator.wait()
    taken = time.perf_counter() - start
    here, probe = [step.loss for step in steps], encoder.encode(PROBE, "query")
    found.keep(losses=here, probe=probe.tolist(), device=str(encoder.model.device), seconds=taken)
    found.row(what=f"{len(here)} steps on {encoder.model.device.type}, s", value=taken)
    path = asked.reference("losses.json")
    there = kept(path) if path else {"losses": []}
    if len(there["losses"]) == len(here):
        apart = [abs(a - b) for a, b in zip(here, there["losses"], strict=True)]
        found.row(what="first loss, from the CPU's", value=apart[0], aim=FIRST, met=apart[0] <= FIRST)
        found.row(what="largest difference of a loss", value=max(apart), aim=LARGEST, met=max(apart) <= LARGEST)
        found.row(what="largest of a vector's number", value=float(np.abs(np.array(there["probe"]) - probe).max()))


def base(asked: Asked, found: Found) -> None:
    """AP of every query and language pair of the untrained model, in float32 and in bf16."""
    if not CARD():
        torch.set_num_threads(1)
    sets = [reduced(each) if asked.small else each for each in resolve.task(asked.task).load(asked.data)]
    path, every = asked.reference("base.npz"), dict[str, np.ndarray]()
    there: Mapping[str, np.ndarray] = np.load(path) if path else {}
    for precision in ("float32", "bf16"):
        settings = Settings(model=asked.model, precision=precision, query_length=64, passage_length=128)
        ranker = Remembering(load_encoder(settings, 0))
        start = time.perf_counter()
        here = np.concatenate([rows.values["AP"] for each in sets for rows in score(each, ranker)])
        taken = time.perf_counter() - start
        every[precision] = here
        np.savez_compressed(asked.out / "base.npz", **every)
        row = {"precision": precision, "s": taken, "values": len(here), "mean AP": f"{here.mean():.6f}"}
        if precision in there and (other := there[precision]).shape == here.shape:
            mean = float(here.mean() - other.mean())
            moved = float((np.abs(here - other) > 1e-9).mean())
            row |= {"on a CPU": f"{other.mean():.6f}", "apart": f"{mean:+.1e}", "queries moved": f"{moved:.2%}"}
            row |= {"aim": MEAN_AP, "met": abs(mean) <= MEAN_AP} if precision == "float32" else {}
        found.row(**row)


def reduced(evalset: EvalSet, queries: int = 10) -> EvalSet:
    """The first queries of two languages, and the passages that they ask for."""
    langs = sorted(evalset.passages)[:2]
    asked = {lang: dict(islice(evalset.queries[lang].items(), queries)) for lang in langs}
    wanted = {d for of in asked.values() for q in of for d in evalset.relevant.get(q, {})}
    passages = {lang: {d: t for d, t in evalset.passages[lang].items() if d in wanted} for lang in langs}
    relevant = {
        q: {d: g for d, g in evalset.relevant[q].items() if any(d in of for of in passages.values())}
        for of in asked.values()
        for q in of
    }
    return EvalSet(evalset.name, asked, passages, relevant)


STEPS, AT = 8, 4


class Stopped(Exception):
    """Stands for the end of the process."""


def bits(asked: Asked, found: Found, deterministic: bool) -> None:
    """Trained twice, and stopped and resumed: the same weights to the bit?"""
    if deterministic:
        accelerator.repeat()
    cases = (("bf16", 0), ("float32", 0), ("bf16", 8))
    for precision, micro in cases:
        settings = {"precision": precision, "micro_batch": micro if not asked.small else micro // 4}
        work = job(asked, 4 if asked.small else 32, STEPS, **settings)
        encoder = load_encoder(work.settings, 0)
        first = {name: value.clone() for name, value in encoder.model.state_dict().items()}
        row: dict[str, object] = {"deterministic": deterministic, "precision": precision, "micro-batch": micro or None}
        try:
            start = time.perf_counter()
            one = trained(encoder, first, work)
            row["s"] = time.perf_counter() - start
            two = trained(encoder, first, work)
            row |= {"twice": one[0] == two[0], "losses apart": apart(one[1], two[1])}
            with tempfile.TemporaryDirectory() as folder:  # who was stopped leaves his own encoder half trained
                trained(load_encoder(work.settings, 0), first, work, Path(folder), stop=AT)
                three = trained(encoder, first, work, Path(folder))
            row |= {"resumed": one[0] == three[0], "losses apart behind it": apart(one[1][AT:], three[1])}
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {str(error)[:200]}"
        found.row(**row)


def apart(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def trained(
    encoder: Encoder, first: Mapping[str, torch.Tensor], work: Job, folder: Path | None = None, stop: int | None = None
) -> tuple[str, list[float]]:
    """Digest of the weights and losses of a training from ``first``; from the checkpoint where there is one."""
    encoder.model.load_state_dict(first)
    audit, keeper, seen = Audit(work.data.pool.langs), None, list[float]()
    strategy = resolve.strategy("hybrid")
    batches = schedule(strategy, work.data.pool, work.settings.batch_size, work.settings.steps, 0, audit)
    if folder:
        log = folder / "steps.jsonl"
        log.touch()
        at = folder / "checkpoint"
        keeper = Keeper(at, AT, {"cell": "a"}, log, audit, checkpoints.find(at, {"cell": "a"}))

    def note(step: Step) -> None:
        seen.append(step.loss)
        if step.step == stop:
            raise Stopped

    try:
        train(encoder, work.data, batches, work.settings, 0, Hooks(note, keeper))
    except Stopped:
        return "", seen
    return encoder.weights_hash(), seen
