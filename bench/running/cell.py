"""One cell: made, scored, recorded; done comes last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import accelerator, processes
from bench.data.content import digest_of
from bench.data.loading import LoadedTask
from bench.data.train_data import TrainData
from bench.environment import enough_memory, peak_mb, restart_peak
from bench.evaluation.score_table import is_scored, score_table, scores_of
from bench.running.jobs import Job
from bench.running.make import make
from bench.running.recorded import Request, computed_with
from bench.store import cells, json_files, scores
from bench.store.cells import Done

if TYPE_CHECKING:
    from bench.data.corpus import Ranker


def run_cell(job: Job, folder: Path, data: TrainData | None, tasks: Sequence[LoadedTask], request: Request) -> Path:
    """Make what ranks (train it, unless that is done or there is nothing to train), then score; ``done`` comes last.

    Of several processes all train, and encode where vectors are kept on disk; the first one does the rest.

    Returns:
        the cell's folder.
    """
    path = folder / job.name
    with enough_memory(job.name):
        _restart_peaks()
        start = time.perf_counter()
        made = make(job, path, data, request)
        if made is not None:
            _score(job, path, made, tasks, request, time.perf_counter() - start)
    return path


def _score(
    job: Job, path: Path, made: tuple[Ranker, str], tasks: Sequence[LoadedTask], request: Request, making: float
) -> None:
    """Score a cell that took so many seconds to make, and write ``done``; other processes than the first help."""
    ranker, weights = made
    compared = {name: found._asdict() for name, found in getattr(ranker, "parity", {}).items()}
    left = [t for t in tasks if not _there(scores_of(path, t.task, request.plan), t, weights)]
    if request.plan.shards:
        from bench.encoding.sharded import on_disk

        ranker = on_disk(ranker, weights, {"model": job.model.get("files"), **computed_with()}, request.plan)
    if not processes.is_first():
        if request.plan.shards:
            from bench.encoding.sharded import help_first

            help_first(ranker, left)
        return
    first = "train" if job.steps else "load"
    seconds, peaks = {first: making}, _peaks(first)
    for loaded in left:
        _restart_peaks()
        start = time.perf_counter()
        target = scores_of(path, loaded.task, request.plan)
        table = score_table(loaded, ranker, weights, request.plan)
        loaded.require_unchanged()
        request.require_held()
        scores.keep_former(target, digest_of)
        scores.write_scores(target, table)
        name = f"score {loaded.task.name}"
        seconds[name] = time.perf_counter() - start
        peaks |= _peaks(name)
    before = cells.read_done(path) or Done(weights, {})
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    done = Done(weights, before.seconds | rounded, before.peak_memory_mb | peaks)
    request.require_held()
    json_files.write_json(path / cells.DONE, done._asdict() | ({"parity": compared} if compared else {}))


def _restart_peaks() -> None:
    restart_peak()
    accelerator.restart_peak()


def _peaks(what: str) -> dict[str, int]:
    """Megabytes of the host's memory, and of the GPU's where there is one."""
    gpu = accelerator.peak_mb()
    return {what: peak_mb()} | ({} if gpu is None else {f"{what}, GPU": gpu})


def _there(target: Path, loaded: LoadedTask, weights: str) -> bool:
    """Whether there are scores of what was loaded; former ones of the same content are taken back."""
    if is_scored(target, loaded.content):
        return True
    former = scores.former(target, loaded.content.digest())
    if not is_scored(former, loaded.content) or scores.read_about(former).weights_sha256 != weights:
        return False
    if processes.is_first():
        scores.keep_former(target, digest_of)
        former.replace(target)
    return True
