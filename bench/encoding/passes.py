"""Which texts pass the model together, how much work that is, and how all of them pass in one row, without padding.

In one row, only attention needs to know where a text ends. sentence-transformers packs texts so for the package
flash-attn; here its pooling and these features are used with torch's own kernels on CUDA (``varlen``), and with plain
matrix products on CPUs. Equal to padded passes up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bench.encoding import varlen

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Work(NamedTuple):
    """What passed a model.

    Attributes:
        texts: how many.
        tokens: theirs, without padding.
        positions: tokens and padding; 0 where a model has neither.
        squares: sum over the texts of the square of the positions that each took, which attention grows with.
    """

    texts: int
    tokens: int
    positions: int
    squares: int

    @property
    def padding(self) -> float:
        """Share of the positions that are padding."""
        return 1 - self.tokens / self.positions if self.positions else 0.0


def total(*parts: Work) -> Work:
    """All of them together."""
    return Work(*(sum(column) for column in zip(*parts, strict=True)))


WASTE = 256
"""Padded positions, about, that a pass in training may hold; another pass costs as much time as so many positions."""


class Pass(NamedTuple):
    """Rows that go through the model together, cut to ``length`` positions (None: as they are)."""

    rows: Tensor
    length: int | None

    def of(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """These rows of a batch's features."""
        width = features["attention_mask"].shape
        return {
            name: value[self.rows.to(value.device)][:, : self.length]
            if isinstance(value, Tensor) and value.shape[:2] == width
            else value
            for name, value in features.items()
        }


def passes(mask: Tensor, waste_at_most: int = WASTE) -> list[Pass]:
    """Split a batch, padded on the right, into passes of rows of like length; ``mask`` is (n, length).

    Rows are taken in order of their length; a pass ends where another row would bring its padding above
    ``waste_at_most``.
    """
    lengths = mask.sum(dim=1).cpu()
    whole = torch.arange(len(mask))
    if not padded_right(mask):
        return [Pass(whole, None)]
    found: list[Pass] = []
    order = torch.argsort(lengths, stable=True)
    sizes = lengths[order].tolist()
    start = waste = 0
    for i in range(1, len(sizes)):
        waste += (sizes[i] - sizes[i - 1]) * (i - start)
        if waste > waste_at_most:
            found.append(Pass(order[start:i], sizes[i - 1]))
            start, waste = i, 0
    return [*found, Pass(order[start:], sizes[-1])]


def longest_first(mask: Tensor) -> Tensor:
    """The rows of a batch, ``mask`` (n, length), in order of their length."""
    return torch.argsort(mask.sum(dim=1), stable=True, descending=True)


def filled(mask: Tensor, positions: int, packs: bool) -> Iterator[Pass]:
    """Split texts into passes of at most ``positions`` places (one text at least), the longest texts first.

    A text takes as many places as it has tokens where it ``packs``, else as many as the longest of its pass.
    """
    order = longest_first(mask).cpu()
    lengths = mask.sum(dim=1).cpu()[order].tolist()
    start = 0
    while start < len(order):
        end, taken = start, 0
        while end < len(order) and (end == start or taken + lengths[end if packs else start] <= positions):
            taken += lengths[end if packs else start]
            end += 1
        yield Pass(order[start:end], max(lengths[start], 1))
        start = end


def padded_right(mask: Tensor) -> bool:
    """Whether the texts of a batch, (n, length), begin at its first position."""
    return bool(mask[:, 0].all())


NAME = "packed"
"""Of the attention, among those that transformers knows."""


ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "camembert")
"""Bidirectional, with learned positions: nothing but attention mixes tokens."""


MODULES = ("Transformer", "Pooling", "Dense", "Normalize", "Dropout")
"""Of sentence-transformers, those that take packed texts."""


def prepare(model: SentenceTransformer) -> bool:
    """Have ``model`` take packed features, and padded ones as before; False where it can only be padded."""
    if any(type(m).__name__ not in MODULES for m in model):
        return False
    first = model[0]
    if type(first).__name__ != "Transformer" or first.transformer_task != "feature-extraction":
        return False
    if first.modality_config.get("text") != {"method": "forward", "method_output_name": "last_hidden_state"}:
        return False
    config = first.model.config
    if config.model_type not in ARCHITECTURES or getattr(config, "is_decoder", False):
        return False
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)  # None where no mask is given, as with packed features
    first.before = config._attn_implementation
    first.model.set_attn_implementation(NAME)
    return True


