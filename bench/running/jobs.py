"""A cell to be: what names it and what is recorded of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import accelerator, environment, processes
from bench.data.train_data import TrainData
from bench.models import precision
from bench.models.lexical import EDITION, LEXICAL
from bench.plan.derived import Derived, Merge, Recipe, Shift, Untrained
from bench.plan.identity import code_of, inside_of
from bench.plan.settings import BUILT_IN, Plan, Settings
from bench.store import cells, json_files
from bench.store.cells import Derivation, Parent
from strategies import Strategy
from tasks import Source, hub
from tasks.checksums import checksums

BASELINES = ("untrained", *LEXICAL)


ORIGIN = "origin"
"""Of a source: the commits of the Hub that were read. Recorded; what names a cell is the content."""


LATER = ("train_weights", "hold_out", "micro_batch", "negatives", "negative_language", "validate_every", "select",
         "lora", "trust_remote_code")  # fmt: skip
"""Settings that came after the first cells: their defaults must not rename these."""


DEFAULTS = Settings()


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

    def under(self, seed: int) -> Job:
        """The same under another seed, with what it is made of."""
        if not self.trained:
            return self
        return self._replace(seed=seed, parents=tuple(parent.under(seed) for parent in self.parents))

    @property
    def name(self) -> str:
        """The folder's name."""
        return cells.cell_name(self.label, self.identity, self.seed)


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


class Made(NamedTuple):
    """What the cells of a plan are made of, as it is recorded.

    Attributes:
        sources: by name, in the order in which they are read.
        model: the base model.
        dropped_for: with ``--overlap drop``, the content of each task that items were held against.
        linked: whether groups of the sources are joined by equal texts, which they were not at first.
    """

    sources: dict[str, object]
    model: dict[str, object]
    dropped_for: dict[str, object]
    linked: bool = False


LINKED: dict[str, object] = {"groups": "joined by texts over all sources"}
"""Of cells whose sources share texts: those of one name, but without it, had these in one batch."""


def strategy_job(strategy: Strategy, seed: int, plan: Plan, of: Made) -> Job:
    """The cell of a strategy and a seed."""
    settings = dataclasses.asdict(plan.settings) | {"model": of.model["files"], "train": _contents(of.sources)}
    for name in LATER:
        if settings[name] == getattr(DEFAULTS, name):
            del settings[name]
    settings |= _order_of(of.sources) | accelerator.identity() | (LINKED if of.linked else {})
    if plan.overlap == "drop":
        settings["dropped_for"] = of.dropped_for
    if plan.settings.model == "demo-transformer":
        settings["model"] = ["from scratch", of.model["files"]]
    identity: dict[str, object] = {"schema": cells.SCHEMA, "strategy": repr(strategy), "settings": settings}
    code = code_of(strategy)
    identity |= {"code": code} if code else {}
    inside = [found for part in inside_of(strategy) if (found := code_of(part))]
    identity |= {"code_inside": inside} if inside else {}
    identity |= {"handed": _handed(strategy, plan, of)} if strategy.needs else {}
    return Job(repr(strategy), strategy, seed, plan.settings, identity, of.sources, of.model)


def _contents(sources: Mapping[str, object]) -> dict[str, object]:
    """What is recorded of sources, without where it came from."""
    return {
        name: {key: value for key, value in about.items() if key != ORIGIN} if isinstance(about, dict) else about
        for name, about in sources.items()
    }


def _handed(strategy: Strategy, plan: Plan, of: Made) -> dict[str, str]:
    """Name -> digest of all that decides what a strategy is handed, up to rounding; their bits stand in config.json."""
    from bench.encoding.handed import EDITION

    s = plan.settings
    texts = [_contents(of.sources), s.languages, s.train_weights, s.hold_out, of.dropped_for]
    how = [s.query_length, s.passage_length, s.query_prompt, s.passage_prompt, s.precision, accelerator.identity()]
    return {name: json_files.hash64([EDITION, name, of.model["files"], texts, how]) for name in sorted(strategy.needs)}


def _order_of(sources: Mapping[str, object]) -> dict[str, object]:
    """Sources in another order give other batches; that of the alphabet goes without saying."""
    return {} if list(sources) == sorted(sources) else {"order": list(sources)}


def plain_job(label: str, settings: Settings, model: dict[str, object] | None) -> Job:
    """A row without training: the base model as it is, or a lexical baseline (``model`` is None)."""
    kept = ("query_length", "passage_length", "query_prompt", "passage_prompt", "precision") if model else ()
    how = {name: getattr(settings, name) for name in kept} if model else {"edition": EDITION}
    if model:
        how |= accelerator.identity()
    if model and settings.trust_remote_code:
        how["trust_remote_code"] = True
    identity = {
        "schema": cells.SCHEMA,
        "strategy": label,
        "settings": how,
        "model": model["files"] if model else None,
    }
    return Job(label, None, 0, settings, identity, {}, model or {})


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


class Left(NamedTuple):
    """What is left to do of a cell: the tasks to score it on, and whether training texts are needed for it."""

    tasks: list[str]
    to_train: bool


def jobs_of(recipe: Recipe, plan: Plan, of: Made) -> list[Job]:
    """The cells of a strategy, or of what is derived from strategies, under its seeds; identities know none."""
    seeds = seeds_of(recipe, plan)
    first = job_of(recipe, seeds[0], plan, of) if seeds else None
    return [first.under(seed) for seed in seeds if first is not None]


def job_of(recipe: Recipe, seed: int, plan: Plan, of: Made) -> Job:
    """The cell of a strategy, or of what is derived from strategies, under a seed."""
    if isinstance(recipe, Untrained):
        return plain_job("untrained", plan.settings, of.model)
    if not isinstance(recipe, Derived):
        return strategy_job(recipe, seed, plan, of)
    of_parents = plan
    if isinstance(recipe, Merge):
        steps = recipe.steps_each(plan.settings.steps)
        of_parents = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, steps=steps))
    parents = tuple(job_of(p, seed, of_parents, of) for p in recipe.parents)
    identity: dict[str, object] = {
        "schema": cells.SCHEMA,
        "strategy": repr(recipe),
        "settings": recipe.fixed() | (_texts(plan, of) if isinstance(recipe, Shift) else {}),
        "parents": [p.identity for p in parents],
    }
    used = of.sources if recipe.trained or isinstance(recipe, Shift) else {}
    return Job(repr(recipe), None, seed, plan.settings, identity, used, of.model, recipe, parents)


def _texts(plan: Plan, of: Made) -> dict[str, object]:
    """What decides which parallel texts there are."""
    s = plan.settings
    dropped: object = of.dropped_for if plan.overlap == "drop" else []
    texts = {
        "train": _contents(of.sources),
        "languages": s.languages,
        "train_weights": s.train_weights,
        "dropped_for": dropped,
    }
    held_out = {"hold_out": True} | (LINKED if of.linked else {})
    return texts | _order_of(of.sources) | (held_out if s.hold_out else {})


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
