"""A ranker that needs no encoder, for measuring what comes after encoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.data.corpus import Corpus, Floats, Ints, build_corpus, distinct_texts
from tasks import EvalSet

DIM, CONCEPT, LANGUAGE = 384, 0.6, 0.5
"""Dimensions, and how far a text's question and its language move its vector from noise of length 1."""


class Planted:
    """A ranker with a fixed vector per text: a question's translations and its answers are alike, so is a language."""

    def __init__(self, evalset: EvalSet) -> None:
        rng = np.random.default_rng(0)
        group = evalset.group or {}
        concept = {g: rng.standard_normal(DIM) for g in dict.fromkeys(group.values())}
        language = {lang: rng.standard_normal(DIM) for lang in sorted({*evalset.queries, *evalset.passages})}
        corpus = build_corpus(evalset.passages)
        column = {d: i for i, d in enumerate(corpus.doc_id)}
        answers = np.zeros((len(column), DIM))
        for q, d in {(group[q], d): None for q, found in evalset.relevant.items() for d in found}:
            answers[column[d]] += CONCEPT * concept[q]
        spoken = np.concatenate([np.tile(language[lang], (len(evalset.passages[lang]), 1)) for lang in corpus.langs])
        columns = _unit(answers + LANGUAGE * spoken + rng.standard_normal(answers.shape))
        self._place = distinct_texts(list(corpus.texts()))[1]
        self._passages = columns[np.unique(self._place, return_index=True)[1]]
        asked = [(lang, q, text) for lang, part in evalset.queries.items() for q, text in part.items()]
        meant = np.stack([CONCEPT * concept[group[q]] + LANGUAGE * language[lang] for lang, q, _ in asked])
        vectors = _unit(meant + rng.standard_normal(meant.shape))
        self._queries = {(lang, text): v for (lang, _, text), v in zip(asked, vectors, strict=True)}

    def passages(self, corpus: Corpus) -> tuple[Floats, Ints]:
        """Of the corpus of the set."""
        return self._passages, self._place

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Floats:
        """Looked up."""
        return np.stack([self._queries[key] for key in zip(langs, texts, strict=True)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
