"""Every architecture gives what sentence-transformers gives, before training and after save and open."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from bench.data.batches import Audit, schedule
from bench.data.corpus import Kind
from bench.data.train_data import TrainData, combine
from bench.models.encoder import Encoder
from bench.models.loading import load_encoder, save
from bench.plan.settings import Settings
from bench.training.loop import train
from strategies.hybrid import Hybrid
from tasks.demo import DemoSource
from tests.bench.tiny_models import MODELS

TEXTS = ["", "b", "the capital of Peru", "Столица Перу", "秘鲁的首都是哪里？", "พีรู " * 3, "longer than any limit " * 30]
SETTINGS = Settings(steps=2, batch_size=8, learning_rate=1e-3, query_length=24, passage_length=40, precision="float32")


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], ("en", "de"))


def theirs(folder: Path, kind: Kind, settings: Settings, saved: bool) -> NDArray[np.float32]:
    """sentence-transformers' own vectors; what is saved has its lengths, others are told them."""
    model = SentenceTransformer(str(folder), device="cpu").float()
    encode = {"query": model.encode_query, "passage": model.encode_document}[kind]
    length = {"query": settings.query_length, "passage": settings.passage_length}[kind]
    more = {} if saved else {"processing_kwargs": {"text": {"max_length": length}}}
    takes = any(type(module).__name__ == "Transformer" for module in model.modules())
    vectors = encode(TEXTS, normalize_embeddings=True, batch_size=3, **(more if takes else {}))
    return np.asarray(vectors, np.float32)


def distance(encoder: Encoder, folder: Path, saved: bool) -> float:
    """The largest between two vectors of one text, over both kinds."""
    kinds: tuple[Kind, ...] = ("query", "passage")
    pairs = [(encoder.encode(TEXTS, kind), theirs(folder, kind, SETTINGS, saved)) for kind in kinds]
    return max(float(np.linalg.norm(a - b, axis=1).max()) for a, b in pairs)


def measured(build: Callable[[Path], Path], folder: Path, data: TrainData) -> tuple[float, float]:
    """The distance before training, and that of the trained model from what was saved of it."""
    settings = dataclasses.replace(SETTINGS, model=str(build(folder / "base")))
    encoder = load_encoder(settings, 0)
    before = distance(encoder, folder / "base", saved=False)
    weights = encoder.weights_hash()
    batches = schedule(Hybrid(), data.pool, settings.batch_size, settings.steps, 0, Audit(data.pool.langs))
    train(encoder, data, batches, settings, 0, lambda step: None)
    assert encoder.weights_hash() != weights
    save(encoder, folder / "saved")
    return before, distance(encoder, folder / "saved", saved=True)


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_sentence_transformers(name: str, tmp_path: Path, data: TrainData) -> None:
    torch.set_num_threads(1)
    assert max(measured(MODELS[name], tmp_path, data)) < 1e-5
