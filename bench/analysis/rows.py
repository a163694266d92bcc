"""The rows of a scores file, about a query and a passage language or the pool of all: values as stored, or derived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.evaluation.bias import BIAS, IN_POOL, all_columns
from bench.evaluation.measures import ABSENT, LOST, MEASURES, MISSED, TOP, Observed, pairs
from bench.store import scores
from bench.store.scores import OBSERVED, POOL, About

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]


Ints = NDArray[np.int64]


KEYS = ("q_lang", "d_lang", "query_id", "group")
"""What a row is about."""


class Rows(Protocol):
    """The rows of one set in one scores file."""

    def keys(self) -> dict[str, pa.DictionaryArray]:
        """``KEYS`` of each row."""

    def values(self, names: Sequence[str]) -> dict[str, Floats]:
        """Measures and bias, (n_rows,) each."""


def rows_of(path: Path, about: About, stored: str) -> Rows:
    """The rows of the set ``stored`` in a scores file that says ``about`` itself."""
    return Stored(path, stored) if about.schema == 1 else Derived(path, about.pools, stored, about.matching)


def measured(path: Path) -> pa.Table:
    """Every measure of every row of a scores file, as files of version 0.1 hold them."""
    import json

    import pyarrow as pa

    about = scores.read_about(path)
    tables = []
    for name in about.sets:
        rows = rows_of(path, about, name)
        keys = rows.keys()
        texts = {"set": [name] * len(keys["group"]), **{key: keys[key].cast(pa.string()) for key in KEYS}}
        tables.append(pa.table(texts | rows.values((*MEASURES, IN_POOL, *BIAS))))
    if not tables:
        raise BenchError(f"{path}: scores of no set; {scores.SCORED_AGAIN}")
    said = {key: value for key, value in scores.plain_about(path).items() if key not in ("schema", "pools", "matching")}
    return pa.concat_tables(tables).replace_schema_metadata({"bench": json.dumps(said, sort_keys=True)})


class Stored:
    """Rows of a file of version 0.1, which holds the values."""

    def __init__(self, path: Path, stored: str) -> None:
        self._path, self._stored = path, stored

    def keys(self) -> dict[str, pa.DictionaryArray]:
        """As written."""
        table = _of_set(self._path, self._stored, dict.fromkeys(KEYS, "string"))
        return {name: _dictionary(table[name]) for name in KEYS}

    def values(self, names: Sequence[str]) -> dict[str, Floats]:
        """As written."""
        table = _of_set(self._path, self._stored, dict.fromkeys(names, "double"))
        return {name: np.array(table[name].to_numpy(), np.float64) for name in names}


class Lists(NamedTuple):
    """A column of lists of numbers: all in a row, and how many are in each."""

    flat: Ints
    length: Ints

    def padded(self, part: slice, fill: int) -> Ints:
        """Some of them, (n, longest), with ``fill`` behind them."""
        length = self.length[part]
        start = int(self.length[: part.start].sum())
        if len(length) and (length == length[0]).all():
            return self.flat[start : start + len(length) * int(length[0])].reshape(len(length), -1)
        there = np.arange(length.max(initial=0)) < length[:, None]
        found = np.full(there.shape, fill, np.int64)
        found[there] = self.flat[start : start + int(length.sum())]
        return found


class Block(NamedTuple):
    """The queries of one language in one pool.

    Attributes:
        rows: of the file.
        pool: number of the pool.
        q_lang: their language.
        passages: language -> passages in the pool.
        lang: as of ``Observed``.
    """

    rows: slice
    pool: int
    q_lang: str
    passages: dict[str, int]
    lang: Ints


class Derived:
    """Rows of a file of observations (``bench.store.scores.OBSERVED``)."""

    def __init__(self, path: Path, pools: Sequence[Mapping[str, int]], stored: str, matching: Sequence[int]) -> None:
        self._path, self._stored, self._matching = path, stored, matching
        self._pools = [dict(sorted(pool.items())) for pool in pools]
        self._require(all(0 <= n < 1 << 31 for pool in pools for n in pool.values()), "pools")

    def keys(self) -> dict[str, pa.DictionaryArray]:
        """Those of the queries, once for each row of theirs."""
        import pyarrow as pa

        table = self._table("pool", *KEYS)
        number = {lang: i for i, lang in enumerate(sorted({lang for pool in self._pools for lang in pool} | {POOL}))}
        query, d_lang = [], []
        for block in self._blocks(table):
            rows = pairs(block.lang, len(block.passages))
            query.append(block.rows.start + rows.query)
            d_lang.append(np.array([number[lang] for lang in block.passages])[rows.lang])
            if len(block.passages) > 1:
                query.append(np.arange(block.rows.start, block.rows.stop))
                d_lang.append(np.full(len(block.lang), number[POOL]))
        row = pa.array(np.concatenate(query))
        found = {name: _dictionary(table[name]).take(row) for name in KEYS if name != "d_lang"}
        codes = pa.array(np.concatenate(d_lang), pa.int32())
        return found | {"d_lang": pa.DictionaryArray.from_arrays(codes, pa.array(list(number)))}

    def values(self, names: Sequence[str]) -> dict[str, Floats]:
        """By the formulas of today."""
        found = []
        for _, of in groupby(self._observed(), lambda each: each[0]):
            found += all_columns([observed for _, observed in of], names)
        return {name: np.concatenate([columns[name] for columns in found]) for name in names}

    def _observed(self) -> Iterator[tuple[int, Observed]]:
        """The number of a pool, and what was observed of the queries of one language in it."""
        table = self._table(*(name for name in OBSERVED if name not in ("set", "query_id")))
        relevance, there = self._lists(table, "relevance"), self._lists(table, "in_corpus")
        self._require(np.array_equal(relevance.length, there.length) and bool((relevance.flat >= 0).all()), "relevance")
        without = Lists(np.where(relevance.flat == 0, ABSENT, np.where(there.flat, MISSED, LOST)), relevance.length)
        rank, in_pool = (self._ranks(table, name, without) for name in ("rank", "rank_in_pool"))
        top = self._lists(table, "top", -1)
        question = _codes(_dictionary(table["group"]))
        looked_at, own = (self._numbers(table, name) for name in ("nonrelevant", "nonrelevant_own"))
        for block in self._blocks(table):
            rows, best = block.rows, top.padded(block.rows, -1)
            fits = np.array_equal(relevance.length[rows], (block.lang >= 0).sum(axis=1))
            self._require(fits, "d_lang")
            self._require(best.shape[1] <= TOP and bool((best < sum(block.passages.values())).all()), "top")
            yield block.pool, Observed(
                block.q_lang, block.passages, question[rows], block.lang, relevance.padded(rows, 0),
                rank.padded(rows, ABSENT), in_pool.padded(rows, ABSENT), best, looked_at[rows], own[rows],
                block.pool in self._matching,
            )  # fmt: skip

    def _table(self, *columns: str) -> pa.Table:
        return _of_set(self._path, self._stored, {name: OBSERVED[name] for name in columns})

    def _blocks(self, table: pa.Table) -> Iterator[Block]:
        """The queries of each language in each pool, as the file has them."""
        pool, q_lang = self._numbers(table, "pool"), _dictionary(table["q_lang"])
        self._require(bool((pool < len(self._pools)).all()), "pool")
        column = table["d_lang"].combine_chunks()
        langs = _dictionary(column.flatten())
        names = langs.dictionary.to_pylist()
        code = _codes(langs)
        lists = Lists(np.where(code < 0, len(names), code), self._lengths(column, "d_lang"))
        self._require(bool((lists.length > 0).all()), "d_lang")
        starts = np.flatnonzero(np.diff(pool, prepend=-1) | np.diff(_codes(q_lang), prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(pool)], strict=True):
            passages = self._pools[pool[start]]
            number = {lang: i for i, lang in enumerate(passages)}
            numbers = np.array([*(number.get(lang, -2) for lang in names), len(passages), -1])
            lang = numbers[lists.padded(slice(start, stop), len(names) + 1)]
            self._require(bool((lang >= -1).all()), "d_lang")
            yield Block(slice(start, stop), int(pool[start]), q_lang[start].as_py(), passages, lang)

    def _ranks(self, table: pa.Table, name: str, without: Lists) -> Lists:
        """A column of lists of ranks; where there is none, ``without`` says why."""
        ranks = self._lists(table, name, 0)
        self._require(np.array_equal(ranks.length, without.length) and bool((ranks.flat >= 0).all()), name)
        self._require(bool(((ranks.flat == 0) | (without.flat == MISSED)).all()), name)
        return Lists(np.where(ranks.flat == 0, without.flat, ranks.flat), ranks.length)

    def _lists(self, table: pa.Table, name: str, null: int | None = None) -> Lists:
        """A column of lists of numbers; ``null`` stands for those that are not known."""
        column = table[name].combine_chunks()
        flat = column.flatten()
        self._require(null is not None or not flat.null_count, name)
        numbers = flat.to_numpy(zero_copy_only=False)
        if flat.null_count:
            numbers = np.where(flat.is_null().to_numpy(zero_copy_only=False), null, flat.fill_null(0).to_numpy())
        return Lists(numbers.astype(np.int64), self._lengths(column, name))

    def _lengths(self, column: pa.ListArray, name: str) -> Ints:
        self._require(not column.null_count, name)
        return np.asarray(column.value_lengths().to_numpy(), np.int64)

    def _numbers(self, table: pa.Table, name: str) -> Ints:
        """A column of whole numbers from 0."""
        self._require(not table[name].null_count, name)
        numbers = np.asarray(table[name].to_numpy(), np.int64)
        self._require(bool((numbers >= 0).all()), name)
        return numbers

    def _require(self, fits: bool, what: str) -> None:
        if not fits:
            raise BenchError(
                f"{self._path}: no observations of the set {self._stored!r} ({what} cannot be); delete it, and the "
                "command that made it scores it again"
            )


def _of_set(path: Path, stored: str, columns: Mapping[str, str]) -> pa.Table:
    """Columns and their types, of the rows of one set; those of ``KEYS`` say something everywhere.

    Raises:
        BenchError: there is no such row, or one that does not say what it is about.
    """
    import pyarrow as pa

    table = scores.read_scores(path, {"set": "string", **columns})
    sets = _dictionary(table["set"])
    chosen = np.isin(_codes(sets), [i for i, name in enumerate(sets.dictionary.to_pylist()) if name == stored])
    if not chosen.any():
        raise BenchError(
            f"{path}: no row of the set {stored!r}; delete it, and the command that made it scores it again"
        )
    found = table if chosen.all() else table.filter(pa.array(chosen))
    if any(found[name].null_count for name in KEYS if name in columns):
        raise BenchError(f"{path}: rows of the set {stored!r} without {', '.join(KEYS)}; delete it and score it again")
    return found


def _dictionary(column: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """Texts as numbers of distinct ones."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def _codes(column: pa.DictionaryArray) -> Ints:
    """Numbers of the texts; -1 for null."""
    return np.asarray(column.indices.fill_null(-1).to_numpy(), np.int64)
