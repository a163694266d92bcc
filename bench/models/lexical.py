"""Baselines that match characters and words, and know no language: what they solve, a shared script solves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from bench.data.corpus import Corpus, Ints, Ranker
from bench.data.words import is_character, units
from bench.errors import BenchError
from tasks.languages import base

K1, B = 0.9, 0.4
"""BM25's parameters as in Anserini and the BEIR paper."""


STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "porter", "es": "spanish", "fi": "finnish",
    "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "it": "italian", "nb": "norwegian",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sv": "swedish", "tr": "turkish",
}  # fmt: skip
"""Language -> Snowball algorithm."""


EDITION = 2
"""Of both baselines, in the identity of their cells. 2: a passage without a term of the query is not retrieved."""


WORDLESS = "no passage has a word, so none can be found by its words; are these the right passages?"


class CharTfidf:
    """Character 2- to 4-grams within words, sublinear TF-IDF fitted on the passages; rows have unit length.

    A passage without an n-gram of the query is not retrieved.
    """

    def __init__(self) -> None:
        self._grams: Any = None
        self._weights: Any = None

    def passages(self, corpus: Corpus) -> tuple[sparse.csr_matrix, Ints]:
        """Sparse, (n_docs, vocabulary).

        Raises:
            BenchError: no passage has a word.
        """
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        self._grams = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=False, dtype=np.float32)
        self._weights = TfidfTransformer(sublinear_tf=True)
        words, counts = _words_of(corpus.texts())
        try:
            grams = self._grams.fit_transform(words)
        except ValueError:
            raise BenchError(WORDLESS) from None
        _, first = np.unique(grams.indices, return_index=True)
        found = _in_order(counts @ grams, np.argsort(first))
        return self._weights.fit_transform(found), np.arange(len(corpus.doc_id))

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> sparse.csr_matrix:
        """Sparse, (n, vocabulary)."""
        words, counts = _words_of(texts)
        found = counts @ self._grams.transform(words)
        return self._weights.transform(_in_order(found, np.arange(found.shape[1])), copy=False)


def _words_of(texts: Iterable[str]) -> tuple[list[str], sparse.csr_matrix]:
    """The distinct words, and how often each stands in each text, (n, words): n-grams within words are cut once."""
    found: dict[str, int] = {}
    columns = [[found.setdefault(word, len(found)) for word in text.lower().split()] for text in texts]
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.fromiter((column for of in columns for column in of), np.int32, ends[-1])
    counts = sparse.csr_matrix((np.ones(len(flat), np.float32), flat, ends), (len(columns), len(found)))
    counts.sum_duplicates()
    return list(found), counts


def _in_order(counts: sparse.csr_matrix, order: Ints) -> sparse.csr_matrix:
    """The same with the values of each row stored in this order of columns: rows are summed up in it, to the bit."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    counts.indices = place[counts.indices].astype(np.int32)
    counts.has_sorted_indices = False
    counts.sort_indices()
    counts.indices = order[counts.indices].astype(np.int32)
    return counts


class BM25:
    """BM25 (Robertson and Zaragoza 2009) as bm25s computes it, Lucene's variant, k1 = 0.9, b = 0.4.

    Every language has an index of its own, with its own document frequencies and lengths; a pool of several languages
    is ranked by these scores as they are. A passage without a word of the query is not retrieved. Words are stemmed
    where Snowball knows the language (English: Porter), as Anserini does; no word is dropped.

    Raises:
        BenchError: bm25s or PyStemmer is not installed.
    """

    def __init__(self) -> None:
        try:
            import bm25s  # noqa: F401
            import Stemmer
        except ImportError as error:
            raise BenchError(
                f"bm25 needs a package more ({error.name}): pip install 'batch-strategy-bench[bm25]'"
            ) from None
        self._column: dict[str, int] = {}
        self._stemmer = {lang: Stemmer.Stemmer(name) for lang, name in STEMMERS.items()}

    def passages(self, corpus: Corpus) -> tuple[sparse.csr_matrix, Ints]:
        """Sparse, (n_docs, vocabulary): the score that each word adds to each passage.

        Raises:
            BenchError: no passage has a word.
        """
        self._column = {}
        parts = [self._indexed((text for _, text in corpus.passages[lang].items()), lang) for lang in corpus.langs]
        if not self._column:
            raise BenchError(WORDLESS)
        rows = [
            sparse.csr_matrix((part.data, (part.row, part.col)), (part.shape[0], len(self._column)), dtype=np.float32)
            for part in parts
        ]
        return sparse.vstack(rows, format="csr"), np.arange(len(corpus.doc_id))

    def _indexed(self, texts: Iterable[str], lang: str) -> sparse.coo_matrix:
        """The passages of one language, (n, vocabulary so far)."""
        import bm25s

        ids: dict[str, int] = {}
        tokens = [[ids.setdefault(w, len(ids)) for w in self._stemmed(text, lang)] for text in texts]
        if not ids:
            return sparse.coo_matrix(np.zeros((len(tokens), 0), np.float32))
        index = bm25s.BM25(method="lucene", k1=K1, b=B)
        index.index((tokens, ids), show_progress=False)
        columns = np.array([self._column.setdefault(word, len(self._column)) for word in ids], np.int64)
        scores = index.scores
        part = sparse.csc_matrix(
            (scores["data"], scores["indices"], scores["indptr"]), shape=(len(tokens), len(scores["indptr"]) - 1)
        ).tocoo()
        return sparse.coo_matrix((part.data, (part.row, columns[part.col])), (len(tokens), len(self._column)))

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> sparse.csr_matrix:
        """Sparse, (n, vocabulary): how often each word of the index comes up."""
        found = [self._stemmed(text, lang) for text, lang in zip(texts, langs, strict=True)]
        pairs = [(i, self._column[w]) for i, stems in enumerate(found) for w in stems if w in self._column]
        rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
        ones = np.ones(len(pairs), np.float32)
        return sparse.csr_matrix((ones, (rows, columns)), shape=(len(texts), len(self._column)))

    def _stemmed(self, text: str, lang: str) -> list[str]:
        stemmer = self._stemmer.get(base(lang))
        return words(text) if stemmer is None else stemmer.stemWords(words(text))


LEXICAL: dict[str, Callable[[], Ranker]] = {"char-tfidf": CharTfidf, "bm25": BM25}
"""Baselines without a model."""


def words(text: str) -> list[str]:
    """Words; where a script puts no blanks between them, pairs of adjacent characters."""
    found: list[str] = []
    run: list[str] = []
    for unit in [*units(text), ""]:
        if unit and is_character(unit):
            run.append(unit)
            continue
        found += run if len(run) == 1 else [a + b for a, b in pairwise(run)]
        run = []
        found += [unit] if unit else []
    return found
