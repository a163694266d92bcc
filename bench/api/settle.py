"""Trainings until every claim is settled: run, look, go on; and what that is likely to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from bench import processes
from bench.analysis import power
from bench.analysis.compare import plain
from bench.analysis.power import Limits, Planned
from bench.analysis.set_scores import SetScores, read_sets
from bench.analysis.wording import shown_interval
from bench.data.loading import judged_sets, load_task
from bench.deciding import claims, looks
from bench.deciding.claims import Verdict
from bench.errors import BenchError
from bench.evaluation.score_table import suffix
from bench.plan.protocol import OUT, FixedClaim, Looks, Protocol, read_protocol, require_same_protocol
from bench.plan.resolve import NO_OBJECTS, Objects
from bench.plan.settings import Plan
from bench.running.estimate import planned
from bench.running.grid import Grid, build_grid
from bench.store import locks
from bench.store.cells import LOOKS, PROTOCOL, read_cells

TRUTHS = (0.0, 0.01, 0.02, 0.03, 0.05)
"""True differences that are asked about before a run."""


def sequential(
    plan: Plan, experiment: Path, seeds: Sequence[int], say: Callable[[str], None], objects: Objects = NO_OBJECTS
) -> Plan:
    """The plan with a protocol that stops: claims about what it runs, looks at its trainings in order.

    Args:
        plan: what is run.
        experiment: its folder; if it was begun, then by this protocol.
        seeds: of the trainings in order; () for those that the protocol states, or 0 to 11.
        say: told which claims are left out.
        objects: what stands in the plan under a name that is no expression.

    Raises:
        BenchError: no claim is about strategies that are run, or the experiment was begun otherwise.
    """
    stated = plan.protocol or Protocol()
    run = {repr(objects.strategy(name)).split("(")[0] for name in plan.strategies}
    about = [c for c in stated.primary if {c.a.split("(")[0], c.b.split("(")[0]} <= run]
    if not about or (stated.claims and not {name.split("(")[0] for name in stated.strategies} <= run):
        raise BenchError(
            f"--until settled asks for strategies that claims are about: {', '.join(stated.strategies)}; run are "
            f"{', '.join(sorted(run))}. [protocol] in a preset states other claims"
        )
    left = [f"{c.a} against {c.b}" for c in stated.primary if c not in about]
    if left and not stated.claims:
        say(f"no claim is made of {', '.join(left)}: not run")
    stops = Looks(tuple(seeds)) if seeds else stated.looks or Looks()
    protocol = dataclasses.replace(stated, primary=tuple(about), looks=stops)
    require_same_protocol(experiment, protocol)
    return dataclasses.replace(plan, protocol=protocol)


def until_settled(plan: Plan, run: Callable[[Plan], Path], say: Callable[[str], None]) -> None:
    """Run one more training of each strategy until every claim is settled, or there are no more seeds.

    Args:
        plan: of ``sequential``.
        run: runs what is unfinished of a plan, and gives the experiment's folder.
        say: told how each claim stands at each look.
    """
    assert plan.protocol is not None
    assert plan.protocol.looks is not None
    stops = plan.protocol.looks
    for n in range(stops.first, len(stops.seeds) + 1):
        folder = run(dataclasses.replace(plan, seeds=stops.seeds[:n]))
        if processes.agreed(partial(_look, folder, say)):
            break
    processes.leave()


def _look(folder: Path, say: Callable[[str], None]) -> bool:
    """Whether all claims are settled after the trainings that there are; keeps the record."""
    with locks.hold(folder / LOOKS, say):
        sets = read_sets(read_cells(folder))
        found = looks.replayed(sets, sets[0].protocol)
        known = looks.require_same_record(sets, found)
        looks.keep_record(sets, found)
    for look in found[known:] or found[-1:]:
        say(f"look at {look.trainings} trainings of each strategy:")
        for claim in look.claims:
            say(f"  {titled(claim)}: {claim.said.effect:+.4f} {shown_interval(claim.said.interval)} "
                f"{claim.end or looks.GOES_ON}")  # fmt: skip
    return found[-1].settled


def titled(claim: Verdict) -> str:
    """A claim in a few words."""
    where = "out of domain" if claim.far else "in domain"
    return f"{claim.a} - {claim.b}, {where}, {claim.said.setting}"


class Expected(NamedTuple):
    """What a claim is likely to take.

    Attributes:
        claim: which.
        spread: standard deviation of the difference between trainings, with limits.
        questions: standard error that the questions give.
        trainings: for each of ``TRUTHS``, after how many it is shown with a chance of 80 %, with limits; NaN where it
            cannot be, since it is not true.
    """

    claim: FixedClaim
    spread: Limits
    questions: float
    trainings: tuple[Limits, ...]


def expected(grid: Grid, pilot: Path | None, given: Sequence[float]) -> list[Expected]:
    """What each claim of a plan is likely to take, from a pilot's trainings or from given components.

    Args:
        grid: whose protocol says when trainings stop.
        pilot: an experiment of two or more trainings on the same sets, or None.
        given: standard deviation of a difference between trainings, and of the mean over questions; () where the pilot
            says them.

    Raises:
        BenchError: the pilot says nothing of a claim.
    """
    protocol = _protocol(grid)
    stops = protocol.looks
    assert stops is not None
    pooled = len(protocol.strategies) if protocol.spread == "pooled" else 2
    found = []
    for claim in protocol.claims:
        plan = _given(given, pooled) if given else _piloted(pilot, protocol, claim)
        spread = Limits(*(plan.variance * f for f in power.factors_of(plan)))
        at = tuple(looks.likely(plan._replace(pooled=pooled), truth - claim.bound, stops, claims.ERROR * claim.weight)
                   for truth in TRUTHS)  # fmt: skip
        found.append(Expected(claim, Limits(*(v**0.5 for v in spread)), plan.questions**0.5, at))
    return found


def _protocol(grid: Grid) -> Protocol:
    """That of the experiment where it was begun; else what its first run would write."""
    if (grid.folder / PROTOCOL).is_file():
        return read_protocol(grid.folder)
    tasks = [load_task(t, grid.root, grid.plan.strict, lambda text: None) for t in grid.tasks]
    return (grid.plan.protocol or Protocol()).fixed(judged_sets(tasks, suffix(grid.plan)))


def _given(given: Sequence[float], pooled: int) -> Planned:
    spread, questions = (*given, 0.0)[:2]
    return Planned(spread**2, float("inf"), questions**2, 1000.0, pooled)


def _piloted(pilot: Path | None, protocol: Protocol, claim: FixedClaim) -> Planned:
    if pilot is None:
        raise BenchError("what trainings vary by comes from --pilot EXPERIMENT, or --components SD,SE")
    sets: list[SetScores] = read_sets(read_cells(pilot))
    plan = power.planned(claims.of_claim(sets, dataclasses.replace(protocol, sets=()), claim).effect)
    if plan is None:
        raise BenchError(f"{pilot}: says nothing of how trainings vary; it takes two of each strategy, not all equal")
    return plan


def table(found: Sequence[Expected], most: int) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text."""
    header = ["claim", "sets", "share", "SD of trainings", "SE of questions", *(f"if {plain(t)}" for t in TRUTHS)]
    rows = []
    for e in found:
        c = e.claim
        kind = "better" if c.bound == 0 else f"at most {plain(-c.bound)} worse"
        name = f"{c.a} {kind} {'than' if c.bound == 0 else 'against'} {c.b}, {', '.join(c.settings)}"
        where = f"{', '.join(c.sets)} ({'out of' if c.domain == OUT else 'in'} domain)"
        counts = [_count(n, most) if t > c.bound else "" for t, n in zip(TRUTHS, e.trainings, strict=True)]
        value, low, high = (f"{x:.4f}" for x in e.spread)
        limited = value if low == high else f"{value} [{low}, {high}]"
        rows.append([name, where, f"{c.weight:.3g}", limited, f"{e.questions:.4f}", *counts])
    return header, rows


