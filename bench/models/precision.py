"""float32 or bf16: measured on a CPU; on a GPU, whose products of a batch are no measure, by what it can."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from bench import accelerator
from bench.errors import BenchError

FASTER = 1.2
"""bf16 is chosen where it multiplies so many times faster."""


ROUNDS = 7


def resolve(asked: str, small: bool) -> str:
    """What ``auto`` stands for here: float32 for ``small`` models, whose time is not spent in products, else measured.

    Raises:
        BenchError: fp16 was asked for and there is no GPU; bf16, and the GPU does not have it.
    """
    if asked == "fp16" and not accelerator.is_cuda():
        raise BenchError("--precision fp16 needs a GPU, and there is none here; take bf16, float32 or auto")
    if asked == "bf16" and accelerator.is_cuda() and not accelerator.has_bf16():
        raise BenchError("--precision bf16 needs a GPU of compute capability 8.0 or more; take fp16, float32 or auto")
    if asked != "auto":
        return asked
    if accelerator.is_cuda():
        return "bf16" if not small and accelerator.has_bf16() else "float32"
    return "bf16" if not small and speedup() > FASTER else "float32"


@lru_cache(maxsize=1)
def speedup() -> float:
    """How many times faster this machine multiplies bf16 than float32; measured once in a process.

    Matrices are those of a small encoder: 2,048 tokens of 384 dimensions into 1,536.
    """
    import torch

    a, b = torch.ones(2048, 384), torch.ones(384, 1536)
    halves = a.bfloat16(), b.bfloat16()
    return times_faster(lambda: (halves[0] @ halves[1]).sum().item(), lambda: (a @ b).sum().item())


def measured() -> float | None:
    """``speedup``, where it was measured in this process."""
    return round(speedup(), 2) if speedup.cache_info().currsize else None


def times_faster(work: Callable[[], object], peer: Callable[[], object]) -> float:
    """The median time of ``peer`` over that of ``work``, of alternating rounds."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for each, taken in zip((work, peer), seconds, strict=True):
            start = time.perf_counter()
            each()
            taken.append(time.perf_counter() - start)
    of_work, of_peer = (sorted(taken)[ROUNDS // 2] for taken in seconds)
    return of_peer / of_work
