"""One strategy under one seed: trained once, scored on every task, recorded so that each number can be traced."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import checkpoint, precision, processes, records
from bench.checkpoint import Checkpoint
from bench.clock import Clock
from bench.config import Plan
from bench.cost_section import COST
from bench.errors import BenchError
from bench.job import Job
from bench.memory import enough_memory, peak_mb, restart_peak
from bench.schedule import Audit, TrainData, schedule
from bench.score_table import LoadedTask, score_table, scores_of
from bench.writing import written_aside
from tasks import Task

if TYPE_CHECKING:
    from bench.encoder import Encoder
    from bench.search import Ranker


class Request(NamedTuple):
    """How cells are run.

    Attributes:
        plan: what is run.
        command: as recorded.
        resume: go on from a cell's checkpoint where there is one; else it is discarded.
        say: prints a line of progress.
        require_held: refuses to go on where another process took the cell over.
    """

    plan: Plan
    command: str
    resume: bool
    say: Callable[[str], None]
    require_held: Callable[[], None] = lambda: None


def missing(job: Job, folder: Path, tasks: Sequence[Task], plan: Plan) -> list[Task]:
    """The tasks that a cell still has to be scored on; all of them where it is not finished."""
    path = folder / job.name
    if not (path / "done").is_file():
        return list(tasks)
    return [t for t in tasks if not scores_of(path, t, plan).is_file()]


Make = Callable[[Job, Path, "TrainData | None", Request], "tuple[Ranker, str] | None"]
"""Of a cell, its folder, the training data and how cells are run: what ranks, and the hash of its weights.

None in a process that only helped to train it, and does not help to encode.
"""


def run_cell(
    job: Job, folder: Path, data: TrainData | None, tasks: Sequence[LoadedTask], request: Request, make: Make
) -> Path:
    """Make what ranks (train it, unless that is done or there is nothing to train), then score; ``done`` comes last.

    Of several processes all train, and encode where vectors are kept on disk; the first one does the rest.

    Returns:
        the cell's folder.
    """
    path = folder / job.name
    with enough_memory(job.name):
        restart_peak()
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
    left = [t for t in tasks if not scores_of(path, t.task, request.plan).is_file()]
    if request.plan.shards:
        from bench.sharded import on_disk

        ranker = on_disk(ranker, weights, {"model": job.model.get("files"), **_computed_with()}, request.plan)
    if not processes.is_first():
        if request.plan.shards:
            from bench.sharded import help_first

            help_first(ranker, left)
        return
    first = "train" if job.steps else "load"
    seconds, peaks = {first: making}, {first: peak_mb()}
    for loaded in left:
        restart_peak()
        start = time.perf_counter()
        target = scores_of(path, loaded.task, request.plan)
        table = score_table(loaded, ranker, weights, request.plan)
        request.require_held()
        records.write_scores(target, table)
        name = f"score {loaded.task.name}"
        seconds[name], peaks[name] = time.perf_counter() - start, peak_mb()
    before = records.read_done(path) or {}
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    kept = {name: dict(before.get(name) or {}) for name in ("seconds", "peak_memory_mb")}  # type: ignore[call-overload]
    kept["seconds"].update(rounded)
    kept["peak_memory_mb"].update(peaks)
    request.require_held()
    records.write_json(path / "done", {"weights_sha256": weights, **kept})


def ranker_of(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str] | None:
    """What ranks in a cell that is not derived; stores config.json and, where there is training, the model."""
    if job.strategy is not None and not processes.agreed((path / "model").is_dir):
        return _trained(job, path, data, request)
    return _ready(job, path, data, request) if processes.is_first() or request.plan.shards else None


def _ready(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str]:
    """What ranks without being trained now, and the hash of its weights."""
    if job.strategy is not None:
        from bench.models import load_encoder

        if processes.is_first():
            checkpoint.discard(checkpoint.folder_of(path))
        encoder = load_encoder(dataclasses.replace(job.settings, model=str(path / "model")), job.seed)
        return encoder, encoder.weights_hash()
    config = config_of(job, request, data)
    ranker, weights = _as_it_is(job)
    if processes.is_first():
        records.write_json(path / "config.json", config)
    return ranker, weights


def _as_it_is(job: Job) -> tuple[Ranker, str]:
    """A lexical baseline, or the base model, and the hash of its weights."""
    if not job.model:
        from bench.lexical import BM25, CharTfidf

        return (BM25() if job.label == "bm25" else CharTfidf()), "none"
    from bench.models import load_encoder

    encoder = load_encoder(job.settings, job.seed)
    return encoder, encoder.weights_hash()


def _trained(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str]:
    """The cell's encoder, trained now, and the hash of its weights; stores config.json, the log and the model."""
    if data is None:
        raise BenchError(f"{path}: neither a trained model nor training data; run the cell again with --overwrite")
    from bench.models import load_encoder

    clock = Clock()
    with clock.running("load"):
        encoder = load_encoder(job.settings, job.seed)
    kept = checkpoint.folder_of(path)
    found = processes.agreed(lambda: _found(job, kept, request))
    with _written_by_first(path) as aside:
        _train(encoder, job, data, aside, found, request, clock)
        request.require_held()
    if processes.is_first():
        checkpoint.discard(kept)
    return encoder, encoder.weights_hash()


