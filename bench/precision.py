"""Which precision the layers run in, where the hardware is to decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

PRECISIONS = ("auto", "float32", "bf16")

FASTER = 1.2
"""bf16 is chosen where it multiplies so many times faster."""

ROUNDS = 7


@lru_cache(maxsize=1)
def choose() -> str:
    """``bf16`` where this machine multiplies it faster than float32, else ``float32``; measured once in a process.

    Matrices are those of a small encoder: 2,048 tokens of 384 dimensions into 1,536.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = torch.ones(2048, 384, device=device), torch.ones(384, 1536, device=device)
    halves = a.bfloat16(), b.bfloat16()
    return decide(lambda: (a @ b).sum().item(), lambda: (halves[0] @ halves[1]).sum().item())


def decide(single: Callable[[], object], half: Callable[[], object]) -> str:
    """``bf16`` if ``half`` is ``FASTER`` than ``single``, by the medians of alternating rounds."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, taken in zip((single, half), seconds, strict=True):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
    of_single, of_half = (sorted(taken)[ROUNDS // 2] for taken in seconds)
    return "bf16" if of_single > FASTER * of_half else "float32"
