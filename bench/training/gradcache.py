"""Gradients of a contrastive batch: at once, or in micro-batches of bounded memory with the same result.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (arXiv 2101.06983),
section 3.2: a forward pass without graph, the gradient of the loss at the representations, and a forward and backward
pass per micro-batch. Dropout draws in the second pass what it drew in the first, and so ends where the first ended: the
gradients are those of the loss that is returned. That is not the loss of the whole batch at once under the same seed:
masks fall on texts in the order in which these pass, and that is another one. Both are drawn from one distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from bench import processes
from bench.data.corpus import Kind
from bench.encoding.passes import Work, total
from bench.errors import BenchError
from bench.randomness import States, random_states, set_random_states

Objective = Callable[[Tensor, Tensor], Tensor]
"""Queries and passages, (B, dim) each, to the loss."""


class Represents(Protocol):
    """What an ``Encoder`` does in training."""

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
        """Vectors (n, dim), differentiable, and how much passed the model."""

    def represent_both(self, queries: Sequence[str], passages: Sequence[str]) -> tuple[Tensor, Tensor, Work]:
        """The same of both kinds."""
        q, work_q = self.represent(queries, "query")
        p, work_p = self.represent(passages, "passage")
        return q, p, total(work_q, work_p)


TOO_LONG = (
    "one text at a time does not fit into the GPU's memory; a smaller --query-length and --passage-length, a smaller "
    "model, or --lora needs less. Finished cells are kept"
)


class Gradients:
    """Gradients of a batch by as large parts as the memory of a GPU takes; on a CPU, by those that were asked for.

    Args:
        encoder: represents texts.
        weights: get the gradients.
        micro_batch: as below.
        device: of the weights.

    Attributes:
        micro_batch: rows that have a graph at a moment; 0 is all of them.
    """

    def __init__(
        self, encoder: Represents, weights: Sequence[nn.Parameter], micro_batch: int, device: torch.device
    ) -> None:
        self.micro_batch, self._encoder, self._weights, self._device = micro_batch, encoder, weights, device

    def __call__(self, queries: Sequence[str], passages: Sequence[str], objective: Objective) -> tuple[Tensor, Work]:
        """Add the gradients of the whole batch to the weights'; returns the loss and what passed the encoder.

        Where a batch does not fit into the memory of a GPU, half as many rows have a graph from there on, and so on.

        Raises:
            BenchError: one text does not fit.
        """
        if self._device.type != "cuda" or processes.count() > 1:  # other processes would wait for this one's part
            return self._once(queries, passages, objective)
        while True:
            states = random_states(self._device)
            try:
                return self._once(queries, passages, objective)
            except torch.cuda.OutOfMemoryError:
                rows = self.micro_batch or max(len(queries), len(passages))
            if rows == 1:
                raise BenchError(TOO_LONG)
            self.micro_batch = rows // 2
            processes.tell(f"{rows} texts do not fit into the GPU's memory; from here on {self.micro_batch} at a time")
            set_random_states(states, self._device)
            for weight in self._weights:
                weight.grad = None

    def _once(self, queries: Sequence[str], passages: Sequence[str], objective: Objective) -> tuple[Tensor, Work]:
        if self.micro_batch:
            return cached_gradients(self._encoder, queries, passages, objective, self.micro_batch, self._device)
        return plain_gradients(self._encoder, queries, passages, objective)


class Micro(NamedTuple):
    """Rows that pass the encoder together."""

    kind: Kind
    texts: list[str]
    rows: list[int]
    states: States


def plain_gradients(
    encoder: Represents, queries: Sequence[str], passages: Sequence[str], objective: Objective
) -> tuple[Tensor, Work]:
    """Add the gradients of the whole batch to the weights'; returns the loss and what passed the encoder."""
    q, p, work = encoder.represent_both(queries, passages)  # (B, dim) each
    loss = objective(q, p)
    loss.backward()
    return loss.detach(), work


def cached_gradients(
    encoder: Represents,
    queries: Sequence[str],
    passages: Sequence[str],
    objective: Objective,
    micro_batch: int,
    device: torch.device,
) -> tuple[Tensor, Work]:
    """As ``plain_gradients`` up to rounding and the masks of dropout; ``micro_batch`` rows have a graph at a moment."""
    q, micro_q, work_q = _without_graph(encoder, queries, "query", micro_batch, device)
    p, micro_p, work_p = _without_graph(encoder, passages, "passage", micro_batch, device)
    loss = objective(q.requires_grad_(), p.requires_grad_())
    loss.backward()
    for vectors, parts in ((q, micro_q), (p, micro_p)):
        assert vectors.grad is not None
        for part in parts:
            set_random_states(part.states, device)
            again, _ = encoder.represent(part.texts, part.kind)  # (micro, dim)
            again.backward(vectors.grad[part.rows])
    return loss.detach(), total(work_q, work_p)


def _without_graph(
    encoder: Represents, texts: Sequence[str], kind: Kind, micro_batch: int, device: torch.device
) -> tuple[Tensor, list[Micro], Work]:
    """The vectors of ``texts`` (n, dim), in their order, and the micro-batches that gave them."""
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))  # like lengths together: less padding
    parts, vectors, works = [], [], []
    with torch.no_grad():
        for start in range(0, len(order), micro_batch):
            rows = order[start : start + micro_batch]
            part = Micro(kind, [texts[i] for i in rows], rows, random_states(device))
            found, work = encoder.represent(part.texts, kind)
            parts.append(part)
            vectors.append(found)
            works.append(work)
        sorted_vectors = torch.cat(vectors)
        out = torch.empty_like(sorted_vectors)
        out[order] = sorted_vectors
    return out, parts, total(*works)