def _found(job: Job, kept: Path, request: Request) -> Checkpoint | None:
    """The checkpoint to go on from; where none is asked for, what is there is discarded."""
    if not request.resume:
        if kept.is_dir():
            request.say(f"{job.name}: the checkpoint of an unfinished run is discarded (--resume goes on from it)")
            checkpoint.discard(kept)
        return None
    found = checkpoint.find(kept, _owner(job))
    begin = (
        f"goes on after step {found.step} of {job.settings.steps}" if found else "no checkpoint, from the first step"
    )
    request.say(f"{job.name}: {begin}")
    return found


def _owner(job: Job) -> dict[str, object]:
    """What a checkpoint and the run that resumes it have in common, or the bits would differ."""
    identity = records.hash64([job.identity, job.seed])
    return {"cell": job.name, "identity": identity, "processes": processes.count(), **_computed_with()}


def _computed_with() -> dict[str, object]:
    """What the last bits of a model's numbers depend on, besides the model."""
    import torch

    packages = records.environment()["packages"]
    assert isinstance(packages, dict)
    names = ("batch-strategy-bench", "torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
    cpu = torch.backends.cpu.get_cpu_capability()
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU {cpu}",
        **{name: packages[name] for name in names},
    }


@contextmanager
def _written_by_first(path: Path) -> Iterator[Path]:
    """The folder that becomes ``path``; the other processes get one that is not there."""
    if processes.is_first():
        with written_aside(path) as aside:
            aside.mkdir()
            yield aside
    else:
        yield path


def _train(
    encoder: Encoder,
    job: Job,
    data: TrainData,
    folder: Path,
    found: Checkpoint | None,
    request: Request,
    clock: Clock,
) -> None:
    from bench.cost import FORMULA
    from bench.resume import Keeper
    from bench.trackers import tracking
    from bench.train import Step, train
    from bench.validation import Validator

    assert job.strategy is not None
    lines = folder / "steps.jsonl"
    audit = Audit(data.pool.langs)
    batches = schedule(job.strategy, data.pool, job.settings.batch_size, job.settings.steps, job.seed, audit)
    kept = checkpoint.folder_of(folder.with_name(job.name))
    keeper = Keeper(kept, request.plan.checkpoint_every, _owner(job), lines, audit, found)
    best, every = job.settings.select == "best", job.settings.validate_every
    validator = Validator(data.held_out, every, best, folder / records.VALIDATION) if every else None
    if not processes.is_first():
        train(encoder, data, batches, job.settings, job.seed, lambda step: None, keeper, validator)
        return
    records.write_json(folder / "config.json", config_of(job, request, data) | {"resumed_at": keeper.resumed_at})
    before = (found.path / lines.name).read_text(encoding="utf-8") if found else ""
    plan, told = request.plan, dataclasses.asdict(job.settings) | {"strategy": job.label, "seed": job.seed}
    tracked = tracking(plan.log_with, kept.with_name(".trackers"), plan.experiment, job.name, told)
    with lines.open("w", encoding="utf-8", buffering=1) as file, tracked as track:
        file.write(before)

        def log(step: Step) -> None:
            file.write(json.dumps(step._asdict()) + "\n")
            track(step)

        with clock.running("train"):
            train(encoder, data, batches, job.settings, job.seed, log, keeper, validator)
    records.write_json(folder / "batches.json", audit.summary())
    with clock.running("save"):
        encoder.save(folder / "model")
    records.write_json(folder / COST, {"seconds": clock.seconds, "flops": FORMULA})


def config_of(job: Job, request: Request, data: TrainData | None) -> dict[str, object]:
    """What config.json holds."""
    seen, plan = data if job.trained else None, request.plan
    return {
        "schema": records.SCHEMA,
        "strategy": job.label,
        "trained": job.trained,
        "seed": job.seed,
        "hash": records.hash8(job.identity),
        "settings": dataclasses.asdict(job.settings),
        "languages": list(seen.pool.langs) if seen is not None else [],
        "items": seen.pool.n_items if seen is not None else 0,
        "sources": job.sources,
        "overlap": {"mode": plan.overlap, "found": list(seen.overlaps)} if seen is not None else {},
        "model": job.model,
        "threads": plan.threads,
        "processes": processes.count(),
        "bf16_times_faster": precision.measured(),
        "note": plan.note,
        "command": request.command,
        "environment": records.environment(),
    }
