"""Seconds and floating-point operations of a training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench import accelerator
from bench.encoding.passes import Work

if TYPE_CHECKING:
    from bench.encoding.encoder import Encoder

WORDS = (4, 12, 24)
"""Lengths of the texts that are counted."""


FORMULA = (
    "passes x (linear x positions + quadratic x squares): matrix products of the encoder alone, 2 for a multiplication "
    "and sum; squares: of each text's positions, summed; passes: forward 1, backward 2, GradCache 1 more"
)


class Flops(NamedTuple):
    """FLOPs of a forward pass of a text of n positions: ``linear n + quadratic n^2``; 0 without products.

    What is computed once in a pass or a text (a pooler, a layer behind the pooling) is left out, as the loss is.
    """

    linear: float
    quadratic: float

    def step(self, work: Work, micro_batch: int) -> float:
        """FLOPs of the encoder in a step of training."""
        forward = self.linear * work.positions + self.quadratic * work.squares
        return (4 if micro_batch else 3) * forward


def count(encoder: Encoder) -> Flops:
    """Count three passes of one text each; a transformer's operations are a square in its length, exactly.

    Draws no random number and leaves the encoder as it was.
    """
    trains = encoder.model.training
    encoder.model.eval()
    points = [_pass(encoder, words) for words in WORDS]
    encoder.model.train(trains)
    if len({positions for positions, _ in points}) < len(points):
        return Flops(0.0, 0.0)
    matrix = torch.tensor([[1.0, n, n * n] for n, _ in points], dtype=torch.float64)
    found = torch.linalg.solve(matrix, torch.tensor([[float(flops)] for _, flops in points], dtype=torch.float64))
    return Flops(*(round(x, 3) for x in found[1:, 0].tolist()))


def _pass(encoder: Encoder, words: int) -> tuple[int, int]:
    """Positions and FLOPs of one text."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # of the others on a CPU torch counts nothing
        _, work = encoder.represent([" ".join(["a"] * words)], "passage")
    return work.positions, counter.get_total_flops()


class Clock:
    """Wall time of the phases of a cell.

    Attributes:
        seconds: phase -> how long it took.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def running(self, phase: str) -> Iterator[None]:
        """Time a phase."""
        accelerator.wait()
        start = time.perf_counter()
        yield
        accelerator.wait()
        self.seconds[phase] = round(time.perf_counter() - start, 2)
