"""A strategy for the tests of locks: leaves a mark of each training and waits in its second batch for others."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strategies import STRATEGIES, Batch, Pool, Strategy
from strategies.contract import StrategyError

PATIENCE = 300.0


def is_made_up(pool: Pool) -> bool:
    """Whether it is one of the pools that strategies are checked on before a run; the demo's is larger."""
    return pool.n_items < 1000


def wait_until(holds: object, what: str) -> None:
    """Look until ``holds()`` is true.

    Raises:
        TimeoutError: it never was.
    """
    assert callable(holds)
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Meeting(Strategy):
    """``mono``; goes on once as many trainings have left marks in $MARKS as $MEETING says."""

    name: str = "a"

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        batches = STRATEGIES["mono"]().batches(pool, batch_size, steps, rng)
        yield next(batches)
        if is_made_up(pool):
            yield from batches
            return
        marks = Path(os.environ["MARKS"])
        (marks / f"{self.name}-{os.getpid()}").touch()
        wait_until(lambda: len(list(marks.iterdir())) >= int(os.environ["MEETING"]), "the others")
        yield from batches


@dataclass(frozen=True)
class Mortal(Strategy):
    """``cross``, whose process is killed in the second batch, the first time."""

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        batches = STRATEGIES["cross"]().batches(pool, batch_size, steps, rng)
        yield next(batches)
        mark = Path(os.environ["DEATHS"]) / "mortal"
        if not is_made_up(pool) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from batches


@dataclass(frozen=True)
class Failing(Strategy):
    """Gives one batch and then none."""

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        batches = STRATEGIES["mono"]().batches(pool, batch_size, steps, rng)
        yield next(batches)
        if is_made_up(pool):
            yield from batches
            return
        raise StrategyError("this strategy has no second batch")
