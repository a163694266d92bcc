"""All sources as one pool with its texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bench import randomness
from bench.errors import BenchError
from bench.plan.derived import LEAST, PARALLEL_TEXTS
from strategies.contract import Batch, Ids, Pool
from tasks import TrainSet
from tasks.contract import EvalSet, Noticed
from tasks.groups import joined


def without(train: TrainSet, items: Collection[int]) -> TrainSet:
    """The training set without these items."""
    kept = [i for i in range(len(train.group)) if i not in items]
    return TrainSet(
        langs=train.langs,
        query={lang: [column[i] for i in kept] for lang, column in train.query.items()},
        passage={lang: [column[i] for i in kept] for lang, column in train.passage.items()},
        group=[train.group[i] for i in kept],
        negative={lang: [column[i] for i in kept] for lang, column in train.negative.items()},
        number=[train.number[i] for i in kept] if train.number else kept,
    )


@dataclass(frozen=True, eq=False)
class TrainData:
    """The texts behind a pool: ``query[lang][item]`` and ``passage[lang][item]``, None where one is missing.

    ``negative[lang][item]`` are hard negatives; {} where no source has any.

    ``overlaps`` says what the guard against training on test data found; ``held_out`` is what training validates on;
    ``noticed`` says of each source what was repaired or left out in reading it.
    """

    pool: Pool
    query: dict[str, list[str | None]]
    passage: dict[str, list[str | None]]
    negative: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    overlaps: tuple[dict[str, object], ...] = ()
    held_out: tuple[EvalSet, ...] = ()
    noticed: Mapping[str, Sequence[Noticed]] = field(default_factory=dict)

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


def combine(
    sets: Sequence[TrainSet], languages: Sequence[str], weights: Sequence[float] = (), names: Sequence[str] = (),
    linked: bool = True,
) -> TrainData:  # fmt: skip
    """One pool of all items of ``sets`` in ``languages`` (all that they have, where none is given).

    Items and languages left with nothing drop out.

    With ``weights``, items of a source are repeated until the sources' shares are as asked; none is left out. Copies
    share a group, so they never meet in a batch. Groups are those of ``groups_of``. ``names`` are the sources'.
    """
    offered = {lang for s in sets for lang in s.langs}
    langs = tuple(lang for lang in languages or sorted(offered) if lang in offered)
    if not langs:
        raise BenchError(f"no source has a training language of {list(languages)}; they have {sorted(offered)}")
    query: dict[str, list[str | None]] = {lang: [] for lang in langs}
    passage: dict[str, list[str | None]] = {lang: [] for lang in langs}
    hard = any(texts for s in sets for column in s.negative.values() for texts in column)
    negative: dict[str, list[tuple[str, ...]]] = {lang: [] for lang in langs} if hard else {}
    for s in sets:
        for lang in langs:
            query[lang] += s.query.get(lang) or [None] * len(s.group)
            passage[lang] += s.passage.get(lang) or [None] * len(s.group)
            if hard:
                negative[lang] += s.negative.get(lang) or [()] * len(s.group)
    has = np.array([[t is not None for t in query[lang]] for lang in langs]).T
    source = np.repeat(np.arange(len(sets)), [len(s.group) for s in sets])
    number = np.concatenate([np.asarray(s.number or range(len(s.group)), np.int64) for s in sets])
    named = tuple(names)
    ids = Ids(named, source, number) if named else ()
    pool = Pool(langs, has, np.concatenate(groups_of(sets, linked)), source, named, ids)
    data = _drop_empty(TrainData(pool, query, passage, negative))
    return _select(data, _weighted(data.pool.source, weights), data.pool.langs) if weights else data


def groups_of(sets: Sequence[TrainSet], linked: bool) -> list[NDArray[np.int64]]:
    """Those of ``linked_groups``, or of ``groups_apart`` where not ``linked``."""
    return linked_groups(sets) if linked else groups_apart(sets)


def groups_apart(sets: Sequence[TrainSet]) -> list[NDArray[np.int64]]:
    """The group of every item as its source gives it, (n_items,) of each source, numbered over all of them."""
    first = np.cumsum([0, *(max(s.group, default=-1) + 1 for s in sets)])
    return [np.asarray(s.group, np.int64) + start for s, start in zip(sets, first[:-1], strict=True)]


def linked_groups(sets: Sequence[TrainSet]) -> list[NDArray[np.int64]]:
    """The group of every item of each source, (n_items,), numbered over all of them.

    Groups with an equal text, queries or passages in one language, are one, whichever sources they are of: either item
    would be a false negative of the other. Where sources share nothing, each keeps its groups.
    """
    apart = np.concatenate([np.empty(0, np.int64), *groups_apart(sets)])
    found = np.array(joined(apart.tolist(), _columns(sets)), np.int64)
    return np.split(found, np.cumsum([len(s.group) for s in sets])[:-1])


def _columns(sets: Sequence[TrainSet]) -> Iterator[Iterator[str | None]]:
    """The queries, then the passages, of all sources in each language."""
    for lang in sorted({lang for s in sets for lang in s.langs}):
        for parts in ([s.query for s in sets], [s.passage for s in sets]):
            yield chain.from_iterable(of.get(lang) or [None] * len(s.group) for s, of in zip(sets, parts, strict=True))


def groups_joined(sets: Sequence[TrainSet]) -> int:
    """By how many ``linked_groups`` are fewer than those that the sources give."""
    return sum(len(set(s.group)) for s in sets) - len(np.unique(np.concatenate(linked_groups(sets))))


def without_held_out(sets: Sequence[TrainSet], held: Sequence[Collection[int]], linked: bool = True) -> list[TrainSet]:
    """The sources without their held-out items, and what is in a group with any; as ``groups_of`` groups them."""
    groups = groups_of(sets, linked)
    tested = np.array([of[i] for of, items in zip(groups, held, strict=True) for i in items], np.int64)
    return [
        without(train, frozenset(np.flatnonzero(np.isin(of, tested)).tolist()))
        for train, of in zip(sets, groups, strict=True)
    ]


def _weighted(source: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Items, repeated so that the shares of the sources are proportional to ``weights``; the same for every seed."""
    of = [np.flatnonzero(source == s) for s in range(len(weights))]
    empty = [str(s + 1) for s, items in enumerate(of) if not len(items)]
    if empty:
        raise BenchError(f"source number {empty[0]} has no item in the training languages, so it can have no weight")
    unit = max(len(items) / weight for items, weight in zip(of, weights, strict=True))
    rng = randomness.generator(0, "weights")
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
    negative = {lang: [data.negative[lang][i] for i in items] for lang in langs if lang in data.negative}
    return TrainData(pool.part(items, columns), query, passage, negative)


