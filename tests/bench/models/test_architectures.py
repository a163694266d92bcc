"""Every architecture gives what sentence-transformers gives, before training and after save and open.

``python -m tests.bench.models.test_architectures > reports/architectures.md`` writes the distances down.
"""

import dataclasses
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tabulate import tabulate

from bench.data.batches import Audit, schedule
from bench.data.corpus import Kind
from bench.data.train_data import TrainData, combine
from bench.encoding.encoder import Encoder
from bench.models.loading import load_to_train, save
from bench.plan.settings import Settings
from bench.training.loop import Hooks, train
from strategies.hybrid import Hybrid
from tasks.demo import DemoSource
from tests.bench.tiny_models import MODELS

TEXTS = ["", "b", "the capital of Peru", "Столица Перу", "秘鲁的首都是哪里？", "พีรู " * 3, "longer than any limit " * 30]
SETTINGS = Settings(steps=2, batch_size=8, learning_rate=1e-3, query_length=24, passage_length=40, precision="float32")

ADAPTED = ("bert, --lora r=2", "qwen3, padded left, --lora r=2")


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


def distances(encoder: Encoder, folder: Path, saved: bool) -> list[float]:
    """The largest between two vectors of one text, of unit length: of queries, and of passages."""
    kinds: tuple[Kind, ...] = ("query", "passage")
    pairs = [(encoder.encode(TEXTS, kind), theirs(folder, kind, SETTINGS, saved)) for kind in kinds]
    return [float(np.linalg.norm(a - b, axis=1).max()) for a, b in pairs]


def measured(name: str, folder: Path, data: TrainData) -> list[float]:
    """The distances before training, and those of the trained model from what was saved of it."""
    torch.set_num_threads(1)
    kind, _, lora = name.partition(", --lora ")
    settings = dataclasses.replace(SETTINGS, model=str(MODELS[kind](folder / "base")), lora=lora)
    encoder = load_to_train(settings, 0)
    before = distances(encoder, folder / "base", saved=False)
    weights = encoder.weights_hash()
    batches = schedule(Hybrid(), data.pool, settings.batch_size, settings.steps, 0, Audit(data.pool.langs))
    train(encoder, data, batches, settings, 0, Hooks(lambda step: None))
    assert encoder.weights_hash() != weights
    save(encoder, folder / "saved")
    return [*before, *distances(encoder, folder / "saved", saved=True)]


@pytest.mark.parametrize("name", [*MODELS, *ADAPTED])
def test_vectors_are_those_of_sentence_transformers(name: str, tmp_path: Path, data: TrainData) -> None:
    if name in ADAPTED:
        pytest.importorskip("peft", reason="needs the extra [peft]")
    assert max(measured(name, tmp_path, data)) < 1e-5


def test_the_page_has_every_model() -> None:
    page = (Path(__file__).parents[3] / "reports" / "architectures.md").read_text(encoding="utf-8")
    named = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert named[1:] == [*MODELS, *ADAPTED]


def report() -> str:
    """The distances of all models, as a page."""
    data, rows = combine([DemoSource().load(None)], ("en", "de")), []
    for name in (*MODELS, *ADAPTED):
        with tempfile.TemporaryDirectory() as folder:
            rows.append([name, *(f"{value:.1e}" for value in measured(name, Path(folder), data))])
    header = ["model", "query", "passage", "query, saved", "passage, saved"]
    packages = ("sentence-transformers", "transformers", "torch", "peft")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    return PAGE.format(texts=len(TEXTS), steps=SETTINGS.steps, versions=versions, table=table)


PAGE = """# Architectures

Tiny models with random weights, of the architectures and modules that people train: the largest distance between two
vectors of one text (unit length, float32), one by `bench` and one by sentence-transformers' `encode_query` or
`encode_document` of the same folder; before training, and after {steps} steps, of the encoder in memory from the folder
that was saved of it. {texts} texts: empty, short, of five scripts, longer than the limit. Every model that is opened or
saved is compared so in every run; a distance above 1e-4 is refused.

`python -m tests.bench.models.test_architectures > reports/architectures.md`, on one CPU thread; {versions}.

{table}
"""


if __name__ == "__main__":
    print(report(), end="")
