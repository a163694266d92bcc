"""An encoder whose passages' vectors are kept on disk: encoded shard by shard, by as many processes as there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import processes
from bench.data.corpus import Corpus, Distinct, Ranker, build_corpus, first_appearances
from bench.data.loading import LoadedTask
from bench.encoding.encoder import Encoder, progress
from bench.plan.settings import Plan
from bench.store import shards
from bench.store.shards import Shards


class Sharded:
    """A ranker: ``encoder``, with vectors below ``root``. Shards that are there are not encoded again.

    Args:
        encoder: does the work.
        root: holds the folders of all vectors.
        owner: what decides the vectors besides the texts, and how passages are given to the encoder.
        stored: float32 or float16.
    """

    def __init__(self, encoder: Encoder, root: Path, owner: Mapping[str, object], stored: str = "float32") -> None:
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
        with progress(len(left) * shards.CHUNK, "passage") as bar:
            for name in found.names:
                chunk = list(islice(texts, shards.CHUNK))
                if name not in left:
                    continue
                with found.kept.claimed(name, wait) as mine:
                    if mine:
                        found.write(name, self._encoder.encode_chunk(chunk, "passage", bar))


def on_disk(ranker: Ranker, weights: str, owner: Mapping[str, object], plan: Plan) -> Ranker:
    """An encoder that keeps the vectors of passages in the plan's folder; what ranks otherwise holds them, as ever.

    Several processes call it together. One that has other weights than the first gets back what it has, and does not
    encode.

    Args:
        ranker: of this process.
        weights: their hash.
        owner: what else decides the vectors, but for settings, prompt, length and texts.
        plan: what is run.
    """
    same = processes.agreed(lambda: weights) == weights
    if not isinstance(ranker, Encoder) or not same:
        return ranker
    owner = {"weights": weights, "precision": plan.settings.precision, **owner}
    return Sharded(ranker, Path(plan.shards), owner, plan.vectors)


def help_first(ranker: Ranker, tasks: Sequence[LoadedTask]) -> None:
    """Encode what the first process encodes and scores, side by side with it."""
    if isinstance(ranker, Sharded):
        for loaded in tasks:
            different = {tuple(map(id, s.passages.values())): s.passages for s in loaded.sets}
            for passages in different.values():
                ranker.help(build_corpus(passages))
