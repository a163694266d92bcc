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
from torch import Tensor

from bench.data.corpus import Kind
from bench.models.passes import Work, total
from bench.randomness import States, random_states, set_random_states

Objective = Callable[[Tensor, Tensor], Tensor]
"""Queries and passages, (B, dim) each, to the loss."""


class Represents(Protocol):
    """What an ``Encoder`` does in training."""

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
        """Vectors (n, dim), differentiable, and how much passed the model."""


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
    q, work_q = encoder.represent(queries, "query")  # (B, dim)
    p, work_p = encoder.represent(passages, "passage")  # (B, dim)
    loss = objective(q, p)
    loss.backward()
    return loss.detach(), total(work_q, work_p)


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
