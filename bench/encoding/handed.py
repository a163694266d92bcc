"""What strategies are handed beside the numbers of a pool: a vector of every item, and the lengths of its texts."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import processes
from bench.data.train_data import TrainData
from bench.encoding.encoder import Encoder
from bench.errors import BenchError
from bench.store.arrays import Array, Kept
from bench.store.json_files import hash64
from strategies.contract import NEEDS, Ints, Pool, Vectors
from tasks.files import cache

EDITION = 1
"""Of how vectors and lengths are made: raised where the same model and texts give others."""


AT_ONCE = 1 << 16
"""Items whose queries and passages are held at once."""


class Handed(NamedTuple):
    """A pool with what was asked for.

    Attributes:
        pool: the pool.
        digests: name -> sha256 of what was handed.
        seconds: name -> that it took to make, here or when it was made that lies in the cache.
    """

    pool: Pool
    digests: dict[str, str]
    seconds: dict[str, float]


def hand(encoder: Encoder, data: TrainData, needs: Sequence[str], computed_with: Mapping[str, object]) -> Handed:
    """The pool of some items with the vectors and lengths that are asked for.

    They are kept in the folder ``handed`` of the cache, below a name that stands for all that decides their bits. Of
    several processes the first one makes them, and all read the same.

    Args:
        encoder: untrained.
        data: the items.
        needs: of ``strategies.contract.NEEDS``.
        computed_with: what else the last bits depend on.
    """
    made: dict[str, Callable[[], Array]] = {
        "vectors": lambda: item_vectors(encoder, data),
        "lengths": lambda: item_lengths(encoder, data),
    }
    wanted = [name for name in NEEDS if name in needs]
    kept = _place(encoder, data, computed_with) if wanted else Kept(cache(), {})
    arrays: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    for name in wanted:
        arrays[name], seconds[name] = _kept(kept, name, made[name])
    digests = {name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for name, array in arrays.items()}
    pool = dataclasses.replace(data.pool, vectors=arrays.get("vectors"), lengths=arrays.get("lengths"))
    return Handed(pool, digests, seconds)


def lacking(encoder: Encoder, data: TrainData, needs: Sequence[str], computed_with: Mapping[str, object]) -> list[str]:
    """Of what ``hand`` would be asked for, that it would have to make; nothing is made."""
    wanted = [name for name in NEEDS if name in needs]
    kept = _place(encoder, data, computed_with) if wanted else None
    return [name for name in wanted if kept is not None and not kept.has(name)]


def _place(encoder: Encoder, data: TrainData, computed_with: Mapping[str, object]) -> Kept:
    owner = _owner(encoder, data, computed_with)
    return Kept(cache() / "handed" / hash64(owner), owner)


def _owner(encoder: Encoder, data: TrainData, computed_with: Mapping[str, object]) -> dict[str, object]:
    digest = hashlib.sha256(repr(data.pool.langs).encode())
    digest.update(np.ascontiguousarray(data.pool.has).data)
    for texts in (data.query, data.passage):
        for lang in data.pool.langs:
            for text in texts[lang]:
                digest.update(b"\0" if text is None else b"\1" + text.encode("utf-8", "surrogatepass"))
    how = {"edition": EDITION, "prompts": encoder.prompt, "lengths": encoder.length, "half": str(encoder.half)}
    return {**how, "weights": encoder.weights_hash(), "texts": digest.hexdigest(), "computed_with": dict(computed_with)}


def _kept(kept: Kept, name: str, make: Callable[[], Array]) -> tuple[Array, float]:
    """An array of the cache and the seconds that it took; made now where it is not there."""
    took = f"{name}-seconds"

    def ensure() -> tuple[Array, float] | None:
        if kept.has(name):
            return None
        start = time.perf_counter()
        array = make()
        seconds = time.perf_counter() - start
        try:
            with kept.claimed(name, wait=True) as mine:
                if mine:
                    kept.write(took, np.array([seconds], np.float32))
                    kept.write(name, array)
        except BenchError:
            if processes.count() > 1:
                raise
            return array, seconds  # a cache that cannot be written: the next process makes it again
        return None

    made = processes.agreed(ensure)
    if made is not None:
        return made
    with suppress(BenchError):
        return kept.read(name), float(kept.read(took)[0])
    return kept.read(name), 0.0


def item_vectors(encoder: Encoder, data: TrainData, items: NDArray[np.int64] | None = None) -> Vectors:
    """Float32, (n, dim), unit length, of some items (all): the sum of the vectors of an item's query and passage.

    Both are in that of its languages in which most items exist, so that items are told apart by what they are about
    rather than by their language.
    """
    has = data.pool.has
    order = np.argsort(-has.sum(axis=0), kind="stable")
    items = np.arange(data.pool.n_items) if items is None else items
    parts = []
    for start in range(0, len(items), AT_ONCE):
        chosen = items[start : start + AT_ONCE]
        lang = order[has[np.ix_(chosen, order)].argmax(axis=1)]
        rows = [(data.pool.langs[code], i) for i, code in zip(chosen.tolist(), lang.tolist(), strict=True)]
        both = encoder.encode([data.query[of][i] or "" for of, i in rows], "query")
        both = both + encoder.encode([data.passage[of][i] or "" for of, i in rows], "passage")
        parts.append(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-6))
    return np.concatenate(parts).astype(np.float32, copy=False)


def followed(encoder: Encoder, data: TrainData) -> Vectors:
    """The same of all items by an encoder in training; several processes encode a share each, and all hold all."""
    shares = np.array_split(np.arange(data.pool.n_items), processes.count())
    own = item_vectors(encoder, data, shares[processes.number()])
    encoder.model.train()
    if processes.count() == 1:
        return own
    from torch import distributed

    held: list[Vectors] = [own] * processes.count()
    distributed.all_gather_object(held, own)
    return np.concatenate(held)


def item_lengths(encoder: Encoder, data: TrainData, items: NDArray[np.int64] | None = None) -> Ints:
    """Int64, (n_items, n_langs): tokens of an item's query and passage in a language, as they are cut; 0 without.

    With ``items``, those of some are counted alone.
    """
    out = np.zeros(data.pool.has.shape, np.int64)
    items = np.arange(data.pool.n_items) if items is None else items
    for at, lang in enumerate(data.pool.langs):
        there = items[data.pool.has[items, at]]
        for start in range(0, len(there), 1024):
            rows = there[start : start + 1024]
            for count in _tokens(encoder, data, lang, rows.tolist()):
                out[rows, at] += count
    return out


def _tokens(encoder: Encoder, data: TrainData, lang: str, rows: Sequence[int]) -> Iterator[Ints]:
    for texts, kind in ((data.query[lang], "query"), (data.passage[lang], "passage")):
        features = encoder.features([texts[i] or "" for i in rows], "query" if kind == "query" else "passage")
        mask = features.get("attention_mask")
        if mask is not None:
            yield mask.sum(dim=1).numpy().astype(np.int64)
        elif "offsets" in features:  # texts one behind another: each begins at its offset
            ends = [*features["offsets"].tolist()[1:], len(features["input_ids"])]
            yield np.array(ends, np.int64) - np.array([0, *ends[:-1]], np.int64)
        else:
            raise BenchError("this model's texts have no tokens to count; leave strategies out that need lengths")
