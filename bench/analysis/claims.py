"""The claims of a protocol: how each ends, over the whole family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.analysis import statistics
from bench.analysis.compare import Comparison, Found, found_on
from bench.analysis.set_scores import SetScores, cells_of
from bench.analysis.statistics import Effect
from bench.analysis.strategies import find
from bench.plan.protocol import Claim, Protocol

ERROR = 0.025
"""One-sided, of all claims together."""


SHOWN, REFUTED, NOT_SETTLED, ONE_TRAINING = "shown", "refuted", "not settled", "open: one training"


class Verdict(NamedTuple):
    """How a claim ends.

    Attributes:
        a: a strategy.
        b: what it is compared with.
        superior: whether it is claimed to be better; else at most the margin worse.
        far: whether the sets are out of domain.
        effect: of the claim, with its error.
        said: effect, interval and the two facts, of this claim alone.
        p: one-sided, against the claim, adjusted over the family; small where it is shown.
        end: ``shown``, ``refuted`` (the effect is on the other side of the bound), ``not settled``, or why it is open.
    """

    a: str
    b: str
    superior: bool
    far: bool
    effect: Effect
    said: Comparison
    p: float
    end: str


def verdicts(sets: Sequence[SetScores], protocol: Protocol) -> list[Verdict]:
    """Every claim about strategies that were run, judged together.

    Raises:
        BenchError: trainings are missing, or were made under unequal settings.
    """
    cells = cells_of(sets)
    names = {c.label.split("(")[0] for c in cells}
    claims = [c for c in protocol.primary if {c.a.split("(")[0], c.b.split("(")[0]} <= names]
    found = [
        (claim, f)
        for claim in claims
        for f in found_on(sets, find(cells, claim.a), find(cells, claim.b), None, protocol.margin)
        if f.said.setting in (*claim.superior, *claim.non_inferior)
    ]
    return judged([_of_setting(claim, f, protocol) for claim, f in found], protocol.margin)


def _of_setting(claim: Claim, found: Found, protocol: Protocol) -> Verdict:
    superior, far = found.said.setting in claim.superior, found.of.name in protocol.out_of_domain
    return Verdict(claim.a, claim.b, superior, far, found.effect, found.said, float("nan"), "")


def judged(claims: Sequence[Verdict], margin: float, weights: Sequence[float] = ()) -> list[Verdict]:
    """The ends of the claims of one family, by Holm's procedure on both sides of each bound.

    Args:
        claims: yet without p and end.
        margin: how much worse is still not worse.
        weights: what share of the error each claim has; equal if ().
    """
    if not claims:
        return []
    shares = np.array(weights) if weights else np.ones(len(claims))
    bounds = [0.0 if c.superior else -margin for c in claims]
    alone = [float(c.effect.p(bound)) for c, bound in zip(claims, bounds, strict=True)]
    against = np.array([0.5 if c.effect.trainings < 2 else p for c, p in zip(claims, alone, strict=True)])
    shown, refuted = statistics.holm(against, shares), statistics.holm(1 - against, shares)
    ends = [
        ONE_TRAINING if c.effect.trainings < 2 else SHOWN if yes < ERROR else REFUTED if no < ERROR else NOT_SETTLED
        for c, yes, no in zip(claims, shown, refuted, strict=True)
    ]
    return [c._replace(p=float(p), end=end) for c, p, end in zip(claims, shown, ends, strict=True)]