def can_pack(model: SentenceTransformer, device: torch.device, half: torch.dtype | None) -> bool:
    """Whether a model that was prepared takes packed features on this device, with layers of this precision."""
    if device.type != "cuda":
        return device.type == "cpu"
    config = model[0].model.config
    return varlen.works(device, half or torch.float32, config.hidden_size // config.num_attention_heads)


@contextmanager
def suspended(model: SentenceTransformer) -> Iterator[None]:
    """The attention that ``model`` was opened with, in the block."""
    first = model[0]
    before = getattr(first, "before", None)
    if before is None:
        yield
        return
    first.model.set_attn_implementation(before)
    try:
        yield
    finally:
        first.model.set_attn_implementation(NAME)


def pack(model: SentenceTransformer, features: Mapping[str, Any], rows: Tensor) -> dict[str, Any]:
    """The texts ``rows`` of a padded batch in one row of tokens (1, sum of lengths), in the order of ``rows``."""
    mask = features["attention_mask"][rows].bool()
    ends = functional.pad(mask.sum(dim=1).cumsum(0), (1, 0))
    position = _positions(model, features["input_ids"][rows], mask)[mask]
    tokens = {name: features[name][rows][mask][None] for name in ("input_ids", "token_type_ids") if name in features}
    rest = {name: value for name, value in features.items() if name not in (*tokens, "attention_mask")}
    return rest | tokens | {"position_ids": position[None], "cu_seq_lens_q": ends}


def joined(model: SentenceTransformer, parts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Packed features of several batches as those of one; None where they differ in more than their texts.

    How long their prompts are matters only where the pooling leaves these out.
    """
    shared = ("input_ids", "token_type_ids", "position_ids", "cu_seq_lens_q")
    alike = ("prompt_length",) if all(getattr(module, "include_prompt", True) for module in model) else ()
    rests = [{name: value for name, value in part.items() if name not in (*shared, *alike)} for part in parts]
    if any(rest != rests[0] for rest in rests):
        return None
    ends = torch.cat([part["cu_seq_lens_q"].diff() for part in parts]).cumsum(0)
    tokens = {name: torch.cat([part[name] for part in parts], dim=1) for name in shared[:3] if name in parts[0]}
    return rests[0] | tokens | {"cu_seq_lens_q": functional.pad(ends, (1, 0))}


def for_kernels(features: Mapping[str, Any]) -> dict[str, Any]:
    """Packed features, on a CPU still, with what would else be asked of the GPU: longest text, each token's text."""
    ends = features["cu_seq_lens_q"]
    lengths = ends.diff()
    return {
        **features,
        "cu_seq_lens_k": ends.int(),
        "max_length_q": int(lengths.max()),
        "seq_idx": torch.repeat_interleave(torch.arange(len(lengths)), lengths)[None],
    }


def _positions(model: SentenceTransformer, tokens: Tensor, mask: Tensor) -> Tensor:
    """Of tokens (n, length). RoBERTa and its kin skip the padding's id, also in a text, and count from behind it."""
    config = model[0].model.config
    if config.model_type == "bert":
        return mask.cumsum(dim=1) - 1
    counted = tokens != config.pad_token_id
    return counted.cumsum(dim=1) * counted + int(config.pad_token_id)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: Tensor | None = None,
    cu_seq_lens_k: Tensor | None = None,
    max_length_q: int = 0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention within each text, of (1, heads, tokens, dim), to (1, tokens, heads, dim).

    Neighbours of one length are computed together, so texts are best packed in order of their lengths.

    Args:
        module: the layer.
        query: of all tokens.
        key: of all tokens.
        value: of all tokens.
        attention_mask: of padded texts.
        dropout: share of the attention weights that are dropped.
        scaling: of the products; None is one over the root of ``dim``.
        cu_seq_lens_q: where texts begin, and the end, (texts + 1,); None for padded texts.
        cu_seq_lens_k: the same as int32, for kernels; None where plain products are to be taken.
        max_length_q: tokens of the longest text, for kernels.
        kwargs: what else transformers passes.
    """
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        padded: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return padded
    if cu_seq_lens_k is not None:
        ends = varlen.Ends(cu_seq_lens_k, max_length_q)
        return varlen.attention(query, key, value, ends, dropout, scaling), None
    runs = [(len(list(same)), length) for length, same in groupby(cu_seq_lens_q.diff().tolist())]
    sizes = [texts * length for texts, length in runs]
    parts = [t[0].transpose(0, 1).split(sizes) for t in (query, key, value)]
    found = []
    for run, *three in zip(runs, *parts, strict=True):
        q, k, v = (t.unflatten(0, run).transpose(1, 2) for t in three)
        found.append(_attention(q, k, v, dropout, scaling))
    return torch.cat([t.transpose(1, 2).flatten(0, 1) for t in found])[None], None


def _attention(query: Tensor, key: Tensor, value: Tensor, dropout: float, scaling: float | None) -> Tensor:
    """Of texts of one length, (texts, heads, length, dim)."""
    if not dropout:
        return functional.scaled_dot_product_attention(query, key, value, scale=scaling)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling  # torch's own is slower with dropout
    weights = torch.softmax(query @ key.transpose(2, 3) * scale, dim=-1)
    return functional.dropout(weights, dropout).to(value.dtype) @ value
