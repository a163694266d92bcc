"""Stored scores of many cells on one set, in one layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.evaluation.measures import MEASURES
from bench.plan.protocol import Protocol, read_protocol
from bench.store import json_files, scores
from bench.store.cells import Cell
from bench.store.scores import SETTINGS, setting_of
from tasks.contract import Noticed

Floats = NDArray[np.float64]


Ints = NDArray[np.int64]


NOTICED = {"what": str, "count": int, "example": str, "dirty": bool}


KEYS = ("q_lang", "d_lang", "query_id", "group")


class Layout(NamedTuple):
    """What the rows of a set are about; the same for every cell.

    Attributes:
        pairs: the (q_lang, d_lang) that occur; d_lang is ``*`` for the pool.
        pair: int64, (n_rows,), index into ``pairs``.
        cluster: int64, (n_rows,), number of the parallel question.
        n_clusters: parallel questions.
    """

    pairs: tuple[tuple[str, str], ...]
    pair: Ints
    cluster: Ints
    n_clusters: int

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
        files: name -> sha256 of the local files that were read; none where a set came from the Hub.
        main: the measure that tables lead with.
        note: what a reader should know of the set.
        noticed: what was repaired or left out in reading it.
        passages: passages per language.
        cells: in order of their folders.
        protocol: of the experiment.
        layout: of the rows.
        stored: the set's name in the files.
    """

    def __init__(
        self, name: str, about: dict[str, object], cells: Sequence[tuple[Cell, Path]], stored: str, protocol: Protocol
    ) -> None:
        of_set = about["sets"][stored]  # type: ignore[index]
        self.name, self.task = name, str(about["task"])
        self.data = f"{about['task']}@{about['version']} {json_files.hash8({'files': about['files']})}"
        self.files = dict(about["files"])  # type: ignore[call-overload]
        self.main, self.note = str(of_set["main"]), str(of_set.get("note", ""))
        if self.main not in MEASURES:
            raise BenchError(f"{name}: its main measure is one of {', '.join(MEASURES)}; got {self.main!r:.80}")
        noticed = of_set.get("noticed", [])
        json_files.require_shape(noticed, [NOTICED], f"scores of {name}", "noticed")
        self.noticed = [Noticed(*(n[key] for key in NOTICED)) for n in noticed]
        self.passages: dict[str, int] = dict(of_set["passages"])
        self.cells = [cell for cell, _ in cells]
        self._path = {cell.path.name: path for cell, path in cells}
        self.stored, self.protocol = stored, protocol
        self._read: dict[tuple[str, str], Floats] = {}
        self.means: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str], dict[str, float]]] = {}
        self.questions: dict[tuple[str, str, bytes], Floats] = {}
        self.layout = self._layout()

    def values(self, cell: Cell, measure: str) -> Floats:
        """(n_rows,), one measure of one cell."""
        self.load(cell, [measure])
        return self._read[cell.path.name, measure]

    def load(self, cell: Cell, measures: Sequence[str]) -> None:
        """Read several measures of a cell at once."""
        name = cell.path.name
        new = [m for m in measures if (name, m) not in self._read]
        if new:
            table = scores.read_scores(self._path[name], ["set", *new])
            rows = self._rows(table)
            for m in new:
                self._read[name, m] = np.asarray(table[m].to_numpy()[rows], np.float64)

    def _rows(self, table: object) -> Ints:
        import pyarrow as pa
        import pyarrow.compute as pc

        assert isinstance(table, pa.Table)
        return np.flatnonzero(pc.equal(table["set"].cast(pa.string()), self.stored).to_numpy())

    def _layout(self) -> Layout:
        first: dict[str, list[str]] | None = None
        for cell in self.cells:
            table = scores.read_scores(self._path[cell.path.name], ["set", *KEYS])
            keys = table.take(self._rows(table)).select(KEYS).unify_dictionaries()
            plain = {name: keys[name].to_pylist() for name in KEYS} if first is None else None
            if first is None:
                assert plain is not None
                _require_keys(keys, self._path[cell.path.name], stored=self.stored)
                first, same = plain, keys
            elif not _equal(same, keys):
                raise BenchError(
                    f"{self.name}: {self.cells[0].path.name} and {cell.path.name} answer different queries; delete the "
                    "scores folder of one of them, and its run command scores it again"
                )
        assert first is not None
        both = list(zip(first["q_lang"], first["d_lang"], strict=True))
        pairs = tuple(dict.fromkeys(both))
        number = {p: i for i, p in enumerate(pairs)}
        _, cluster = np.unique(np.array(first["group"]), return_inverse=True)
        return Layout(pairs, np.array([number[p] for p in both]), cluster, int(cluster.max()) + 1)


def _require_keys(keys: object, path: Path, stored: str) -> None:
    """Refuse rows that do not say what they are about."""
    import pyarrow as pa

    assert isinstance(keys, pa.Table)
    if not keys.num_rows:
        raise BenchError(
            f"{path}: no row of the set {stored!r}; delete it, and the command that made it scores it again"
        )
    if any(keys[name].null_count for name in KEYS):
        raise BenchError(f"{path}: rows of the set {stored!r} without {', '.join(KEYS)}; delete it and score it again")


def _equal(a: object, b: object) -> bool:
    import pyarrow as pa

    assert isinstance(a, pa.Table)
    assert isinstance(b, pa.Table)
    text = pa.string()
    return all(a[name].cast(text).equals(b[name].cast(text)) for name in KEYS)


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
        if "content" in said:
            of_files.add(json_files.canonical(said["content"]))
    found: dict[tuple[str, str], list[tuple[Cell, Path]]] = {}
    about: dict[tuple[str, str], dict[str, object]] = {}
    for cell, path, said in stored:
        data = _read_from(said)
        if len(contents[data]) > 1:  # scores of version 0.1 say their files alone, and else stand with the others
            data += json_files.canonical(said.get("content"))
        for name in said["sets"]:
            about.setdefault((name, data), said)
            found.setdefault((name, data), []).append((cell, path))
    if not found:
        raise BenchError("no finished cell with scores here; 'python -m bench run' makes them")
    names, protocol = [name for name, _ in found], read_protocol(cells[0].path.parent)
    called = {key: key[0] if names.count(key[0]) == 1 else _apart(key[0], about[key]) for key in found}
    return [SetScores(called[key], about[key], of, key[0], protocol) for key, of in found.items()]


def _read_from(said: Mapping[str, object]) -> str:
    return json_files.canonical([said["task"], said["version"], said["files"]])


def _apart(name: str, about: dict[str, object]) -> str:
    """A name for one of several data of one name: they are never in one table."""
    data: dict[str, object] = {key: about[key] for key in ("files", "content") if key in about}
    return f"{name}@{about['version']} {json_files.hash8(data)[:4]}"
