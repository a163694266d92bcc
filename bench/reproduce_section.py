"""The report's list of commands: one per table."""

from __future__ import annotations

from collections.abc import Sequence

from bench.document import Block, Heading, Table, Text
from bench.leaderboard import has_pool
from bench.protocol import Protocol
from bench.values import SetScores


def reproduce_section(name: str, sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """What makes each table from the stored results; the signature has the commands that made the results."""
    rows = [["this page, its figures and the primary family", f"`python -m bench report {name}`"]]
    for a, b in dict.fromkeys((claim.a, claim.b) for claim in protocol.primary):
        margin = "" if protocol.margin == 0.01 else f" --margin {protocol.margin:g}"
        rows.append(
            [
                f"{a} against {b}, every set and setting",
                f"`python -m bench compare {a} {b} --experiment {name}{margin}`",
            ]
        )
    for of in sets:
        rows.append([f"{of.name}", f"`python -m bench leaderboard {name} --set {of.name}`"])
        if has_pool(of):
            rows.append([f"{of.name}: language bias", f"`python -m bench leaderboard {name} --set {of.name} --bias`"])
    said = "From the stored results; the commands that made these are in the signature."
    return [Heading(2, "Reproduce"), Text(said), Table(("table", "command"), rows, 2)]
