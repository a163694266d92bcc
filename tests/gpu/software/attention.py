"""CUDA's attention kernels, with the arguments that torch gives them, computed on the CPU in float32.

Dropout draws from a seed that the forward pass hands to the backward pass, as the kernels do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


class How(NamedTuple):
    """What attention is computed with besides its three tensors."""

    scale: float | None
    dropout: float = 0.0
    seed: int = 0
    bias: Tensor | None = None
    causal: bool = False


def _weights(query: Tensor, key: Tensor, how: How) -> tuple[Tensor, Tensor, float]:
    """Of (texts, heads, length, dim): the weights, what dropout multiplies them with, and the scale of products."""
    scale = query.shape[-1] ** -0.5 if how.scale is None else how.scale
    scores = query.float() @ key.float().transpose(-1, -2) * scale
    if how.causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    if how.bias is not None and how.bias.dtype == torch.bool:
        scores = scores.masked_fill(~how.bias, -torch.inf)
    elif how.bias is not None:
        scores = scores + how.bias.float()
    kept = torch.ones(())
    if how.dropout:
        drawn = torch.rand(scores.shape, generator=torch.Generator().manual_seed(how.seed))
        kept = (drawn >= how.dropout) / (1 - how.dropout)
    return torch.softmax(scores, -1), kept, scale


def attention(query: Tensor, key: Tensor, value: Tensor, how: How) -> Tensor:
    """Of (texts, heads, length, dim)."""
    weights, kept, _ = _weights(query, key, how)
    return (weights * kept @ value.float()).to(query.dtype)


def gradients(query: Tensor, key: Tensor, value: Tensor, how: How, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of query, key and value, from that of ``attention``; written out, since operations below autograd record none."""
    weights, kept, scale = _weights(query, key, how)
    of_out = gradient.float()
    of_weights = of_out @ value.float().transpose(-1, -2) * kept
    of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True)) * scale
    of_query, of_key = of_scores @ key.float(), of_scores.transpose(-1, -2) @ query.float()
    of_value = (weights * kept).transpose(-1, -2) @ of_out
    return of_query.to(query.dtype), of_key.to(key.dtype), of_value.to(value.dtype)


class Texts:
    """Texts that lie one behind the other, side by side: (tokens, heads, dim) as (texts, heads, longest, dim)."""

    def __init__(self, ends: Tensor) -> None:
        self._lengths = ends.diff().long()
        self._text = torch.repeat_interleave(torch.arange(len(self._lengths)), self._lengths)
        self._place = torch.arange(len(self._text)) - ends[:-1].long()[self._text]
        self.there = (torch.arange(int(self._lengths.max())) < self._lengths[:, None])[:, None, None, :]

    def beside(self, of: Tensor) -> Tensor:
        """Padded."""
        out = of.new_zeros(len(self._lengths), self.there.shape[-1], *of.shape[1:])
        return out.index_put((self._text, self._place), of).transpose(1, 2)

    def behind(self, of: Tensor) -> Tensor:
        """The inverse."""
        return of.transpose(1, 2)[self._text, self._place]


def _forward(three: list[Tensor], at: Tensor, longest: int, how: How) -> Tensor:
    require(at.dtype == torch.int32, "cu_seqlens must have dtype int32")
    require(int(at.diff().max()) <= longest, "a text is longer than max_seqlen")
    texts = Texts(at)
    query, key, value = map(texts.beside, three)
    return texts.behind(attention(query, key, value, how._replace(bias=texts.there)))


def _backward(three: list[Tensor], at: Tensor, how: How, gradient: Tensor) -> list[Tensor]:
    texts = Texts(at)
    query, key, value = map(texts.beside, three)
    found = gradients(query, key, value, how._replace(bias=texts.there), texts.beside(gradient))
    return list(map(texts.behind, found))


def require(true: bool, what: str) -> None:
    """Refuse as the kernels do."""
    if not true:
        raise RuntimeError(what)


def flash_forward(draw: Callable[[], int], *given: Any, scale: float | None = None, **_: Any) -> tuple[Tensor, ...]:
    """``aten._flash_attention_forward`` of (tokens, heads, dim)."""
    query, key, value, at, _, longest, _, dropout, causal, _ = given
    require(query.dtype in HALF, "FlashAttention only support fp16 and bf16 data type")
    require(not causal and query.shape[-1] % 8 == 0 and query.shape[-1] <= 256, "heads of 8, 16, ... 256 numbers")
    seed = draw() if dropout else 0
    out = _forward([query, key, value], at, longest, How(scale, dropout, seed))
    nothing = torch.empty(0)
    return out, torch.zeros(query.shape[1], query.shape[0]), torch.tensor([seed, 0]), nothing, nothing.clone()


def flash_backward(_: Callable[[], int], *given: Any, scale: float | None = None, **__: Any) -> tuple[Tensor, ...]:
    """``aten._flash_attention_backward``."""
    gradient, query, key, value, _, _, at, _, _, _, dropout, _, state, _ = given
    return tuple(_backward([query, key, value], at, How(scale, dropout, int(state[0])), gradient))


def efficient_forward(draw: Callable[[], int], *given: Any, scale: float | None = None, **_: Any) -> tuple[Any, ...]:
    """``aten._efficient_attention_forward`` of texts in one row, (1, tokens, heads, dim)."""
    query, key, value, bias, at, _, longest, _, dropout, mask, *_ = given
    require(bias is None and mask == 0 and len(query) == 1, "texts in one row, without a mask")
    seed = draw() if dropout else 0
    out = _forward([query[0], key[0], value[0]], at, longest, How(scale, dropout, seed))[None]
    sums = torch.zeros(1, query.shape[2], query.shape[1])
    return out, sums, torch.tensor(seed), torch.tensor(0), longest, longest


def efficient_backward(
    _: Callable[[], int], *given: Any, scale: float | None = None, **__: Any
) -> tuple[Tensor | None, ...]:
    """``aten._efficient_attention_backward``."""
    gradient, query, key, value, _, _, at, _, _, _, _, dropout, seed, *_ = given
    found = _backward([query[0], key[0], value[0]], at, How(scale, dropout, int(seed)), gradient[0])
    return *(part[None] for part in found), None


KERNELS: dict[str, Callable[..., tuple[Any, ...]]] = {
    "_flash_attention_forward": flash_forward,
    "_flash_attention_backward": flash_backward,
    "_efficient_attention_forward": efficient_forward,
    "_efficient_attention_backward": efficient_backward,
}
"""Name in ``aten`` -> what is computed of plain tensors, with a first argument that draws a seed from the card."""
