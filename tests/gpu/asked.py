"""What the parts of ``card.py`` share: what was asked for, what was found, clocks, and the batches they train on."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from bench import accelerator
from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.plan import resolve
from bench.plan.settings import Settings
from strategies import Batch

CARD = accelerator.is_cuda
"""Whether there is a CUDA device."""


class Asked(NamedTuple):
    """The command line's."""

    model: str
    data: Path
    out: Path
    against: Path | None
    small: bool
    train: str
    task: str

    def reference(self, name: str) -> Path | None:
        """A file of the run that this one is compared with."""
        path = self.against / name if self.against else None
        return path if path and path.is_file() else None


class Found:
    """Rows of a part's table and what else it keeps; written at every change, so that none waits for the last."""

    def __init__(self, path: Path) -> None:
        self._path, self._rows, self._kept = path, list[dict[str, Any]](), dict[str, Any]()

    def row(self, **values: Any) -> None:
        self._rows.append(values)
        self._write()

    def keep(self, **values: Any) -> None:
        self._kept |= values
        self._write()

    def _write(self) -> None:
        aside = self._path.with_suffix(".partial")
        aside.write_text(json.dumps({"rows": self._rows, "kept": self._kept}, indent=1), encoding="utf-8")
        os.replace(aside, self._path)


def kept(path: Path) -> dict[str, Any]:
    """What a part kept in its file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["kept"]
    return found


class Job(NamedTuple):
    """What is trained on."""

    settings: Settings
    data: TrainData
    batches: list[Batch]


def job(asked: Asked, rows: int, steps: int, **settings: Any) -> Job:
    """Batches of hybrid; settings of the study where nothing else is said."""
    given = {"query_length": 64, "passage_length": 128, "learning_rate": 1e-4, "temperature": 0.02, **settings}
    chosen = Settings(**{"model": asked.model, "train": (asked.train,), "steps": steps, "batch_size": rows, **given})
    data = combine([resolve.source(asked.train).load(asked.data)], chosen.languages)
    audit = Audit(data.pool.langs)
    return Job(chosen, data, list(schedule(resolve.strategy("hybrid"), data.pool, rows, steps, 0, audit)))


def seconds(work: Callable[[], object], times: int, warm: int = 3) -> float:
    """Median of so many calls, the card waited for behind each, after ``warm`` others."""
    taken = []
    for number in range(warm + times):
        accelerator.wait()
        start = time.perf_counter()
        work()
        accelerator.wait()
        taken += [time.perf_counter() - start] if number >= warm else []
    return median(taken)


def restart_peak() -> None:
    """Free what is not held, and count the card's peak anew."""
    gc.collect()
    if CARD():
        torch.cuda.empty_cache()
    accelerator.restart_peak()
