"""Wall time of the phases of a cell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


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
        start = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - start, 2)
