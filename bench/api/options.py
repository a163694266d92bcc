"""What is asked for in Python, as a plan: names or objects, one or several, and every option of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

from bench.errors import BenchError, did_you_mean
from bench.plan.derived import Derived
from bench.plan.identity import canonical_instance
from bench.plan.resolve import Objects, split
from bench.plan.settings import Plan, Settings, asked
from strategies import Strategy
from tasks import Source, Task

Names = str | Sequence[str]
"""One name, several separated by commas as on the command line, or a list of them."""


Seeds = int | Sequence[int]
"""How many trainings of each strategy (their seeds are 0, 1, ...), or the seeds themselves."""


Strategies = str | Strategy | Derived | Sequence[str | Strategy | Derived]
Tasks = str | Task | Sequence[str | Task]
Sources = str | Path | Source | Sequence[str | Path | Source]


class Scoring(TypedDict, total=False):
    """Options of scoring: ``query_length`` is ``--query-length`` of ``python -m bench evaluate --help``, and so on."""

    query_length: int
    passage_length: int
    query_prompt: str | None
    passage_prompt: str | None
    precision: str
    trust_remote_code: bool
    strict: bool
    index: str
    depth: int
    shards: str | Path
    vectors: str
    threads: int
    experiment: str


class Options(Scoring, total=False):
    """Those of ``python -m bench run --help`` besides, and of training."""

    train_weights: Sequence[float]
    hold_out: bool
    languages: Names
    steps: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    max_grad_norm: float
    temperature: float
    micro_batch: int
    negatives: int
    negative_language: str
    validate_every: int
    select: str
    lora: str
    baselines: Names
    overlap: str
    checkpoint_every: int
    log_with: Names
    deterministic: bool


OPTIONS = ("model", *get_type_hints(Options))


def given_of(
    strategies: Strategies, seeds: Seeds | None, train: Sources | None, task: Tasks | None,
    options: Mapping[str, object],
) -> tuple[dict[str, object], Objects]:  # fmt: skip
    """The fields of a plan that are given, as the command line gives them, and the objects among them by their names.

    Raises:
        BenchError: no such option, a value that is none, or an object that cannot be told from another one.
    """
    objects = Objects({}, {}, {})
    given: dict[str, object] = {name: _value(name, value) for name, value in options.items() if value is not None}
    named = _named("strategies", strategies, (Strategy, Derived), objects.strategies, repr)
    given |= {"strategies": named} if named else {}
    given |= {"seeds": numbered(seeds)} if seeds is not None else {}
    if train is not None:
        given["train"] = _named("train", train, (Source,), objects.sources, lambda s: s.name)
    if task is not None:
        given["tasks"] = _named("task", task, (Task,), objects.tasks, lambda t: t.name)
    return given, objects


def numbered(seeds: Seeds) -> tuple[int, ...]:
    """The seeds: so many from 0, or those that are given."""
    found = seeds if isinstance(seeds, Sequence) else range(seeds) if type(seeds) is int and seeds > 0 else None
    if found is None or isinstance(found, str) or not all(type(seed) is int for seed in found):
        raise BenchError(
            f"seeds are how many trainings each strategy has, as 3, or the seeds, as [0, 1, 2]; got {seeds!r:.80}"
        )
    return tuple(found)


def _named(
    what: str, given: Any, kinds: tuple[type, ...], objects: Any, name_of: Callable[[Any], str]
) -> tuple[str, ...]:  # fmt: skip
    """Names, and under its own name each object."""
    if isinstance(given, str):
        return tuple(split(given))
    several = list(given) if isinstance(given, Sequence) else [given]
    names = []
    for one in several:
        if isinstance(one, str | os.PathLike):
            names.append(os.fspath(one))
            continue
        if isinstance(one, type) and issubclass(one, kinds):
            raise BenchError(f"{what}: {one.__name__} is a class; give an object of it, as {one.__name__}()")
        if not isinstance(one, kinds):
            known = " or ".join(kind.__name__ for kind in kinds)
            raise BenchError(f"{what}: names, or objects of {known}; got {one!r:.80}")
        made = canonical_instance(one)
        name = name_of(made)
        if name in objects or name in names:
            raise BenchError(f"{what}: every one is named once; {name!r:.80} comes up twice")
        objects[name] = made
        names.append(name)
    return tuple(names)


def _value(name: str, value: object) -> object:
    """As the command line reads it: lists of words and numbers as tuples."""
    known = {field: kind for cls in (Settings, Plan) for field, (kind, _) in asked(cls).items()}
    if name not in OPTIONS:
        places = [*OPTIONS, "strategies", "seeds", "train", "task", "preset", "data_root", "results"]
        hint = {"tasks": ". Did you mean 'task'?", "strategy": ". Did you mean 'strategies'?"}
        raise BenchError(f"no option {name!r:.80}{hint.get(name) or did_you_mean(name, places)}")
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if known[name] == tuple[str, ...]:
        words = split(value) if isinstance(value, str) else value
        return () if words == ["none"] else tuple(words) if isinstance(words, Sequence) else words
    if known[name] == tuple[float, ...] and isinstance(value, Sequence):
        return tuple(value)
    item = getattr(value, "item", None)
    return item() if callable(item) else value  # a number of numpy's
