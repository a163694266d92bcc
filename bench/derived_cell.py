"""Cells that are derived from others: their identity, how they are made, and made again from what is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench import cell, processes, records
from bench.cell import Request, config_of
from bench.config import Plan, Settings
from bench.derived import Derived, Merge, Recipe, Shift, Untrained
from bench.errors import BenchError
from bench.job import Job, plain_job, strategy_job
from bench.model_files import FLAG
from bench.schedule import TrainData
from bench.shapes import file_name
from bench.writing import written_aside

if TYPE_CHECKING:
    from bench.encoder import Encoder
    from bench.posthoc import Removal
    from bench.search import Ranker

OFFSETS = "offsets.safetensors"

Floats = NDArray[np.float32]


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
    trained_on = records.read_config(parent) if job.derived.trained else {}
    code = job.settings.trust_remote_code
    more = {"languages": _offsets(job.derived, path, parent, data, code)} if isinstance(job.derived, Shift) else {}
    config = config_of(job, request, data) | about(job, more)
    config |= {k: trained_on[k] for k in ("languages", "items", "overlap") if k in trained_on}
    if not (path / "config.json").is_file():
        records.write_json(path / "config.json", config)
    return stored(path, code)


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
        code = job.settings.trust_remote_code
        processes.agreed(lambda: _store_average(merge, path, job.parents, config, code))
    if not processes.is_first() and not request.plan.shards:
        return None
    encoder = _encoder(path, request.plan.settings.trust_remote_code)
    return encoder, encoder.weights_hash()


def _store_average(merge: Merge, path: Path, parents: Sequence[Job], config: Mapping[str, object], code: bool) -> None:
    from bench.average import average

    records.write_json(path / "config.json", config)
    encoders = [_encoder(path / "parents" / parent.name, code) for parent in parents]
    states = [encoder.model.state_dict() for encoder in encoders]
    encoders[0].model.load_state_dict(average(states, merge.shares()))
    with written_aside(path / "model") as aside:
        encoders[0].save(aside)


def _offsets(shift: Shift, path: Path, parent: Path, data: TrainData | None, code: bool) -> list[str]:
    """The languages that have an offset; estimates and stores the offsets where they are not there."""
    from safetensors.numpy import save_file

    from bench.posthoc import offsets, parallel_passages

    if (path / OFFSETS).is_file():
        return sorted(_stored_offsets(path))
    if data is None:
        raise BenchError(f"{path}: no offsets there and no training data; run the cell again with --overwrite")
    encoder = _encoder(parent, code)
    found = offsets(lambda texts: encoder.encode(texts, "passage"), parallel_passages(data, shift.source))
    with written_aside(path / OFFSETS) as aside:
        save_file(found, aside)
    return sorted(found)


def stored(path: Path, code: bool, above: frozenset[str] = frozenset()) -> tuple[Ranker, str]:
    """The ranker of a stored cell with an encoder, and the hash of its weights; parents stand beside it.

    Args:
        path: of the cell.
        code: whether the user consents to run the model's own code; what is stored cannot consent.
        above: cells that are made of this one.
    """
    config = records.read_config(path)
    about = config.get("derived")
    if not isinstance(about, dict) or about["kind"] == "merge":
        encoder = _encoder(path, code)
        return encoder, encoder.weights_hash()
    from bench.posthoc import Removed

    parents = config["parents"]
    assert isinstance(parents, list)
    if len(parents) != 1 or path.name in above:
        raise BenchError(f"{path / 'config.json'}: such a cell is made of one other, and not of itself")
    parent = path.parent / file_name(parents[0]["cell"], f"{path / 'config.json'}: a parent")
    inner, weights = stored(parent, code, above | {path.name})
    return Removed(inner, _removal(str(about["kind"]), about["parameters"], path)), weights


def _removal(kind: str, parameters: Mapping[str, object], path: Path) -> Removal:
    from bench import posthoc

    rank = parameters.get("rank")
    if kind == "shift":
        return posthoc.shift(_stored_offsets(path))
    if kind == "lir" and type(rank) is int and rank >= 1:
        return posthoc.lir(rank)
    if kind == "centering":
        return posthoc.centering
    raise BenchError(f"{path / 'config.json'}: derived in no known way ({kind!r:.80}, rank {rank!r:.80})")


def _stored_offsets(path: Path) -> dict[str, Floats]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path / OFFSETS)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"{path / OFFSETS}: not readable ({error}); run the cell again with --overwrite") from None


def _encoder(path: Path, code: bool) -> Encoder:
    """The encoder of a cell: its own model where it has one, else the one that its settings name."""
    from bench.models import load_encoder

    config = records.read_config(path)
    settings = Settings.stored(config["settings"])  # type: ignore[arg-type]
    if settings.trust_remote_code and not code:
        raise BenchError(f"{path}: its model runs code of its own; {FLAG} consents to that")
    if config["trained"]:
        settings = dataclasses.replace(settings, model=str(path / "model"))
    return load_encoder(settings, int(str(config["seed"])))
