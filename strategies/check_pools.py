"""Made-up pools that a strategy is checked on, with what it needs and the names that it reads."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np

from strategies.contract import LABELS, Batch, Ids, Ints, Pool, Strategy, Vectors, windows

LANGS = ("ar", "de", "en", "th", "zh")
SOURCES = ("source-0", "source-1")
SIZE = 16
STEPS = 30

TOPICS, DIMENSIONS = 8, 16
"""Of drawn vectors: items lie around so many centres."""


def parallel_pool(items: int = 200, langs: tuple[str, ...] = LANGS, sources: tuple[str, ...] = SOURCES) -> Pool:
    """Every item in every language; the last third of the items comes in groups of two. Sources are equally large."""
    group = np.arange(items)
    group[2 * items // 3 :] -= group[2 * items // 3 :] % 2
    source = group * len(sources) // items
    return Pool(langs, np.ones((items, len(langs)), bool), group, source, sources, _ids(sources, source))


def partial_pool(items: int = 400, langs: tuple[str, ...] = LANGS, sources: tuple[str, ...] = SOURCES) -> Pool:
    """Items in one to all languages, the later languages rarer; groups and sources as in ``parallel_pool``."""
    pool = parallel_pool(items, langs, sources)
    has = np.random.default_rng(11).random((items, len(langs))) < np.linspace(0.9, 0.5, len(langs))
    has[~has.any(axis=1), 0] = True
    return dataclasses.replace(pool, has=has)


def _ids(sources: tuple[str, ...], source: Ints) -> Ids:
    return Ids(sources, source, np.arange(len(source)))


def drawn_vectors(pool: Pool, window: int = 0) -> Vectors:
    """Unit vectors (n_items, DIMENSIONS) around a few centres, other ones for every window; a group lies together."""
    rng = np.random.default_rng((17, window))
    _, first, of = np.unique(pool.group, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[of]  # in the order of first items, whatever the groups' numbers are
    centre = rng.standard_normal((TOPICS, DIMENSIONS))[rng.integers(TOPICS, size=number.max(initial=0) + 1)]
    of_group = centre + 0.7 * rng.standard_normal(centre.shape)
    vectors = of_group[number] + 0.1 * rng.standard_normal((pool.n_items, DIMENSIONS))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def drawn_lengths(pool: Pool) -> Ints:
    """Tokens (n_items, n_langs), most texts short, a few long; 0 where there is none."""
    tokens = np.random.default_rng(19).geometric(0.02, pool.has.shape)
    return np.where(pool.has, tokens, 0).astype(np.int64)


class Case(NamedTuple):
    """A strategy, and the names of the pools that it is checked on.

    Attributes:
        strategy: what is checked.
        langs: languages of the pools.
        sources: of the pools.
        named: texts among the strategy's parameters, and single names that it says it reads.
    """

    strategy: Strategy
    langs: tuple[str, ...]
    sources: tuple[str, ...]
    named: tuple[str, ...]

    def parallel(self, items: int = 0) -> Pool:
        """``parallel_pool`` with these names, as large as the number of sources asks for."""
        return parallel_pool(items or max(200, 100 * len(self.sources)), self.langs, self.sources)

    def partial(self) -> Pool:
        """``partial_pool`` with these names."""
        return partial_pool(max(400, 200 * len(self.sources)), self.langs, self.sources)

    def given(self, pool: Pool) -> Pool:
        """The pool with what the strategy needs."""
        needs = self.strategy.needs
        vectors = drawn_vectors(pool) if "vectors" in needs and pool.vectors is None else pool.vectors
        lengths = drawn_lengths(pool) if "lengths" in needs and pool.lengths is None else pool.lengths
        return dataclasses.replace(pool, vectors=vectors, lengths=lengths)

    def draw(
        self, pool: Pool, steps: int = STEPS, size: int = SIZE, seed: int = 7, first: int = 0, drawn: Ints | None = None
    ) -> list[Batch]:
        """The strategy's batches; a generator that does not end is cut after one batch too many.

        ``first`` is the window to begin with, and ``drawn`` how often items were drawn before.
        """
        pool = self.given(pool)

        def generator(window: int) -> np.random.Generator:
            return np.random.default_rng((seed, window) if window else seed)

        def vectors(window: int) -> Vectors | None:
            return drawn_vectors(pool, window) if window and pool.vectors is not None else pool.vectors

        made = windows(self.strategy, pool, size, steps, generator, vectors, first, drawn)
        return list(islice(made, steps + 1))

    def renamed(self, pool: Pool, kinds: tuple[str, ...] = LABELS, numbers: bool = True) -> Pool:
        """The same pool under other names of some kinds, but for those that the strategy knows, and other numbers."""
        kept, named = {kind for kind in LABELS if kind in self.strategy.reads or kind not in kinds}, set(self.named)

        def name(kind: str, label: str, i: int) -> str:
            return label if kind in kept or label in named else f"x-{99 - i}"

        last = len(pool.source_names) - 1
        langs = tuple(name("langs", lang, i) for i, lang in enumerate(pool.langs))
        sources = tuple(name("source_names", s, last - i) for i, s in enumerate(pool.source_names))
        ids = pool.ids if "ids" in kept else [f"other/{i}" for i in range(pool.n_items)]
        given = self.given(pool)
        has, vectors, lengths = given.has, given.vectors, given.lengths
        if not numbers:
            return Pool(langs, has, pool.group, pool.source, sources, ids, vectors, lengths)
        renumber = np.random.default_rng(3).permutation(int(pool.group.max()) + 1) * 5 + 1000
        return Pool(langs, has, renumber[pool.group], last - pool.source, sources[::-1], ids, vectors, lengths)


def case_of(strategy: Strategy, langs: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Case:
    """A strategy with pools of the given names; without, of such as it reads."""
    reads = strategy.reads
    single = [name for name in reads if name not in LABELS]
    named = tuple(dict.fromkeys([*single, *_texts(strategy)]))
    langs = langs or _with(LANGS, [name for name in single if re.fullmatch(r"[a-z]{2,3}(-\w+)*", name)], named)
    of_sources = named if "source_names" in reads else single
    mine = tuple(name for name in of_sources if name not in langs)
    return Case(strategy, langs, sources or (mine + SOURCES if len(mine) < 2 else mine), named)


def _with(langs: tuple[str, ...], wanted: list[str], named: tuple[str, ...]) -> tuple[str, ...]:
    """Languages that are wanted, in place of the last ones that nobody names."""
    found = list(langs)
    free = [i for i, lang in enumerate(langs) if lang not in named]
    for lang in wanted:
        if lang not in found:
            if free:
                found[free.pop()] = lang
            else:
                found.append(lang)
    return tuple(found)


def _texts(value: object) -> Iterator[str]:
    """All texts in a parameter, and in those of strategies within."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _texts(pair)
    elif isinstance(value, tuple | list | set | frozenset):
        for part in value:
            yield from _texts(part)
    elif hasattr(value, "__dict__"):
        for part in vars(value).values():
            yield from _texts(part)


def equal(a: list[Batch], b: list[Batch]) -> bool:
    """Whether two draws are the same rows in the same order."""
    return len(a) == len(b) and all(
        np.array_equal(x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True)
    )
