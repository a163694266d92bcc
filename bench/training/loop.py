"""The one training loop that all strategies share: encode, contrast in the batch, update, in the paper's order."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from bench import accelerator, randomness
from bench.data.batches import Refresh
from bench.data.negatives import Drawn, Negatives
from bench.data.train_data import TrainData
from bench.encoding.ahead import Ahead
from bench.encoding.encoder import Encoder
from bench.encoding.handed import followed
from bench.errors import BenchError
from bench.models.parity import require_usable
from bench.plan.settings import Settings
from bench.training.cost import Flops, count
from bench.training.devices import Devices
from bench.training.gradcache import Gradients
from bench.training.loss import info_nce
from bench.training.optimizer import Optimizers
from bench.training.resume import Keeper, Parts
from bench.training.validation import Validator
from strategies.contract import Batch, Vectors


class Step(NamedTuple):
    """What is logged of one step (a line of steps.jsonl).

    Attributes:
        step: from 0.
        loss: nats.
        learning_rate: of its update.
        rows_per_s: of the whole step: tokenising, gradients, update.
        tokens_per_s: tokens that passed the encoder, without padding.
        padding: share of the positions that passed it.
        negatives: hard negatives in the batch.
        flops: of the encoder's matrix products, by ``training.cost.FORMULA``.
        pairs: rows per language pair.
    """

    step: int
    loss: float
    learning_rate: float
    rows_per_s: float
    tokens_per_s: float
    padding: float
    negatives: int
    flops: float
    pairs: dict[str, int]


class Hooks(NamedTuple):
    """Who is told of a training as it goes.

    Attributes:
        log: called once a step.
        keeper: stores checkpoints, and resumes.
        validator: scores in the first process; where it keeps the best weights, those are what training ends with.
        refresh: of a strategy that follows the model; what it draws is what ``batches`` gives.
    """

    log: Callable[[Step], None]
    keeper: Keeper | None = None
    validator: Validator | None = None
    refresh: Refresh | None = None


def train(
    encoder: Encoder, data: TrainData, batches: Iterator[Batch], settings: Settings, seed: int, hooks: Hooks
) -> None:
    """Train ``encoder`` in place on ``batches``.

    Deterministic on a CPU: the same arguments give the same bits at the same number of threads and processes. Every
    process calls it with the same arguments and ends with the same weights.

    Raises:
        BenchError: the loss is not a number, or the processes do not hold the strategy's batch.
    """
    devices = Devices(settings.batch_size)
    if devices.sharded:
        _require_plain(settings, hooks)
    torch.manual_seed(randomness.derive(seed, "dropout", *([str(devices.number)] if devices.number else [])))
    flops = count(encoder)
    devices.place(encoder)
    parts = _parts(encoder, settings, devices, hooks.validator)
    if hooks.refresh:
        hooks.refresh.follow(partial(_followed, encoder, data, parts))
    first = hooks.keeper.restore(parts, batches) if hooks.keeper else 0
    updates = Updates(encoder, data, settings, seed, devices, parts)
    steps = enumerate(batches, start=first)
    for step, batch in updates.read_ahead(steps) if _reads_ahead(devices, hooks) else steps:
        hooks.log(updates.step(step, batch, flops))
        if parts.validator:
            parts.validator.after(step + 1, settings.steps, encoder, parts.optimizer.settle)
        if hooks.keeper and step + 1 < settings.steps:
            hooks.keeper.after(step + 1, parts)
    parts.optimizer.finish()
    if parts.validator:
        parts.validator.finish(encoder)
    devices.put_together(encoder)
    encoder.model.eval()
    if devices.number == 0:
        _require_usable(encoder, settings)


def _reads_ahead(devices: Devices, hooks: Hooks) -> bool:
    """Whether the next batch may be drawn before its turn: not by what follows the model, nor before a checkpoint."""
    return devices.device.type != "cpu" and not hooks.refresh and not (hooks.keeper and hooks.keeper.needed)


def _followed(encoder: Encoder, data: TrainData, parts: Parts) -> Vectors:
    """The items' vectors by the weights as they are."""
    parts.optimizer.settle()
    return followed(encoder, data)


def _require_plain(settings: Settings, hooks: Hooks) -> None:
    """Refuse what is not done to weights that FSDP has sharded."""
    if hooks.keeper and hooks.keeper.needed:
        raise BenchError("weights sharded by FSDP are not checkpointed; leave --checkpoint-every and --resume out")
    if settings.lora:
        raise BenchError("weights sharded by FSDP are trained as they are; leave --lora out")
    if hooks.refresh:
        raise BenchError("weights sharded by FSDP do not encode while they train; leave refresh_every out")
    if hooks.validator:
        raise BenchError("weights sharded by FSDP are not validated; leave --validate-every out")


def _parts(encoder: Encoder, settings: Settings, devices: Devices, validator: Validator | None) -> Parts:
    rate, decay, scaled = settings.learning_rate, settings.weight_decay, settings.precision == "fp16"
    by_rows = devices.world == 1 and devices.device.type == "cpu"  # a GPU updates all rows sooner than it finds some
    optimizer = Optimizers(encoder.model, rate, decay, by_rows=by_rows, scaled=scaled)
    scheduler = LambdaLR(optimizer.whole, lambda step: learning_rate_share(step, settings.steps, settings.warmup))
    encoder.model.train()
    return Parts(encoder.model, optimizer, scheduler, devices.device, validator if devices.number == 0 else None)


class Texts(NamedTuple):
    """Of one process, in a step: passages have the hard negatives behind."""

    queries: list[str]
    passages: list[str]
    drawn: Drawn


