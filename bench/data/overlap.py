"""Never train on what is tested: shared runs of 13 words, looked for once and kept by checksums.

What a source shares with a test set is kept in the folder ``overlaps`` of the cache (``tasks.files.cache``), under the
content of both and of the code that compared them, so that it is found again by other processes, elsewhere, and on
other machines that the folder is copied to. It holds numbers of items and no text.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data import words
from bench.data.content import edition_of
from bench.data.words import HAN, THAI, RunNumbers, units
from bench.errors import BenchError
from bench.store.json_files import hash64, read_as, write_json
from tasks import EvalSet, TrainSet, files
from tasks.checksums import VERIFY

RUN = 13
"""Words of a run."""


PHRASE = 8
"""Texts of fewer words are not compared: names and idioms recur."""


CHARACTERS = ((re.compile(f"[{HAN}]"), 2), (re.compile(f"[{THAI}]"), 4))
"""Scripts without blanks, and how many of their characters stand for a word here."""


AT_ONCE = 1 << 18
"""Words that are compared in one go, about."""


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


class Shared(NamedTuple):
    """What a source shares with a set.

    Attributes:
        items: in order.
        first: the place of the first such text among those of the source; 0 where there is none.
    """

    items: tuple[int, ...]
    first: int


class _Kept(NamedTuple):
    """A finding on disk; ``digest`` is that of the rest."""

    key: str
    shared: Shared
    digest: str


def find_overlaps(
    sources: Sequence[tuple[str, TrainSet]], sets: Sequence[EvalSet], contents: Sequence[str] = ()
) -> list[Overlap]:
    """Every pair of a source and an evaluation set that share a run; some 20 seconds for a million texts.

    Args:
        sources: named; their texts are read once.
        sets: those of one name are one.
        contents: names the content of each set; where given, findings are kept.
    """
    keys = [[hash64([_edition(), digest, of]) for of in contents] for digest in _digests(sources, contents)]
    kept = [[_read(key, train) for key in of] for of, (_, train) in zip(keys, sources, strict=True)]
    known = kept if contents else [[None] * len(sets) for _ in sources]
    numbers = RunNumbers()
    left = {i for found in known for i, shared in enumerate(found) if shared is None}
    tested = {i: _tested(sets[i], numbers) for i in sorted(left)}
    overlaps: list[Overlap] = []
    for s, (name, train) in enumerate(sources):
        found = _compared(train, {i: tested[i] for i, shared in enumerate(known[s]) if shared is None}, numbers)
        if contents:
            for i, shared in found.items():
                _keep(keys[s][i], shared)
        every = [found[i] if shared is None else shared for i, shared in enumerate(known[s])]
        overlaps += _told(name, train, [evalset.name for evalset in sets], every)
    return overlaps


def texts_digest(texts: Iterable[tuple[int, str]]) -> str:
    """Names the content of numbered texts."""
    digest = hashlib.blake2b(digest_size=32)
    for i, text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d %d\n" % (i, len(raw)) + raw)
    return digest.hexdigest()


def tested_texts(evalset: EvalSet) -> Iterator[str]:
    """Queries and passages."""
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


def _told(name: str, train: TrainSet, names: Sequence[str], every: Sequence[Shared]) -> Iterator[Overlap]:
    """Those of a source that share something, in the order of the texts that show it."""
    of_name: dict[str, list[Shared]] = {}
    for set_name, shared in zip(names, every, strict=True):
        of_name.setdefault(set_name, []).extend([shared] if shared.items else [])
    first = {set_name: min(shared.first for shared in parts) for set_name, parts in of_name.items() if parts}
    for set_name in sorted(first, key=first.__getitem__):
        items = frozenset(i for shared in of_name[set_name] for i in shared.items)
        yield Overlap(name, set_name, items, len(train.group), _text(train, first[set_name])[1])


def _text(train: TrainSet, place: int) -> tuple[int, str]:
    return next(islice(_trained_texts(train), place, None), (-1, ""))


def _tested(evalset: EvalSet, numbers: RunNumbers) -> NDArray[np.uint64]:
    """The runs of a set, sorted, each once."""
    found = [_distinct(runs) for runs, _ in _runs(tested_texts(evalset), numbers)]
    return _distinct(np.concatenate([np.empty(0, np.uint64), *found]))


def _compared(train: TrainSet, tested: Mapping[int, NDArray[np.uint64]], numbers: RunNumbers) -> dict[int, Shared]:
    """What a source shares with each of some sets."""
    if not tested:
        return {}
    every = _distinct(np.concatenate([*tested.values()]))
    places: dict[int, list[int]] = {i: [] for i in tested}
    for runs, of in _runs((text for _, text in _trained_texts(train)), numbers):
        ordered = np.sort(runs)  # looked up in order, they are found ten times as fast
        seen = _among(runs, _distinct(ordered[_among(ordered, every)]))
        runs, of = runs[seen], of[seen]
        for i, known in tested.items():
            places[i] += np.unique(of[_among(runs, known)]).tolist()
    wanted = {place for found in places.values() for place in found}
    item = {place: i for place, (i, _) in enumerate(_trained_texts(train)) if place in wanted} if wanted else {}
    return {i: Shared(tuple(sorted({item[p] for p in found})), min(found, default=0)) for i, found in places.items()}


def _runs(texts: Iterable[str], numbers: RunNumbers) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.intp]]]:
    """Numbers of the runs of texts, and the places of the texts that they are of; many at once.

    One for each run; of a short text one for the whole; of a phrase none.
    """
    held: list[list[str]] = []
    lengths: list[int] = []
    places: list[int] = []
    waiting = 0
    for place, text in enumerate(texts):
        found = units(text)
        per_word = 1 if text.isascii() else next((n for script, n in CHARACTERS if script.search(text)), 1)
        if len(found) < PHRASE * per_word:
            continue
        held.append(found)
        lengths.append(min(RUN * per_word, len(found)))
        places.append(place)
        waiting += len(found)
        if waiting >= AT_ONCE:
            runs, of = numbers.of(held, lengths)
            yield runs, np.array(places)[of]
            held, lengths, places, waiting = [], [], [], 0
    if held:
        runs, of = numbers.of(held, lengths)
        yield runs, np.array(places)[of]


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


def _digests(sources: Sequence[tuple[str, TrainSet]], contents: Sequence[str]) -> list[str]:
    """Names the content of each source; nothing is read where nothing is kept."""
    return [texts_digest(_trained_texts(train)) if contents else "" for _, train in sources]


@cache
def _edition() -> str:
    """Names the code that reads and compares, and the edition of Unicode: with another one, all is compared anew."""
    return hash64([unicodedata.unidata_version, *edition_of(__file__, words.__file__)])


def _place(key: str) -> Path:
    return files.cache() / "overlaps" / f"{key}.json"


def _read(key: str, train: TrainSet) -> Shared | None:
    """What is kept under a key; None where that is nothing, damaged, or of something else."""
    if os.environ.get(VERIFY):
        return None
    try:
        kept = read_as(_Kept, _place(key))
    except BenchError:
        return None
    items, first = kept.shared
    if kept.key != key or kept.digest != _digest(key, kept.shared):
        return None
    whole = list(items) == sorted({*items}) and all(0 <= i < len(train.group) for i in items)
    return kept.shared if whole and (not items or (first >= 0 and _text(train, first)[0] in items)) else None


def _keep(key: str, shared: Shared) -> None:
    """Where the cache cannot be written, the next process compares again."""
    kept = _Kept(key, shared, _digest(key, shared))._asdict() | {"shared": shared._asdict()}
    with suppress(BenchError):
        write_json(_place(key), kept)


def _digest(key: str, shared: Shared) -> str:
    return hash64([key, shared])
