"""What an experiment decides, fixed before it runs: sets, claims, margin, and when trainings stop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.store import json_files
from bench.store.cells import PROTOCOL
from bench.store.json_files import typed
from bench.store.scores import SETTINGS

IN, OUT = "in", "out"
"""Domains: that of some training source, or of none."""


POOLED, PAIR = "pooled", "pair"
"""The spread of trainings: of all strategies that claims name, or of the two that are compared."""


OBRIEN_FLEMING = "O'Brien-Fleming"


@dataclass(frozen=True)
class Claim:
    """A question: ``a`` is better than ``b`` in some settings, and at most the margin worse in others.

    Attributes:
        a: a strategy.
        b: another one.
        superior: settings in which ``a`` is claimed to be better.
        non_inferior: settings in which it is claimed to be at most the margin worse.
    """

    a: str
    b: str
    superior: tuple[str, ...] = ()
    non_inferior: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = (*self.superior, *self.non_inferior)
        unknown = [s for s in named if s not in SETTINGS]
        if unknown or len(set(named)) < len(named) or not named:
            raise BenchError(
                f"a claim names each of {', '.join(SETTINGS)} at most once, as superior or non_inferior; got {named}"
            )


@dataclass(frozen=True)
class JudgedSet:
    """An evaluation set as it was when the protocol was fixed.

    Attributes:
        name: of the set.
        data: its task, the task's version, and a digest of the files' checksums.
        measure: that claims are about.
        settings: those of mono, cross and multi that it has.
        domain: ``in`` or ``out``.
        part_of: the set whose questions it repeats, all or some of them; such a set counts in no claim.
    """

    name: str
    data: str
    measure: str
    settings: tuple[str, ...]
    domain: str = IN
    part_of: str = ""


@dataclass(frozen=True)
class FixedClaim:
    """One claim of the family: the mean over sets, and over settings in each, of ``a`` - ``b`` is above ``bound``.

    Attributes:
        a: a strategy.
        b: another one.
        domain: of the sets.
        sets: that are averaged.
        settings: that are averaged in each set, as far as it has them.
        bound: 0, or minus the margin: the protocol's, or one of its own.
        weight: its share of the family's error; the shares sum to one.
    """

    a: str
    b: str
    domain: str
    sets: tuple[str, ...]
    settings: tuple[str, ...]
    bound: float
    weight: float

    def __post_init__(self) -> None:
        known = self.domain in (IN, OUT) and set(self.settings) <= set(SETTINGS)
        once = all(names and len(set(names)) == len(names) for names in (self.sets, self.settings))
        if not known or not once or not -1 < self.bound <= 0:
            raise BenchError(
                f"a claim has the domain {IN} or {OUT}, names sets, and some of {', '.join(SETTINGS)}, each once, "
                f"and a bound of 0 or minus its margin; got {self.domain!r:.80}, {self.sets}, {self.settings}, "
                f"{self.bound:g}"
            )


@dataclass(frozen=True)
class Looks:
    """When trainings stop (``run --until settled``).

    Attributes:
        seeds: of the trainings, in order; there are at most as many.
        first: trainings at the first look.
        spending: how the error is spread over looks.
    """

    seeds: tuple[int, ...] = tuple(range(12))
    first: int = 3
    spending: str = OBRIEN_FLEMING

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds) or not 3 <= self.first <= len(self.seeds) <= 100:
            raise BenchError(
                "trainings are looked at from the third on, at most after 100, and each has its own seed; got first "
                f"{self.first}, seeds {', '.join(map(str, self.seeds))}"
            )
        if self.spending != OBRIEN_FLEMING:
            raise BenchError(f"the error is spent as {OBRIEN_FLEMING} do; got {self.spending!r:.80}")


@dataclass(frozen=True)
class Protocol:
    """How an experiment is judged. Everything that is not in the primary family is exploratory.

    Attributes:
        margin: how much worse is still not worse, in the measure's unit, absolute.
        primary: the questions that the report leads with.
        out_of_domain: sets whose domain no training source has; they get a section of their own.
        spread: of trainings, ``pooled`` or the ``pair``'s own.
        looks: when trainings stop; None where their number is given.
        edition: 1 for experiments that were begun before sets and claims were fixed: their claims are every setting of
            every set.
        sets: as the first run found them; () where nothing was fixed.
        claims: about them; made of ``primary`` unless given.
    """

    margin: float = 0.01
    primary: tuple[Claim, ...] = (
        Claim("hybrid", "mono", ("cross", "multi"), ("mono",)),
        Claim("hybrid", "cross", ("mono",), ("cross", "multi")),
    )
    out_of_domain: tuple[str, ...] = ()
    spread: str = POOLED
    looks: Looks | None = None
    edition: int = 2
    sets: tuple[JudgedSet, ...] = ()
    claims: tuple[FixedClaim, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise BenchError(f"margin is a difference of the measure, at least 0 and below 1; got {self.margin}")
        if self.spread not in (POOLED, PAIR):
            raise BenchError(f"spread is {POOLED} or {PAIR}; got {self.spread!r:.80}")
        if self.edition not in (1, 2):
            raise BenchError(f"a protocol's edition is 1 or 2; got {self.edition}")
        weights = [claim.weight for claim in self.claims]
        if weights and (min(weights) <= 0 or abs(sum(weights) - 1) > 1e-9):
            raise BenchError(f"the weights of claims are positive and sum to one; got {', '.join(map(str, weights))}")

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that claims are about: the spread of their trainings is pooled."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in pair))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of strategies that claims are about."""
        return tuple(dict.fromkeys((claim.a, claim.b) for claim in self.claims or self.primary))

    def fixed(self, sets: Sequence[JudgedSet]) -> Protocol:
        """With these sets, each in its domain, and the claims about them: one for each question and domain.

        A question is what is claimed of a pair: that one is better in some settings, or at most the margin worse in
        others. Sets that repeat the questions of another one count in no claim. Claims that are given stand as they
        are.

        Raises:
            BenchError: a given claim is about a set that is not here, or in another domain or setting.
        """
        placed = tuple(
            dataclasses.replace(of, domain=OUT if of.name in self.out_of_domain else IN)
            for of in sorted(sets, key=lambda of: of.name)
        )
        if self.claims:
            _require_sets(self.claims, placed)
            return dataclasses.replace(self, sets=placed)
        found = [
            FixedClaim(question.a, question.b, domain, names, settings, bound, 1.0)
            for question in self.primary
            for settings, bound in ((question.superior, 0.0), (question.non_inferior, -self.margin))
            for domain in (IN, OUT)
            if (names := _counting(placed, domain, settings))
        ]
        shared = tuple(dataclasses.replace(claim, weight=1 / len(found)) for claim in found)
        return dataclasses.replace(self, sets=placed, claims=shared)


