"""Several processes train one batch: each encodes its rows, all see all negatives, the gradients are summed.

The batch is the strategy's, whatever the number of processes. accelerate would hand whole batches to processes in turn;
with gathered negatives, a batch in one language would then meet other languages: it is sliced and checked here.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from bench import accelerator, processes
from bench.encoding.encoder import Encoder
from bench.encoding.passes import Work
from bench.errors import BenchError
from strategies.contract import Batch


def require_sharding(device: torch.device) -> None:
    """Refuse FSDP where torch has none: that of 2.6 waits on CPUs for events that it does not record.

    Raises:
        BenchError: this torch cannot shard weights on the device.
    """
    if device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
        raise BenchError(f"torch {torch.__version__} cannot shard weights on CPUs; take a newer one, or leave FSDP out")


class Devices:
    """The processes that share a batch. In one process nothing is gathered, summed or compared.

    Raises:
        BenchError: a batch has fewer rows than there are processes, or FSDP cannot share them equally.
    """

    def __init__(self, batch_size: int) -> None:
        processes.join()
        self.device, self.world, self.number = accelerator.device(), processes.count(), processes.number()
        if self.world > 1:
            self.device = PartialState().device
        self.sharded = self.world > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
        self._whole: nn.Module | None = None
        if self.sharded:
            require_sharding(self.device)
        if batch_size < self.world:
            raise BenchError(f"every process holds a row: batch size {batch_size} is below {self.world} processes")
        if self.sharded and batch_size % self.world:  # every pass gathers weights, so all processes make equally many
            raise BenchError(
                f"with FSDP, processes hold equally many rows; got {batch_size} for {self.world} processes"
            )
        self.sizes = [len(part) for part in np.array_split(np.arange(batch_size), self.world)]
        first = sum(self.sizes[: self.number])
        self.own = slice(first, first + self.sizes[self.number])

    def place(self, encoder: Encoder) -> None:
        """Move the model to this process's device; call it before the optimiser is made.

        Replicas are not wrapped: GradCache passes the model several times before an update, and the gradients are
        summed once, in ``sum_gradients``. ``accelerate launch --use_fsdp`` shards the weights instead.
        """
        encoder.model.to(self.device)
        encoder.apart = not self.sharded  # sharded weights are gathered in every pass: all processes make as many
        if self.sharded:
            from torch.distributed.fsdp import fully_shard

            self._whole = _without_weights(encoder.model)
            for layers in [m for m in encoder.model.modules() if isinstance(m, nn.ModuleList)]:
                for layer in layers:
                    fully_shard(layer)
            fully_shard(encoder.model)

    def put_together(self, encoder: Encoder) -> None:
        """Undo ``place`` where the weights are sharded: every process has all of them again."""
        if self._whole is not None:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

            state = get_model_state_dict(encoder.model, options=StateDictOptions(full_state_dict=True))
            self._whole.load_state_dict(state, assign=True)
            encoder.model, self._whole = self._whole, None

    def own_rows(self, batch: Batch) -> Batch:
        """This process's consecutive rows of the batch."""
        return Batch(*(part[self.own] for part in batch))

    def require_whole(self, batch: Batch, own: Batch, step: int) -> None:
        """Refuse to train on anything but the strategy's batch: items and languages of all processes are gathered.

        Raises:
            BenchError: the processes together do not hold the batch.
        """
        if self.world > 1:
            held = self.gather(torch.from_numpy(_table(own)).to(self.device)).cpu().numpy()
            require_equal(_table(batch), held, step)

    def counts(self, of_rows: Sequence[int]) -> list[int]:
        """How many things each process holds, where every row of the batch has ``of_rows`` of them."""
        ends = np.cumsum([0, *self.sizes])
        return [sum(of_rows[start:stop]) for start, stop in pairwise(ends.tolist())]

    def gather(self, own: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """All rows of the batch, (B, ...), from each process's own; differentiable through this process's rows alone.

        Every process computes the whole loss; its gradients through own rows, summed over processes, are the loss's.
        ``sizes`` says how many each process has, where it is not its share of the rows.
        """
        if self.world == 1:
            return own
        sizes = self.sizes if sizes is None else sizes
        padded = own.new_zeros(max(sizes), *own.shape[1:])
        padded[: len(own)] = own.detach()
        held = [torch.empty_like(padded) for _ in range(self.world)]
        distributed.all_gather(held, padded)
        parts = [part[:size] for part, size in zip(held, sizes, strict=True)]
        parts[self.number] = own
        return torch.cat(parts)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Make every process's gradients the sum over all of them."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None and self.sharded:
                parameter.grad.mul_(self.world)  # FSDP has averaged
        if not self.sharded:
            for bucket in _buckets([p.grad for p in parameters if p.grad is not None]):
                _sum_over_processes(bucket)

    def sum_work(self, own: Work) -> Work:
        """Over all processes."""
        if self.world == 1:
            return own
        both = torch.tensor(own, device=self.device)
        distributed.all_reduce(both)
        return Work(*both.tolist())


def _without_weights(model: nn.Module) -> nn.Module:
    """A copy whose parameters take no memory, to be assigned; buffers, of which not all are stored, are copied."""
    empty: dict[int, object] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()
    }
    return copy.deepcopy(model, empty)


BUCKET = 1 << 25
"""Numbers, about, that are summed over the processes at once: a message for each tensor would cost its latency."""


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, ``BUCKET`` numbers together or one tensor."""
    held: list[Tensor] = []
    for gradient in gradients:
        if held and (held[0].dtype != gradient.dtype or sum(t.numel() for t in held) + gradient.numel() > BUCKET):
            yield held
            held = []
        held.append(gradient)
    if held:
        yield held


def _sum_over_processes(gradients: list[Tensor]) -> None:
    if len(gradients) == 1:
        distributed.all_reduce(gradients[0])
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def require_equal(batch: NDArray[np.int64], held: NDArray[np.int64], step: int) -> None:
    """Compare the strategy's rows (B, 3) (item, query language, passage language) with those that are held."""
    wrong = np.flatnonzero((batch != held).any(axis=1))
    if len(wrong):
        row = wrong[0]
        item, q, d = (f"{a} for {b}" for a, b in zip(held[row], batch[row], strict=True))
        raise BenchError(
            f"step {step}: the processes do not hold the strategy's batch; {len(wrong)} of {len(batch)} rows differ, "
            f"the first is row {row} (item {item}, query language {q}, passage language {d}). A strategy draws from "
            "its generator alone; 'python -m bench check strategy' names the property."
        )


def _table(batch: Batch) -> NDArray[np.int64]:
    return np.stack(batch, axis=1).astype(np.int64)
