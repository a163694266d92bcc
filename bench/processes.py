"""Which of several processes this is (``torchrun``, ``accelerate launch``), and how they agree; one needs no torch.

The first process alone writes and prints; the others see the same folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from bench.errors import EXPECTED, BenchError

T = TypeVar("T")


PATIENCE = timedelta(days=30)
"""How long the others wait for the first process, which scores alone; a process that dies ends all of them at once."""


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_first() -> bool:
    """Whether this process writes and prints."""
    return number() == 0


def join() -> None:
    """Meet the other processes: NCCL where there are GPUs (each process takes its own), else gloo."""
    if count() > 1:
        import torch
        from accelerate import PartialState

        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"  # else transformers loads weights in the first one alone
        device = torch.accelerator.current_accelerator(check_available=True)
        on_cpu = device is None or device.type == "mps"
        state = PartialState(cpu=True, timeout=PATIENCE) if on_cpu else PartialState(timeout=PATIENCE)
        if state.num_processes != count():
            raise BenchError(
                f"{count()} processes were announced and {state.num_processes} met; launch with torchrun or accelerate"
            )


def leave() -> None:
    """Wait for the others, and part."""
    if count() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.barrier()
            distributed.destroy_process_group()


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
    distributed.broadcast_object_list(found, src=0)
    if failure is not None:
        raise failure
    if not found[0]:
        raise SystemExit(2)
    return found[1]  # type: ignore[return-value]
