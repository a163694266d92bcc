"""Peak resident memory of this process, since a moment; and what is said where there is not enough of it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import BenchError

FULL = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""What torch's errors say, on GPUs and on CPUs."""


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Refuse, in one line, what needs more memory than there is.

    Raises:
        BenchError: memory ran out in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error).lower()
        if not isinstance(error, MemoryError) and not any(mark in told for mark in FULL):
            raise
        line = (str(error).strip().splitlines() or ["no more of it"])[0]
        raise BenchError(
            f"{what}: not enough memory ({line[:200]}); --micro-batch N trains the same batch in parts, --batch-size a "
            "smaller one. Finished cells are kept"
        ) from None


def restart_peak() -> None:
    """Start anew where the system can (Linux); elsewhere peaks count from the start of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Megabytes at the peak since ``restart_peak``."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
