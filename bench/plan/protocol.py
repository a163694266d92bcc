"""What an experiment decides, fixed before it runs: claims and margin."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.store import json_files
from bench.store.cells import PROTOCOL
from bench.store.json_files import typed
from bench.store.scores import SETTINGS


@dataclass(frozen=True)
class Claim:
    """Something to be decided on every set: ``a`` is better than ``b``, or at most the margin worse.

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
class Protocol:
    """How an experiment is judged. Everything that is not in the primary family is exploratory.

    Attributes:
        margin: how much worse is still not worse, in the measure's unit, absolute.
        primary: the claims that the report leads with, corrected together (Holm).
        out_of_domain: sets whose domain no training source has; they get a section of their own.
    """

    margin: float = 0.01
    primary: tuple[Claim, ...] = (
        Claim("hybrid", "mono", ("cross", "multi"), ("mono",)),
        Claim("hybrid", "cross", ("mono",), ("cross", "multi")),
    )
    out_of_domain: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise BenchError(f"margin is a difference of the measure, at least 0 and below 1; got {self.margin}")

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that claims are about: the spread of their trainings is pooled."""
        return tuple(dict.fromkeys(name for claim in self.primary for name in (claim.a, claim.b)))


def read_protocol(experiment: Path) -> Protocol:
    """An experiment's protocol; the default where none was written.

    Raises:
        BenchError: a field is unknown or of another type.
    """
    path = experiment / PROTOCOL
    return typed(Protocol, json_files.read_json(path), str(path)) if path.is_file() else Protocol()


def require_same_protocol(experiment: Path, stated: Protocol | None) -> None:
    """Refuse to judge an experiment otherwise than it began.

    Raises:
        BenchError: another protocol is stated than the first run wrote.
    """
    if stated is not None and (experiment / PROTOCOL).is_file() and stated != read_protocol(experiment):
        raise BenchError(
            f"margin and primary family are fixed before the first run, and {experiment / PROTOCOL} has others; name "
            "another --experiment, or delete that file and say in the note why"
        )


def keep_protocol(experiment: Path, stated: Protocol | None) -> None:
    """Write the protocol with the first run; afterwards it stands."""
    require_same_protocol(experiment, stated)
    if not (experiment / PROTOCOL).is_file():
        json_files.write_json(experiment / PROTOCOL, dataclasses.asdict(stated or Protocol()))
