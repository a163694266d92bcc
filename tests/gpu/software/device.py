"""A CUDA device in software: tensors that say they are on cuda:0, hold their numbers on the CPU and obey CUDA's rules.

It runs with CPU builds of torch. What would be launches of kernels and waits for the device is counted (``costs``);
numbers are the CPU's, up to what a program does in another way on CUDA. Not shown: CUDA's own rounding, streams, time.

``patches.install`` changes torch for the rest of a process: nothing else may be tested there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.gpu.software import costs
from tests.gpu.software.attention import KERNELS, attention, gradients
from tests.gpu.software.rules import require_same_device, tensors

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")

RANDOM = {"native_dropout", "bernoulli_", "bernoulli", "rand", "randn", "randint", "rand_like", "randn_like", "normal_",
          "uniform_", "random_", "randperm", "multinomial", "exponential_"}  # fmt: skip
"""Operations that draw."""


class Card:
    """What the device knows of itself.

    Attributes:
        random: its generator, apart from the CPU's.
        launches: kernels, by the operation.
        waits: of the host, by the operation.
        places: of the program, by the line, that waited.
        room: operation -> numbers that its result may hold; others have room enough.
    """

    def __init__(self) -> None:
        self.random = torch.Generator()
        self.launches, self.waits, self.places = Counter[str](), Counter[str](), Counter[str]()
        self.room: dict[str, int] = {}

    def restart(self) -> None:
        """Count anew."""
        for counter in (self.launches, self.waits, self.places):
            counter.clear()

    def wait(self, what: str, times: int = 1) -> None:
        """The host waits."""
        if times:
            self.waits[what] += times
            self.places[_place()] += times

    def draw(self) -> int:
        """A seed."""
        return int(torch.randint(1 << 40, (), generator=self.random))

    def require_room(self, name: str, out: object) -> None:
        """Refuse a result that is too large.

        Raises:
            torch.OutOfMemoryError: it is.
        """
        if name in self.room and isinstance(out, Tensor) and out.numel() > self.room[name]:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {out.numel() * out.itemsize} bytes.")


CARD = Card()


def _place() -> str:
    """The line of the program, or of a library that it uses, that waits."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        if any(part in name for part in ("/bench/", "/transformers/", "/sentence_transformers/")):
            return f"{'/'.join(name.split('/')[-2:])}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


class OnDevice(Tensor):
    """Python sees a tensor on cuda:0; torch's C++ sees one on the CPU without memory of its own."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnDevice:
        how: dict[str, Any] = {"dtype": inner.dtype, "device": "cpu", "requires_grad": False}
        if inner.layout == torch.sparse_coo:
            keys = torch._C._dispatch_keys(torch.zeros(1, 1).to_sparse())
            how |= {"dispatch_layout": True, "_extra_dispatch_keys": keys}
        else:
            how |= {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        out: OnDevice = Tensor._make_wrapper_subclass(cls, inner.shape, **how)  # type: ignore[attr-defined]
        out.inner = inner
        return out

    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = property(lambda self: False)  # type: ignore[assignment]
    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"{self.inner!r} on {CUDA}"

    def numpy(self, **_: Any) -> Any:
        raise TypeError(
            f"can't convert {CUDA} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
            "first."
        )

    __array__ = numpy  # type: ignore[assignment]

    def get_device(self) -> int:
        return 0

    def untyped_storage(self) -> Any:
        return self.inner.untyped_storage()

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def tolist(self) -> Any:
        CARD.wait("tolist")
        return self.inner.tolist()

    def cpu(self, *_: Any, **__: Any) -> Tensor:
        CARD.wait("cpu")
        return ToHost.apply(self)  # type: ignore[no-any-return, no-untyped-call]

    def cuda(self, *_: Any, **__: Any) -> Tensor:
        return self

    def pin_memory(self, *_: Any) -> Tensor:
        raise RuntimeError(f"cannot pin 'torch.cuda.{type(self).__name__}': only dense CPU tensors can be pinned")

    def to(self, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        plain = {name: value for name, value in kwargs.items() if name in ("device", "dtype", "non_blocking")}
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **plain) if args or plain else (None,) * 4
        here = self.cpu() if device is not None and device.type == "cpu" else self
        if dtype is not None and dtype != self.dtype:
            return Tensor.to(here, dtype)
        return here.clone() if kwargs.get("copy") and here is self else here

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return run(func, args, kwargs or {})


class ToHost(torch.autograd.Function):
    """A copy in the memory of the host; the gradient goes back."""

    @staticmethod
    def forward(ctx: Any, x: OnDevice) -> Tensor:
        return x.inner.detach().clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return OnDevice(gradient)


class Attention(torch.autograd.Function):
    """Of padded texts, as memory-efficient attention: a kernel forward, three backward."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        three, ctx.how = tuple(map(plain, given[:3])), given[3]
        ctx.three = three
        CARD.launches["scaled_dot_product_attention"] += 1
        return OnDevice(attention(*three, ctx.how))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        CARD.launches["scaled_dot_product_attention backward"] += 3
        found = gradients(*ctx.three, ctx.how, plain(gradient))
        return *map(OnDevice, found), None


