"""A part of a training source that no cell trains on: settings are chosen by it, strategies are not judged by it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.contract import EvalSet, Source, Task, TaskError, TrainSet

ONE_IN = 20
"""One group of so many is held out."""


def held_out(train: TrainSet, name: str) -> frozenset[int]:
    """The items that are not trained on: whole groups, chosen by a hash of the source's name and the group's number."""
    return frozenset(i for i, group in enumerate(train.group) if _held(name, group))


def _held(name: str, group: int) -> bool:
    digest = hashlib.blake2b(f"{name}/{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % ONE_IN == 0


def set_name(source: str) -> str:
    """The name of the set of a source's held-out items; it has no slash, since scores are files of that name."""
    return f"held-out-{source.replace('/', '-')}"


def evalset_of(train: TrainSet, source: str) -> EvalSet:
    """The set that the held-out items of a source are; every passage of a query's group is relevant.

    Args:
        train: its items.
        source: its name, as ``held_out`` takes it.

    Raises:
        TaskError: too few items to hold any out.
    """
    items = sorted(held_out(train, source))
    if not items:
        raise TaskError(f"{source} has {len(train.group)} items: too few to hold one group in 20 out")
    queries: dict[str, dict[str, str]] = {}
    passages: dict[str, dict[str, str]] = {}
    relevant: dict[str, dict[str, int]] = {}
    group: dict[str, str] = {}
    of_group: dict[int, dict[str, int]] = {}
    for lang in train.langs:
        doc_of: dict[tuple[int, str], str] = {}
        for i in items:
            query, passage, number = train.query[lang][i], train.passage[lang][i], train.group[i]
            if query is None or passage is None:
                continue
            query_id = f"{lang}/{i}"
            doc_id = doc_of.setdefault((number, passage), query_id)
            queries.setdefault(lang, {})[query_id] = query
            passages.setdefault(lang, {})[doc_id] = passage
            relevant[query_id] = of_group.setdefault(number, {})
            relevant[query_id][doc_id] = 1
            group[query_id] = str(number)
    note = "held-out items of a training source: for choosing settings, not a test set"
    return EvalSet(set_name(source), queries, passages, relevant, group, note=note, noticed=train.noticed)


@dataclass(frozen=True)
class HeldOut(Task):
    """The held-out items of a source: one in twenty groups, for choosing settings; needs ``--hold-out`` in training.

    Every passage of a query's group is relevant; equal passages of a group are one.

    Attributes:
        source: whose items.
    """

    source: Source

    version = "2"

    def parameters(self) -> dict[str, object]:
        """The source's."""
        return {"source": self.source.name, "version": self.source.version, **self.source.parameters()}

    @property
    def name(self) -> str:  # type: ignore[override]
        """As ``set_name`` says."""
        return set_name(self.source.name)

    @property
    def licence(self) -> str:  # type: ignore[override]
        """The source's."""
        return self.source.licence

    @property
    def citation(self) -> str:  # type: ignore[override]
        """The source's."""
        return self.source.citation

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """One set.

        Raises:
            TaskError: the source is missing or broken, or too small to hold anything out.
        """
        yield evalset_of(self.source.load(root), self.source.name)

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The source's."""
        return self.source.files(root)

    def origin(self, root: Path | None) -> dict[str, str]:
        """The source's."""
        return self.source.origin(root)
