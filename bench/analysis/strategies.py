"""Strategies of stored cells: named, found, paired by seed; their differences."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis import statistics
from bench.analysis.means import per_question
from bench.analysis.set_scores import SetScores
from bench.analysis.statistics import Effect
from bench.errors import BenchError, did_you_mean
from bench.plan import resolve
from bench.plan.protocol import POOLED
from bench.plan.settings import Settings
from bench.store import json_files
from bench.store.cells import Cell
from strategies import STRATEGIES


@lru_cache(maxsize=4096)
def short(label: str) -> str:
    """A signature without parameters that are None or defaults: ``hybrid(alpha=0.5, pairs='row')`` reads ``hybrid``.

    What is written so on the command line means the same; parameters of plugins are all told.
    """
    kept = re.sub(r"(, )?\b\w+=None\b", "", label).replace("(, ", "(")
    for name, defaults in _defaults().items():
        kept = re.sub(rf"(?<![\w.:]){name}\(([^()]*)\)", partial(_without, name, defaults), kept)
    return re.sub(r"(?<=\w)\(\)", "", kept)


def _without(name: str, defaults: frozenset[str], found: re.Match[str]) -> str:
    return f"{name}({', '.join(part for part in found[1].split(', ') if part not in defaults)})"


@cache
def _defaults() -> dict[str, frozenset[str]]:
    """Of each strategy that ships, its parameters' defaults as signatures have them."""
    signatures = {name: repr(cls()) for name, cls in STRATEGIES.items()}
    return {
        name: frozenset(part for part in said.partition("(")[2].removesuffix(")").split(", ") if "=" in part)
        for name, said in signatures.items()
        if said.count("(") <= 1  # what stands around another strategy is told in full
    }


