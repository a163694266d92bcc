"""Stored scores of many cells on one set, in one layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.rows import KEYS, Floats, Ints, Rows, rows_of
from bench.errors import BenchError
from bench.evaluation.measures import MEASURES
from bench.plan.protocol import Protocol, read_protocol
from bench.store import json_files, scores
from bench.store.cells import Cell
from bench.store.scores import SETTINGS, About, setting_of

if TYPE_CHECKING:
    import pyarrow as pa


class Layout(NamedTuple):
    """What the rows of a set are about; the same for every cell.

    Attributes:
        pairs: the (q_lang, d_lang) that occur; d_lang is ``*`` for the pool.
        pair: int64, (n_rows,), index into ``pairs``.
        cluster: int64, (n_rows,), number of the parallel question.
        questions: names of the parallel questions, in the order of their numbers.
    """

    pairs: tuple[tuple[str, str], ...]
    pair: Ints
    cluster: Ints
    questions: tuple[str, ...]

    @property
    def n_clusters(self) -> int:
        """Parallel questions."""
        return len(self.questions)

    def rows_of(self, setting: str) -> NDArray[np.bool_]:
        """(n_rows,), those of one setting."""
        wanted = np.array([setting_of(*p) == setting for p in self.pairs])
        found: NDArray[np.bool_] = wanted[self.pair]
        return found

    def settings(self) -> list[str]:
        """The settings that have rows."""
        there = {setting_of(*p) for p in self.pairs}
        return [s for s in SETTINGS if s in there]


class SetScores:
    """One evaluation set with the finished cells that were scored on it; values are read when asked for.

    Attributes:
        name: of the set; with the task's version where cells were scored on different data of one name.
        task: the task's name.
        data: its version, and a digest of the files' checksums.
        files: name -> sha256 of the files that were read; none of the Hub's where they were scored by version 0.1.
        revision: commit of the Hub that was read; empty where it was a folder, or is not recorded.
        split: that was read; empty where it is not recorded.
        main: the measure that tables lead with.
        note: what a reader should know of the set.
        noticed: what was repaired or left out in reading it.
        passages: passages per language.
        cells: in order of their folders.
        experiment: those and all others that were read with them: names of strategies tell all of these apart.
        protocol: of the experiment.
        layout: of the rows.
        stored: the set's name in the files.
    """

    def __init__(
        self, name: str, about: About, cells: Sequence[tuple[Cell, Rows]], stored: str, protocol: Protocol,
        experiment: Sequence[Cell],
    ) -> None:  # fmt: skip
        of_set = about.sets[stored]
        self.name, self.task, self.files = name, about.task, about.files
        said = about.content or {}
        self.revision = next((str(commit) for commit in _mapping(said.get("origin")).values()), "")
        self.split = str(_mapping(said.get("parameters")).get("split") or "")
        self.data = f"{about.task}@{about.version} {json_files.hash8({'files': about.files})}"
        self.main, self.note, self.noticed, self.passages = of_set.main, of_set.note, of_set.noticed, of_set.passages
        if self.main not in MEASURES:
            raise BenchError(f"{name}: its main measure is one of {', '.join(MEASURES)}; got {self.main!r:.80}")
        self.cells, self.experiment = [cell for cell, _ in cells], experiment
        self.called: dict[str, str] = {}
        self._rows = {cell.path.name: rows for cell, rows in cells}
        self.stored, self.protocol = stored, protocol
        self._read: dict[tuple[str, str], Floats] = {}
        self.means: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str], dict[str, float]]] = {}
        self.questions: dict[tuple[str, str, bytes], Floats] = {}
        self.layout = self._layout()

    def values(self, cell: Cell, measure: str) -> Floats:
        """(n_rows,), one measure of one cell."""
        self.load(cell, [measure])
        return self._read[cell.path.name, measure]

    def keys(self) -> dict[str, pa.DictionaryArray]:
        """``rows.KEYS`` of each row, the same for every cell."""
        return next(iter(self._rows.values())).keys()

    def load(self, cell: Cell, measures: Sequence[str]) -> None:
        """Read several measures of a cell at once."""
        name = cell.path.name
        new = [m for m in measures if (name, m) not in self._read]
        if new:
            self._read |= {(name, m): values for m, values in self._rows[name].values(new).items()}

    def _layout(self) -> Layout:
        first, *others = self._rows
        keys = self._rows[first].keys()
        for other in others:
            if not _equal(keys, self._rows[other].keys()):
                raise BenchError(
                    f"{self.name}: {first} and {other} answer different queries; delete the scores folder of one of "
                    "them, and its run command scores it again"
                )
        q_lang, d_lang = (_numbers(keys[name]) for name in ("q_lang", "d_lang"))
        starts = np.flatnonzero(np.diff(q_lang.number, prepend=-1) | np.diff(d_lang.number, prepend=-1))
        runs = [(q_lang.text[q_lang.number[i]], d_lang.text[d_lang.number[i]]) for i in starts]
        pairs = tuple(dict.fromkeys(runs))
        number = {p: i for i, p in enumerate(pairs)}
        pair = np.repeat([number[run] for run in runs], np.diff(starts, append=len(q_lang.number)))
        cluster = _numbers(keys["group"])
        return Layout(pairs, pair, cluster.number, tuple(cluster.text))


class _Numbers(NamedTuple):
    """Texts as numbers of the distinct ones, which are in order."""

    number: Ints
    text: list[str]


def _numbers(texts: pa.DictionaryArray) -> _Numbers:
    used, code = np.unique(texts.indices.to_numpy(), return_inverse=True)
    names = texts.dictionary.to_pylist()
    text, place = np.unique(np.array([names[i] for i in used]), return_inverse=True)
    return _Numbers(place[code], text.tolist())


def _equal(a: dict[str, pa.DictionaryArray], b: dict[str, pa.DictionaryArray]) -> bool:
    return all(a[name].equals(b[name]) or a[name].cast("string").equals(b[name].cast("string")) for name in KEYS)


def cells_of(sets: Sequence[SetScores]) -> list[Cell]:
    """Every cell that was scored on any of the sets, once."""
    return list({c.path.name: c for of in sets for c in of.cells}.values())


def read_sets(cells: Sequence[Cell]) -> list[SetScores]:
    """Every set that a finished cell was scored on, in order of appearance.

    Raises:
        BenchError: there are none, or files of another version are among them.
    """
    stored = [
        (cell, path, scores.read_about(path))
        for cell in cells
        if cell.done is not None
        for path in scores.score_files(cell.path)
    ]
    contents: dict[str, set[str]] = {}
    for _, _, said in stored:
        of_files = contents.setdefault(_read_from(said), set())
        if said.content is not None:
            of_files.add(json_files.canonical(said.content))
    found: dict[tuple[str, str], list[tuple[Cell, Rows]]] = {}
    about: dict[tuple[str, str], About] = {}
    for cell, path, said in stored:
        data = _read_from(said)
        if len(contents[data]) > 1:  # scores of version 0.1 say their files alone, and else stand with the others
            data += json_files.canonical(said.content)
        for name in said.sets:
            about.setdefault((name, data), said)
            found.setdefault((name, data), []).append((cell, rows_of(path, said, name)))
    if not found:
        raise BenchError("no finished cell with scores here; 'python -m bench run' makes them")
    names, protocol = [name for name, _ in found], read_protocol(cells[0].path.parent)
    called = {key: key[0] if names.count(key[0]) == 1 else _apart(key[0], about[key]) for key in found}
    scored = list({cell.path.name: cell for cell, _, _ in stored}.values())
    return [SetScores(called[key], about[key], of, key[0], protocol, scored) for key, of in found.items()]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _read_from(said: About) -> str:
    return json_files.canonical([said.task, said.version, said.files])


def _apart(name: str, about: About) -> str:
    """A name for one of several data of one name: they are never in one table."""
    data = {"files": about.files} | ({} if about.content is None else {"content": about.content})
    return f"{name}@{about.version} {json_files.hash8(data)[:4]}"