class Updates:
    """The updates of a training: draw, encode, contrast, step.

    Args:
        encoder: is trained.
        data: the texts.
        settings: of the training.
        seed: of the cell.
        devices: the processes.
        parts: what is changed.
    """

    def __init__(
        self, encoder: Encoder, data: TrainData, settings: Settings, seed: int, devices: Devices, parts: Parts
    ) -> None:
        self._encoder, self._data, self._settings = encoder, data, settings
        self._devices, self._optimizer, self._scheduler = devices, parts.optimizer, parts.scheduler
        self._negatives = Negatives(data, settings.negatives, settings.negative_language, seed)
        self._gradients = Gradients(encoder, parts.optimizer.weights, settings.micro_batch, devices.device)
        self._ahead: Ahead[tuple[int, Batch], Texts] | None = None

    def read_ahead(self, steps: Iterator[tuple[int, Batch]]) -> Iterator[tuple[int, Batch]]:
        """The same steps; texts of the next one are read while one is done."""
        self._ahead = Ahead(self._read)
        return self._ahead.over(steps)

    def _read(self, numbered: tuple[int, Batch]) -> Texts:
        texts = self._texts(*numbered)
        self._encoder.read(texts.queries, "query")
        self._encoder.read(texts.passages, "passage")
        return texts

    def _texts(self, step: int, batch: Batch) -> Texts:
        own, drawn = self._devices.own_rows(batch), self._negatives.draw(step, batch)
        hard = [text for row in drawn.texts[self._devices.own] for text in row]
        return Texts(self._data.queries(own), self._data.passages(own) + hard, drawn)

    def step(self, step: int, batch: Batch, flops: Flops) -> Step:
        """Update the weights from a batch; what is logged of it, with operations counted by ``flops``."""
        start = time.perf_counter()
        settings, devices, scale = self._settings, self._devices, self._optimizer.scale.value
        texts = self._ahead.found() if self._ahead else self._texts(step, batch)
        devices.require_whole(batch, devices.own_rows(batch), step)
        group = accelerator.sent(torch.from_numpy(self._data.pool.group[batch.item]), devices.device)
        objective = partial(contrast, devices, settings.temperature, group, texts.drawn, scale)
        loss, work = self._gradients(texts.queries, texts.passages, objective)
        devices.sum_gradients(self._optimizer.weights)
        norm = self._optimizer.step(settings.max_grad_norm)
        said, size = torch.stack([loss / scale, loss if norm is None else norm]).tolist()  # one wait for the device
        _require_number("the loss", said, settings, step)
        _require_number("the norm of the gradients", None if norm is None else size, settings, step)
        rate = float(self._scheduler.get_last_lr()[0])
        self._scheduler.step()
        work, seconds = devices.sum_work(work), time.perf_counter() - start
        negatives = texts.drawn.positive.shape[1]
        return Step(
            step, said, rate, len(batch.item) / seconds, work.tokens / seconds, work.padding, negatives,
            flops.step(work, self._gradients.micro_batch), pair_counts(batch, self._data.pool.langs),
        )  # fmt: skip


def _require_number(what: str, value: float | None, settings: Settings, step: int) -> None:
    if value is not None and not math.isfinite(value):
        raise BenchError(f"{what} is {value} at step {step}; {remedy(settings, step)}")


def _require_usable(encoder: Encoder, settings: Settings) -> None:
    try:
        require_usable(encoder, "after the last step")
    except BenchError as error:
        raise BenchError(f"{error}; {remedy(settings, settings.steps)}") from None


def remedy(settings: Settings, step: int) -> str:
    """What to change where numbers overflow at a step: before the first update only the loss itself can be at fault.

    Gradients grow as one over the temperature; similarities are exact to about 1e-7.
    """
    if step == 0 or settings.temperature < 1e-6:
        half = ", or take --precision bf16" if settings.precision == "fp16" else ""
        return f"raise --temperature (now {settings.temperature:g}){half}"
    decay = f" and --weight-decay (now {settings.weight_decay:g})"
    said = decay if settings.learning_rate * settings.weight_decay > 1 else ""
    return f"lower --learning-rate (now {settings.learning_rate:g}){said}"


def contrast(
    devices: Devices, temperature: float, group: Tensor, drawn: Drawn, scale: float, queries: Tensor, passages: Tensor
) -> Tensor:
    """``scale`` times the loss of the whole batch, from this process's rows of it.

    Args:
        devices: the processes.
        temperature: of InfoNCE.
        group: int64, (B,), of the whole batch, on its device.
        drawn: the hard negatives of the whole batch, N of them.
        scale: of the loss.
        queries: (b, dim), this process's.
        passages: (b + n, dim), this process's, its hard negatives behind.
    """
    own, hard = passages[: len(queries)], passages[len(queries) :]
    every = devices.gather(own)  # (B, dim)
    if drawn.positive.shape[1]:
        every = torch.cat([every, devices.gather(hard, devices.counts([len(row) for row in drawn.texts]))])
    positive = accelerator.sent(torch.from_numpy(drawn.positive), every.device)
    return info_nce(devices.gather(queries), every, temperature, group, positive) * scale


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear up in the warm-up, then linear down to 0."""
    rise = round(warmup * steps)
    return (step + 1) / (rise + 1) if step < rise else (steps - step) / max(steps - rise, 1)


def pair_counts(batch: Batch, langs: tuple[str, ...]) -> dict[str, int]:
    """Rows of the batch per language pair, as ``en>de``."""
    pairs = Counter(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True))
    return {f"{langs[q]}>{langs[d]}": n for (q, d), n in sorted(pairs.items())}
