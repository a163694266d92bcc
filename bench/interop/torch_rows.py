"""Rows of batches as a plain ``IterableDataset`` of torch, for any other trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from bench import processes
from bench.errors import BenchError
from bench.interop.rows import Rows


class BatchRows(IterableDataset[dict[str, Any]]):
    """The rows that one process holds, batch by batch: a dict of ``Row``'s fields and the number of its ``batch``.

    ``DataLoader(BatchRows(rows), batch_size=rows.batch_size // world)`` gives the batches, with any number of workers:
    each makes every so-many-th batch whole, and the loader takes them in turn.

    Args:
        rows: the batches.
        rank: which of the processes this is; None as the launcher says.
        world: processes; None as the launcher says.

    Raises:
        BenchError: the processes cannot share a batch equally.
    """

    def __init__(self, rows: Rows, rank: int | None = None, world: int | None = None) -> None:
        super().__init__()
        self._rows = rows
        self._rank = processes.number() if rank is None else rank
        self._world = processes.count() if world is None else world
        if rows.batch_size % self._world:
            raise BenchError(
                f"processes hold equally many rows of a batch; got {rows.batch_size} for {self._world} processes"
            )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows of this process, and of this worker of it."""
        worker = get_worker_info()
        own, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        size = self._rows.batch_size // self._world
        first = self._rank * size
        for number, batch in enumerate(self._rows.batches()):
            if number % of == own:
                for row in self._rows.texts(batch)[first : first + size]:
                    yield {**row._asdict(), "batch": number}

    def __len__(self) -> int:
        return self._rows.steps * self._rows.batch_size // self._world