def many(n: int, noun: str) -> str:
    """A count with its noun: ``1 seed``, ``3 seeds``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def find(cells: Sequence[Cell], name: str, plugins: bool = False) -> list[Cell]:
    """The finished cells of one strategy, by its signature, its name, or its hash; ordered by seed.

    A name alone means its defaults, where several configurations of it were run. ``plugins`` allows to run code that
    the name names: for names that the user wrote, not for those that are stored.
    """
    done = [c for c in cells if c.done is not None]
    found: list[Cell] = []
    names = named(done)
    wanted = {_plain(x) for x in (name, resolve.signature(name, plugins)) if x is not None}
    for match in (
        lambda c: not wanted.isdisjoint(_plain(x) for x in (c.label, short(c.label), c.config.hash)),
        lambda c: any(c in of for called, of in names.items() if _plain(called) == _plain(name)),
        lambda c: c.label.split("(")[0] == name,
    ):
        found = found or [c for c in done if match(c)]
    known = sorted({(called, c.config.hash) for called, of in names.items() for c in of if c in (found or done)})
    if not found:
        there = ", ".join(x for x, _ in known) or "none"
        hint = did_you_mean(name, [*(x for x, _ in known), *(x.split("(")[0] for x, _ in known)])
        raise BenchError(f"no finished strategy {name!r:.200} here; there are {there}{hint}")
    if len(known) > 1:
        listed = ", ".join(f"{label} ({hashed})" for label, hashed in known)
        raise BenchError(f"{name!r} means several strategies: {listed}; name one as it stands here, or by its hash")
    return sorted(found, key=lambda c: c.seed)


def of_seeds(cells: list[Cell], chosen: Sequence[int]) -> list[Cell]:
    """The trainings of some seeds, all where none is chosen; a row without training has no other."""
    if not chosen or not cells[0].config.trained:
        return cells
    missing = sorted(set(chosen) - {c.seed for c in cells})
    if missing:
        raise BenchError(
            f"the seeds that are compared must have been run; {short(cells[0].label)} has "
            f"{', '.join(str(c.seed) for c in cells)}, not {', '.join(map(str, missing))}"
        )
    return [c for c in cells if c.seed in chosen]


def _plain(label: str) -> str:
    return "".join(label.split()).replace('"', "'")


def require_equal_settings(a: Cell, b: Cell) -> None:
    """Refuse two trained strategies whose shared settings differ."""
    if not (a.config.trained and b.config.trained):
        return
    plain = dataclasses.asdict(Settings())  # a cell may be older than a setting
    for name in plain | a.settings | b.settings:
        ours, theirs = (c.settings.get(name, plain.get(name)) for c in (a, b))
        if json_files.canonical(ours) != json_files.canonical(theirs):
            raise BenchError(
                f"strategies are compared under equal settings; {name} is {ours} for {short(a.label)} and "
                f"{theirs} for {short(b.label)}: run one of them again"
            )


def paired(ours: list[Cell], theirs: list[Cell]) -> list[tuple[Cell, Cell]]:
    """By seed; a row without training has one cell that stands beside every seed.

    Raises:
        BenchError: one of them has a seed that the other has not.
    """
    pairs = paired_in_common(ours, theirs)
    if ours[0].config.trained and theirs[0].config.trained and not len(ours) == len(theirs) == len(pairs):
        left, right = (sorted(c.seed for c in cells) for cells in (ours, theirs))
        shared = ",".join(str(x.seed) for x, _ in pairs)
        rest = f", or compare those that both have (compare --seeds {shared})" if shared else ""
        raise BenchError(
            f"seeds are paired: {short(ours[0].label)} has {left}, {short(theirs[0].label)} has {right}; run the "
            f"missing ones{rest}"
        )
    return pairs


def paired_in_common(ours: list[Cell], theirs: list[Cell]) -> list[tuple[Cell, Cell]]:
    """By seed, of those that both have; a row without training has one cell that stands beside every seed."""
    if not ours[0].config.trained:
        return [(ours[0], y) for y in theirs]
    if not theirs[0].config.trained:
        return [(x, theirs[0]) for x in ours]
    right = {c.seed: c for c in theirs}
    return [(x, right[x.seed]) for x in sorted(ours, key=lambda c: c.seed) if x.seed in right]


def strategies_of(of: SetScores) -> dict[str, list[Cell]]:
    """The cells of each strategy by its shown name, the same in all sets; configurations of one carry what differs."""
    if not of.called:
        of.called |= {cell.path.name: name for name, cells in named(of.experiment).items() for cell in cells}
    found: dict[str, list[Cell]] = {}
    for cell in of.cells:
        found.setdefault(of.called[cell.path.name], []).append(cell)
    return {name: sorted(cells, key=lambda c: c.seed) for name, cells in found.items()}


def named(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by what their strategies are called among each other: ``mono``, or ``mono, steps=150``."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.label, cell.config.hash), []).append(cell)
    alike: dict[str, list[Cell]] = {}
    for of_one in found.values():
        alike.setdefault(short(of_one[0].label), []).append(of_one[0])
    names = {
        (cell.label, cell.config.hash): f"{name}{told}" for name, firsts in alike.items()
        for cell, told in zip(firsts, _differences(firsts), strict=True)
    }  # fmt: skip
    return {names[key]: of_one for key, of_one in found.items()}


def _differences(cells: Sequence[Cell]) -> list[str]:
    """What each configuration of one name has that others have not: settings, else its hash; empty for a single one."""
    if len(cells) == 1:
        return [""]
    plain = dataclasses.asdict(Settings())  # a cell may be older than a setting
    settings = [plain | c.settings | {"model": c.config.model.get("name")} for c in cells]
    varied = [k for k in settings[0] if len({json_files.canonical(s.get(k)) for s in settings}) > 1]
    told = ["".join(f", {k}={_brief(s.get(k))}" for k in varied) for s in settings]
    return told if len(set(told)) == len(told) else [f"{t} #{c.config.hash}" for t, c in zip(told, cells, strict=True)]


def _brief(value: object) -> str:
    """A setting as it is written on the command line."""
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


Masks = Sequence[NDArray[np.bool_]]


class Where(NamedTuple):
    """What is compared: in one set, by one measure, the mean of the macro means of ``parts``, masks (n_rows,)."""

    of: SetScores
    measure: str
    parts: Masks


def difference(of: SetScores, ours: list[Cell], theirs: list[Cell], measure: str, parts: Masks) -> Effect | None:
    """``difference_over`` one set."""
    return difference_over([Where(of, measure, parts)], ours, theirs)


def difference_over(places: Sequence[Where], ours: list[Cell], theirs: list[Cell]) -> Effect | None:
    """One strategy minus another one, the mean over sets; None where they share no seed, or there is nothing.

    Args:
        places: sets that all cells were scored on; rows where the measure is not a number count nothing.
        ours: the first one's cells.
        theirs: the other one's.
    """
    pairs = paired_in_common(ours, theirs)
    if not pairs or not all(np.any(place.parts) for place in places):
        return None
    others = pool_of([place.of for place in places], ours, theirs, [x.seed for x, _ in pairs])
    rows = [[x for x, _ in pairs], [y for _, y in pairs], *others]
    scores = [np.stack([[questions_of(*place, cell) for cell in cells] for cells in rows]) for place in places]
    return None if any(np.isnan(s).any() for s in scores) else statistics.pooled(*scores)  # (k, S, Q) each


def questions_of(of: SetScores, measure: str, parts: Masks, cell: Cell) -> statistics.Floats:
    """(questions,), of one cell; see ``means.per_question``."""
    key = cell.path.name, measure, b"".join(np.packbits(rows).tobytes() for rows in parts)
    if key not in of.questions:
        of.questions[key] = per_question(of.layout, parts, of.values(cell, measure))
    return of.questions[key]


def pool_of(sets: Sequence[SetScores], ours: list[Cell], theirs: list[Cell], seeds: Sequence[int]) -> list[list[Cell]]:
    """The cells, of the same trainings, whose spread is pooled with that of a pair: other strategies of the protocol.

    None for a pair that the protocol does not name, and for what is not trained, or derived from another one.
    """
    protocol = sets[0].protocol
    there = set.intersection(*({c.path for c in of.cells} for of in sets))
    cells = [c for c in sets[0].cells if c.path in there]
    named = [found for name in protocol.strategies if (found := _trained_alike(cells, name, ours[0], seeds))]
    hashes = [cells[0].config.hash for cells in named]
    pair = [cells[0].config.hash for cells in (ours, theirs)]
    if protocol.spread != POOLED or not set(pair) <= set(hashes):
        return []
    return [cells for cells, hashed in zip(named, hashes, strict=True) if hashed not in pair]


def _trained_alike(among: Sequence[Cell], name: str, like: Cell, seeds: Sequence[int]) -> list[Cell]:
    """The cells of a strategy with these seeds and the settings of another one; [] where it has not all of them."""
    try:
        cells = [c for c in find(among, name) if c.seed in seeds]
        if not cells or not cells[0].config.trained or cells[0].config.derived:
            return []
        require_equal_settings(cells[0], like)
    except BenchError:
        return []
    return cells if [c.seed for c in cells] == sorted(seeds) else []
