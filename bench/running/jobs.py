"""A cell to be: what names it, and what it is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from bench import accelerator
from bench.models.lexical import EDITION, LEXICAL
from bench.plan.derived import Derived, Merge, Recipe, Shift, Untrained
from bench.plan.identity import code_of, inside_of
from bench.plan.settings import Plan, Settings
from bench.store import cells, json_files
from strategies import Strategy

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
