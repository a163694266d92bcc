"""One strategy under one seed: trained once, scored on every task, recorded so that each number can be traced."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import records
from bench.config import Plan, Settings
from bench.derived import Derived, Merge
from bench.errors import BenchError
from bench.memory import peak_mb, restart_peak
from bench.schedule import Audit, TrainData, schedule
from bench.score_table import LoadedTask, score_table, scores_of
from strategies import Strategy
from tasks import Source, Task
from tasks.files import checksums

if TYPE_CHECKING:
    from bench.encoder import Encoder
    from bench.search import Ranker

LEXICAL = ("char-tfidf", "bm25")
"""Rows that match characters or words."""

BASELINES = ("untrained", *LEXICAL)


class Job(NamedTuple):
    """A cell to be: what names it, and what it is made of.

    Attributes:
        label: the strategy's ``repr``, or what names a row without training.
        strategy: None for a row without training.
        seed: the cell's seed.
        settings: shared by all cells.
        identity: everything that decides the numbers, but for the seed; hashed into the folder's name.
        sources: what is recorded of the training sources.
        model: what is recorded of the model.
        derived: what a cell is that is made of others.
        parents: the cells that it is made of.
    """

    label: str
    strategy: Strategy | None
    seed: int
    settings: Settings
    identity: dict[str, object]
    sources: dict[str, object]
    model: dict[str, object]
    derived: Derived | None = None
    parents: tuple[Job, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether there is training in it, or in what it is made of."""
        return self.strategy is not None or (self.derived is not None and self.derived.trained)

    @property
    def steps(self) -> int:
        """Steps of training that belong to this cell alone."""
        return self.settings.steps if self.strategy is not None or isinstance(self.derived, Merge) else 0

    @property
    def name(self) -> str:
        """The folder's name."""
        return records.cell_name(self.label, self.identity, self.seed)


def describe_source(source: Source, root: Path | None) -> dict[str, object]:
    """What is recorded of a training source: version, licence, checksums."""
    files = checksums(source.files(root))
    return {"version": source.version, "licence": source.licence, "files": files}


def describe_model(name: str, fetch: bool) -> dict[str, object]:
    """What is recorded of a model: its name and a hash over its files (None: not here, and not to be fetched now)."""
    from bench.models import find_model

    folder = find_model(name, fetch)
    return {"name": name, "files": records.folder_hash(folder) if folder else None}


def strategy_job(
    strategy: Strategy, seed: int, plan: Plan, sources: dict[str, object], model: dict[str, object]
) -> Job:
    """The cell of a strategy and a seed."""
    settings = dataclasses.asdict(plan.settings) | {"model": model["files"], "train": sources}
    for name in ("train_weights", "hold_out"):
        if not settings[name]:
            del settings[name]  # came after the first cells: a default must not rename them
    if plan.overlap == "drop":
        settings["dropped_for"] = sorted(plan.tasks)
    if plan.settings.model == "demo-transformer":
        settings["model"] = ["from scratch", model["files"]]
    identity = {"schema": records.SCHEMA, "strategy": repr(strategy), "settings": settings}
    return Job(repr(strategy), strategy, seed, plan.settings, identity, sources, model)


def plain_job(label: str, settings: Settings, model: dict[str, object] | None) -> Job:
    """A row without training: the base model as it is, or a lexical baseline (``model`` is None)."""
    kept = ("query_length", "passage_length", "query_prompt", "passage_prompt", "precision") if model else ()
    how = {name: getattr(settings, name) for name in kept}
    identity = {
        "schema": records.SCHEMA,
        "strategy": label,
        "settings": how,
        "model": model["files"] if model else None,
    }
    return Job(label, None, 0, settings, identity, {}, model or {})


def missing(job: Job, folder: Path, tasks: Sequence[Task], plan: Plan) -> list[Task]:
    """The tasks that a cell still has to be scored on; all of them where it is not finished."""
    path = folder / job.name
    if not (path / "done").is_file():
        return list(tasks)
    return [t for t in tasks if not scores_of(path, t, plan).is_file()]


Make = Callable[[Job, Path, "TrainData | None", Plan, str], "tuple[Ranker, str]"]
"""Of a cell, its folder, the training data, the plan and the command: what ranks, and the hash of its weights."""


def run_cell(
    job: Job, folder: Path, data: TrainData | None, tasks: Sequence[LoadedTask], plan: Plan, command: str, make: Make
) -> Path:
    """Make what ranks (train it, unless that is done or there is nothing to train), then score; ``done`` comes last.

    Returns:
        the cell's folder.
    """
    path = folder / job.name
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}
    restart_peak()
    start = time.perf_counter()
    ranker, weights = make(job, path, data, plan, command)
    first = "train" if job.steps else "load"
    seconds[first], peaks[first] = time.perf_counter() - start, peak_mb()
    for loaded in tasks:
        target = scores_of(path, loaded.task, plan)
        if target.is_file():
            continue
        restart_peak()
        start = time.perf_counter()
        records.write_scores(target, score_table(loaded, ranker, weights, plan))
        name = f"score {loaded.task.name}"
        seconds[name], peaks[name] = time.perf_counter() - start, peak_mb()
    before = records.read_json(path / "done") if (path / "done").is_file() else {}
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    kept = {name: dict(before.get(name) or {}) for name in ("seconds", "peak_memory_mb")}  # type: ignore[call-overload]
    kept["seconds"].update(rounded)
    kept["peak_memory_mb"].update(peaks)
    records.write_json(path / "done", {"weights_sha256": weights, **kept})
    return path


def ranker_of(job: Job, path: Path, data: TrainData | None, plan: Plan, command: str) -> tuple[Ranker, str]:
    """The cell's encoder and the hash of its weights; stores config.json and, where there is training, the model."""
    if job.strategy is not None and (path / "model").is_dir():
        from bench.models import load_encoder

        encoder = load_encoder(dataclasses.replace(job.settings, model=str(path / "model")), job.seed)
        return encoder, encoder.weights_hash()
    config = config_of(job, plan, command, data)
    if job.strategy is None and not job.model:
        from bench.lexical import BM25, CharTfidf

        records.write_json(path / "config.json", config)
        return (BM25() if job.label == "bm25" else CharTfidf()), "none"
    from bench.models import load_encoder

    encoder = load_encoder(job.settings, job.seed)
    if job.strategy is None:
        records.write_json(path / "config.json", config)
        return encoder, encoder.weights_hash()
    if data is None:
        raise BenchError(f"{path}: neither a trained model nor training data; run the cell again with --overwrite")
    with records.written_aside(path) as aside:
        aside.mkdir()
        records.write_json(aside / "config.json", config)
        _train(encoder, job.strategy, job.seed, job.settings, data, aside)
    return encoder, encoder.weights_hash()


def _train(encoder: Encoder, strategy: Strategy, seed: int, settings: Settings, data: TrainData, folder: Path) -> None:
    from bench.train import Step, train

    audit = Audit(data.pool.langs)
    batches = schedule(strategy, data.pool, settings.batch_size, settings.steps, seed, audit)
    with (folder / "steps.jsonl").open("w", encoding="utf-8", buffering=1) as file:

        def log(step: Step) -> None:
            file.write(json.dumps(step._asdict()) + "\n")

        train(encoder, data, batches, settings, seed, log)
    records.write_json(folder / "batches.json", audit.summary())
    encoder.save(folder / "model")


def config_of(job: Job, plan: Plan, command: str, data: TrainData | None) -> dict[str, object]:
    """What config.json holds."""
    seen = data if job.trained else None
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
        "note": plan.note,
        "command": command,
        "environment": records.environment(),
    }
