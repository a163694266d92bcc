"""What commands print with ``--json``: one document each, with its kind and version; null where nothing is known.

A version is raised when a key is renamed, removed or means something else; new keys do not raise it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.analysis.compare import Comparison
from bench.analysis.set_scores import SetScores

VERSION = 1
"""Of every kind of document so far."""


class ReadSet(NamedTuple):
    """An evaluation set of a document.

    Attributes:
        set: its name.
        main: the measure that its tables lead with.
        data: its task, the task's version, and a digest of what was read.
        passages: language -> how many there are.
        note: what a reader should know.
        noticed: what was repaired or left out in reading.
    """

    set: str
    main: str
    data: str
    passages: dict[str, int]
    note: str
    noticed: tuple[str, ...]


class Leaderboard(NamedTuple):
    """``leaderboard --format json``.

    Attributes:
        document: "leaderboard".
        version: of the schema.
        experiment: its name.
        sets: that rows are of.
        rows: one for each set and strategy, with the keys of ``boards.lines_of``; those of ``--format csv`` too.
    """

    document: str
    version: int
    experiment: str
    sets: tuple[ReadSet, ...]
    rows: tuple[dict[str, object], ...]


class Compared(NamedTuple):
    """A minus B in one setting of one set.

    Attributes:
        set: evaluation set.
        setting: mono, cross or multi.
        measure: what is compared.
        mean_a: mean of the first, over pairs of languages (macro) and seeds.
        mean_b: mean of the second.
        effect: A - B, in the measure's unit.
        low: of the 95 % interval, for new trainings and new questions; with one training each, for new questions to
            these two models.
        high: of the same.
        against_zero: "better", "worse" or "not told apart".
        at_margin: whether A is at most the margin worse: shown, "open", or shown not to be; "" for a margin of 0.
        p: two-sided, of no difference, adjusted over all rows (Holm).
        p_alone: the same of this row alone.
        p_flips: two-sided, by sign flips over questions: for these trained models alone.
        trainings: paired ones.
        questions: parallel ones.
        pooled: whether the spread of trainings is that of all strategies of the protocol.
        p_unequal: of "this pair spreads no more than the others"; null where that was not tested.
        spread: standard deviation of the difference between trainings, with its 90 % limits in the next two.
        spread_low: see ``spread``.
        spread_high: see ``spread``.
        shrinks: share of the variance that more trainings lessen, with limits in the same way.
        shrinks_low: see ``shrinks``.
        shrinks_high: see ``shrinks``.
        detectable: difference that as many trainings find with a chance of 80 %, with limits in the same way.
        detectable_low: see ``detectable``.
        detectable_high: see ``detectable``.
    """

    set: str
    setting: str
    measure: str
    mean_a: float
    mean_b: float
    effect: float
    low: float
    high: float
    against_zero: str
    at_margin: str
    p: float
    p_alone: float
    p_flips: float | None
    trainings: int
    questions: int
    pooled: bool
    p_unequal: float | None
    spread: float | None
    spread_low: float | None
    spread_high: float | None
    shrinks: float | None
    shrinks_low: float | None
    shrinks_high: float | None
    detectable: float | None
    detectable_low: float | None
    detectable_high: float | None


class Compare(NamedTuple):
    """``compare --json``.

    Attributes:
        document: "compare".
        version: of the schema.
        experiment: its name.
        a: the first strategy, as it was named.
        b: what it is compared with.
        margin: what is still not worse.
        rows: one for each setting of each set.
    """

    document: str
    version: int
    experiment: str
    a: str
    b: str
    margin: float
    rows: tuple[Compared, ...]


class Listed(NamedTuple):
    """``list --json``, ``data list --json``.

    Attributes:
        document: "list".
        version: of the schema.
        what: "strategies", "tasks", "sources", "models", "presets", or "data".
        rows: one for each thing, texts: its "name"; "about", what it is in words; of strategies "signature", of sources
            "version" and "licence"; of data those, "use", "size", "languages" and "where".
    """

    document: str
    version: int
    what: str
    rows: tuple[dict[str, str], ...]


class Property(NamedTuple):
    """A property that something was held to, whether it holds, and what was seen."""

    property: str
    holds: bool
    detail: str


class Held(NamedTuple):
    """What was checked, whether all of its properties hold, and each of them."""

    name: str
    holds: bool
    properties: tuple[Property, ...]


class Checked(NamedTuple):
    """``check --json``, ``data check --json``.

    Attributes:
        document: "check".
        version: of the schema.
        checked: each that was named.
    """

    document: str
    version: int
    checked: tuple[Held, ...]


Document = Leaderboard | Compare | Listed | Checked


def leaderboard(name: str, sets: Sequence[SetScores], rows: Sequence[dict[str, object]]) -> Leaderboard:
    """That of an experiment."""
    about = [ReadSet(of.name, of.main, of.data, of.passages, of.note, tuple(map(str, of.noticed))) for of in sets]
    return Leaderboard("leaderboard", VERSION, name, tuple(about), tuple(rows))


def compared(c: Comparison) -> Compared:
    """A row of a comparison."""
    return Compared(
        c.set_name, c.setting, c.measure, c.a, c.b, c.effect, *c.interval, c.against_zero, c.at_margin, c.p, c.p_alone,
        _known(c.p_flips), c.seeds, c.clusters, c.pooled, _known(c.unequal), *map(_known, c.spread),
        *map(_known, c.shrinks), *map(_known, c.detectable),
    )  # fmt: skip


def compare(name: str, a: str, b: str, margin: float, found: Sequence[Comparison]) -> Compare:
    """That of two strategies of an experiment."""
    return Compare("compare", VERSION, name, a, b, margin, tuple(map(compared, found)))


def listed(what: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Listed:
    """That of a kind of things."""
    keys = ["about" if name.startswith("what it ") else name for name in header]
    named = tuple(dict(zip(keys, map(str, row), strict=True)) for row in rows)
    return Listed("list", VERSION, what, named)


def checked(results: Sequence[tuple[str, Sequence[tuple[str, bool, str]]]]) -> Checked:
    """That of what was checked, by name."""
    held = [Held(name, all(r[1] for r in found), tuple(Property(*r) for r in found)) for name, found in results]
    return Checked("check", VERSION, tuple(held))


def text(document: object) -> str:
    """A document, or plain values, as JSON: what is no number is null."""
    return json.dumps(_plain(document), indent=1, ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return _known(value) if isinstance(value, float) else value


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
