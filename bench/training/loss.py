"""The training objective."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(
    queries: Tensor, passages: Tensor, temperature: float, group: Tensor, positive: Tensor | None = None
) -> Tensor:
    """InfoNCE with in-batch negatives: mean cross-entropy of each query's own passage among all passages of the batch.

    Rows of one group are never each other's negatives: their similarity is masked.
    Source: arXiv 2408.10536, section 3; van den Oord et al. 2018 (arXiv 1807.03748), equation 4.

    Args:
        queries: (B, dim), unit length.
        passages: (B + N, dim), unit length; row r < B is the positive of query r, the others are hard negatives.
        temperature: similarities are divided by it.
        group: int64, (B,), parallel group of each row.
        positive: bool, (B, N), hard negatives that are none for a query: their similarity is masked. None masks none.
    """
    similarity = queries @ passages.T / temperature  # (B, B + N)
    own = torch.eye(len(group), dtype=torch.bool, device=group.device)
    false_negative = (group[:, None] == group[None, :]) & ~own
    if len(passages) > len(group):
        among = positive if positive is not None else own.new_zeros(len(group), len(passages) - len(group))
        false_negative = torch.cat([false_negative, among], dim=1)
    similarity = similarity.masked_fill(false_negative, float("-inf"))
    return functional.cross_entropy(similarity, torch.arange(len(group), device=similarity.device))
