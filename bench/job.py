"""A cell to be: what decides its numbers, hashed into its name, and what is recorded of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

from bench import records
from bench.config import Plan, Settings
from bench.derived import Derived, Merge
from strategies import Strategy
from tasks import Source
from tasks.files import checksums

LEXICAL = ("char-tfidf", "bm25")
"""Rows that match characters or words."""

BASELINES = ("untrained", *LEXICAL)

LATER = ("train_weights", "hold_out", "micro_batch", "negatives", "negative_language", "validate_every", "select",
         "trust_remote_code")  # fmt: skip
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

    @property
    def name(self) -> str:
        """The folder's name."""
        return records.cell_name(self.label, self.identity, self.seed)


def describe_source(source: Source, root: Path | None) -> dict[str, object]:
    """What is recorded of a training source: version, licence, checksums."""
    files = checksums(source.files(root))
    return {"version": source.version, "licence": source.licence, "files": files}


def describe_model(name: str, fetch: bool, code: bool = False) -> dict[str, object]:
    """What is recorded of a model: its name and a hash over its files (None: not here, and not to be fetched now).

    With ``code``, its Python files are among them.
    """
    from bench.models import find_model

    folder = find_model(name, fetch, code)
    return {"name": name, "files": records.folder_hash(folder, code) if folder else None}


def strategy_job(
    strategy: Strategy, seed: int, plan: Plan, sources: dict[str, object], model: dict[str, object]
) -> Job:
    """The cell of a strategy and a seed."""
    settings = dataclasses.asdict(plan.settings) | {"model": model["files"], "train": sources}
    for name in LATER:
        if settings[name] == getattr(DEFAULTS, name):
            del settings[name]
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
    if model and settings.trust_remote_code:
        how["trust_remote_code"] = True
    identity = {
        "schema": records.SCHEMA,
        "strategy": label,
        "settings": how,
        "model": model["files"] if model else None,
    }
    return Job(label, None, 0, settings, identity, {}, model or {})
