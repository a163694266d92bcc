"""The claims of a protocol: what each is about, and how it ends over the whole family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.analysis import statistics
from bench.analysis.compare import Comparison, Found, compared, found_on
from bench.analysis.means import finite
from bench.analysis.set_scores import SetScores, cells_of
from bench.analysis.statistics import Effect
from bench.analysis.strategies import (
    Where,
    difference_over,
    find,
    paired,
    questions_of,
    require_equal_settings,
)
from bench.errors import BenchError
from bench.plan.protocol import OUT, Claim, FixedClaim, JudgedSet, Protocol
from bench.store.cells import Cell
from bench.uncertainty import multiple

ERROR = 0.025
"""One-sided, of all claims together."""


SHOWN, REFUTED, NOT_SETTLED, ONE_TRAINING = "shown", "refuted", "not settled", "open: one training"


class Verdict(NamedTuple):
    """How a claim ends.

    Attributes:
        a: a strategy.
        b: what it is compared with.
        bound: what the effect is claimed to be above: 0 where it is to be better, else minus the margin.
        far: whether the sets are out of domain.
        effect: of the claim, with its error.
        said: effect, interval and the two facts: of this claim alone, or, where trainings were run until claims were
            settled, as they were at its last look, with the interval that holds at every look.
        p: one-sided, against the claim, adjusted over the family; small where it is shown. NaN where looks decide.
        end: ``shown``, ``refuted`` (the effect is on the other side of the bound), ``not settled``, or why it is open.
        overrun: trainings that were run after the claim had ended; they count for nothing here.
    """

    a: str
    b: str
    bound: float
    far: bool
    effect: Effect
    said: Comparison
    p: float = float("nan")
    end: str = ""
    overrun: int = 0

    @property
    def superior(self) -> bool:
        """Whether it is claimed to be better; else at most a margin worse."""
        return self.bound == 0


def in_force(sets: Sequence[SetScores], protocol: Protocol) -> Protocol:
    """With the claims that were fixed; where none were, those about the sets that are scored."""
    return protocol if protocol.edition == 1 or protocol.claims else protocol.fixed(_scored(sets))


def _scored(sets: Sequence[SetScores]) -> list[JudgedSet]:
    found = []
    for i, of in enumerate(sets):
        questions = [set(other.layout.questions) if other.data == of.data else set() for other in sets]
        wider = [
            other.name for j, other in enumerate(sets)
            if questions[i] < questions[j] or (j < i and questions[i] == questions[j])
        ]  # fmt: skip
        settings = tuple(of.layout.settings())
        found.append(JudgedSet(of.name, of.data, of.main, settings, part_of=wider[0] if wider else ""))
    return found


def verdicts(sets: Sequence[SetScores], protocol: Protocol) -> list[Verdict]:
    """Every claim about strategies that were run, judged together, after the trainings that there are.

    Raises:
        BenchError: trainings are missing, or were made under unequal settings, or data are not those of the protocol.
    """
    cells = cells_of(sets)
    names = {c.label.split("(")[0] for c in cells}
    protocol = in_force(sets, protocol)

    def run(claim: Claim | FixedClaim) -> bool:
        return {claim.a.split("(")[0], claim.b.split("(")[0]} <= names

    if protocol.edition == 1:
        found = [
            _of_setting(claim, f, protocol)
            for claim in filter(run, protocol.primary)
            for f in found_on(sets, find(cells, claim.a), find(cells, claim.b), None, protocol.margin)
            if f.said.setting in (*claim.superior, *claim.non_inferior)
        ]
        return judged(found)
    fixed = list(filter(run, protocol.claims))
    return judged([of_claim(sets, protocol, c) for c in fixed], [c.weight for c in fixed])


def _of_setting(claim: Claim, found: Found, protocol: Protocol) -> Verdict:
    bound = 0.0 if found.said.setting in claim.superior else -protocol.margin
    return Verdict(claim.a, claim.b, bound, found.of.name in protocol.out_of_domain, found.effect, found.said)


def margin_of(bound: float, protocol: Protocol) -> float:
    """How much worse is still not worse, for a claim with this bound: its own margin where it has one."""
    return -bound or protocol.margin


def of_claim(
    sets: Sequence[SetScores], protocol: Protocol, claim: FixedClaim, seeds: Sequence[int] | None = None
) -> Verdict:
    """What the trainings say of a claim, yet without an end.

    Args:
        sets: that were scored.
        protocol: in force.
        claim: one of its claims.
        seeds: of the trainings; None for all, the same ones of both strategies.

    Raises:
        BenchError: a set was not scored, or has other data; trainings are missing, or were made under unequal settings.
    """
    places = [_place(sets, protocol, claim, name) for name in claim.sets]
    there = set.intersection(*({c.path for c in place.of.cells} for place in places))
    cells = [c for c in places[0].of.cells if c.path in there]
    ours, theirs = (find(cells, name) for name in (claim.a, claim.b))
    require_equal_settings(ours[0], theirs[0])
    if seeds is not None:
        ours, theirs = ([c for c in of if c.seed in seeds or not c.config.trained] for of in (ours, theirs))
    pairs = paired(ours, theirs)
    means = [[_mean(place, cell) for place in places for cell in side] for side in zip(*pairs, strict=True)]
    effect = difference_over(places, ours, theirs)
    if effect is None or len(effect.parts) - (effect.trainings > 1) < len(places):
        raise BenchError(f"{claim.a} against {claim.b}: a comparison needs at least two parallel questions in each set")
    settings = [s for s in claim.settings if any(s in place.of.layout.settings() for place in places)]
    said = compared(effect, margin_of(claim.bound, protocol))._replace(
        set_name=", ".join(claim.sets), setting=", ".join(settings),
        measure=", ".join(dict.fromkeys(place.measure for place in places)),
        a=float(np.mean(means[0])), b=float(np.mean(means[1])),
        clusters=sum(len(questions_of(*place, ours[0])) for place in places),
    )  # fmt: skip
    return Verdict(claim.a, claim.b, claim.bound, claim.domain == OUT, effect, said)


def _place(sets: Sequence[SetScores], protocol: Protocol, claim: FixedClaim, name: str) -> Where:
    of = next((of for of in sets if of.name == name), None)
    if of is None:
        raise BenchError(f"{claim.a} against {claim.b}: the protocol names {name}, on which nothing was scored")
    kept = next((s for s in protocol.sets if s.name == name), None)
    if kept is not None and (kept.data, kept.measure) != (of.data, of.main):
        raise BenchError(f"{name}: the protocol fixes {kept.data}, {kept.measure}; scored is {of.data}, {of.main}")
    parts = [of.layout.rows_of(s) for s in claim.settings if s in of.layout.settings()]
    if not parts:
        raise BenchError(f"{claim.a} against {claim.b}: {name} has none of {', '.join(claim.settings)}")
    return Where(of, of.main, parts)


def _mean(place: Where, cell: Cell) -> float:
    finite(place.of, cell, place.measure, np.any(place.parts, axis=0))
    return float(questions_of(*place, cell).mean())


def judged(claims: Sequence[Verdict], weights: Sequence[float] = ()) -> list[Verdict]:
    """The ends of the claims of one family, by Holm's procedure on both sides of each bound.

    Args:
        claims: yet without p and end.
        weights: what share of the error each claim has, one together with those that are not here; equal if ().
    """
    if not claims:
        return []
    shares = np.array(weights) if weights else np.full(len(claims), 1 / len(claims))
    alone = [float(c.effect.p_value(c.bound)) for c in claims]
    against = np.array([0.5 if c.effect.trainings < 2 else p for c, p in zip(claims, alone, strict=True)])
    shown, refuted = (_holm(p, shares) for p in (against, 1 - against))
    ends = [
        ONE_TRAINING if c.effect.trainings < 2 else SHOWN if yes < ERROR else REFUTED if no < ERROR else NOT_SETTLED
        for c, yes, no in zip(claims, shown, refuted, strict=True)
    ]
    return [c._replace(p=float(p), end=end) for c, p, end in zip(claims, shown, ends, strict=True)]


def _holm(p: statistics.Floats, shares: statistics.Floats) -> statistics.Floats:
    """Adjusted over these and the claims that are not here, which stand for a p of 1."""
    absent = max(0.0, 1 - float(shares.sum()))
    if absent < 1e-9:
        return multiple.holm(p, shares)
    return multiple.holm(np.append(p, 1.0), np.append(shares, absent))[:-1]
