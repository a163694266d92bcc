"""The claims, how many trainings they take, and what training gives or takes out of domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.analysis import compare, power, wording
from bench.analysis.compare import Comparison, plain
from bench.analysis.power import Limits
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import many, strategies_of
from bench.analysis.wording import shown_interval, shown_p
from bench.deciding import claims, looks
from bench.deciding.claims import Verdict
from bench.errors import BenchError
from bench.figures.shapes import Effect, Forest, Line, Side
from bench.pages.document import Block, Figure, Fold, Heading, Table, Text
from bench.plan.protocol import Protocol
from bench.report import summary
from bench.report.summary import DOMAINS
from bench.store.scores import in_words

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
        about = [f"{v.a} - {v.b}", v.said.set_name, f"{in_words(v.said.setting)}, {v.said.measure}"]
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
    return [Fold("How many trainings it takes", [Text(said), Table(header, rows, 3)])]


def _limited(found: Limits, digits: int) -> str:
    """``.012 [.006, .05]``."""
    value, low, high = (f"{x:.{digits}f}".removeprefix("0") for x in found)
    return f"{value} [{low}, {high}]"


def primary_section(sets: Sequence[SetScores], protocol: Protocol, parts: Mapping[str, str]) -> list[Block]:
    """The answer in a sentence and a short table, the claims behind it, or what stands in the way.

    ``parts`` has the sets that are subsets of others; what the claims about them say is folded.
    """
    try:
        found = looks.verdicts(sets, protocol)
    except BenchError as error:
        return summary.without_claims(sets, f"Claims are not decided: {error}.")
    if not found:
        stops = protocol.looks
        return summary.without_claims(sets, f"The first look is at {stops.first} trainings." if stops else "")
    table = sequential_table if protocol.looks else primary_table
    leading = [v for v in found if v.said.set_name not in parts]
    folded = [v for v in found if v.said.set_name in parts]
    intervals = "intervals that hold at every look" if protocol.looks else "95 % intervals, each alone"
    alt = (
        f"claims: effects with {intervals}; dotted: the margin. An interval right of 0: better; left of 0: worse; "
        "right of the dotted line: at most the margin worse"
    )
    blocks = [
        *summary.summary(leading or found, found, protocol),
        Figure("primary", alt, _forest(leading or found, protocol)),
        Heading(2, "The claims"),
        Text(f"Margin {plain(protocol.margin)}. {_family(protocol, len(found))}"),
        table(leading or found, protocol),
    ]
    if leading and folded:
        named = ", ".join(f"{a}, a part of {b}" for a, b in parts.items() if any(v.said.set_name == a for v in folded))
        blocks.append(Text(f"{many(len(folded), 'claim')} about {named}: in the appendix."))
        blocks.append(Fold("Claims about parts of sets", [table(folded, protocol)]))
    power_ = [] if protocol.looks else power_section(leading or found)
    return [*blocks, *power_]


def _forest(found: Sequence[Verdict], protocol: Protocol) -> Forest:
    """A panel per rival, in rows of domain, set and setting."""
    pairs = list(dict.fromkeys((v.a, v.b) for v in found))[:3]
    of_row: dict[tuple[bool, str, str], dict[tuple[str, str], Effect]] = {}
    for v in sorted(found, key=lambda v: not v.far):
        key = (v.far, v.said.set_name, v.said.setting)
        of_row.setdefault(key, {})[v.a, v.b] = Effect(v.said.effect, *v.said.interval)
    return grouped(
        [((DOMAINS[far], _in_figure(name)), _setting_in_figure(setting), [by.get(pair) for pair in pairs])
         for (far, name, setting), by in of_row.items()],
        [(f"{a} - {b}", a) for a, b in pairs], "difference in the set's main measure", protocol.margin,
    )  # fmt: skip


def _in_figure(sets: str) -> str:
    names = sets.split(", ")
    return names[0] if len(names) == 1 else f"mean of {len(names)} sets"


def _setting_in_figure(setting: str) -> str:
    """One setting by its name, several in short."""
    return (
        in_words(setting) if "," not in setting else " + ".join(in_words(s).split(" ")[0] for s in setting.split(", "))
    )


Row = tuple[tuple[str, str], str, Sequence[Effect | None]]


def grouped(rows: Sequence[Row], sides: Sequence[tuple[str, str]], label: str, margin: float) -> Forest:
    """A forest whose rows are told by domain and set once, and by their setting."""
    lines: list[Line] = []
    effects: list[list[Effect | None]] = []
    above: tuple[str, str] = ("", "")
    for (domain, name), setting, found in rows:
        headings = [domain] if domain != above[0] else []
        headings += [name] if (domain, name) != above else []
        lines += [*(Line(heading, True) for heading in headings), Line(setting)]
        effects += [*(list[Effect | None]([None] * len(sides)) for _ in headings), list(found)]
        above = (domain, name)
    columns = [tuple(row[i] for row in effects) for i in range(len(sides))]
    made = tuple(Side(title, strategy, of) for (title, strategy), of in zip(sides, columns, strict=True))
    return Forest(tuple(lines), made, label, margin)


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


def primary_table(found: Sequence[Verdict], protocol: Protocol) -> Table:
    """Every claim with effect, interval, the two facts, and how it ends; levels are in the leaderboards."""
    at = _at(found, protocol)
    header = ("", "sets", "setting", "A - B", "95 % interval", "against 0, alone", f"{at}, alone",
              "claim, in the family", "p", "ends")  # fmt: skip
    rows = [
        [f"{v.a} - {v.b}", c.set_name, f"{in_words(c.setting)}, {c.measure}", f"{c.effect:+.4f}",
         shown_interval(c.interval), c.against_zero, c.at_margin, _claimed(v), shown_p(v.p), v.end]
        for v in found for c in [v.said]
    ]  # fmt: skip
    clusters = sorted({v.said.clusters for v in found})
    caption = (
        f"{many(found[0].effect.trainings, 'paired seed')}; {clusters[0]:,} to {clusters[-1]:,} parallel questions per "
        f"row. {wording.population([v.said for v in found])} p: of each claim, one-sided, adjusted over the family "
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
        [f"{v.a} - {v.b}", c.set_name, f"{in_words(c.setting)}, {c.measure}",
         f"{v.effect.trainings}{f' (+{v.overrun})' if v.overrun else ''}", f"{c.effect:+.4f}",
         shown_interval(c.interval), c.against_zero, c.at_margin, _claimed(v), v.end]
        for v in found for c in [v.said]
    ]  # fmt: skip
    last = max(v.effect.trainings + v.overrun for v in found)
    looked = f"after {stops.first}" if last == stops.first else f"after each of {stops.first} to {last}"
    caption = (
        f"Looks at the trainings in the order of their seeds, {looked} of at most {len(stops.seeds)} of each strategy "
        "(looks.jsonl). A claim ends at the first look that shows or refutes it; trainings in brackets are beyond that "
        "look and count for nothing, whenever they were run. Intervals are those at the "
        f"level of the claim and its look ({stops.spending} spending of .025 on each side, shared by weight), so that "
        "in 39 of 40 such experiments no claim is shown that is false. An effect that stopped a run early is likely to "
        "be smaller than it looks."
    )
    return Table(header, rows, 3, caption)


def out_of_domain(sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """What each training gives or takes from the untrained base where its data do not reach."""
    title = "Out of domain, against the untrained base"
    far = [of for of in sets if of.name in protocol.out_of_domain]
    if not far:
        named = ", ".join(protocol.out_of_domain)
        why = f"of those the protocol names ({named}) none was scored" if named else "the protocol names no such set"
        return [Fold(title, [Text(f"Transfer is not judged: {why}.")])]
    found: list[tuple[str, Comparison]] = []
    for of in far:
        for name, cells in strategies_of(of).items():
            if cells[0].config.trained and any(c.label == "untrained" for c in of.cells):
                found += [(name, c) for c in compare.compare_on([of], cells, "untrained", protocol.margin)]
    found = list(zip([name for name, _ in found], compare.adjusted([c for _, c in found]), strict=True))
    if not found:
        why = "the untrained base was not scored ('--baselines untrained')"
        return [Fold(title, [Text(f"Transfer is not judged: {why}.")])]
    rows = [[name, *row] for (name, _), row in zip(found, wording.as_rows([c for _, c in found]), strict=True)]
    said = (
        "A: a strategy, B: the untrained base. Does training degrade transfer? Exploratory; strategies against each "
        f"other out of domain are among the claims. {wording.basis([c for _, c in found])}"
    )
    alt = "out of domain: each strategy minus the untrained base with 95 % intervals; dotted: the margin"
    table = Table(("strategy", *wording.header(protocol.margin)), rows, 3)
    return [Fold(title, [Text(said), Figure("out-of-domain", alt, _from_base(found, protocol)), table])]


def _from_base(found: Sequence[tuple[str, Comparison]], protocol: Protocol) -> Forest:
    """A panel for each of the first three strategies, those of the protocol before others."""
    first = [name.split("(")[0] for name in protocol.strategies]
    names = sorted(dict.fromkeys(name for name, _ in found), key=lambda n: n not in first)[:3]
    of_row: dict[tuple[str, str], dict[str, Effect]] = {}
    for name, c in found:
        of_row.setdefault((c.set_name, c.setting), {})[name] = Effect(c.effect, *c.interval)
    rows = [(("out of domain", s), in_words(x), [by.get(n) for n in names]) for (s, x), by in of_row.items()]
    return grouped(rows, [(name, name) for name in names], "difference to the untrained base", protocol.margin)