def _require_sets(claims: Sequence[FixedClaim], sets: Sequence[JudgedSet]) -> None:
    there = {of.name: of for of in sets}
    for claim, name in ((of, name) for of in claims for name in of.sets):
        about = f"a claim of {claim.a} against {claim.b} is about {name} ({claim.domain})"
        if name not in there:
            raise BenchError(f"{about}; the tasks have {', '.join(there)}")
        of = there[name]
        if of.domain != claim.domain or not set(of.settings) & set(claim.settings):
            raise BenchError(
                f"{about}, {', '.join(claim.settings)}; by out_of_domain it is {of.domain}, and it has "
                f"{', '.join(of.settings)}"
            )


def _counting(sets: Sequence[JudgedSet], domain: str, settings: Sequence[str]) -> tuple[str, ...]:
    """The sets of a domain that have any of these settings and repeat no other one."""
    return tuple(s.name for s in sets if s.domain == domain and not s.part_of and set(s.settings) & set(settings))


def read_protocol(experiment: Path) -> Protocol:
    """An experiment's protocol; the default, which fixes no sets, where none was written.

    Raises:
        BenchError: a field is unknown or of another type.
    """
    path = experiment / PROTOCOL
    if not path.is_file():
        return Protocol()
    return typed(Protocol, {"edition": 1, **json_files.read_json(path)}, str(path))


def digest_of(experiment: Path) -> str:
    """What stands in every cell for the protocol that it was made under; empty where none was written."""
    path = experiment / PROTOCOL
    return json_files.hash64(json_files.read_json(path)) if path.is_file() else ""


def require_same_protocol(experiment: Path, stated: Protocol | None) -> None:
    """Refuse to judge an experiment otherwise than it began.

    Raises:
        BenchError: another protocol is stated than the first run wrote.
    """
    if stated is None or not (experiment / PROTOCOL).is_file():
        return
    kept = read_protocol(experiment)
    names = ["margin", "out_of_domain"]
    names += ["spread"] if kept.edition > 1 else []
    names += [name for name in ("looks", "claims") if getattr(stated, name)]
    other = [name for name in names if getattr(stated, name) != getattr(kept, name)]
    fewer = kept.looks is not None and stated.looks is None  # claims of what was not run were left out
    same = set(kept.primary) <= set(stated.primary) if fewer else kept.primary == stated.primary
    if not stated.claims and not same:  # claims by hand come of no primary family
        other.append("primary")
    if other:
        raise BenchError(
            f"a protocol is fixed before the first run, and {experiment / PROTOCOL} has other {', '.join(other)}; name "
            "another --experiment, or delete that folder"
        )


def require_in_order(experiment: Path, seeds: Sequence[int]) -> None:
    """Refuse seeds that leave one out, where trainings are run until claims are settled.

    Raises:
        BenchError: they are not the first ones of the protocol.
    """
    looks = read_protocol(experiment).looks
    if looks is not None and tuple(seeds) != looks.seeds[: len(seeds)]:
        raise BenchError(
            f"trainings of {experiment.name} come in the order of its protocol, {', '.join(map(str, looks.seeds))}, so "
            f"that none can be left out; got seeds {', '.join(map(str, seeds))}: run it with --until settled"
        )


def keep_protocol(experiment: Path, stated: Protocol | None, sets: Sequence[JudgedSet]) -> None:
    """Write the protocol with the first run; afterwards it stands.

    Where trainings are run until claims are settled, so do its sets; else changed data are scored again, and recorded.

    Raises:
        BenchError: it would be another one, or data of one of its fixed sets are others now.
    """
    require_same_protocol(experiment, stated)
    if not (experiment / PROTOCOL).is_file():
        json_files.write_json(experiment / PROTOCOL, dataclasses.asdict((stated or Protocol()).fixed(sets)))
        return
    before = read_protocol(experiment)
    kept = {of.name: of for of in before.sets}
    if before.looks is None:
        now = {of.name: of for of in sets if of.name in kept}
        if any(kept[name] != of for name, of in now.items()):
            renewed = dataclasses.replace(before, sets=tuple(now.get(of.name, of) for of in before.sets))
            json_files.write_json(experiment / PROTOCOL, dataclasses.asdict(renewed))
        return
    for of in sets:
        if of.name in kept and (of.data, of.measure) != (kept[of.name].data, kept[of.name].measure):
            raise BenchError(
                f"{experiment / PROTOCOL} fixes {of.name} as {kept[of.name].data}, {kept[of.name].measure}; here it is "
                f"{of.data}, {of.measure}: restore these data, or name another --experiment"
            )
