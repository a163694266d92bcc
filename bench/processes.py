"""Which of several processes this is (``torchrun``, ``accelerate launch``), and how they agree; one needs no torch.

The first process alone writes and prints, how far it is too; the others see the same folders.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from tqdm import tqdm

from bench.errors import EXPECTED, BenchError

if TYPE_CHECKING:
    from torch import distributed

T = TypeVar("T")


SCORING_PATIENCE = timedelta(days=30)
"""How long the others wait for the first process, which scores alone; a process that dies ends all of them at once."""


EVERY = 5.0
"""Seconds between two lines about how far something is, where there is no terminal."""


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_first() -> bool:
    """Whether this process writes and prints."""
    return number() == 0


def in_notebook() -> bool:
    """Whether a notebook shows what is written: no terminal, but bars move."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def bar_of_notebook() -> type[tqdm]:  # type: ignore[type-arg]
    """A widget where there are widgets, else text."""
    if importlib.util.find_spec("ipywidgets") is None:
        return tqdm
    from tqdm.notebook import tqdm as widget

    return widget


class Progress:
    """How far something is, on stderr: a bar on a terminal and in a notebook, elsewhere a line every ``EVERY`` seconds.

    Args:
        what: is going on.
        total: of it.
        unit: that is counted, in the singular.
        done: before it began here.
        last: whether there is a line at the end, also of what took less time.
        rows: in a unit; lines say how many a second there were since the one before.
        clock: seconds.
    """

    def __init__(
        self, what: str, total: int, unit: str, done: int = 0, last: bool = False, rows: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        shown = in_notebook()
        hidden = not is_first() or (None if not shown else False)
        bar = bar_of_notebook() if shown else tqdm
        self._bar = bar(total=total, initial=done, desc=what, unit=unit, disable=hidden, leave=not shown)
        self._lines = self._bar.disable and is_first()
        self._head, self._total, self._unit, self._done, self._last = what, total, unit, done, last
        self._clock, self._note, self._rows = clock, "", rows
        self._told, self._told_at = done, clock()

    def update(self, more: int, note: str = "") -> None:
        """So many more are done; ``note`` says more of them."""
        self._done, self._note = self._done + more, note
        if not self._lines:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(more)
        elif self._clock() - self._told_at >= EVERY:
            self._tell()

    def _tell(self) -> None:
        now = self._clock()
        speed, each = (self._done - self._told) / max(now - self._told_at, 1e-9), "row" if self._rows else self._unit
        rate = f"{speed * (self._rows or 1):,.0f} {each}s/s" if self._rows or not self._note else ""
        note = ", ".join(part for part in (self._note, rate) if part)
        self._told, self._told_at, self._last = self._done, now, True
        print(f"{self._head}: {self._done:,} of {self._total:,} {self._unit}s, {note}", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.close()
        if self._lines and self._last and self._told < self._done:
            self._tell()


def tell(text: str) -> None:
    """A line on stderr, above a bar."""
    if is_first():
        tqdm.write(text, file=sys.stderr)


def join() -> None:
    """Meet the other processes: NCCL where there are GPUs (each process takes its own), else gloo."""
    if count() > 1:
        import torch
        from accelerate import PartialState

        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"  # else transformers loads weights in the first one alone
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        on_cpu = device is None or device.type == "mps"
        state = PartialState(cpu=True, timeout=SCORING_PATIENCE) if on_cpu else PartialState(timeout=SCORING_PATIENCE)
        if state.num_processes != count():
            raise BenchError(
                f"{count()} processes were announced and {state.num_processes} met; launch with torchrun or accelerate"
            )


@cache
def _patient() -> distributed.ProcessGroup | None:
    """Through which processes wait for each other: gloo's sleep; NCCL's hold a core and the GPU while one scores."""
    from torch import distributed

    if distributed.get_backend() == "gloo":
        return None
    return distributed.new_group(backend="gloo", timeout=SCORING_PATIENCE)


def leave() -> None:
    """Wait for the others, and part."""
    if count() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.barrier(_patient())
            part()


def part() -> None:
    """Part from the others without waiting; a process that ends with the group's threads running may be aborted."""
    if count() > 1 and "torch" in sys.modules:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()
            _patient.cache_clear()


def agreed(make: Callable[[], T]) -> T:
    """What ``make`` gives in the first process, in all of them; its refusal ends all of them, and is said once."""
    if count() == 1:
        return make()
    join()
    from torch import distributed

    found: list[object] = [None, None]
    failure: Exception | None = None
    if is_first():
        try:
            found = [True, make()]
        except EXPECTED as error:
            found, failure = [False, None], error
    distributed.broadcast_object_list(found, src=0, group=_patient())
    if failure is not None:
        raise failure
    if not found[0]:
        raise SystemExit(2)
    return found[1]  # type: ignore[return-value]