def _count(n: Limits, most: int) -> str:
    value, low, high = (f"{x:g}" if x <= most else f">{most}" for x in n)
    return value if low == high else f"{value} [{low}, {high}]"


def likely(plan: Plan, root: Path | None, results: Path, pilot: str | None, given: Sequence[float]) -> Iterator[str]:
    """What a run until settled is likely to take, in paragraphs: its cells, trainings of each claim, and hours.

    Args:
        plan: with a protocol that stops.
        root: of local data.
        results: folder of results.
        pilot: an experiment there whose variation stands for this one's.
        given: the variation otherwise.
    """
    assert plan.protocol is not None
    assert plan.protocol.looks is not None
    stops = plan.protocol.looks
    grids = [build_grid(dataclasses.replace(plan, seeds=seeds), root, results, fetch=False)
             for seeds in (stops.seeds[: stops.first], stops.seeds)]  # fmt: skip
    yield from planned(*grids)
    yield f"\nclaims are looked at after {stops.first} to {len(stops.seeds)} trainings"
    header, rows = table(expected(grids[0], results / pilot if pilot else None, given), len(stops.seeds))
    yield "\nTrainings by which each claim is shown with a chance of 80 %, by the true difference, with 90 % limits:\n"
    yield tabulate(rows, header, tablefmt="pipe", disable_numparse=True)
