"""A strategy's batches, each checked, with their audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import randomness
from bench.errors import BenchError
from strategies.contract import NEEDS, Batch, Pool, Strategy, Vectors, windows


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
    _same_source: float = 0.0
    _similarity: list[float] = field(default_factory=list)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, batch: Batch, pool: Pool) -> None:
        """Count one batch."""
        self.pairs.update(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True))
        self.sources.update(pool.source[batch.item].tolist())
        self.same_group += len(batch.item) - len(np.unique(pool.group[batch.item]))
        self.mono_batches += int((batch.q_lang == batch.d_lang).all() and len(np.unique(batch.q_lang)) == 1)
        self._same_source += share_of_pairs(pool.source[batch.item])
        if pool.vectors is not None:
            self._similarity.append(mean_similarity(pool.vectors[batch.item], pool.group[batch.item]))
        self.steps += 1
        self.rows += len(batch.item)
        for part in batch:
            self._digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())

    def summary(self) -> dict[str, object]:
        """As stored: rows per language pair, rows per source, same-group rows (0), digest of the whole schedule.

        Where there are several sources, the share of a row's negatives that are of its source; where items have
        vectors, the mean similarity of two rows that are each other's negatives, by the encoder before training.
        """
        found: dict[str, object] = {
            "steps": self.steps,
            "rows": self.rows,
            "pairs": {f"{self.langs[q]}>{self.langs[d]}": n for (q, d), n in sorted(self.pairs.items())},
            "sources": {str(s): n for s, n in sorted(self.sources.items())},
            "mono_batches": self.mono_batches,
            "same_group_rows": self.same_group,
            "sha256": self._digest.hexdigest(),
        }
        if len(self.sources) > 1:
            found["same_source"] = self._same_source / max(self.steps, 1)
        if self._similarity:
            found["similarity"] = float(np.mean(self._similarity))
        return found


def share_of_pairs(labels: NDArray[np.int64]) -> float:
    """Share of the ordered pairs of different rows that have one label; labels are (B,)."""
    n, counts = len(labels), np.unique(labels, return_counts=True)[1]
    return float((counts * (counts - 1)).sum() / max(n * (n - 1), 1))


def mean_similarity(vectors: NDArray[np.float32], group: NDArray[np.int64]) -> float:
    """Mean cosine of two rows of different groups; unit vectors (B, dim) and groups (B,)."""
    other = group[:, None] != group[None, :]
    return float((vectors @ vectors.T)[other].mean()) if other.any() else 0.0


class Refresh:
    """Carries a strategy that follows the model through a training, and through checkpoints of it.

    A checkpoint keeps the vectors of the stretch it falls into and the batches drawn so far: what was drawn before that
    stretch is repeated from these, what is in it is drawn again from those.
    """

    def __init__(self) -> None:
        self._encode: Callable[[], Vectors] | None = None
        self._window, self._vectors = 0, np.empty((0, 0), np.float32)
        self.batches: list[Batch] = []
        self._restored: list[Batch] = []

    def follow(self, encode: Callable[[], Vectors]) -> None:
        """Have vectors made by ``encode`` when they are due."""
        self._encode = encode

    def draw(
        self,
        strategy: Strategy,
        pool: Pool,
        batch_size: int,
        steps: int,
        generator: Callable[[int], np.random.Generator],
    ) -> Iterator[Batch]:
        """The batches of a training, the restored ones first."""
        done = len(self._restored) // strategy.refresh_every * strategy.refresh_every
        before = self._restored[:done]
        drawn = np.bincount(np.concatenate([b.item for b in before]), minlength=pool.n_items) if before else None

        def vectors(window: int) -> Vectors | None:
            if window == 0:
                return pool.vectors
            if window != self._window or not self._vectors.size:
                if self._encode is None:
                    raise BenchError(f"{strategy!r} follows the model: behind a refresh it draws in training alone")
                self._window, self._vectors = window, self._encode()
            return self._vectors

        first = done // strategy.refresh_every
        made = windows(strategy, pool, batch_size, steps, generator, vectors, first, drawn)
        for batch in chain(before, made):
            self.batches.append(batch)
            yield batch

    def state(self) -> dict[str, NDArray[Any]]:
        """What ``restore`` takes: the batches so far, (steps, 3, B), and the vectors that the last ones came of."""
        window = np.array([self._window], np.int64)
        return {"batches": stacked(self.batches), "window": window, "vectors": self._vectors}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint."""
        self._window, self._vectors = int(state["window"][0]), state["vectors"]
        self._restored = [Batch(*rows) for rows in state["batches"]]


def stacked(batches: Sequence[Batch]) -> NDArray[np.int64]:
    """int64, (steps, 3, B): item, query language and passage language of every row."""
    return np.array([np.stack(batch) for batch in batches], np.int64)


def schedule(
    strategy: Strategy, pool: Pool, batch_size: int, steps: int, seed: int, audit: Audit,
    early: Callable[[Batch], object] | None = None, refresh: Refresh | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """The strategy's batches, each checked before it is used: a plugin's mistake ends the run, not the comparison.

    ``audit`` has seen a batch when it is yielded; ``early`` is told of it one batch before. A strategy sees of the pool
    what it says it needs; one that follows the model is carried by ``refresh``.
    """

    def generator(window: int) -> np.random.Generator:
        return randomness.generator(seed, "batches", *([f"refresh {window}"] if window else []))

    missing = [name for name in strategy.needs if getattr(pool, name, None) is None]
    if missing:
        raise BenchError(f"{strategy!r} needs {missing[0]}, which are made when it is trained; they are not here")
    vectors, lengths = (getattr(pool, name) if name in strategy.needs else None for name in NEEDS)
    seen = replace(pool, vectors=vectors, lengths=lengths)
    if strategy.refresh_every:
        made = (refresh or Refresh()).draw(strategy, seen, batch_size, steps, generator)
    else:
        made = strategy.batches(seen, batch_size, steps, generator(0))
    drawn = _checked(strategy, pool, batch_size, steps, made)
    for batch in drawn if early is None or strategy.refresh_every else _one_ahead(drawn, early):
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
    groups = len(np.unique(pool.group[batch.item]))
    if groups < batch_size and not strategy.repeats_groups:
        refuse("rows of one group never share a batch, but two do")
    if groups < 2:
        refuse("a batch has two groups at least, but all rows are of one: none has a negative")