def plain(x: Any) -> Any:
    """The numbers of a tensor on the device; anything else as it is."""
    return x.inner if isinstance(x, OnDevice) else x


def mapped(change: Callable[[Tensor], object], x: Any) -> Any:
    """Arguments or results of an operation with other tensors."""
    if isinstance(x, Tensor):
        return change(x)
    return type(x)([mapped(change, y) for y in x]) if type(x) in (list, tuple) else x


def held_by(args: Sequence[Any]) -> list[OnDevice]:
    """The tensors on the device among the arguments of an operation."""
    return [x for x in tensors(args) if isinstance(x, OnDevice)]


def run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """An operation of ``aten`` where one of its tensors, or its result, is on the device."""
    name = func._schema.name.split("::")[1]
    if func is torch.ops.prim.layout.default:
        return args[0].inner.layout
    held = held_by(args)
    wanted = kwargs.get("device")
    if held:
        for what, times in require_same_device(name, frozenset(func.tags), args, OnDevice):
            CARD.wait(what, times)
    if name == "_to_copy" and not held:
        pinned = kwargs.get("non_blocking") and getattr(args[0], "pinned", False)
        CARD.wait("to the device, from pageable memory", not pinned and args[0].numel() > 0)
    elif not (name == "clone" and costs.in_accumulation()):
        CARD.launches[name] += costs.launches(name, args)
    CARD.wait(name, costs.waits(name, args))
    plain_args, plain_kwargs = mapped(plain, tuple(args)), {key: mapped(plain, x) for key, x in kwargs.items()}
    if wanted is not None:
        plain_kwargs["device"] = CPU
    if plain_kwargs.get("pin_memory"):
        plain_kwargs["pin_memory"] = False
    out = _computed(func, name, plain_args, plain_kwargs)
    CARD.require_room(name, out)
    if name.endswith("_") and isinstance(args[0], Tensor):
        return args[0]
    if name == "_to_copy" and not held:
        return OnDevice(out.clone() if out.data_ptr() == args[0].data_ptr() else out)
    same = {id(x.inner): x for x in held}
    return mapped(lambda x: same[id(x)] if id(x) in same else OnDevice(x), out)


def _computed(func: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The numbers, by the CPU; what draws takes the card's generator."""
    if name in KERNELS:
        return KERNELS[name](CARD.draw, *args, **kwargs)
    if name not in RANDOM:
        return func(*args, **kwargs)
    if kwargs.get("generator") is not None:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    before = torch.get_rng_state()
    torch.set_rng_state(CARD.random.get_state())
    try:
        return func(*args, **kwargs)
    finally:
        CARD.random.set_state(torch.get_rng_state())
        torch.set_rng_state(before)
