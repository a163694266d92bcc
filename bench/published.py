"""Published numbers beside measured ones: facts with their source, never a target."""

from __future__ import annotations

import json
from pathlib import Path

from bench.document import Block, Heading, Table
from bench.leaderboard import leaderboard
from bench.protocol import SETTINGS
from bench.values import SetScores

FILE = Path(__file__).parent / "published.json"

COLUMNS = {"mAP": "AP", "nDCG@10": "nDCG@10"}
"""The published measures that are compared, and their names here."""

OURS = {"X-X-mono": "mono", "X-Y": "cross", "Hybrid": "hybrid"}
"""Published strategies by their names here."""

NOT_COMPARABLE = (
    "Published: XLM-R and LaBSE, trained on translated question-answer collections. Measured here: the model and data "
    "of the signature. So levels are not comparable, only the order and the sign of differences"
)


def published(of: SetScores) -> list[Block]:
    """A table for sets that have published numbers, on the same queries and passages; else []."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    tables = [t for t in stored["tables"] if t["set"] == of.stored and COLUMNS.get(t["measure"]) == of.main]
    if not tables:
        return []
    measured = {r.label.split("(")[0]: r.mean for r in reversed(leaderboard(of, of.main))}
    rows = [[f"published, {t['model']}", t["setting"], *(f"{t['mean'][name]:.3f}" for name in OURS)] for t in tables]
    for setting in SETTINGS:
        found = [measured.get(name, {}).get(setting) for name in OURS.values()]
        if any(v is not None and v == v for v in found):
            rows.append(["measured here", setting, *("" if v is None else f"{v:.3f}" for v in found)])
    rows.sort(key=lambda row: SETTINGS.index(row[1]))
    header = ["", f"mean {of.main}", *(f"{ours} ({theirs})" for theirs, ours in OURS.items())]
    return [
        Heading(3, f"{of.name}: published numbers"),
        Table(header, rows, 2, f"{stored['source']}. {NOT_COMPARABLE}."),
    ]
