"""The question, the answer, how many trainings it takes; out of domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.analysis import compare, power
from bench.analysis.compare import Comparison, plain, shown_interval, shown_p
from bench.analysis.power import Limits
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import many, strategies_of
from bench.deciding import claims, looks
from bench.deciding.claims import Verdict
from bench.errors import BenchError
from bench.plan.protocol import Protocol
from bench.report.document import Block, Effect, Figure, Forest, Heading, Table, Text

PLANNED = (5, 10, 20)
"""Trainings of each strategy that are asked about, as far as they are more than were run."""


def power_section(found: Sequence[Verdict]) -> list[Block]:
    """How trainings vary and what more of them would find, with limits; [] after one, which says nothing of others."""
    have = found[0].effect.trainings
    if have < 2:
        return []
    counts = (have, *(n for n in PLANNED if n > have))
    rows = []
    for v in found:
        plan = power.planned(v.effect)
        about = [f"{v.a} - {v.b}", v.said.set_name, f"{v.said.setting} {v.said.measure}"]
        if plan is None:
            rows.append([*about, "nothing varies: equal scores", *("" for _ in counts), ""])
            continue
        sizes = [_limited(power.detectable(plan, n), 3) for n in counts]
        rows.append([*about, _limited(v.said.spread, 4), _limited(v.said.shrinks, 2), *sizes])
    header = ("", "sets", "setting", "SD between trainings", "shrinks with more trainings",
              *(f"{n} trainings find" for n in counts))  # fmt: skip
    said = (
        "Each number with its 90 % limits, since few trainings say little of how trainings vary. SD: of the "
        "difference, between trainings scored on the same questions. Shrinks: the share of the variance of the effect "
        "that more trainings lessen (trainings, and what questions do differently in each); more questions lessen the "
        "rest. "
        "Find: the true difference that so many paired trainings tell from 0 (5 %, two-sided, alone) with a chance of "
        "80 %, over what is open about the spread; limits: at those of the spread."
    )
    return [Heading(3, "How many trainings it takes"), Text(said), Table(header, rows, 3)]


def _limited(found: Limits, digits: int) -> str:
    """``.012 [.006, .05]``."""
    value, low, high = (f"{x:.{digits}f}".removeprefix("0") for x in found)
    return f"{value} [{low}, {high}]"


def primary_section(sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """The question, an answer per rival, and the table behind it, or what stands in its way."""
    title = Heading(2, "The question and the answer")
    try:
        found = looks.verdicts(sets, protocol)
    except BenchError as error:
        return [title, Text(f"Not decided: {error}.")]
    if not found:
        stops = protocol.looks
        return [title, Text(f"Not decided: the first look is at {stops.first} trainings.")] if stops else []
    asked = (
        "Question: how much does hybrid training cost against training with one objective, in domain and out of it? "
        f"Margin {plain(protocol.margin)}. {_family(protocol, len(found))}"
    )
    lines = [f"- {_answer(a, b, found, protocol)}" for a, b in dict.fromkeys((v.a, v.b) for v in found)]
    table = sequential_table(found, protocol) if protocol.looks else primary_table(found, protocol)
    effects = tuple(
        Effect(f"{v.a} - {v.b}, {v.said.set_name} {v.said.setting}", v.said.effect, *v.said.interval, v.far)
        for v in found
    )
    intervals = "intervals that hold at every look" if protocol.looks else "95 % intervals, each alone"
    alt = (
        f"primary family: effects with {intervals}; dotted: the margin; diamonds: sets out of domain. An interval "
        "right of 0: better; left of 0: worse; right of the dotted line: at most the margin worse"
    )
    drawing = Forest(effects, "difference in the set's main measure", protocol.margin)
    power_ = [] if protocol.looks else power_section(found)
    return [title, Text(asked), Text("\n".join(lines)), table, Figure("primary", alt, drawing), *power_]


def _family(protocol: Protocol, n: int) -> str:
    """What the claims are, and when they were fixed."""
    if protocol.edition == 1:
        return f"First edition of the protocol: each setting of each set a claim, {n} in all, fixed with the first run."
    if not protocol.claims:
        return "No protocol was fixed before the runs: claims are of the sets that are scored."
    if protocol.claims != replace(protocol, claims=()).fixed(protocol.sets).claims:
        shares = ", ".join(plain(claim.weight) for claim in protocol.claims)
        return (
            f"Second edition of the protocol: {many(n, 'claim')}, each of the mean of its sets, written one by one and "
            f"fixed with the first run; shares of the error, in this order: {shares}."
        )
    return (
        "Second edition of the protocol: one claim per question and domain, the mean of its sets, fixed with the first "
        "run."
    )


def _answer(a: str, b: str, found: Sequence[Verdict], protocol: Protocol) -> str:
    """One line: how many claims are shown, and in each domain and setting the effects and both facts."""
    mine = [v for v in found if (v.a, v.b) == (a, b)]
    parts = []
    for far in (False, True):
        of_domain = [v for v in mine if v.far == far]
        settings = list(dict.fromkeys(v.said.setting for v in of_domain))
        said = ". ".join(_range([v for v in of_domain if v.said.setting == s], protocol) for s in settings)
        parts += [f"**{'Out of' if far else 'In'} domain**: {said}."] if said else []
    if mine[0].effect.trainings == 1:
        warned = "What another training would give cannot be concluded (run --seeds 0,1,2 or more)."
        return f"{a} against {b}, one training each, so about these two models only. {' '.join(parts)} {warned}"
    ends = [v.end for v in mine]
    counted = ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys((*ENDS, *ends)))
    return f"{a} against {b}, of {many(len(mine), 'claim')} {counted}. {' '.join(parts)}"


ENDS = (claims.SHOWN, claims.REFUTED, claims.NOT_SETTLED)


def _range(found: Sequence[Verdict], protocol: Protocol) -> str:
    """Least and largest effect in one setting over sets, with both facts."""
    effects = sorted({f"{v.said.effect:+.3f}" for v in found}, key=float)
    margins = [claims.margin_of(v.bound, protocol) for v in found]
    said = [compare.facts(v.said.interval, m).sentence(m) for v, m in zip(found, margins, strict=True)]
    counted = "; ".join(f"{x} ({many(said.count(x), 'set')})" if len(found) > 1 else x for x in dict.fromkeys(said))
    shown = effects[0] if len(effects) == 1 else f"{effects[0]} to {effects[-1]}"
    return f"{found[0].said.setting} {shown}: {counted}"


def primary_table(found: Sequence[Verdict], protocol: Protocol) -> Table:
    """Every claim with effect, interval, the two facts, and how it ends."""
    at = _at(found, protocol)
    header = ("", "sets", "setting", "A", "B", "A - B", "95 % interval", "against 0, alone", f"{at}, alone",
              "claim, in the family", "p", "ends")  # fmt: skip
    rows = [
        [f"{v.a} - {v.b}", c.set_name, f"{c.setting} {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}", f"{c.effect:+.4f}",
         shown_interval(c.interval), c.against_zero, c.at_margin, _claimed(v), shown_p(v.p), v.end]
        for v in found for c in [v.said]
    ]  # fmt: skip
    clusters = sorted({v.said.clusters for v in found})
    caption = (
        f"{many(found[0].effect.trainings, 'paired seed')}; {clusters[0]:,} to {clusters[-1]:,} parallel questions per "
        f"row. {compare.population([v.said for v in found])} p: of each claim, one-sided, adjusted over the family "
        "(Holm). A claim is shown where p is below .025, so that in 39 of 40 such experiments no claim is shown that "
        "is false; refuted where as much is shown against it; else not settled: alone an interval may show what the "
        "family does not."
    )
    return Table(header, rows, 3, caption)


def _claimed(v: Verdict) -> str:
    return "better" if v.superior else f"at most {plain(-v.bound)} worse"


def _at(found: Sequence[Verdict], protocol: Protocol) -> str:
    """What the column of the margin is called: the margin where all claims have the same."""
    margins = {claims.margin_of(v.bound, protocol) for v in found}
    return f"at {plain(margins.pop())}" if len(margins) == 1 else "at the margin"


def sequential_table(found: Sequence[Verdict], protocol: Protocol) -> Table:
    """Every claim as it stood at its last look."""
    stops = protocol.looks
    assert stops is not None
    at = _at(found, protocol)
    header = ("", "sets", "setting", "trainings", "A - B", "interval", "against 0", at, "claim", "ends")
    rows = [
        [f"{v.a} - {v.b}", c.set_name, f"{c.setting} {c.measure}",
         f"{v.effect.trainings}{f' (+{v.overrun})' if v.overrun else ''}", f"{c.effect:+.4f}",
         shown_interval(c.interval), c.against_zero, c.at_margin, _claimed(v), v.end]
        for v in found for c in [v.said]
    ]  # fmt: skip
    caption = (
        f"Trainings were run one by one and looked at after {stops.first} to {len(stops.seeds)}, until each claim was "
        "shown or refuted; those in brackets came after its end and count for nothing. Intervals are those at the "
        f"level of the claim and its look ({stops.spending} spending of .025 on each side, shared by weight), so that "
        "in 39 of 40 such experiments no claim is shown that is false. An effect that stopped a run early is likely to "
        "be smaller than it looks."
    )
    return Table(header, rows, 3, caption)


def out_of_domain(sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """What each training gives or takes from the untrained base where its data do not reach."""
    title = Heading(2, "Out of domain")
    far = [of for of in sets if of.name in protocol.out_of_domain]
    if not far:
        named = ", ".join(protocol.out_of_domain)
        why = f"of those the protocol names ({named}) none was scored" if named else "the protocol names no such set"
        return [title, Text(f"Transfer is not judged: {why}.")]
    found: list[tuple[str, Comparison]] = []
    for of in far:
        for name, cells in strategies_of(of).items():
            if cells[0].config.trained and any(c.label == "untrained" for c in of.cells):
                found += [(name, c) for c in compare.compare_on([of], cells, "untrained", protocol.margin)]
    found = list(zip([name for name, _ in found], compare.adjusted([c for _, c in found]), strict=True))
    if not found:
        return [title, Text("Transfer is not judged: the untrained base was not scored ('--baselines untrained').")]
    rows = [[name, *row] for (name, _), row in zip(found, compare.as_rows([c for _, c in found]), strict=True)]
    said = (
        "A: a strategy, B: the untrained base. Does training degrade transfer? Exploratory; strategies against each "
        f"other out of domain are in the primary family. {compare.basis([c for _, c in found])}"
    )
    effects = tuple(Effect(f"{name}, {c.set_name} {c.setting}", c.effect, *c.interval, True) for name, c in found)
    drawing = Forest(effects, "difference to the untrained base", protocol.margin)
    alt = "out of domain: each strategy minus the untrained base with 95 % intervals; dotted: the margin"
    table = Table(("strategy", *compare.header(protocol.margin)), rows, 3)
    return [title, Text(said), table, Figure("out-of-domain", alt, drawing)]
