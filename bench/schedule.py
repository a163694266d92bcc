"""From training sets to a pool, and from a strategy to a checked schedule of batches with its audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench import seeds
from bench.errors import BenchError
from strategies.contract import Batch, Pool, Strategy
from tasks.contract import EvalSet, TrainSet


@dataclass(frozen=True, eq=False)
class TrainData:
    """The texts behind a pool: ``query[lang][item]`` and ``passage[lang][item]``, None where one is missing.

    ``negative[lang][item]`` are hard negatives; {} where no source has any.

    ``overlaps`` says what the guard against training on test data found; ``held_out`` is what training validates on.
    """

    pool: Pool
    query: dict[str, list[str | None]]
    passage: dict[str, list[str | None]]
    negative: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    overlaps: tuple[dict[str, object], ...] = ()
    held_out: tuple[EvalSet, ...] = ()

    def negatives_of(self, item: int, lang: str) -> tuple[str, ...]:
        """The hard negatives of an item in a language."""
        return self.negative[lang][item] if lang in self.negative else ()

    def queries(self, batch: Batch) -> list[str]:
        """The query text of every row."""
        return _rows(self.query, self.pool.langs, batch.item, batch.q_lang)

    def passages(self, batch: Batch) -> list[str]:
        """The passage text of every row."""
        return _rows(self.passage, self.pool.langs, batch.item, batch.d_lang)


def _rows(texts: dict[str, list[str | None]], langs: tuple[str, ...], item: np.ndarray, lang: np.ndarray) -> list[str]:
    rows = [texts[langs[code]][i] for i, code in zip(item.tolist(), lang.tolist(), strict=True)]
    return [text for text in rows if text is not None]


def combine(sets: Sequence[TrainSet], languages: Sequence[str], weights: Sequence[float] = ()) -> TrainData:
    """One pool of all items of ``sets`` in ``languages``; items and languages left with nothing drop out.

    With ``weights``, items of a source are repeated until the sources' shares are as asked; none is left out. Copies
    share a group, so they never meet in a batch.
    """
    offered = {lang for s in sets for lang in s.langs}
    langs = tuple(lang for lang in languages if lang in offered)
    if not langs:
        raise BenchError(f"no source has a training language of {list(languages)}; they have {sorted(offered)}")
    query: dict[str, list[str | None]] = {lang: [] for lang in langs}
    passage: dict[str, list[str | None]] = {lang: [] for lang in langs}
    hard = any(texts for s in sets for column in s.negative.values() for texts in column)
    negative: dict[str, list[tuple[str, ...]]] = {lang: [] for lang in langs} if hard else {}
    groups: list[np.ndarray] = []
    first_group = 0
    for s in sets:
        for lang in langs:
            query[lang] += s.query.get(lang) or [None] * len(s.group)
            passage[lang] += s.passage.get(lang) or [None] * len(s.group)
            if hard:
                negative[lang] += s.negative.get(lang) or [()] * len(s.group)
        groups.append(np.asarray(s.group, dtype=np.int64) + first_group)
        first_group += max(s.group, default=-1) + 1
    has = np.array([[t is not None for t in query[lang]] for lang in langs]).T
    source = np.repeat(np.arange(len(sets)), [len(s.group) for s in sets])
    data = _drop_empty(TrainData(Pool(langs, has, np.concatenate(groups), source), query, passage, negative))
    return _select(data, _weighted(data.pool.source, weights), data.pool.langs) if weights else data


def _weighted(source: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Items, repeated so that the shares of the sources are proportional to ``weights``; the same for every seed."""
    of = [np.flatnonzero(source == s) for s in range(len(weights))]
    empty = [str(s + 1) for s, items in enumerate(of) if not len(items)]
    if empty:
        raise BenchError(f"source number {empty[0]} has no item in the training languages, so it can have no weight")
    unit = max(len(items) / weight for items, weight in zip(of, weights, strict=True))
    rng = seeds.generator(0, "weights")
    parts = []
    for items, weight in zip(of, weights, strict=True):
        times, rest = divmod(round(weight * unit), len(items))
        parts += [np.tile(items, times), np.sort(rng.choice(items, rest, replace=False))]
    return np.concatenate(parts)


def _drop_empty(data: TrainData) -> TrainData:
    used = np.flatnonzero(data.pool.has.any(axis=0))
    return _select(data, np.flatnonzero(data.pool.has.any(axis=1)), tuple(data.pool.langs[i] for i in used))


def _select(data: TrainData, items: NDArray[np.int64], langs: tuple[str, ...]) -> TrainData:
    pool = data.pool
    query = {lang: [data.query[lang][i] for i in items] for lang in langs}
    passage = {lang: [data.passage[lang][i] for i in items] for lang in langs}
    columns = np.array([pool.langs.index(lang) for lang in langs], np.int64)
    has = np.ascontiguousarray(pool.has[np.ix_(items, columns)])
    negative = {lang: [data.negative[lang][i] for i in items] for lang in langs if lang in data.negative}
    return TrainData(Pool(langs, has, pool.group[items], pool.source[items]), query, passage, negative)


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


def schedule(strategy: Strategy, pool: Pool, batch_size: int, steps: int, seed: int, audit: Audit) -> Iterator[Batch]:
    """The strategy's batches, each checked before it is used: a plugin's mistake ends the run, not the comparison."""
    rng = seeds.generator(seed, "batches")
    for batch in strategy.batches(pool, batch_size, steps, rng):
        if audit.steps == steps:
            break
        _check(strategy, batch, pool, batch_size, audit.steps)
        audit.add(batch, pool)
        yield batch
    if audit.steps != steps:
        raise BenchError(f"{strategy!r} ended after {audit.steps} batches; a strategy yields exactly {steps}")


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
