"""Models that are made of others: weights averaged; vectors centered, projected (LIR) or shifted by language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.corpus import Corpus, Floats, Ints, Kind, Ranker, distinct_texts
from bench.errors import BenchError
from bench.plan.derived import LEAST

Removal = Callable[[Floats, str, Kind], Floats]
"""Vectors of the distinct texts of one language (n, dim), the language, the kind of text: new ones, of any length."""


ROWS = 1 << 14
"""Vectors that are held in double precision at once."""


class Removed:
    """A ranker whose vectors went through ``removal``, language by language, and have unit length again.

    A text that stands in several languages has a row for each.
    """

    def __init__(self, ranker: Ranker, removal: Removal) -> None:
        self._ranker, self._removal = ranker, removal

    def passages(self, corpus: Corpus) -> tuple[Floats, Ints]:
        """Float32, (n, dim), unit length: distinct passages of each language; and for each column its row."""
        vectors, place = self._ranker.passages(corpus)
        assert isinstance(vectors, np.ndarray), "derived models are dense"
        lang = np.repeat(np.arange(len(corpus.langs)), np.diff(corpus.segment))
        keys, column = np.unique(lang * len(vectors) + place, return_inverse=True)
        out = vectors[keys % len(vectors)]
        starts = np.searchsorted(keys, np.arange(len(corpus.langs) + 1) * len(vectors))
        for name, start, end in zip(corpus.langs, starts, starts[1:], strict=False):
            out[start:end] = unit(self._removal(out[start:end], name, "passage"))
        return out, column

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Floats:
        """Float32, (n, dim), unit length; statistics are over the distinct queries of each language in this call."""
        vectors = self._ranker.queries(texts, langs)
        assert isinstance(vectors, np.ndarray), "derived models are dense"
        out = np.empty_like(vectors)
        for lang in dict.fromkeys(langs):
            rows = np.flatnonzero([x == lang for x in langs])
            distinct, inverse = distinct_texts([texts[i] for i in rows.tolist()])
            first = np.full(len(distinct), len(rows))
            np.minimum.at(first, inverse, np.arange(len(rows)))
            out[rows] = unit(self._removal(vectors[rows[first]], lang, "query"))[inverse]
        return out


def unit(vectors: Floats) -> Floats:
    """The same directions at unit length; zero stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return np.divide(vectors, np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)


def centering(vectors: Floats, lang: str, kind: Kind) -> Floats:
    """``vectors`` (n, dim) minus their mean; as they are where they are fewer than ``LEAST``."""
    if len(vectors) < LEAST:
        return vectors
    mean: Floats = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return vectors - mean


def lir(rank: int) -> Removal:
    """Projects the first ``rank`` right singular vectors of the vectors (n, dim) out of them; see ``derived.Lir``.

    Raises:
        BenchError: there are no more than ``rank`` dimensions.
    """

    def remove(vectors: Floats, lang: str, kind: Kind) -> Floats:
        if rank >= vectors.shape[1]:
            raise BenchError(f"rank is less than the dimensions of the vectors, {vectors.shape[1]}; got {rank}")
        if len(vectors) < LEAST * rank:
            return vectors
        c: Floats = singular_vectors(vectors, rank).astype(np.float32)
        return np.subtract(vectors, (vectors @ c) @ c.T, dtype=np.float32)

    return remove


def singular_vectors(vectors: Floats, rank: int) -> NDArray[np.float64]:
    """The first ``rank`` right singular vectors of ``vectors`` (n, dim), uncentred, as columns (dim, rank).

    They are the last eigenvectors of the Gram matrix (dim, dim): a corpus of millions of passages fits.
    """
    gram = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), ROWS):
        part = vectors[start : start + ROWS].astype(np.float64)
        gram += part.T @ part
    return np.asarray(np.linalg.eigh(gram)[1][:, ::-1][:, :rank], np.float64)


def shift(offset: Mapping[str, Floats]) -> Removal:
    """Subtracts each language's offset (dim,) from its passages; queries, and other languages, stay as they are."""

    def remove(vectors: Floats, lang: str, kind: Kind) -> Floats:
        return vectors - offset[lang] if kind == "passage" and lang in offset else vectors

    return remove


def offsets(
    encode: Callable[[Sequence[str]], Floats], pairs: Mapping[str, tuple[list[str], list[str]]]
) -> dict[str, Floats]:
    """Language -> mean over its parallel passages of (vector - vector in the source language), float32, (dim,)."""
    source = list(dict.fromkeys(text for _, there in pairs.values() for text in there))
    row = {text: i for i, text in enumerate(source)}
    of_source = encode(source)
    found: dict[str, Floats] = {}
    for lang, (here, there) in pairs.items():
        mean = of_source[[row[text] for text in there]].mean(axis=0, dtype=np.float64)
        found[lang] = (encode(here).mean(axis=0, dtype=np.float64) - mean).astype(np.float32)
    return found


State = Mapping[str, Tensor]


def average(states: Sequence[State], shares: Sequence[float] | None = None) -> dict[str, Tensor]:
    """The average of models of one architecture, tensor by tensor, in their own precision.

    Args:
        states: name -> tensor, of each model.
        shares: weight of each model; None is the plain mean.

    Raises:
        BenchError: names, shapes, or values that are no weights (token positions) differ.

    Source: arXiv 2203.05482 (uniform soup).
    """
    first = states[0]
    for state in states[1:]:
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in first.items()}:
            raise BenchError("weights are averaged over models of one architecture; these have different tensors")
    return {name: _average(name, [state[name] for state in states], shares) for name in first}


def _average(name: str, parts: list[Tensor], shares: Sequence[float] | None) -> Tensor:
    if not parts[0].is_floating_point():
        if not all(torch.equal(parts[0], part) for part in parts):
            raise BenchError(f"weights are averaged where they are real numbers; {name} is not, and differs")
        return parts[0]
    if shares is None:
        return torch.stack(parts).mean(dim=0)
    total = torch.zeros_like(parts[0])
    for part, share in zip(parts, shares, strict=True):
        total += share * part
    return total
