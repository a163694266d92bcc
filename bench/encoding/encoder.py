"""Texts to unit vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench import accelerator
from bench.data.corpus import Kind, distinct_texts, first_appearances
from bench.encoding import sides
from bench.encoding.passes import (
    WASTE,
    Pass,
    Work,
    can_pack,
    filled,
    for_kernels,
    joined,
    pack,
    padded_right,
    passes,
    prepare,
    total,
)
from bench.encoding.reading import Reading
from bench.encoding.tokens import Features
from bench.errors import BenchError
from bench.plan.settings import Settings
from bench.processes import Progress, tell

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from bench.data.corpus import Corpus

POSITIONS = {"cpu": 1 << 11, "cuda": 1 << 16}
"""Positions, padding included, that pass the model together in encoding: on a CPU few enough to stay in its cache."""


TRAINED_TOGETHER = {"cpu": 1 << 12, "cuda": 1 << 18}
"""Tokens that pass without padding together in training, about: on a CPU sums over many more are less exact in float32,
and a GPU waits for the launches of every pass."""


TOO_LONG = (
    "one text at a time does not fit into the GPU's memory; a smaller --query-length and --passage-length needs less"
)


ENCODED_TOGETHER = 64
"""Texts that pass together where a model does not pad, or pads on the left."""


class Parity(NamedTuple):
    """A comparison with sentence-transformers, of vectors of unit length in float32.

    Attributes:
        distance: the largest between two vectors of one text.
        text: which one that was.
        seconds: that it took.
    """

    distance: float
    text: str
    seconds: float


class Counter(Protocol):
    """Is told how many texts more are encoded."""

    def update(self, more: int, /) -> object:
        """So many more."""


class Encoder:
    """Maps texts to unit vectors. ``kind`` chooses the prompt and the length limit.

    Args:
        model: as sentence-transformers opens it.
        settings: prompts, lengths, precision.
        files: what decides tokens (``folder.files_of``): encoders of equal ones share what they read of texts.

    Attributes:
        model: of sentence-transformers, set up as it is used: what is saved of it does the same.
        prompt: in front of every text of a kind.
        length: tokens kept of a text of a kind, at most.
        notes: what there was to decide, a line each.
        apart: whether a batch may pass the model in several parts in training.
        half: precision of the layers; None is float32.
        parity: the comparisons with sentence-transformers, ``opened`` and ``saved``, as far as they were made.
    """

    def __init__(self, model: SentenceTransformer, settings: Settings, files: str = "") -> None:
        self.model = model
        self.prompt, self.notes = sides.set_up(model, settings)
        self.length: dict[Kind, int] = {"query": settings.query_length, "passage": settings.passage_length}
        self.apart = True
        self.half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(settings.precision)
        self.parity: dict[str, Parity] = {}
        self._prepared = prepare(model)
        self._at_once = POSITIONS.get(model.device.type, 1 << 16)
        self._reading = Reading(model, self.prompt, self.length, files)

    def features(self, texts: Sequence[str], kind: Kind) -> Features:
        """Token ids (and mask) of ``texts``, cut to the length limit of their kind; on the CPU."""
        return self._reading.features(self.model, texts, kind)

    def read(self, texts: Sequence[str], kind: Kind) -> None:
        """Have the token ids of ``texts`` at hand, which are trained on next; another thread may call it."""
        self._reading.read(self.model, texts, kind)

    def embed(self, features: dict[str, Tensor], kind: Kind) -> Tensor:
        """Float32, (n, dim), unit length; differentiable. The layers run in the precision of the settings."""
        here = accelerator.moved(features, self.model.device)
        with self.layers():
            vectors = self.model(here, task=sides.TASK[kind])["sentence_embedding"]
        return functional.normalize(vectors[..., : self.model.truncate_dim].float(), dim=-1)

    def layers(self) -> AbstractContextManager[None]:
        """The layers' precision; around several passes, weights are cast once for all of them."""
        return torch.autocast(self.model.device.type, self.half, enabled=self.half is not None)

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
        """Float32, (n, dim), unit length, differentiable, in the order of ``texts``; and how much passed the model.

        Texts pass without padding, or those of like length together: the same vectors up to rounding, for less work.
        """
        features = self.features(texts, kind)
        mask = features.get("attention_mask")
        if mask is None:
            tokens = features["input_ids"].numel() if "input_ids" in features else 0
            return self.embed(features, kind), Work(len(texts), tokens, tokens, 0)
        tokens, packs = int(mask.sum()), self._packs(mask)
        if packs:
            together = TRAINED_TOGETHER.get(self.model.device.type, tokens) if self.apart else tokens
            parts = list(filled(mask, together, packs=True))
            work = Work(len(texts), tokens, tokens, int(mask.sum(dim=1).square().sum()))
        else:
            on_cpu = self.model.device.type == "cpu"  # a GPU waits for passes, not for padding
            parts = [Pass(torch.arange(len(texts)), None)]
            if self.apart and self._reading.cuts[kind]:
                parts = passes(mask, WASTE if on_cpu else mask.numel())
            shapes = [part.of(features)["attention_mask"].shape for part in parts]
            work = Work(len(texts), tokens, sum(n * w for n, w in shapes), sum(n * w**2 for n, w in shapes))
        vectors = torch.cat([self.embed(self._own(part, features, packs), kind) for part in parts])
        order = torch.cat([part.rows for part in parts])
        return vectors[accelerator.sent(torch.argsort(order), vectors.device)], work

    def represent_both(self, queries: Sequence[str], passages: Sequence[str]) -> tuple[Tensor, Tensor, Work]:
        """The same of queries (n, dim) and passages (m, dim); on a GPU they pass together where the model packs."""
        if self.model.device.type == "cuda" and self.apart and (found := self._together(queries, passages)):
            return found
        q, work_q = self.represent(queries, "query")
        p, work_p = self.represent(passages, "passage")
        return q, p, total(work_q, work_p)

    def _together(self, queries: Sequence[str], passages: Sequence[str]) -> tuple[Tensor, Tensor, Work] | None:
        """Both in one row of tokens; None where they are not to be had so."""
        parts: list[dict[str, Any]] = []
        kinds: tuple[tuple[Kind, Sequence[str]], ...] = (("query", queries), ("passage", passages))
        for kind, texts in kinds:
            features = self.features(texts, kind)
            mask = features.get("attention_mask")
            if mask is None or not self._packs(mask):
                return None
            parts.append(pack(self.model, features, torch.arange(len(texts))))
        both = joined(self.model, parts)
        if both is None:
            return None
        lengths = both["cu_seq_lens_q"].diff()
        tokens = int(lengths.sum())
        if tokens > TRAINED_TOGETHER["cuda"]:
            return None
        vectors = self.embed(for_kernels(both), "passage")
        work = Work(len(lengths), tokens, tokens, int(lengths.square().sum()))
        return vectors[: len(queries)], vectors[len(queries) :], work

    @property
    def packs(self) -> bool:
        """Whether texts pass the model without padding."""
        return self._prepared and can_pack(self.model, self.model.device, self.half)

    @packs.setter
    def packs(self, value: bool) -> None:
        self._prepared = value

    def _packs(self, mask: Tensor) -> bool:
        """Whether a batch passes without padding: of a text without a token nothing would be left."""
        return self.packs and bool(mask.any(dim=1).all())

    def _own(self, part: Pass, features: dict[str, Tensor], packs: bool) -> dict[str, Tensor]:
        """What passes the model of a batch's features."""
        if not packs:
            return part.of(features)
        found = pack(self.model, features, part.rows)
        return for_kernels(found) if self.model.device.type == "cuda" else found

    def passages(self, corpus: Corpus) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Float32, (n_distinct, dim), unit length, and for each column of the corpus its row; texts are streamed."""
        distinct = first_appearances(corpus.texts(), len(corpus.doc_id))
        return self._encode(distinct.of(corpus.texts()), distinct.size, "passage"), distinct.place

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> NDArray[np.float32]:
        """Float32, (n, dim), unit length, in the order of ``texts``; an encoder needs no ``langs``."""
        return self.encode(texts, "query")

    def encode(self, texts: Sequence[str], kind: Kind) -> NDArray[np.float32]:
        """Float32, (n, dim), unit length, in the order of ``texts``; each distinct text is encoded once."""
        distinct, inverse = distinct_texts(texts)
        return self._encode(iter(distinct), len(distinct), kind)[inverse]

    def _encode(self, texts: Iterator[str], at_most: int, kind: Kind) -> NDArray[np.float32]:
        """Encode a stream of at most ``at_most`` texts; only ``shards.CHUNK`` of them are held at once."""
        out = np.empty((0, 0), np.float32)
        done = 0
        self.model.eval()
        with progress(at_most, kind) as bar:
            for chunk, features in self._reading.chunks(self.model, texts, kind):
                vectors = self.encode_chunk(chunk, kind, bar, features)
                if not out.size:
                    out = np.empty((at_most, vectors.shape[1]), np.float32)
                out[done : done + len(chunk)] = vectors
                done += len(chunk)
        return out[:done]

    def encode_chunk(
        self, texts: list[str], kind: Kind, bar: Counter, features: Features | None = None
    ) -> NDArray[np.float32]:
        """Float32, (n, dim), unit length, of at most ``shards.CHUNK`` texts, which decides the last bits.

        ``features`` are theirs, where they were read before. Where they do not fit into the memory of a GPU, half as
        many pass together from there on.

        Raises:
            BenchError: the longest does not fit alone.
        """
        while True:
            try:
                return self._vectors(texts, kind, bar, features)
            except torch.cuda.OutOfMemoryError:
                pass
            if self._at_once < max(self.length.values()):
                raise BenchError(TOO_LONG)
            self._at_once //= 2
            tell(f"the GPU's memory is full; from here on {self._at_once} tokens pass at a time")

    def _vectors(self, texts: list[str], kind: Kind, bar: Counter, features: Features | None) -> NDArray[np.float32]:
        out = np.empty((0, 0), np.float32)
        self.model.eval()
        with torch.inference_mode(), self.layers():
            for rows, vectors in self._passes(texts, kind, features):
                if not out.size:
                    out = np.empty((len(texts), vectors.shape[1]), np.float32)
                out[rows] = vectors
                bar.update(len(rows))
        return out

    def _passes(
        self, texts: list[str], kind: Kind, read: Features | None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Places among ``texts`` and their vectors, texts of like length together: most of padding is saved."""
        features = read or (self.features(texts, kind) if self._reading.cuts[kind] else {})
        packs = bool(features) and self._packs(features["attention_mask"])
        if features and (packs or padded_right(features["attention_mask"])):
            for part in filled(features["attention_mask"], self._at_once, packs):
                yield part.rows.numpy(), self.embed(self._own(part, features, packs), kind).cpu().numpy()
            return
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
        for start in range(0, len(texts), ENCODED_TOGETHER):
            rows = order[start : start + ENCODED_TOGETHER]
            yield np.array(rows), self.embed(self.features([texts[i] for i in rows], kind), kind).cpu().numpy()

    def weights_hash(self) -> str:
        """sha256 over the names and values of all weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)  # not copied
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write a folder that ``SentenceTransformer(folder)`` opens, with the prompts and lengths that were used."""
        for kind in sides.TASK:
            sides.forget_batch(self.model, kind)
        self.model.save_pretrained(str(folder), create_model_card=False)


def progress(texts: int, kind: Kind) -> Progress:
    """How far the encoding of that many texts is."""
    return Progress(f"encode {kind}", texts, "text")
