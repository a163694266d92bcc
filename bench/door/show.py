"""Draws a few batches of strategies, to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.data.loading import load_training
from bench.door.picture import Panel
from bench.errors import BenchError
from bench.interop.rows import Rows, with_needs
from bench.plan import resolve
from bench.plan.settings import Plan

ENDINGS = (".svg", ".png")


def require_ending(out: Path | None) -> None:
    """Refuse a file that is not a picture's.

    Raises:
        BenchError: it ends otherwise.
    """
    if out is not None and out.suffix not in ENDINGS:
        raise BenchError(f"--out is a picture, {' or '.join(ENDINGS)}; got {str(out)!r:.200}")


def panels(
    names: Sequence[str], plan: Plan, root: Path | None, rows: int, batches: int, seed: int, say: Callable[[str], None]
) -> list[Panel]:
    """The first batches of each strategy on the plan's sources.

    Raises:
        BenchError: a name means no strategy, or the sources do not fill such a batch.
    """
    strategies = [resolve.strategy(name) for name in names]
    sources = [resolve.source(text) for text in plan.settings.train]
    data = load_training(plan, sources, root, [], say)
    found = []
    for name, strategy in zip(names, strategies, strict=True):
        needed = with_needs(strategy, data, plan.settings, seed)
        drawn = list(Rows(strategy, needed, rows, batches, seed).batches())
        found.append(Panel(name, data.pool.langs, drawn))
    return found
