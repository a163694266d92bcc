"""What is recorded of a cell: its sources, its model, what it was run with; how it is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import accelerator, environment, processes
from bench.data.train_data import TrainData
from bench.models import precision
from bench.plan.identity import code_of
from bench.plan.settings import BUILT_IN, Plan
from bench.running.jobs import ORIGIN, Job
from bench.store import cells, json_files
from bench.store.cells import Derivation, Parent
from tasks import Source, hub
from tasks.checksums import checksums


def describe_source(source: Source, root: Path | None) -> dict[str, object]:
    """What is recorded of a training source: version, licence, checksums; of a plugin's, its code."""
    code = code_of(source)
    try:
        files: dict[str, str] = checksums(source.files(root))
        origin = source.origin(root)
    except hub.NotHere:
        if not hub.looking():
            raise
        files, origin = {"not": "here"}, {}
    about: dict[str, object] = {"version": source.version, "licence": source.licence, "files": files}
    parameters = source.parameters()
    about |= ({"parameters": parameters} if parameters else {}) | ({"code": code} if code else {})
    return about | ({ORIGIN: origin} if origin else {})


def describe_model(name: str, fetch: bool, trust_remote_code: bool = False) -> dict[str, object]:
    """What is recorded of a model: its name and a hash over its files (None: not here, and not to be fetched now).

    Of the Hub's, the commit. With ``trust_remote_code``, its Python files are among them, and code that it names
    elsewhere, with its commit.
    """
    from bench.models.hub_models import bare, code_folders, pinned
    from bench.models.loading import files_hash, find_model

    folder = find_model(name, fetch, trust_remote_code)
    about: dict[str, object] = {"name": bare(name), "files": files_hash(folder, trust_remote_code) if folder else None}
    hub = pinned(name) if folder is not None and name not in BUILT_IN else None
    if hub is not None:
        about["revision"] = hub.revision
    if folder is not None and trust_remote_code and (codes := code_folders(folder)):
        about["code"] = {code.repo: code.revision for code in codes}
    return about


class Request(NamedTuple):
    """How cells are run.

    Attributes:
        plan: what is run.
        command: as recorded.
        resume: go on from a cell's checkpoint where there is one; else it is discarded.
        say: prints a line of progress.
        require_held: refuses to go on where another process took the cell over.
        protocol: digest of the protocol that the experiment is judged by.
        needs: what any strategy of the plan is handed: the batches of all are then audited with it.
    """

    plan: Plan
    command: str
    resume: bool
    say: Callable[[str], None]
    require_held: Callable[[], None] = lambda: None
    protocol: str = ""
    needs: tuple[str, ...] = ()


def config_of(
    job: Job, request: Request, data: TrainData | None, languages: Sequence[str] | None = None
) -> dict[str, object]:
    """What config.json holds; ``languages`` are those whose passages are moved, where some are."""
    seen, plan = data if job.trained else None, request.plan
    config: dict[str, object] = {
        "schema": cells.SCHEMA,
        "strategy": job.label,
        "trained": job.trained,
        "seed": job.seed,
        "hash": json_files.hash8(job.identity),
        "identity": job.identity,
        "settings": dataclasses.asdict(job.settings),
        "languages": list(seen.pool.langs) if seen is not None else [],
        "items": seen.pool.n_items if seen is not None else 0,
        "sources": job.sources,
        "overlap": {"mode": plan.overlap, "found": list(seen.overlaps)} if seen is not None else {},
        "noticed": {
            name: [dataclasses.asdict(n) for n in kinds] for name, kinds in (seen.noticed if seen else {}).items()
        },
        "model": job.model,
        "threads": plan.threads,
        "processes": processes.count(),
        "bf16_times_faster": precision.measured(),
        "note": plan.note,
        "protocol": request.protocol,
        "command": request.command,
        "environment": environment.environment() | accelerator.described(),
    }
    if (derivation := derivation_of(job, languages)) is not None:
        how, parents = derivation
        config["derived"] = {name: value for name, value in how._asdict().items() if value is not None}
        config["parents"] = [parent._asdict() for parent in parents]
    return config


def computed_with() -> dict[str, object]:
    """What the last bits of a model's numbers depend on, besides the model."""
    import torch

    versions = environment.versions()
    names = ("batch-strategy-bench", "torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
    cpu = torch.backends.cpu.get_cpu_capability()
    gpu = accelerator.described().get("device")
    return {
        "threads": torch.get_num_threads(),
        "device": gpu or f"CPU {cpu}",
        **{name: versions[name] for name in names},
    }


def derivation_of(job: Job, languages: Sequence[str] | None = None) -> tuple[Derivation, tuple[Parent, ...]] | None:
    """How a cell is made of others, and of which; None where it is made of none.

    ``languages`` are those whose passages are moved.
    """
    if job.derived is None:
        return None
    moved = None if languages is None else tuple(languages)
    how = Derivation(job.derived.kind, job.derived.what, job.derived.parameters(), moved)
    return how, tuple(Parent(p.name, p.label, _steps(p)) for p in job.parents)


def _steps(job: Job) -> int:
    """Steps of training that a cell rests on."""
    return job.steps or sum(_steps(p) for p in job.parents)
