"""Strategies of stored cells: named, found, paired by seed; their differences."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
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


def short(label: str) -> str:
    """A signature without the parameters that are None: ``mono(language_temperature=None)`` reads ``mono``."""
    kept = re.sub(r"(, )?\b\w+=None\b", "", label).replace("(, ", "(")
    return re.sub(r"(?<=\w)\(\)", "", kept)


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
    wanted = {_plain(x) for x in (name, resolve.signature(name, plugins)) if x is not None}
    for match in (
        lambda c: not wanted.isdisjoint(_plain(x) for x in (c.label, short(c.label), c.config.hash)),
        lambda c: c.label.split("(")[0] == name,
    ):
        found = found or [c for c in done if match(c)]
    known = sorted({(short(c.label), c.config.hash) for c in found or done})
    if not found:
        there = ", ".join(x for x, _ in known) or "none"
        hint = did_you_mean(name, [*(x for x, _ in known), *(x.split("(")[0] for x, _ in known)])
        raise BenchError(f"no finished strategy {name!r:.200} here; there are {there}{hint}")
    if len(known) > 1:
        listed = ", ".join(f"{label} ({hashed})" for label, hashed in known)
        raise BenchError(f"{name!r} means several strategies: {listed}; name one by its hash")
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
    """The cells of each strategy by its shown name; configurations of one name carry their hash."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in of.cells:
        found.setdefault((cell.label, cell.config.hash), []).append(cell)
    labels = [short(label) for label, _ in found]
    return {
        short(label) if labels.count(short(label)) == 1 else f"{short(label)} #{hashed}": sorted(
            cells, key=lambda c: c.seed
        )
        for (label, hashed), cells in found.items()
    }


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
