"""Cells that are derived from others: their identity, how they are made, and made again from what is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import cell, processes, records
from bench.cell import Job, Request, config_of, plain_job, strategy_job
from bench.config import Plan, Settings
from bench.derived import Derived, Merge, Recipe, Shift, Untrained
from bench.errors import BenchError
from bench.schedule import TrainData

if TYPE_CHECKING:
    from bench.encoder import Encoder
    from bench.posthoc import Removal
    from bench.search import Ranker

OFFSETS = "offsets.safetensors"


def job_of(recipe: Recipe, seed: int, plan: Plan, sources: dict[str, object], model: dict[str, object]) -> Job:
    """The cell of a strategy, or of what is derived from strategies, under a seed."""
    if isinstance(recipe, Untrained):
        return plain_job("untrained", plan.settings, model)
    if not isinstance(recipe, Derived):
        return strategy_job(recipe, seed, plan, sources, model)
    of_parents = plan
    if isinstance(recipe, Merge):
        steps = recipe.steps_each(plan.settings.steps)
        of_parents = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, steps=steps))
    parents = tuple(job_of(p, seed, of_parents, sources, model) for p in recipe.parents)
    identity: dict[str, object] = {
        "schema": records.SCHEMA,
        "strategy": repr(recipe),
        "settings": recipe.fixed() | (_texts(plan, sources) if isinstance(recipe, Shift) else {}),
        "parents": [p.identity for p in parents],
    }
    used = sources if recipe.trained or isinstance(recipe, Shift) else {}
    return Job(repr(recipe), None, seed, plan.settings, identity, used, model, recipe, parents)


def _texts(plan: Plan, sources: dict[str, object]) -> dict[str, object]:
    """What decides which parallel texts there are."""
    s = plan.settings
    dropped = sorted(plan.tasks) if plan.overlap == "drop" else []
    texts = {"train": sources, "languages": s.languages, "train_weights": s.train_weights, "dropped_for": dropped}
    return texts | ({"hold_out": True} if s.hold_out else {})


def seeds_of(recipe: Recipe, plan: Plan) -> tuple[int, ...]:
    """The plan's seeds; 0 alone where nothing is trained: such a row stands beside every seed."""
    return (0,) if isinstance(recipe, Derived) and not recipe.trained else plan.seeds


def with_parents(jobs: list[Job]) -> list[Job]:
    """Each cell behind the ordinary cells that it needs; merged cells train their parents within themselves."""
    placed: dict[str, Job] = {}
    for job in jobs:
        needed = () if isinstance(job.derived, Merge) else job.parents
        for part in (*with_parents(list(needed)), job):
            placed.setdefault(part.name, part)
    return list(placed.values())


def needs_data(job: Job, folder: Path) -> bool:
    """Whether training texts are needed to make a cell, and not only what is stored of it."""
    path = folder / job.name
    if isinstance(job.derived, Shift):
        return not (path / OFFSETS).is_file()
    return job.steps > 0 and not (path / "model").is_dir()


def make(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str] | None:
    """What ranks in a cell, and the hash of its weights (of a removal: those of its parent); stores what it takes.

    Of several processes all train, and the first one does the rest.
    """
    if job.derived is None:
        return cell.ranker_of(job, path, data, request)
    if isinstance(job.derived, Merge):
        return _merged(job, job.derived, path, data, request)
    if not processes.is_first():
        return None
    parent = path.parent / job.parents[0].name
    trained_on = records.read_json(parent / "config.json") if job.derived.trained else {}
    more = {"languages": _offsets(job.derived, path, parent, data)} if isinstance(job.derived, Shift) else {}
    config = config_of(job, request, data) | about(job, more)
    config |= {k: trained_on[k] for k in ("languages", "items", "overlap") if k in trained_on}
    if not (path / "config.json").is_file():
        records.write_json(path / "config.json", config)
    return stored(path)


def about(job: Job, more: Mapping[str, object] | None = None) -> dict[str, object]:
    """What is recorded of how a cell is derived; ``derived.explained`` puts it into words."""
    assert job.derived is not None
    parents = [{"cell": p.name, "strategy": p.label, "steps": _steps(p)} for p in job.parents]
    how = {"kind": job.derived.kind, "parameters": job.derived.parameters(), "what": job.derived.what}
    return {"parents": parents, "derived": {**how, **(more or {})}}


def _steps(job: Job) -> int:
    """Steps of training that a cell rests on."""
    return job.steps or sum(_steps(p) for p in job.parents)


def _merged(job: Job, merge: Merge, path: Path, data: TrainData | None, request: Request) -> tuple[Encoder, str] | None:
    """Train the parents in ``parents/``, where finished ones are kept, and store their average as ``model``."""
    if not processes.agreed((path / "model").is_dir):
        for parent in job.parents:
            cell.ranker_of(parent, path / "parents" / parent.name, data, request)
        config = config_of(job, request, data) | about(job)
        processes.agreed(lambda: _store_average(merge, path, job.parents, config))
    if not processes.is_first() and not request.plan.shards:
        return None
    encoder = _encoder(path)
    return encoder, encoder.weights_hash()


def _store_average(merge: Merge, path: Path, parents: Sequence[Job], config: Mapping[str, object]) -> None:
    from bench.average import average

    records.write_json(path / "config.json", config)
    encoders = [_encoder(path / "parents" / parent.name) for parent in parents]
    states = [encoder.model.state_dict() for encoder in encoders]
    encoders[0].model.load_state_dict(average(states, merge.shares()))
    with records.written_aside(path / "model") as aside:
        encoders[0].save(aside)


def _offsets(shift: Shift, path: Path, parent: Path, data: TrainData | None) -> list[str]:
    """The languages that have an offset; estimates and stores the offsets where they are not there."""
    from safetensors.numpy import load_file, save_file

    from bench.posthoc import offsets, parallel_passages

    if (path / OFFSETS).is_file():
        return sorted(load_file(path / OFFSETS))
    if data is None:
        raise BenchError(f"{path}: no offsets there and no training data; run the cell again with --overwrite")
    encoder = _encoder(parent)
    found = offsets(lambda texts: encoder.encode(texts, "passage"), parallel_passages(data, shift.source))
    with records.written_aside(path / OFFSETS) as aside:
        save_file(found, aside)
    return sorted(found)


def stored(path: Path) -> tuple[Ranker, str]:
    """The ranker of a stored cell with an encoder, and the hash of its weights; parents stand beside it."""
    config = records.read_json(path / "config.json")
    about = config.get("derived")
    if not isinstance(about, dict) or about["kind"] == "merge":
        encoder = _encoder(path)
        return encoder, encoder.weights_hash()
    from bench.posthoc import Removed

    parents = config["parents"]
    assert isinstance(parents, list)
    inner, weights = stored(path.parent / str(parents[0]["cell"]))
    return Removed(inner, _removal(str(about["kind"]), about["parameters"], path)), weights


def _removal(kind: str, parameters: Mapping[str, int], path: Path) -> Removal:
    from safetensors.numpy import load_file

    from bench import posthoc

    if kind == "shift":
        return posthoc.shift(load_file(path / OFFSETS))
    return posthoc.lir(parameters["rank"]) if kind == "lir" else posthoc.centering


def _encoder(path: Path) -> Encoder:
    """The encoder of a cell: its own model where it has one, else the one that its settings name."""
    from bench.models import load_encoder

    config = records.read_json(path / "config.json")
    settings = Settings.stored(config["settings"])  # type: ignore[arg-type]
    if config["trained"]:
        settings = dataclasses.replace(settings, model=str(path / "model"))
    return load_encoder(settings, int(str(config["seed"])))
