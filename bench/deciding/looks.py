"""Trainings until claims are settled: what each look at them decides, and the record of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.analysis.compare import facts
from bench.analysis.power import UNKNOWN, Limits, Planned, factors_of
from bench.analysis.set_scores import SetScores, cells_of
from bench.analysis.statistics import Effect, Floats, Interval, pooled, quantile
from bench.analysis.strategies import find, short
from bench.deciding import claims
from bench.deciding.boundaries import boundaries
from bench.deciding.claims import ERROR, NOT_SETTLED, REFUTED, SHOWN, Verdict, margin_of, of_claim
from bench.errors import BenchError
from bench.plan.protocol import Looks, Protocol, digest_of
from bench.store.cells import LOOKS, PROTOCOL, Cell
from bench.store.writing import require_no_link, told_in_one_line
from tasks.files import read_jsonl

GOES_ON = "goes on"


def verdicts(sets: Sequence[SetScores], protocol: Protocol) -> list[Verdict]:
    """How every claim ends: over all looks where trainings are run until it is settled, else after all trainings.

    Raises:
        BenchError: as ``claims.verdicts`` and ``standing``.
    """
    return claims.verdicts(sets, protocol) if protocol.looks is None else standing(sets, protocol)


class Look(NamedTuple):
    """What is known after so many trainings of each strategy.

    Attributes:
        trainings: so many.
        claims: how each stands: open (an empty end), or as it ended, at this look or before.
    """

    trainings: int
    claims: tuple[Verdict, ...]

    @property
    def settled(self) -> bool:
        """Whether every claim has ended."""
        return all(claim.end for claim in self.claims)


def replayed(sets: Sequence[SetScores], protocol: Protocol) -> list[Look]:
    """Every look at the trainings that there are, in the order of the protocol: a pure function of both.

    At each look a claim is shown where its effect lies above its bound by more than the half-width, the root of
    c^2 V_trainings + t^2 V_questions: c is the boundary of the look (``boundaries``), t Student's quantile of the
    questions at the claim's level, since their error is the same at all looks. It is refuted where it lies as far
    below. Levels are shares of .025 by the claims' weights; the share of a claim that is shown goes to the others, in
    proportion to their weights, for what they show, not for what is refuted (Maurer and Bretz 2013, Statistics in
    Biopharmaceutical Research 5).

    Raises:
        BenchError: a training was left out, one is of no seed of the protocol, or as ``of_claim``.
    """
    looks = protocol.looks
    assert looks is not None
    complete = trainings_of(sets, protocol, looks)
    claims: list[Verdict | None] = [None] * len(protocol.claims)
    found = []
    for n in range(looks.first, complete + 1):
        claims = list(_looked(sets, protocol, looks, n, claims))
        found.append(Look(n, tuple(c for c in claims if c is not None)))
    return found


def _looked(
    sets: Sequence[SetScores], protocol: Protocol, looks: Looks, n: int, before: Sequence[Verdict | None]
) -> list[Verdict]:
    weights = [claim.weight for claim in protocol.claims]
    ended = [v is not None and v.end != "" for v in before]
    now = [
        v if v is not None and done else of_claim(sets, protocol, claim, looks.seeds[:n])
        for claim, v, done in zip(protocol.claims, before, ended, strict=True)
    ]
    while True:
        free = sum(w for w, v in zip(weights, now, strict=True) if v.end != SHOWN)
        fresh = [i for i, done in enumerate(ended) if not done and now[i].end != SHOWN]
        for i in fresh:
            now[i] = _at_look(now[i], looks, n, ERROR * weights[i] / free, ERROR * weights[i], protocol)
        if not any(now[i].end == SHOWN for i in fresh):
            return [v._replace(overrun=n - v.effect.trainings) for v in now]


def _at_look(claim: Verdict, looks: Looks, n: int, tail: float, own: float, protocol: Protocol) -> Verdict:
    """How a claim stands at a look: shown at the level ``tail``, refuted at its ``own``."""
    bound, mean = claim.bound, float(claim.effect.mean)
    half, wide = (_half_width(claim.effect, looks, n, level) for level in (tail, own))
    last = n == len(looks.seeds)
    end = SHOWN if mean - half > bound else REFUTED if mean + wide < bound else NOT_SETTLED if last else ""
    interval = Interval(mean - half, mean + (wide if end == REFUTED else half))
    zero, at_margin = facts(interval, margin_of(bound, protocol))
    return claim._replace(end=end, said=claim.said._replace(interval=interval, against_zero=zero, at_margin=at_margin))


def _half_width(effect: Effect, looks: Looks, n: int, tail: float) -> float:
    first, *questions = effect.parts
    strategies = round(float(first.freedom) / (n - 1)) + 1
    c = boundaries(tail, looks.first, len(looks.seeds), strategies)[n - looks.first]
    of_questions = sum(float(quantile(part.freedom, tail)) ** 2 * float(part.variance) for part in questions)
    return float(np.sqrt(c**2 * float(first.variance) + of_questions))


def trainings_of(sets: Sequence[SetScores], protocol: Protocol, looks: Looks) -> int:
    """How many trainings every strategy of the claims has, in order.

    Raises:
        BenchError: one was left out, is of no seed of the protocol, or was made under another one.
    """
    counts = []
    for name in protocol.strategies:
        cells = _made_under(sets, name)
        if not cells[0].config.trained:
            continue
        seeds = {c.seed for c in cells}
        n = next((i for i, seed in enumerate(looks.seeds) if seed not in seeds), len(looks.seeds))
        left = sorted(seeds - set(looks.seeds[:n]))
        if left:
            after = f"run {looks.seeds[n]} first" if n < len(looks.seeds) else "those are all"
            raise BenchError(
                f"trainings come in the order of the protocol, {', '.join(map(str, looks.seeds))}, and none is left "
                f"out; {short(name)} has {', '.join(map(str, sorted(seeds)))}: {after}, or remove {left[0]}"
            )
        counts.append(n)
    return min(counts)


def standing(sets: Sequence[SetScores], protocol: Protocol) -> list[Verdict]:
    """How the claims stand after the last look; [] before the first one.

    Raises:
        BenchError: as ``replayed``, or what earlier looks decided is not what their trainings give now.
    """
    looks = replayed(sets, protocol)
    require_same_record(sets, looks)
    return [claim._replace(end=claim.end or GOES_ON) for claim in looks[-1].claims] if looks else []


def recorded(sets: Sequence[SetScores], look: Look) -> dict[str, object]:
    """What is kept of a look: the protocol, the trainings with their weights, and how each claim stood."""
    protocol, experiment = sets[0].protocol, sets[0].cells[0].path.parent
    assert protocol.looks is not None
    seeds = protocol.looks.seeds[: look.trainings]
    cells = [c for name in protocol.strategies for c in _made_under(sets, name) if c.seed in seeds]
    return {
        "trainings": look.trainings,
        "protocol": digest_of(experiment),
        "cells": {c.path.name: c.done.weights_sha256 if c.done else "" for c in cells},
        "claims": [
            {"effect": v.said.effect, "low": v.said.interval.low, "high": v.said.interval.high, "end": v.end}
            for v in look.claims
        ],
    }


def require_same_record(sets: Sequence[SetScores], looks: Sequence[Look]) -> int:
    """How many looks are on record, each the same as its replay.

    Raises:
        BenchError: one differs: trainings, scores or the protocol were changed after it.
    """
    path = sets[0].cells[0].path.parent / LOOKS
    lines = [line for _, line in read_jsonl(path)] if path.is_file() else []
    for i, line in enumerate(lines):
        now = recorded(sets, looks[i]) if i < len(looks) else None
        if now is None or not _same(line, now):
            raise BenchError(
                f"{path}: line {i + 1} is not what its trainings give now: cells, scores or the protocol were changed "
                "after they had been looked at; restore them, or begin another --experiment"
            )
    return len(lines)


def _same(a: object, b: object) -> bool:
    """Equal, numbers up to rounding on another machine."""
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def _made_under(sets: Sequence[SetScores], name: str) -> list[Cell]:
    """The trainings of a strategy.

    Raises:
        BenchError: one was made under another protocol than the one that stands.
    """
    cells = find(cells_of(sets), name)
    digest = digest_of(cells[0].path.parent)
    other = next((c for c in cells if c.config.protocol != digest), None)
    if other is not None:
        raise BenchError(
            f"{other.path.name} was made under another protocol than {other.path.parent / PROTOCOL}, which was changed "
            "afterwards: restore it, or begin another --experiment"
        )
    return cells


def keep_record(sets: Sequence[SetScores], looks: Sequence[Look]) -> None:
    """Add the looks that are not on record yet; the lines that are there stay as they are.

    Raises:
        BenchError: as ``require_same_record``.
    """
    known = require_same_record(sets, looks)
    path: Path = sets[0].cells[0].path.parent / LOOKS
    require_no_link(path)
    with told_in_one_line(path), path.open("a", encoding="utf-8") as file:
        for look in looks[known:]:
            file.write(json.dumps(recorded(sets, look), sort_keys=True, ensure_ascii=False) + "\n")


def likely(plan: Planned, distance: float, looks: Looks, tail: float, chance: float = 0.8) -> Limits:
    """After how many trainings a claim has been shown with this chance; infinite where not even at the last look.

    By drawn trainings: a true difference that lies ``distance`` above the claim's bound, a spread that is averaged over
    what the pilot leaves open, and at its limits.

    Args:
        plan: from a pilot.
        distance: of the truth above the bound.
        looks: when trainings stop.
        tail: one-sided error of the claim.
        chance: to have been shown.
    """
    if distance <= 0:
        return UNKNOWN
    rng, rounds = np.random.default_rng(0), 4000
    trainings = rng.standard_normal((rounds, plan.pooled, len(looks.seeds)))
    of_questions = np.sqrt(plan.questions) * rng.standard_normal(rounds)
    drawn = plan.freedom / rng.chisquare(plan.freedom, rounds) if np.isfinite(plan.freedom) else np.ones(rounds)
    _, low, high = factors_of(plan)
    counts = []
    for factor in (drawn, low, high):
        y = trainings * np.sqrt(plan.variance / 2 * np.reshape(factor, (-1, 1, 1)))
        counts.append(_shown_by(y, distance + of_questions, plan, looks, tail, chance))
    return Limits(*counts)


def _shown_by(y: Floats, effect: Floats, plan: Planned, looks: Looks, tail: float, chance: float) -> float:
    """Of trainings (rounds, strategies, most) around 0: the first look by which enough rounds have crossed."""
    found, most = np.zeros(len(effect), bool), len(looks.seeds)
    of_questions = float(quantile(np.asarray(plan.n_questions), tail)) ** 2 * plan.questions
    together, alone = (boundaries(tail, looks.first, most, k) for k in (plan.pooled, 2))
    for n, c, own in zip(range(looks.first, most + 1), together, alone, strict=True):
        seen = pooled(y[:, :, :n, None])
        half = np.sqrt(np.where(seen.pooled, c, own) ** 2 * seen.parts[0].variance + of_questions)
        found |= effect + seen.mean > half
        if found.mean() >= chance:
            return float(n)
    return float("inf")
