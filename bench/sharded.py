"""An encoder whose passages' vectors are kept on disk: encoded shard by shard, by as many processes as there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import shards
from bench.encoder import Distinct, Encoder, first_appearances, progress
from bench.search import Corpus
from bench.shards import Shards


class Sharded:
    """A ranker: ``encoder``, with vectors below ``root``. Shards that are there are not encoded again.

    Args:
        encoder: does the work.
        root: holds the folders of all vectors.
        owner: what decides the vectors besides the texts and how they are used.
        stored: float32 or float16.
    """

    def __init__(self, encoder: Encoder, root: Path, owner: Mapping[str, object], stored: str) -> None:
        how = {"prompt": encoder.prompt["passage"], "length": encoder.length["passage"]}
        self._encoder, self._root, self._owner, self._stored = encoder, root, {**owner, **how}, stored

    def passages(self, corpus: Corpus) -> tuple[Shards, NDArray[np.int64]]:
        """Vectors of the distinct passages, and for each column of the corpus its row; waits for other processes.

        Raises:
            BenchError: a shard is damaged or foreign, or cannot be written.
        """
        found, distinct = self._shards(corpus)
        for wait in (False, True):  # what nobody is at, and then what is left of others that were killed
            self._encode(corpus, distinct, found, wait)
        return found, distinct.place

    def help(self, corpus: Corpus) -> None:
        """Encode the shards that no other process is at."""
        found, distinct = self._shards(corpus)
        self._encode(corpus, distinct, found, wait=False)

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder's; they are not kept."""
        return self._encoder.queries(texts, langs)

    def _shards(self, corpus: Corpus) -> tuple[Shards, Distinct]:
        distinct = first_appearances(corpus.texts(), len(corpus.doc_id))
        owner = {**self._owner, "texts": distinct.identity}
        return Shards(self._root, owner, distinct.size, self._stored), distinct

    def _encode(self, corpus: Corpus, distinct: Distinct, found: Shards, wait: bool) -> None:
        left = {name for name in found.names if not found.kept.has(name)}
        if not left:
            return
        texts = distinct.of(corpus.texts())
        with progress(len(left) * shards.SHARD, "passage") as bar:
            for name in found.names:
                chunk = list(islice(texts, shards.SHARD))
                if name not in left:
                    continue
                with found.kept.claimed(name, wait) as mine:
                    if mine:
                        found.write(name, self._encoder.encode_chunk(chunk, "passage", bar))
