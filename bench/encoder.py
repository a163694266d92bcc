"""Any encoder that sentence-transformers can load, with its own pooling and prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from bench.config import Settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Kind = Literal["query", "passage"]


TOGETHER = 8
"""Texts that are padded to one length in training."""


class Padding(NamedTuple):
    """Positions that were padding, and all positions."""

    padded: int
    positions: int


class Encoder:
    """Maps texts to unit vectors. ``kind`` chooses the prompt and the length limit."""

    def __init__(self, model: SentenceTransformer, settings: Settings) -> None:
        self.model = model
        own = model.prompts
        self.prompt: dict[Kind, str] = {
            "query": _first(settings.query_prompt, own.get("query")),
            "passage": _first(settings.passage_prompt, own.get("passage"), own.get("document")),
        }
        self.length: dict[Kind, int] = {"query": settings.query_length, "passage": settings.passage_length}
        self._bf16 = settings.precision == "bf16"
        limit = model.max_seq_length
        self._limit = int(limit) if limit is not None and np.isfinite(limit) else None

    def features(self, texts: Sequence[str], kind: Kind) -> dict[str, Tensor]:
        """Token ids (and mask) of ``texts``, cut to the length limit of their kind."""
        if self._limit is None:
            features = self.model.preprocess(list(texts), prompt=self.prompt[kind])
        else:
            self.model.max_seq_length = min(self._limit, self.length[kind])
            features = self.model.preprocess(list(texts), prompt=self.prompt[kind])
            self.model.max_seq_length = self._limit
        return {k: v.to(self.model.device) if isinstance(v, Tensor) else v for k, v in features.items()}

    def embed(self, features: dict[str, Tensor]) -> Tensor:
        """Float32, (n, dim), unit length; differentiable. The layers run in the precision of the settings."""
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bf16):
            vectors = self.model(features)["sentence_embedding"]
        return functional.normalize(vectors.float(), dim=-1)

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Padding]:
        """Float32, (n, dim), unit length, differentiable, in the order of ``texts``; and how much of it was padding.

        Texts of like length are padded together: the same vectors up to rounding, at a fraction of the work.
        """
        if self._limit is None:
            return self.embed(self.features(texts, kind)), Padding(0, 0)
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        parts = [order[start : start + TOGETHER] for start in range(0, len(order), TOGETHER)]
        features = [self.features([texts[i] for i in part], kind) for part in parts]
        masks = [f["attention_mask"] for f in features]
        padding = Padding(sum(int(m.numel() - m.sum()) for m in masks), sum(m.numel() for m in masks))
        vectors = torch.cat([self.embed(f) for f in features])
        place = torch.empty(len(order), dtype=torch.long)
        place[torch.tensor(order)] = torch.arange(len(order))
        return vectors[place.to(vectors.device)], padding

    def encode(self, texts: Sequence[str], kind: Kind, batch_size: int = 64) -> NDArray[np.float32]:
        """Float32, (n, dim), unit length, in the order of ``texts``; each distinct text is encoded once."""
        distinct, inverse = distinct_texts(texts)
        order = sorted(
            range(len(distinct)), key=lambda i: (len(distinct[i]), distinct[i])
        )  # like lengths: less padding
        out = np.empty((len(distinct), 0), np.float32)
        self.model.eval()
        with torch.inference_mode(), tqdm(total=len(order), desc=f"encode {kind}", unit="text", disable=None) as bar:
            for start in range(0, len(order), batch_size):
                part = order[start : start + batch_size]
                vectors = self.embed(self.features([distinct[i] for i in part], kind)).cpu().numpy()
                if out.shape[1] == 0:
                    out = np.empty((len(distinct), vectors.shape[1]), np.float32)
                out[part] = vectors
                bar.update(len(part))
        return out[inverse]

    def weights_hash(self) -> str:
        """sha256 over the names and values of all weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write a folder that ``SentenceTransformer(folder)`` opens, with the prompts that were used."""
        self.model.prompts |= {"query": self.prompt["query"], "passage": self.prompt["passage"]}
        self.model.save_pretrained(str(folder), create_model_card=False)


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts in order of first appearance, and for each text its place among them."""
    place: dict[str, int] = {}
    inverse = np.fromiter((place.setdefault(t, len(place)) for t in texts), np.int64, len(texts))
    return list(place), inverse


def _first(*choices: str | None) -> str:
    return next((c for c in choices if c), "") if choices[0] is None else choices[0]
