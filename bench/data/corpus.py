"""Passages of all languages as columns, distinct texts, what a Ranker is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench.store.shards import Shards
from tasks.contract import Texts

Kind = Literal["query", "passage"]


class Distinct(NamedTuple):
    """The distinct ones of n texts, in order of first appearance.

    Attributes:
        new: bool, (n,). Which texts come up for the first time.
        place: int64, (n,). For each text its place among the distinct ones.
        identity: sha256 over the distinct texts.
    """

    new: NDArray[np.bool_]
    place: NDArray[np.int64]
    identity: str

    @property
    def size(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self.new))

    def of(self, texts: Iterable[str]) -> Iterator[str]:
        """The distinct ones of ``texts``, which are those that were told apart."""
        return compress(texts, self.new)


def first_appearances(texts: Iterable[str], n: int) -> Distinct:
    """Of ``n`` texts, which come up for the first time.

    Texts are told apart by 128 bits of their hash; a few dozen bytes are held for each.
    """
    digests = bytearray()
    for text in texts:
        digests += hashlib.blake2b(text.encode(), digest_size=16).digest()
    keys = np.frombuffer(digests, np.uint64).reshape(n, 2)
    order = np.lexsort(keys.T)
    starts = np.ones(n, np.bool_)
    starts[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    first = order[starts]
    among = np.empty(len(first), np.int64)
    among[np.argsort(first)] = np.arange(len(first))
    new, place = np.zeros(n, np.bool_), np.empty(n, np.int64)
    new[first] = True
    place[order] = among[np.cumsum(starts) - 1]
    return Distinct(new, place, hashlib.sha256(keys[new].tobytes()).hexdigest())


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts in order of first appearance, and for each text its place among them."""
    place: dict[str, int] = {}
    inverse = np.fromiter((place.setdefault(t, len(place)) for t in texts), np.int64, len(texts))
    return list(place), inverse


Ints = NDArray[np.int64]


Floats = NDArray[np.float32]


Vectors = Floats | sparse.csr_matrix


Passages = Vectors | Shards


class Corpus(NamedTuple):
    """The pool of all languages, in columns ordered by language and then as the data set has them.

    Attributes:
        langs: language codes.
        doc_id: one per column.
        passages: language -> doc_id -> text, as given; the texts of a large corpus stay on disk.
        segment: int64, (n_langs + 1,). Columns segment[l]:segment[l + 1] are in language l.
        tie: int64, (n_docs,). Place of a column among all when ordered by doc_id descending: the smaller goes first.
    """

    langs: tuple[str, ...]
    doc_id: list[str]
    passages: Texts
    segment: Ints
    tie: Ints

    def texts(self) -> Iterator[str]:
        """The text of every column; large corpora are read from disk."""
        for lang in self.langs:
            for _, text in self.passages[lang].items():
                yield text


class Ranker(Protocol):
    """What gives passages a score for a query: the product of their vectors."""

    def passages(self, corpus: Corpus) -> tuple[Passages, Ints]:
        """Vectors of the distinct passages, (n_distinct, dim), and for each column its row among them, (n_docs,)."""

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Vectors:
        """Vectors of queries, (n, dim), given the language of each; after ``passages`` of the corpus they search."""


def build_corpus(passages: Texts) -> Corpus:
    """Lay out ``passages`` (language -> doc_id -> text) as columns."""
    langs = tuple(sorted(passages))
    doc_id = [d for lang in langs for d in passages[lang]]
    tie = np.empty(len(doc_id), np.int64)
    tie[sorted(range(len(doc_id)), key=doc_id.__getitem__, reverse=True)] = np.arange(len(doc_id))
    segment = np.cumsum([0, *(len(passages[lang]) for lang in langs)])
    return Corpus(langs, doc_id, passages, segment, tie)
