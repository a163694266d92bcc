"""Gives a process the software device: torch says that there is one, and what is made on it is made in software."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import _foreach_supported_types as OPTIMIZED
from torch.overrides import TorchFunctionMode
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode

from tests.gpu.software.attention import How
from tests.gpu.software.device import CARD, CPU, CUDA, Attention, Card, OnDevice, held_by, plain, run
from tests.gpu.software.rules import require_same_device

MADE_OF_VALUES = (torch.tensor, torch.as_tensor, torch.asarray)
"""Functions that lay out numbers of Python and of numpy in the host's memory first."""


class Indexed(TorchFunctionMode):
    """``cuda`` is cuda:0, so that torch's C++ asks no driver; what CUDA computes at once is not taken apart."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        args, kwargs = tuple(map(_indexed, args)), {name: _indexed(value) for name, value in kwargs.items()}
        if func in MADE_OF_VALUES and kwargs.get("device") is not None and torch.device(kwargs["device"]) == CUDA:
            return func(*args, **{**kwargs, "device": CPU}).to(CUDA)
        if args and isinstance(args[0], OnDevice):
            if func is torch.nn.functional.scaled_dot_product_attention:
                return padded_attention(*args, **kwargs)
            if func is torch.nn.functional.dropout and not kwargs.get("inplace"):
                return _dropout(*args, **kwargs)
            if getattr(func, "__name__", "").endswith("_like") and torch.device(kwargs.get("device") or CUDA) == CPU:
                args = (args[0].inner, *args[1:])
        return func(*args, **kwargs)


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(x, p, True)[0] if training and p else x


def _indexed(x: Any) -> Any:
    if (isinstance(x, torch.device) and x.type == "cuda" and x.index is None) or (isinstance(x, str) and x == "cuda"):
        return CUDA
    return x


def padded_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, **_: Any,
) -> Tensor:  # fmt: skip
    """In the place of ``torch.nn.functional.scaled_dot_product_attention``."""
    three = (query, key, value)
    if torch.is_autocast_enabled("cpu"):
        three = tuple(t.to(torch.get_autocast_dtype("cpu")) for t in three)  # type: ignore[assignment]
    require_same_device("scaled_dot_product_attention", frozenset(), (*three, attn_mask), OnDevice)
    seed = CARD.draw() if dropout_p else 0
    bias = None if attn_mask is None else plain(attn_mask)
    return Attention.apply(*three, How(scale, dropout_p, seed, bias, is_causal))  # type: ignore[no-any-return, no-untyped-call]


class Dispatched(TorchDispatchMode):
    """What is made on the device is made here."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        made = device is not None and torch.device(device).type == "cuda"
        if made or held_by(args):
            return run(func, args, kwargs)
        return func(*args, **kwargs)


def install() -> Card:
    """Give this process the device, for good; what it counts is told by what is returned."""
    _patch_torch()
    _patch_cuda()
    Indexed().__enter__()
    Dispatched().__enter__()
    return CARD


def _patch_torch() -> None:
    torch.__future__.set_swap_module_params_on_conversion(True)  # weights stay the objects they are
    for supported in (_foreach_utils._foreach_supported_types, OPTIMIZED):
        supported.append(OnDevice)
    start = torch.autocast.__init__

    def autocast(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        start(self, "cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    torch.autocast.__init__ = autocast  # type: ignore[method-assign]
    torch.inference_mode.__enter__ = lambda self: _enter(self)  # type: ignore[method-assign]
    torch.inference_mode.__exit__ = lambda self, *_: self.within.__exit__(*_)  # type: ignore[method-assign]
    Tensor.pin_memory = _pinned  # type: ignore[method-assign, assignment]
    Tensor.is_pinned = lambda self, *_: getattr(self, "pinned", False)  # type: ignore[method-assign, assignment]
    Tensor.cuda = lambda self, *_, **__: self.to(CUDA)  # type: ignore[method-assign, assignment]
    grouped = torch._C._group_tensors_by_device_and_dtype

    def by_device(lists: Any, with_indices: bool = False) -> Any:
        found = grouped(lists, with_indices).items()
        return {
            (CUDA if any(isinstance(x, OnDevice) for x in value[0][0]) else key[0], key[1]): value
            for key, value in found
        }

    torch._C._group_tensors_by_device_and_dtype = by_device


def _enter(mode: Any) -> None:
    """Wrapped tensors cannot be of inference mode: they have no gradients only."""
    mode.within = torch.no_grad() if mode.mode else torch.enable_grad()
    mode.within.__enter__()


def _pinned(tensor: Tensor, *_: Any) -> Tensor:
    out = tensor.detach().clone()
    out.pinned = True  # type: ignore[attr-defined]
    return out


def _patch_cuda() -> None:
    cuda = torch.cuda
    about = SimpleNamespace(name="software", major=9, minor=0, total_memory=80 << 30, multi_processor_count=132)
    patches: dict[str, Callable[..., Any]] = {
        "_lazy_init": lambda: None,
        "_is_in_bad_fork": lambda: False,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,
        "is_current_stream_capturing": lambda: False,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _: None,
        "get_device_name": lambda _=None: about.name,
        "get_device_capability": lambda _=None: (about.major, about.minor),
        "get_device_properties": lambda _=None: about,
        "synchronize": lambda _=None: CARD.wait("synchronize"),
        "get_rng_state": lambda _="cuda": CARD.random.get_state(),
        "set_rng_state": lambda state, _="cuda": CARD.random.set_state(state),
        "manual_seed": CARD.random.manual_seed,
        "manual_seed_all": CARD.random.manual_seed,
        "empty_cache": lambda: None,
        "reset_peak_memory_stats": lambda _=None: None,
        "max_memory_allocated": lambda _=None: 1 << 20,
        "memory_allocated": lambda _=None: 1 << 20,
        "mem_get_info": lambda _=None: (about.total_memory, about.total_memory),
    }
    for name, patch in patches.items():
        setattr(cuda, name, patch)
