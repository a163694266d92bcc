"""What an operation of torch costs on CUDA: launches of kernels, and waits of the host for the device.

An estimate from torch's sources, not a measurement: most operations are one kernel, views are none, and operations
over lists of tensors are as many as their metadata fills.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

VIEWS = {"view", "t", "transpose", "expand", "slice", "select", "detach", "alias", "unsqueeze", "squeeze", "permute",
         "split", "split_with_sizes", "unbind", "as_strided", "_unsafe_view", "_reshape_alias", "lift_fresh",
         "diagonal", "unfold", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "set_",
         "resize_", "size", "_indices", "_values", "indices", "values", "is_coalesced", "_coalesced_", "sparse_dim",
         "dense_dim", "_nnz", "_sparse_coo_tensor_with_dims_and_tensors", "_local_scalar_dense", "is_pinned",
         "record_stream"}  # fmt: skip
"""Operations that launch nothing."""

MORE = {"_unique2": 4, "unique_dim": 4, "unique_consecutive": 2, "_coalesce": 8, "nonzero": 2, "sort": 2, "argsort": 2,
        "topk": 2, "cumsum": 1, "masked_select": 3, "isin": 4, "select_backward": 1, "slice_backward": 1,
        "index_put_": 0, "_embedding_bag_dense_backward": 5,
        "_flash_attention_backward": 2, "_efficient_attention_backward": 2,
        "_scaled_dot_product_efficient_attention_backward": 2}  # fmt: skip
"""Kernels beyond the first."""

WAITS = {"_local_scalar_dense": 1, "nonzero": 1, "_unique2": 2, "unique_dim": 2, "masked_select": 1, "is_nonzero": 1,
         "unique_consecutive": 1, "equal": 1, "_coalesce": 2}  # fmt: skip
"""Operations that ask the device how large their result is, or what it is."""

SORTED_FROM = 3072
"""Tokens from which on gradients of an embedding's rows are sorted first."""

TENSORS = {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}
"""Lists that an operation takes together -> tensors whose addresses fit into one launch (MultiTensorApply.cuh)."""

CHUNK, BLOCKS = 1 << 16, 320
"""Numbers that a block of such a launch takes, and the blocks of one."""


def launches(name: str, args: Sequence[object]) -> int:
    """Kernels of an operation of ``aten``, without its overload's name."""
    if name in VIEWS:
        return 0
    if name.startswith(("_foreach_", "_fused_")):
        return over_lists([part for part in args if is_list(part)]) + (name == "_foreach_norm")
    if name == "embedding_dense_backward" and isinstance(args[1], Tensor):
        return 1 if args[1].numel() <= SORTED_FROM else 6
    return 1 + MORE.get(name, 0)


def waits(name: str, args: Sequence[object]) -> int:
    """Times that the host waits for an operation of ``aten``."""
    if name == "repeat_interleave":
        return int(len(args) == 1)  # without the size of the result
    return WAITS.get(name, 0)


def is_list(part: object) -> bool:
    """Whether an argument is a list of tensors."""
    return isinstance(part, (list, tuple)) and bool(part) and all(isinstance(x, Tensor) for x in part)


def over_lists(lists: Sequence[Sequence[Tensor]]) -> int:
    """Launches of an operation that takes the first tensors of several lists together, then the second ones, ..."""
    limit = TENSORS[min(max(len(lists), 1), 5)]
    count, tensors, blocks = 0, 0, 0
    for tensor in lists[0] if lists else ():
        tensors, blocks = tensors + 1, blocks - (-tensor.numel() // CHUNK)
        while blocks >= BLOCKS or tensors == limit:
            count, tensors, blocks = count + 1, 0, max(blocks - BLOCKS, 0)
    return count + (blocks > 0 or tensors > 0)


def in_accumulation() -> bool:
    """Whether a gradient is stored now: on CUDA it is taken as it is, where wrapped tensors are copied."""
    node = torch._C._current_autograd_node()
    return node is not None and "AccumulateGrad" in node.name()
