"""CUDA's rules about tensors of the device and of the host in one operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

MOVES = frozenset(("copy_", "_to_copy", "_local_scalar_dense", "_pin_memory", "is_pinned"))
"""Operations between devices."""

TAKES_NUMBERS = frozenset(("masked_fill", "masked_fill_", "fill", "fill_", "index_fill", "index_fill_", "where"))
"""Beside the pointwise ones, operations that take a number of the host as a tensor without dimensions."""

INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"))


def tensors(args: Sequence[object]) -> Iterator[Tensor]:
    """Those among the arguments of an operation, also in lists."""
    for x in args:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from tensors(x)


def require_same_device(
    name: str, tags: frozenset[object], args: Sequence[object], on_device: type[Tensor]
) -> list[tuple[str, int]]:
    """Refuse an operation of ``aten`` that CUDA refuses; what the host waits for in one that is allowed, and how often.

    Raises:
        RuntimeError: tensors of the device and of the host meet.
    """
    if name == "copy_":
        return [("copy_ between devices", int(isinstance(args[0], on_device) != isinstance(args[1], on_device)))]
    if name in MOVES:
        return []
    if name in INDEXING:
        return _indexed(args, on_device)
    numbers = torch.Tag.pointwise in tags or name in TAKES_NUMBERS or name.startswith("_foreach")
    first = args[0] if args else None
    if name.endswith("_") and isinstance(first, Tensor) and not isinstance(first, on_device):
        numbers = False  # a result is no number
    for tensor in tensors(args):
        if not isinstance(tensor, on_device) and not (numbers and not tensor.dim()):
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
                f"({name})"
            )
    return []


def _indexed(args: Sequence[object], on_device: type[Tensor]) -> list[tuple[str, int]]:
    """An index may be of the host, and is copied then; masks are counted."""
    of, found = args[0], []
    assert isinstance(args[1], (list, tuple))
    for index in (i for i in args[1] if isinstance(i, Tensor)):
        if isinstance(index, on_device) and not isinstance(of, on_device):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if isinstance(of, on_device) and not isinstance(index, on_device):
            found.append(("an index of the host", 1))
        elif index.dtype in (torch.bool, torch.uint8):
            found.append(("a mask as an index", 1))
    value = args[2] if len(args) > 2 else None
    if isinstance(value, Tensor) and isinstance(value, on_device) != isinstance(of, on_device) and value.dim():
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices! (index_put_)"
        )
    return found
