"""What a person would say first: a sentence or two about the claims, and a table of at most eight rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.compare import OPEN, plain
from bench.analysis.leaderboard import leaderboard, leading
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import many
from bench.deciding import claims, looks
from bench.deciding.claims import Verdict
from bench.pages.document import Block, Table, Text
from bench.plan.protocol import Protocol
from bench.store.scores import in_words

ROWS = 8
"""Of the summary."""


DOMAINS = {True: "out of domain", False: "in domain"}

Key = Callable[[Verdict], tuple[object, ...]]

GROUPINGS: tuple[Key, ...] = (
    lambda v: (v.a, v.b, v.far, v.said.setting, v.said.set_name),
    lambda v: (v.a, v.b, v.far, v.said.setting),
    lambda v: (v.a, v.b, v.far),
    lambda v: (v.a, v.b),
    lambda v: (),
)
"""Of claims into rows, the finest first."""


def summary(found: Sequence[Verdict], family: Sequence[Verdict], protocol: Protocol) -> list[Block]:
    """A sentence for each domain, how many claims of the family are shown, and the claims in at most eight rows."""
    first = [sentence(found, far, protocol) for far in (True, False) if any(v.far == far for v in found)]
    return [Text(f"**{' '.join(first)}** {_counted(family)}"), _table(found, protocol)]


def sentence(found: Sequence[Verdict], far: bool, protocol: Protocol) -> str:
    """What the claims of one domain say: effects with both facts."""
    said: list[str] = []
    before = ""
    for a, b in dict.fromkeys((v.a, v.b) for v in found if v.far == far):
        mine = [v for v in found if (v.a, v.b, v.far) == (a, b, far)]
        clauses = [_clause(b, of, mine, protocol) for zero in ZEROS if (of := [v for v in mine if _zero(v) == zero])]
        said.append(f"{'it' if a == before else a} {', and '.join(clauses)}")
        before = a
    start = DOMAINS[far]
    return f"{start[0].upper()}{start[1:]}, {'; '.join(said)}."


ZEROS = ("better", "worse", "not told apart")


def _zero(v: Verdict) -> str:
    return v.said.against_zero


def _clause(b: str, of: Sequence[Verdict], among: Sequence[Verdict], protocol: Protocol) -> str:
    """Of claims that say the same against zero."""
    zero, where = _zero(of[0]), "" if len(of) == len(among) else _where(of, among)
    measures = {v.said.measure for v in of}
    unit = f" {measures.pop()}" if len(measures) == 1 else ""
    if zero == "not told apart":
        return f"is not told apart from {b}{where} ({_range([v.said.effect for v in of])}{unit}; {_at(of, protocol)})"
    amount = _range([abs(v.said.effect) for v in of], signed=False)
    verb, word = ("gains", "on") if zero == "better" else ("loses", "to")
    return f"{verb} {amount}{unit} {word} {b}{where} ({zero}; {_at(of, protocol)})"


def _where(of: Sequence[Verdict], among: Sequence[Verdict]) -> str:
    """What sets these claims apart from the others of their domain: settings or sets, where they are few."""
    sets, all_sets = ({v.said.set_name for v in some} for some in (of, among))
    settings, all_settings = ({v.said.setting for v in some} for some in (of, among))
    setting = f" ({in_words(next(iter(settings)))})" if len(settings) == 1 and len(all_settings) > 1 else ""
    if len(of) > 1 and not setting:
        return f" in {len(of)} comparisons"
    if len(sets) == len(all_sets):
        return setting
    return (f" on {called(next(iter(sets)))}" if len(sets) == 1 else f" in {many(len(sets), 'set')}") + setting


def called(sets: str) -> str:
    """The sets of a claim: by name, or as a mean of several."""
    names = sets.split(", ")
    return names[0] if len(names) == 1 else f"the mean of {', '.join(names[:-1])} and {names[-1]}"


def _range(effects: Sequence[float], signed: bool = True) -> str:
    shown = sorted({short_number(x) if signed else short_number(x).lstrip("+") for x in effects}, key=float)
    return shown[0] if len(shown) == 1 else f"{shown[0]} to {shown[-1]}"


def short_number(x: float) -> str:
    """Three decimals with a sign, without the leading 0: ``-.011``."""
    return f"{x:+.3f}".replace("0.", ".", 1)


def _at(of: Sequence[Verdict], protocol: Protocol) -> str:
    """What is shown at the margin, of all or of how many."""
    margins = [claims.margin_of(v.bound, protocol) for v in of]
    said = [f"at most {plain(m)} worse: open" if v.said.at_margin == OPEN else v.said.at_margin
            for v, m in zip(of, margins, strict=True)]  # fmt: skip
    if len(set(said)) == 1:
        return said[0]
    shown = sum(v.said.interval.low > -m for v, m in zip(of, margins, strict=True))
    refuted = sum(v.said.interval.high < -m for v, m in zip(of, margins, strict=True))
    at = plain(margins[0]) if len(set(margins)) == 1 else "the margin"
    worse = f", more than {at} worse: shown for {refuted}" if refuted else ""
    return f"at most {at} worse: shown for {shown} of {len(of)}{worse}"


def _counted(found: Sequence[Verdict]) -> str:
    """How many claims were shown, after how many trainings."""
    trainings = sorted({v.effect.trainings for v in found})
    if trainings == [1]:
        return (
            "One training each, so about these models only: what another training would give cannot be concluded "
            "(run --seeds 0-4)."
        )
    ends = [v.end for v in found]
    order = dict.fromkeys((claims.SHOWN, claims.REFUTED, claims.NOT_SETTLED, *ends))
    told = ", ".join(f"{ends.count(end)} {_verb(end, ends.count(end))}" for end in order if end in ends)
    after = f"{trainings[0]} to {trainings[-1]}" if len(trainings) > 1 else f"{trainings[0]}"
    return f"Of {many(len(found), 'claim')} {told}, after {after} trainings of each strategy."


def _verb(end: str, n: int) -> str:
    if end in (claims.SHOWN, claims.REFUTED, claims.NOT_SETTLED):
        return f"{'is' if n == 1 else 'are'} {end}"
    return f"{'is' if n == 1 else 'are'} not settled yet" if end == looks.GOES_ON else end


def _table(found: Sequence[Verdict], protocol: Protocol) -> Table:
    """The finest grouping that has few rows."""
    for key in GROUPINGS:
        groups: dict[tuple[object, ...], list[Verdict]] = {}
        for v in found:
            groups.setdefault(key(v), []).append(v)
        if len(groups) <= ROWS:
            break
    rows = [[_about(of), _effect(of), _told([_zero(v) for v in of]), _at(of, protocol), _told([v.end for v in of])]
            for of in groups.values()]  # fmt: skip
    return Table(("", "effect", "against 0", "at the margin", "claim"), rows, 5, _caption(found, groups), brief=True)


def _caption(found: Sequence[Verdict], groups: dict[tuple[object, ...], list[Verdict]]) -> str:
    if len(groups) == len(found):
        return "Effects with their intervals, in the sets' main measures; trainings in brackets."
    return "Effects from the least to the largest of several claims, in the sets' main measures; the claims are below."


def _about(of: Sequence[Verdict]) -> str:
    """What a row is about: as much as its claims have in common."""
    v = of[0]
    parts = [f"{a} vs {b}" for a, b in dict.fromkeys((x.a, x.b) for x in of)]
    if len({x.far for x in of}) == 1:
        parts.append(DOMAINS[v.far])
    if len(of) == 1:
        parts.append(called(v.said.set_name))
    if len({x.said.setting for x in of}) == 1:
        parts.append(in_words(v.said.setting))
    return ", ".join(parts) + (f" ({many(len(of), 'claim')})" if len(of) > 1 else "")


def _effect(of: Sequence[Verdict]) -> str:
    if len(of) > 1:
        return _range([v.said.effect for v in of])
    low, high = (short_number(x) for x in of[0].said.interval)
    return f"{short_number(of[0].said.effect)} [{low}, {high}] ({of[0].effect.trainings})"


def _told(words: Sequence[str]) -> str:
    return ", ".join(w if len(set(words)) == 1 else f"{w} {words.count(w)}" for w in dict.fromkeys(words))


def without_claims(sets: Sequence[SetScores], why: str) -> list[Block]:
    """What the first set's leaderboard says, where nothing was claimed, or nothing is decided."""
    of = sets[0]
    rows = leaderboard(of, of.main)
    column = leading(rows)
    trained = [r for r in rows if r.trained][:4]
    shown = [*trained, *(r for r in rows if r.label == "untrained"), *([] if trained else rows[:3])]
    scores = ", ".join(f"{r.label} {r.mean[column]:.3f}" for r in shown)
    few = (
        " One training each, so about these models only (run --seeds 0-4)."
        if trained and max(len(r.seeds) for r in trained) == 1 else ""
    )  # fmt: skip
    return [Text(f"**{of.name}, {in_words(column)}: {scores} {of.main}.**{few} {why}".rstrip())]
