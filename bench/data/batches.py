"""A strategy's batches, each checked, with their audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bench import randomness
from bench.errors import BenchError
from strategies.contract import Batch, Pool, Strategy


@dataclass
class Audit:
    """What a strategy actually drew: written beside every cell as batches.json."""

    langs: tuple[str, ...]
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    sources: Counter[int] = field(default_factory=Counter)
    same_group: int = 0
    steps: int = 0
    rows: int = 0
    mono_batches: int = 0
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, batch: Batch, pool: Pool) -> None:
        """Count one batch."""
        self.pairs.update(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True))
        self.sources.update(pool.source[batch.item].tolist())
        self.same_group += len(batch.item) - len(np.unique(pool.group[batch.item]))
        self.mono_batches += int((batch.q_lang == batch.d_lang).all() and len(np.unique(batch.q_lang)) == 1)
        self.steps += 1
        self.rows += len(batch.item)
        for part in batch:
            self._digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())

    def summary(self) -> dict[str, object]:
        """As stored: rows per language pair, rows per source, same-group rows (0), digest of the whole schedule."""
        return {
            "steps": self.steps,
            "rows": self.rows,
            "pairs": {f"{self.langs[q]}>{self.langs[d]}": n for (q, d), n in sorted(self.pairs.items())},
            "sources": {str(s): n for s, n in sorted(self.sources.items())},
            "mono_batches": self.mono_batches,
            "same_group_rows": self.same_group,
            "sha256": self._digest.hexdigest(),
        }


def schedule(
    strategy: Strategy, pool: Pool, batch_size: int, steps: int, seed: int, audit: Audit,
    early: Callable[[Batch], object] | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """The strategy's batches, each checked before it is used: a plugin's mistake ends the run, not the comparison.

    ``audit`` has seen a batch when it is yielded; ``early`` is told of it one batch before.
    """
    rng = randomness.generator(seed, "batches")
    drawn = _checked(strategy, pool, batch_size, steps, strategy.batches(pool, batch_size, steps, rng))
    for batch in drawn if early is None else _one_ahead(drawn, early):
        audit.add(batch, pool)
        yield batch
    if audit.steps != steps:
        raise BenchError(f"{strategy!r} ended after {audit.steps} batches; a strategy yields exactly {steps}")


def _checked(strategy: Strategy, pool: Pool, batch_size: int, steps: int, batches: Iterator[Batch]) -> Iterator[Batch]:
    for step, batch in enumerate(batches):
        if step == steps:
            return
        _check(strategy, batch, pool, batch_size, step)
        yield batch


def _one_ahead(batches: Iterator[Batch], early: Callable[[Batch], object]) -> Iterator[Batch]:
    before: Batch | None = None
    for batch in batches:
        early(batch)
        if before is not None:
            yield before
        before = batch
    if before is not None:
        yield before


def _check(strategy: Strategy, batch: Batch, pool: Pool, batch_size: int, step: int) -> None:
    def refuse(rule: str) -> None:
        raise BenchError(f"{strategy!r}, batch {step}: {rule}. 'python -m bench check strategy' names the property.")

    if not isinstance(batch, Batch):
        refuse(f"a strategy yields strategies.Batch, not {type(batch).__name__}")
    for name, part, bound in zip(batch._fields, batch, (pool.n_items, len(pool.langs), len(pool.langs)), strict=True):
        if not isinstance(part, np.ndarray) or part.shape != (batch_size,) or not np.issubdtype(part.dtype, np.integer):
            refuse(f"{name} is an integer array of shape ({batch_size},), got {getattr(part, 'shape', type(part))}")
        if part.min() < 0 or part.max() >= bound:
            refuse(f"{name} lies in 0..{bound - 1}, got {part.min()}..{part.max()}")
    if not (pool.has[batch.item, batch.q_lang] & pool.has[batch.item, batch.d_lang]).all():
        refuse("every row exists in its two languages, but one does not")
    if len(np.unique(pool.group[batch.item])) < batch_size:
        refuse("rows of one group never share a batch, but two do")