def parallel_passages(data: TrainData, source: str) -> dict[str, tuple[list[str], list[str]]]:
    """Language -> passages in it, and the same in ``source``, ``PARALLEL_TEXTS`` at most, the same for all seeds.

    Items are walked in one shuffled order; a passage in ``source`` that came up for the language before is passed over.

    Raises:
        BenchError: no item exists in ``source``, or too few in it and another language.
    """
    langs = data.pool.langs
    if source not in langs:
        raise BenchError(f"shift moves passages to a training language, one of {', '.join(langs)}; got {source!r}")
    order = randomness.generator(0, "parallel passages").permutation(data.pool.n_items)
    found: dict[str, tuple[list[str], list[str]]] = {}
    for i, lang in enumerate(langs):
        both = order[data.pool.has[order, i] & data.pool.has[order, langs.index(source)]]
        pairs: dict[str, str] = {}
        for item in both.tolist():
            here, there = data.passage[lang][item], data.passage[source][item]
            if here is not None and there is not None and len(pairs) < PARALLEL_TEXTS:
                pairs.setdefault(there, here)
        if lang != source and len(pairs) >= LEAST:
            found[lang] = (list(pairs.values()), list(pairs))
    if not found:
        raise BenchError(f"shift needs {LEAST} training items in {source} and another language; no language has them")
    return found
