"""The one training loop that all strategies share: encode, contrast in the batch, update, in the paper's order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from bench import seeds
from bench.config import Settings
from bench.encoder import Encoder, Padding
from bench.errors import BenchError
from bench.loss import info_nce
from bench.schedule import TrainData
from strategies.contract import Batch


class Step(NamedTuple):
    """What is logged of one step (a line of steps.jsonl)."""

    step: int
    loss: float
    learning_rate: float
    rows_per_s: float
    padding: float
    pairs: dict[str, int]


def train(
    encoder: Encoder,
    data: TrainData,
    batches: Iterator[Batch],
    settings: Settings,
    seed: int,
    log: Callable[[Step], None],
) -> None:
    """Train ``encoder`` in place on ``batches``; ``log`` is called once a step.

    Deterministic on a CPU: the same arguments give the same bits at the same number of threads.

    Raises:
        BenchError: the loss is not a number, or more than one process runs.
    """
    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        raise BenchError(f"a cell is trained by one process; got {accelerator.num_processes}. Launch without torchrun.")
    torch.manual_seed(seeds.derive(seed, "dropout"))
    optimizer = AdamW(
        encoder.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    scheduler = LambdaLR(optimizer, lambda step: learning_rate_share(step, settings.steps, settings.warmup))
    encoder.model.train()
    model, optimizer = accelerator.prepare(encoder.model, optimizer)
    encoder.model = accelerator.unwrap_model(model)
    for step, batch in enumerate(tqdm(batches, total=settings.steps, desc="train", unit="step", disable=None)):
        start = time.perf_counter()
        q, padding_q = encoder.represent(data.queries(batch), "query")  # (B, dim)
        p, padding_p = encoder.represent(data.passages(batch), "passage")  # (B, dim)
        group = torch.from_numpy(data.pool.group[batch.item]).to(q.device)
        loss = info_nce(q, p, settings.temperature, group)
        if not torch.isfinite(loss):
            raise BenchError(
                f"the loss is {loss.item()} at step {step}; lower --learning-rate (now {settings.learning_rate})"
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(encoder.model.parameters(), settings.max_grad_norm)
        optimizer.step()
        rate = float(scheduler.get_last_lr()[0])
        scheduler.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - start
        padding = padding_share(padding_q, padding_p)
        log(Step(step, loss.item(), rate, len(batch.item) / seconds, padding, pair_counts(batch, data.pool.langs)))
    encoder.model.eval()


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear up in the warm-up, then linear down to 0."""
    rise = round(warmup * steps)
    return (step + 1) / (rise + 1) if step < rise else (steps - step) / max(steps - rise, 1)


def padding_share(*parts: Padding) -> float:
    """Share of the positions that are padding, over queries and passages; 0 for models that do not pad."""
    positions = sum(part.positions for part in parts)
    return sum(part.padded for part in parts) / positions if positions else 0.0


def pair_counts(batch: Batch, langs: tuple[str, ...]) -> dict[str, int]:
    """Rows of the batch per language pair, as ``en>de``."""
    pairs = Counter(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True))
    return {f"{langs[q]}>{langs[d]}": n for (q, d), n in sorted(pairs.items())}
