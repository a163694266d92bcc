"""A strategy as what ``SentenceTransformerTrainer`` takes: a data set of rows, and a batch sampler.

accelerate hands whole batches to the processes in turn: of W processes, process r gets the batches r, r + W, and so on.
So the sampler gives each global batch as W slices, one after another: process r then holds rows of the same batch as
all others, and a loss that gathers (``gather_across_devices=True``) sees that batch and no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sentence_transformers.base.sampler import DefaultBatchSampler

from bench import processes
from bench.errors import BenchError
from bench.interop.rows import Rows

if TYPE_CHECKING:
    from datasets import Dataset


class StrategyBatches(DefaultBatchSampler):  # type: ignore[misc]
    """The batches of a training, by the numbers of their rows; the same in every epoch, which is one pass over all.

    Args:
        dataset: ``dataset`` of the same rows.
        batch_size: rows that a process holds of a batch.
        world: processes.
        steps: batches.
    """

    def __init__(self, dataset: Dataset, batch_size: int, world: int, steps: int, **given: Any) -> None:
        super().__init__(dataset, batch_size, True, **given)
        self._world, self._steps = world, steps

    def __iter__(self) -> Iterator[list[int]]:
        """Slices of the batches, in order."""
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield list(range(start, start + self.batch_size))

    def __len__(self) -> int:
        return self._steps * self._world


@dataclass(frozen=True)
class Sampler:
    """Makes ``StrategyBatches`` for the trainer; a class, since the trainer keeps its arguments by pickle.

    Attributes:
        size: rows of a batch, over all processes.
        world: processes.
        steps: batches.
    """

    size: int
    world: int
    steps: int

    def __call__(self, dataset: Dataset, batch_size: int, drop_last: bool, **given: Any) -> StrategyBatches:
        """The batch sampler.

        Raises:
            BenchError: the trainer was given other arguments, or another data set.
        """
        if batch_size * self.world != self.size or len(dataset) != self.steps * self.size:
            raise BenchError(
                f"a batch has {self.size} rows of {self.steps * self.size:,}, {self.size // self.world} in each of "
                f"{self.world} processes; got per_device_train_batch_size {batch_size} and a data set of "
                f"{len(dataset):,} rows"
            )
        return StrategyBatches(dataset, batch_size, self.world, self.steps, **given)


def dataset(rows: Rows) -> Dataset:
    """The rows of all batches, one behind another: ``anchor`` (query) and ``positive`` (passage).

    Texts are held in memory, two a row.

    Raises:
        BenchError: rows of one group may meet, which losses of sentence-transformers do not mask.
    """
    from datasets import Dataset

    if rows.strategy.repeats_groups:
        raise BenchError(
            f"{rows.strategy!r} lets rows of one group meet; losses of sentence-transformers take them for negatives"
        )
    columns: dict[str, list[str]] = {"anchor": [], "positive": []}
    for batch in rows.batches():
        columns["anchor"] += rows.data.queries(batch)
        columns["positive"] += rows.data.passages(batch)
    return Dataset.from_dict(columns)


def arguments(rows: Rows) -> dict[str, Any]:
    """What ``SentenceTransformerTrainingArguments`` is given, so that the trainer takes these batches and no others.

    ``prompts`` are not among them: give the model's own, as in ``prompts={"anchor": "query: ", ...}``.

    Raises:
        BenchError: the processes cannot share a batch equally.
    """
    world, size = processes.count(), rows.batch_size
    if size % world:
        raise BenchError(f"processes hold equally many rows of a batch; got {size} for {world} processes")

    return {
        "batch_sampler": Sampler(size, world, rows.steps),
        "per_device_train_batch_size": size // world,
        "max_steps": rows.steps,
    }
