"""A baseline that knows no language: character n-gram TF-IDF. What it solves, a shared script solves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from bench.encoder import Kind


class CharTfidf:
    """Character 2- to 4-grams within words, sublinear TF-IDF fitted on the passages; rows have unit length.

    The passages of a task must be encoded before its queries, as ``score`` does.
    """

    def __init__(self) -> None:
        self._vectorizer: Any = None

    def encode(self, texts: Sequence[str], kind: Kind) -> sparse.csr_matrix:
        """Sparse, (n, vocabulary)."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if kind == "passage":
            self._vectorizer = TfidfVectorizer(
                analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32
            )
            return self._vectorizer.fit_transform(texts)
        return self._vectorizer.transform(texts)
