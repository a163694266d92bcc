"""Token ids of texts, kept: a tokenizer reads a text once in a process, for all steps and all cells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LIMIT = 1 << 28
"""Bytes of corpora's texts and their ids that are kept; what is trained on lies in memory anyway, and comes on top."""


OVERHEAD = 150
"""Bytes that a kept text takes besides its characters and ids, about."""


Features = dict[str, Any]
"""Tensors, and plain values such as the length of the prompt."""


Read = Callable[[list[str]], Mapping[str, Any]]
"""The tokenizer's way from a batch of texts to its features."""


Quick = Callable[[list[str]], list[bytes]]
"""A shorter way to the ids of texts (int32): it is taken once it has given those of ``TRIED`` texts, all right."""


TRIED = 64


class Reader(NamedTuple):
    """All that decides the tokens of a text: equal readers give equal ones.

    Attributes:
        files: of the model, its weights apart (``models.folder.files_of``).
        kind: of the texts.
        prompt: in front of each.
        length: tokens kept of each.
    """

    files: str
    kind: str
    prompt: str
    length: int


class Layout(NamedTuple):
    """How the features of a batch are made of the ids of its texts.

    Attributes:
        names: of the tensors, in order; with ``offsets``, texts follow each other without padding.
        rest: what every batch says besides.
        pad: the id that fills short texts up.
        left: whether they are filled up in front.
    """

    names: tuple[str, ...]
    rest: dict[str, object]
    pad: int
    left: bool


class Kept:
    """The ids of texts by one reader, as long as its batches are made of nothing but their texts."""

    def __init__(self, reading: Lock) -> None:
        self.bytes = 0
        self.readable = True
        self._reading = reading
        self._ids: dict[str, bytes] = {}  # int32; a list takes ten times as much
        self._layout: Layout | None = None
        self._quick_is_right, self._tried = True, 0

    def features(
        self, texts: Sequence[str], read: Read, keep: bool, count: bool, quick: Quick | None = None
    ) -> Features:
        """What ``read`` gives for these texts, to the bit; new ones are kept where ``keep``, and ``count`` as bytes."""
        ids = [self._ids.get(text) for text in texts]
        if self._layout is not None and self.readable and None not in ids:
            return put_together(ids, self._layout)  # type: ignore[arg-type]
        with self._reading:  # a tokenizer reads for one thread at a time
            return self._read(texts, read, keep, count, quick if self._quick_is_right else None)

    def _read(self, texts: Sequence[str], read: Read, keep: bool, count: bool, quick: Quick | None) -> Features:
        new = [text for text in dict.fromkeys(texts) if text not in self._ids]
        if not self.readable or (new and not keep):
            return dict(read(list(texts)))
        if self._layout is not None and quick is not None and self._tried >= TRIED:
            self._keep(new, quick(new) if new else [], count)
        elif self._layout is None or len(new) == len(texts):
            found = dict(read(list(texts)))
            if self._add(texts, found, count):
                self._try(new, quick)
            return found
        elif new and not self._add(new, dict(read(new)), count):
            return dict(read(list(texts)))
        else:
            self._try(new, quick)
        return put_together([self._ids[text] for text in texts], self._layout)

    def _add(self, texts: Sequence[str], found: Features, count: bool) -> bool:
        """Keep the ids of a batch if that can be done; never again where it is not made of its texts alone."""
        if isinstance(found.get("input_ids"), Tensor) and not found["input_ids"].numel():
            return False  # no text has a token: such a batch does not even tell the type of ids
        ids = flat_ids(found, len(texts))
        if ids is not None and self._layout is None:
            self._layout = layout_of(found)
        if ids is None or (self._layout is not None and not same(found, put_together(ids, self._layout))):
            self.readable, self.bytes = False, 0
            self._ids.clear()
        elif self._layout is not None:
            self._keep(texts, ids, count)
            return True
        return False

    def _keep(self, texts: Sequence[str], ids: Sequence[bytes], count: bool) -> None:
        added = dict(zip(texts, ids, strict=True))
        self._ids |= added
        self.bytes += sum(sys.getsizeof(t) + len(i) + OVERHEAD for t, i in added.items()) if count else 0

    def _try(self, texts: list[str], quick: Quick | None) -> None:
        """Hold the shorter way against what has just been read."""
        if quick is not None and texts:
            self._quick_is_right = quick(texts) == [self._ids[text] for text in texts]
            self._tried += len(texts)


