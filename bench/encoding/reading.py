"""Texts to token ids: read once, by the shorter way where there is one, and ahead of a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from bench.data.corpus import Kind
from bench.encoding import sides
from bench.encoding.ahead import Ahead
from bench.encoding.tokens import SHARED, Features, Reader, Store
from bench.store import shards

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

READ_AHEAD = 1 << 11
"""Texts that are read while as many pass a GPU."""


class Reading:
    """How a model's texts become features.

    Args:
        model: gives the tokenizer.
        prompt: in front of every text of a kind.
        length: tokens kept of a text of a kind, at most.
        files: what decides tokens (``folder.files_of``): models of equal ones share what they read; empty: none.

    Attributes:
        cuts: whether a batch of a kind may pass the model in parts, cut to their longest text.
    """

    def __init__(
        self, model: SentenceTransformer, prompt: Mapping[Kind, str], length: Mapping[Kind, int], files: str
    ) -> None:
        self._prompt, self._length = prompt, length
        self._files, self._tokens = files, SHARED if files else Store()
        known = {kind: all(map(sides.is_known, sides.modules_of(model, kind))) for kind in sides.TASK}
        self.cuts = {kind: known[kind] and sides.transformer_of(model, kind) is not None for kind in sides.TASK}
        self._quick = {kind: quick_reader(model, kind, prompt[kind]) for kind in sides.TASK}

    def features(self, model: SentenceTransformer, texts: Sequence[str], kind: Kind) -> Features:
        """Token ids (and mask) of ``texts``, cut to the length limit of their kind; on the CPU."""
        features = self._read(model, texts, kind)
        mask = features.get("attention_mask")
        if mask is not None and not mask.shape[-1]:  # no text has a token: models take no batch without any
            more = self._read(model, [*texts, "a"], kind)
            features = {k: v[:-1] if isinstance(v, Tensor) else v for k, v in more.items()}
        return features

    def read(self, model: SentenceTransformer, texts: Sequence[str], kind: Kind) -> None:
        """Keep the token ids of texts that are trained on next; nothing where this reader's are not kept."""
        if self._tokens.keeps(self._reader(kind)):
            self._read(model, texts, kind, ahead=True)

    def _read(self, model: SentenceTransformer, texts: Sequence[str], kind: Kind, ahead: bool = False) -> Features:
        """Features as the tokenizer gives them, which reads new texts alone; ``ahead`` of training."""
        read = partial(self._preprocessed, model, kind=kind)
        return self._tokens.features(texts, self._reader(kind), read, model.training or ahead, self._quick[kind])

    def _reader(self, kind: Kind) -> Reader:
        return Reader(self._files, kind, self._prompt[kind], self._length[kind])

    def _preprocessed(self, model: SentenceTransformer, texts: list[str], kind: Kind) -> Features:
        first = model[0]
        looks = not sides.is_known(first) or model.modalities != ["text"]  # at each text: is it a picture's place?
        read = model.preprocess if looks else first.preprocess
        found: Features = read(texts, prompt=self._prompt[kind], task=sides.TASK[kind])
        return found

    def chunks(
        self, model: SentenceTransformer, texts: Iterator[str], kind: Kind
    ) -> Iterator[tuple[list[str], Features | None]]:
        """Chunks of a stream; for a GPU with their features, which are read while the chunk before passes."""
        ahead = model.device.type == "cuda" and self.cuts[kind]
        chunks = iter(lambda: list(islice(texts, READ_AHEAD if ahead else shards.CHUNK)), [])
        if not ahead:
            yield from ((chunk, None) for chunk in chunks)
            return
        reading: Ahead[list[str], Features] = Ahead(lambda chunk: self.features(model, chunk, kind))
        for chunk in reading.over(chunks):
            yield chunk, reading.found()


class _QuickReader:
    """Ids of texts, int32, straight from a fast tokenizer.

    What transformers does around it (offsets, nested lists, lists to tensors) takes longer than the reading itself.
    """

    def __init__(self, tokenizer: Any, prompt: str, length: int) -> None:
        self._backend, self._prompt = tokenizer.backend_tokenizer, prompt
        self._length, self._side = length, tokenizer.truncation_side

    def __call__(self, texts: list[str]) -> list[bytes]:
        backend = self._backend
        if self._length < VERY_LARGE_INTEGER:
            backend.enable_truncation(self._length, stride=0, strategy="longest_first", direction=self._side)
        else:
            backend.no_truncation()
        backend.no_padding()
        found = backend.encode_batch_fast([self._prompt + text for text in texts])
        return [np.array(encoding.ids, np.int32).tobytes() for encoding in found]


VERY_LARGE_INTEGER = int(1e30)
"""What transformers says of a tokenizer without a limit."""


def quick_reader(model: SentenceTransformer, kind: Kind, prompt: str) -> Callable[[list[str]], list[bytes]] | None:
    """A shorter way from texts to ids, where one transformer reads nothing but text; for one thread at a time."""
    first = sides.transformer_of(model, kind)
    if first is None or type(first).__name__ != "Transformer" or not first.tokenizer.is_fast:
        return None
    plain = set(getattr(first, "modality_config", ())) == {"text"} and getattr(first, "query_expansion", None) is None
    length = getattr(first, f"{sides.TASK[kind]}_length", None) or first.tokenizer.model_max_length
    return _QuickReader(first.tokenizer, prompt, int(length)) if plain else None
