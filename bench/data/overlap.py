"""Never train on what is tested: shared runs of 13 words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.words import HAN, THAI, units
from tasks import EvalSet, TrainSet

RUN = 13
"""Words of a run."""


PHRASE = 8
"""Texts of fewer words are not compared: names and idioms recur."""


CHARACTERS = ((re.compile(f"[{HAN}]"), 2), (re.compile(f"[{THAI}]"), 4))
"""Scripts without blanks, and how many of their characters stand for a word here."""


class Overlap(NamedTuple):
    """Which items of a source (of how many) share a run with a test set, and one of their texts."""

    source: str
    set_name: str
    items: frozenset[int]
    of: int
    example: str

    def summary(self) -> dict[str, object]:
        """As stored with a cell."""
        return {"source": self.source, "set": self.set_name, "items": len(self.items), "of": self.of}


class _Hasher:
    """Words to random 64-bit numbers, runs of them to one number; equal runs always, others never in practice."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._random = np.random.default_rng(13)
        self._table = np.empty(0, np.uint64)

    def runs(self, text: str) -> NDArray[np.uint64]:
        """One number per run of the text; of a short text one for the whole; of a phrase none."""
        found = units(text)
        per_word = next((n for script, n in CHARACTERS if script.search(text)), 1)
        length = RUN * per_word
        if len(found) < PHRASE * per_word:
            return np.empty(0, np.uint64)
        codes = self._codes(found)
        n = min(length, len(codes))
        power = np.cumprod(np.full(n, 0x9E3779B97F4A7C15, np.uint64))
        windows = np.lib.stride_tricks.sliding_window_view(codes, n)
        return (windows * power).sum(axis=1, dtype=np.uint64)

    def _codes(self, words: list[str]) -> NDArray[np.uint64]:
        at = [self._ids.setdefault(unit, len(self._ids)) for unit in words]
        missing = len(self._ids) - len(self._table)
        if missing > 0:
            more = self._random.integers(0, 2**64, max(missing, len(self._table), 1024), np.uint64)
            self._table = np.concatenate([self._table, more])
        return self._table[at]


def find_overlaps(sources: Sequence[tuple[str, TrainSet]], sets: Iterable[EvalSet]) -> list[Overlap]:
    """Every pair of a source and an evaluation set that share a run; about 0.1 ms per text."""
    hasher = _Hasher()
    tested: dict[str, NDArray[np.uint64]] = {}
    for evalset in sets:
        found = [hasher.runs(text) for text in _tested_texts(evalset)]
        runs = np.concatenate([tested.get(evalset.name, np.empty(0, np.uint64)), *found])
        tested[evalset.name] = _distinct(runs)
    every = _distinct(np.concatenate([np.empty(0, np.uint64), *tested.values()]))
    return [o for name, train in sources for o in _overlaps(name, train, tested, every, hasher)]


def _tested_texts(evalset: EvalSet) -> Iterator[str]:
    for part in (evalset.queries, evalset.passages):
        for by_id in part.values():
            for _, text in by_id.items():
                yield text


def _trained_texts(train: TrainSet) -> Iterator[tuple[int, str]]:
    """Items and their texts, hard negatives too."""
    for part in (train.query, train.passage):
        for column in part.values():
            yield from ((i, text) for i, text in enumerate(column) if text is not None)
    for negatives in train.negative.values():
        yield from ((i, text) for i, texts in enumerate(negatives) for text in texts)


def _overlaps(
    name: str, train: TrainSet, tested: dict[str, NDArray[np.uint64]], every: NDArray[np.uint64], hasher: _Hasher
) -> Iterator[Overlap]:
    items: dict[str, set[int]] = {}
    example: dict[str, str] = {}
    for i, text in _trained_texts(train):
        runs = hasher.runs(text)
        if not _among(runs, every).any():
            continue
        for set_name, known in tested.items():
            if _among(runs, known).any():
                items.setdefault(set_name, set()).add(i)
                example.setdefault(set_name, text)
    for set_name, found in items.items():
        yield Overlap(name, set_name, frozenset(found), len(train.group), example[set_name])


def _distinct(runs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sorted, each once; ``np.unique`` takes ten times as long."""
    ordered = np.sort(runs)
    return ordered[np.diff(ordered, prepend=ordered[:1] - np.uint64(1)) != 0]


def _among(runs: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of ``runs`` are in ``known``, which is sorted."""
    if not len(known):
        return np.zeros(len(runs), np.bool_)
    at = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    return known[at] == runs
