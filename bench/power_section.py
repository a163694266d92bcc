"""The report's table for those who plan: which differences more trainings would find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench import stats
from bench.compare import Comparison, clustered, find, paired
from bench.document import Block, Heading, Table, Text
from bench.protocol import Claim
from bench.values import SetScores, cells_of

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
        spread = np.sqrt(stats.variance(seen).seeds * len(pairs))
        with_ = [f"{stats.detectable_with(n, seen):.4f}" for n in planned]
        rows.append([f"{claim.a} - {claim.b}", of.name, f"{c.setting} {c.measure}", f"{spread:.4f}", *with_])
    header = ("", "set", "setting", "SD between trainings", *(f"{n} trainings" for n in planned))
    said = (
        "The smallest difference that so many paired trainings would find with 80 % power on the same number of "
        f"questions, if they vary as the {have} that were run. That spread is itself estimated from few: these are "
        "rough numbers, for planning."
    )
    return [Heading(3, "How many trainings it takes"), Text(said), Table(header, rows, 3)]
