"""Comparisons as people read them: a table of rounded numbers, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.compare import Comparison, plain
from bench.analysis.statistics import Interval
from bench.analysis.strategies import many
from bench.store.scores import in_words


def header(margin: float) -> tuple[str, ...]:
    """Of the columns of ``as_rows``."""
    at = ("" if margin == 0 else f"at {plain(margin)}",)
    return ("set", "setting", "A", "B", "A - B", "95 % interval", "against 0", *at, "p")


def as_rows(found: Sequence[Comparison]) -> list[list[str]]:
    """Rounded, for people."""
    return [
        [c.set_name, f"{in_words(c.setting)}, {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}", f"{c.effect:+.4f}",
         shown_interval(c.interval), c.against_zero, c.at_margin, shown_p(c.p)]
        for c in found
    ]  # fmt: skip


def shown_interval(interval: Interval) -> str:
    """Rounded as effects are."""
    return f"[{interval.low:+.4f}, {interval.high:+.4f}]"


def shown_p(p: float) -> str:
    """Rounded to four places."""
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"


def population(found: Sequence[Comparison]) -> str:
    """Who the intervals and words of a table speak for, and whose spread of trainings they rest on."""
    if {c.seeds for c in found} == {1}:
        return (
            "One training each: all of it is about these models; whether another training would give the same cannot "
            "be concluded (use --seeds 0,1,2 or more)."
        )
    said = "Intervals and their words are of each row alone, for new trainings and new questions of this kind."
    pooled, tested = (sum(t) for t in zip(*((c.pooled, not np.isnan(c.unequal)) for c in found), strict=True))
    if tested:
        apart = tested - pooled
        said += " The spread of trainings is that of all strategies of the protocol together"
        said += (
            f", but in {many(apart, 'row')} where the pair seems to spread more (F test, p < .25)." if apart else "."
        )
    equal = dict.fromkeys(c.set_name for c in found if c.interval.low == c.interval.high)
    return f"{said} Nothing varies in {', '.join(equal)}: equal scores." if equal else said


def basis(found: Sequence[Comparison]) -> str:
    """What a table of comparisons rests on, and what its p is."""
    rows = f", adjusted over the {len(found)} rows (Holm)" if len(found) > 1 else ""
    return f"{population(found)} p: of no difference, two-sided{rows}."


def explained(a: str, b: str, found: Sequence[Comparison], margin: float) -> str:
    """What the table rests on, and what it cannot say."""
    trainings, clusters = found[0].seeds, {c.clusters for c in found}
    return (
        f"A = {a}, B = {b}; {many(trainings, 'paired seed')}, {min(clusters):,} to {max(clusters):,} parallel "
        f"questions; margin {plain(margin)}. {basis(found)}"
    )