class Store:
    """The ids of texts by several readers.

    Args:
        limit: bytes; beyond it, no more texts of corpora are kept.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._kept: dict[Reader, Kept] = {}
        self._reading = Lock()

    @property
    def bytes(self) -> int:
        """What is kept of corpora."""
        return sum(kept.bytes for kept in self._kept.values())

    def keeps(self, reader: Reader) -> bool:
        """Whether texts of this reader are kept, as far as is known."""
        return reader not in self._kept or self._kept[reader].readable

    def features(
        self, texts: Sequence[str], reader: Reader, read: Read, training: bool, quick: Quick | None = None
    ) -> Features:
        """What ``read`` gives for these texts, to the bit; of ``training`` where they lie in memory anyway."""
        kept = self._kept.setdefault(reader, Kept(self._reading))
        return kept.features(texts, read, training or self._has_room(reader), not training, quick)

    def _has_room(self, reader: Reader) -> bool:
        """Whether more may be kept; what was kept for other models makes way, the oldest first."""
        while self.bytes >= self.limit:
            other = next((r for r in self._kept if r.files != reader.files), None)
            if other is None:
                return False
            del self._kept[other]
        return True


SHARED = Store()
"""Of this process."""


def flat_ids(features: Features, n: int) -> list[bytes] | None:
    """The ids of each of ``n`` texts, int32; None where the features hold more than ids, a mask and plain values."""
    tensors = {name: value for name, value in features.items() if isinstance(value, Tensor)}
    plain = all(isinstance(v, str | int | float | None) for k, v in features.items() if k not in tensors)
    if not plain or any(t.dtype != torch.int64 or t.device.type != "cpu" for t in tensors.values()):
        return None
    if tensors.keys() == {"input_ids", "offsets"}:
        starts, ids = tensors["offsets"].numpy(), tensors["input_ids"].numpy()
        return _cut(ids, np.append(starts, len(ids))) if ids.ndim == 1 and len(starts) == n else None
    if not {"input_ids", "attention_mask"} <= tensors.keys() <= {"input_ids", "attention_mask", "token_type_ids"}:
        return None
    shapes = {tensor.shape for tensor in tensors.values()}
    if len(shapes) > 1 or tensors["input_ids"].dim() != 2 or len(tensors["input_ids"]) != n:
        return None
    mask = tensors["attention_mask"].numpy().astype(np.bool_)
    return _cut(tensors["input_ids"].numpy()[mask], np.append(0, mask.sum(axis=1).cumsum()))


def layout_of(features: Features) -> Layout | None:
    """How a batch is made, where it can be seen from it: texts follow each other, or some are filled up."""
    names = tuple(name for name, value in features.items() if isinstance(value, Tensor))
    rest = {name: value for name, value in features.items() if name not in names}
    if "offsets" in names:
        return Layout(names, rest, 0, False)
    ids, mask = features["input_ids"], features["attention_mask"].bool()
    if mask.all():
        return None
    return Layout(names, rest, int(ids[~mask][0]), bool((mask[:, 1:] > mask[:, :-1]).any()))


def _cut(ids: NDArray[np.int64], ends: NDArray[np.int64]) -> list[bytes]:
    joined = ids.astype(np.int32).tobytes()
    return [joined[4 * start : 4 * stop] for start, stop in pairwise(ends.tolist())]


def put_together(ids: Sequence[bytes], layout: Layout) -> Features:
    """The features of a batch of texts with these ids (int32)."""
    lengths = np.array([len(i) // 4 for i in ids], np.int64)
    flat = np.frombuffer(b"".join(ids), np.int32).astype(np.int64)
    if "offsets" in layout.names:
        parts = {"input_ids": flat, "offsets": lengths.cumsum() - lengths}
    else:
        width = int(lengths.max(initial=0))
        column = np.arange(width)
        here = column >= width - lengths[:, None] if layout.left else column < lengths[:, None]
        padded = np.full(here.shape, layout.pad, np.int64)
        padded[here] = flat
        parts = {"input_ids": padded, "attention_mask": here.astype(np.int64), "token_type_ids": np.zeros_like(padded)}
    return {name: torch.from_numpy(parts[name]) for name in layout.names} | layout.rest


def same(a: Features, b: Features) -> bool:
    """Whether two batches hold the same values, to the bit."""
    return a.keys() == b.keys() and all(
        torch.equal(x, b[k]) if isinstance(x, Tensor) else x == b[k] for k, x in a.items()
    )
