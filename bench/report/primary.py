"""The question, the answer, how many trainings it takes; out of domain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.analysis import compare, statistics
from bench.analysis.compare import Comparison
from bench.analysis.means import clustered
from bench.analysis.set_scores import SetScores, cells_of
from bench.analysis.strategies import find, many, paired, strategies_of
from bench.errors import BenchError
from bench.plan.protocol import Claim, Protocol
from bench.report import plots
from bench.report.document import Block, Figure, Heading, Table, Text

PLANNED = (3, 5, 10, 20)
"""Trainings of each strategy that are asked about, as far as they are more than were run."""


def power_section(found: Sequence[tuple[Claim, Comparison]], sets: Sequence[SetScores]) -> list[Block]:
    """The smallest detectable difference by number of trainings; [] after one, which says nothing of others."""
    have = found[0][1].seeds
    planned = [n for n in PLANNED if n > have]
    if have < 2 or not planned:
        return []
    by_name = {of.name: of for of in sets}
    cells = cells_of(sets)
    rows = []
    for claim, c in found:
        of = by_name[c.set_name]
        pairs = paired(find(cells, claim.a), find(cells, claim.b))
        seen = clustered(of, pairs, c.measure, of.layout.rows_of(c.setting))
        spread = np.sqrt(statistics.variance(seen).seeds * len(pairs))
        with_ = [f"{statistics.detectable_with(n, seen):.4f}" for n in planned]
        rows.append([f"{claim.a} - {claim.b}", of.name, f"{c.setting} {c.measure}", f"{spread:.4f}", *with_])
    header = ("", "set", "setting", "SD between trainings", *(f"{n} trainings" for n in planned))
    said = (
        "The smallest difference that so many paired trainings would find with 80 % power on the same number of "
        f"questions, if they vary as the {have} that were run. That spread is itself estimated from few: these are "
        "rough numbers, for planning."
    )
    return [Heading(3, "How many trainings it takes"), Text(said), Table(header, rows, 3)]


Decided = list[tuple[Claim, Comparison]]


def primary_section(sets: Sequence[SetScores], protocol: Protocol, folder: Path) -> list[Block]:
    """The question, an answer per rival, and the table behind it, or what stands in its way."""
    title = Heading(2, "The question and the answer")
    try:
        found = compare.primary(sets, protocol)
    except BenchError as error:
        return [title, Text(f"Not decided: {error}.")]
    if not found:
        return []
    asked = (
        "Question: how much does hybrid training cost against training with one objective, in domain and out of it? "
        f"Margin {protocol.margin:g}; the primary family was fixed with the first run."
    )
    lines = [f"- {_answer(a, b, found, protocol)}" for a, b in dict.fromkeys((c.a, c.b) for c, _ in found)]
    blocks: list[Block] = [title, Text(asked), Text("\n".join(lines)), primary_table(found, protocol)]
    effects = [
        plots.Effect(f"{claim.a} - {claim.b}, {c.set_name} {c.setting}", c.effect, *c.interval,
                     c.set_name in protocol.out_of_domain) for claim, c in found
    ]  # fmt: skip
    alt = (
        "primary family: effects with 95 % intervals; dotted: the margin; diamonds: sets out of domain. An interval "
        "right of 0 is superior, right of the dotted line non-inferior"
    )
    file = plots.forest(effects, "difference in the set's main measure", protocol.margin, folder / "primary")
    return [*blocks, Figure(file, alt), *power_section(found, sets)]


def _answer(a: str, b: str, found: Decided, protocol: Protocol) -> str:
    """One line: how many claims hold, and in each domain and setting the effects and verdicts."""
    mine = [c for claim, c in found if (claim.a, claim.b) == (a, b)]
    parts = []
    for far in (False, True):
        of_domain = [c for c in mine if (c.set_name in protocol.out_of_domain) == far]
        settings = list(dict.fromkeys(c.setting for c in of_domain))
        said = "; ".join(_range([c for c in of_domain if c.setting == s]) for s in settings)
        parts += [f"**{'Out of' if far else 'In'} domain**: {said}."] if said else []
    if mine[0].seeds == 1:
        warned = "What another training would give cannot be concluded (run --seeds 0,1,2 or more)."
        return f"{a} against {b}, one training each, so about these two models only. {' '.join(parts)} {warned}"
    held = sum(c.holds for c in mine)
    return f"{a} against {b}, {held} of {len(mine)} claims hold. {' '.join(parts)}"


def _range(found: Sequence[Comparison]) -> str:
    """Least and largest effect in one setting over sets, with the verdicts."""
    effects = sorted({f"{c.effect:+.3f}" for c in found}, key=float)
    verdicts = [c.verdict for c in found]
    counted = ", ".join(
        f"{v} ({many(verdicts.count(v), 'set')})" if len(found) > 1 else v for v in dict.fromkeys(verdicts)
    )
    shown = effects[0] if len(effects) == 1 else f"{effects[0]} to {effects[-1]}"
    return f"{found[0].setting} {shown} {counted}"


PRIMARY_HEADER = ("", "set", "setting", "A", "B", "A - B", "95 % interval", "verdict", "claim", "holds", "p (claim)",
          "p (Holm)", "p (flips)", "detectable", "seed share")  # fmt: skip


def primary_table(found: Decided, protocol: Protocol) -> Table:
    """Every claim with effect, interval, p values and verdict."""
    rows = []
    for claim, c in found:
        one = c.seeds == 1
        rows.append([
            f"{claim.a} - {claim.b}", c.set_name, f"{c.setting} {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}",
            f"{c.effect:+.4f}", f"[{c.interval.low:+.4f}, {c.interval.high:+.4f}]", c.verdict, c.claim,
            "open: one seed" if one else "yes" if c.holds else "no",
            *(compare.shown_p(p) for p in (c.p_claim, c.p_holm, c.p)),
            f"{c.detectable:.4f}", "" if one else f"{c.seed_share:.0%}",
        ])  # fmt: skip
    first = found[0][1]
    clusters = sorted({c.clusters for _, c in found})
    trainings = "these two models" if first.seeds == 1 else "new trainings"
    caption = (
        f"{many(first.seeds, 'paired seed')}; {clusters[0]:,} to {clusters[-1]:,} parallel "
        f"questions per set. Intervals and p (claim) speak for {trainings} and new questions of the same kind; "
        f"p (flips) for these trained models. A claim is that A is better (superior) or at most {protocol.margin:g} "
        "worse (non-inferior); it holds where its one-sided p, adjusted over the whole table (Holm), is below .025. "
        "detectable: the least difference found with 80 % power. seed share: of the variance of the effect."
    )
    return Table(PRIMARY_HEADER, rows, 3, caption)


def out_of_domain(sets: Sequence[SetScores], protocol: Protocol, folder: Path) -> list[Block]:
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
            if cells[0].config["trained"] and any(c.label == "untrained" for c in of.cells):
                found += [(name, c) for c in compare.compare_on([of], cells, "untrained", protocol.margin)]
    if not found:
        return [title, Text("Transfer is not judged: the untrained base was not scored ('--baselines untrained').")]
    rows = [[name, *row] for (name, _), row in zip(found, compare.as_rows([c for _, c in found]), strict=True)]
    said = (
        "Each strategy minus the untrained base: does training degrade transfer? inferior: by more than the margin of "
        f"{protocol.margin:g}. Exploratory; strategies against each other out of domain are in the primary family."
    )
    effects = [plots.Effect(f"{name}, {c.set_name} {c.setting}", c.effect, *c.interval, True) for name, c in found]
    file = plots.forest(effects, "difference to the untrained base", protocol.margin, folder / "out-of-domain")
    alt = "out of domain: each strategy minus the untrained base with 95 % intervals; dotted: the margin"
    return [title, Text(said), Table(("strategy", *compare.HEADER), rows, 3), Figure(file, alt)]
