"""A strategy that follows the model: killed and resumed to the bits of an undisturbed training, wherever that falls."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.batches import Audit, Refresh, schedule
from bench.data.train_data import TrainData, combine, without
from bench.encoding.handed import followed, hand, item_lengths
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training.loop import Hooks, Step, train
from bench.training.resume import Keeper
from strategies.mono import Mono
from strategies.neighbours import Neighbours
from tasks.demo import DemoSource

STEPS, OWNER = 8, {"cell": "made here"}


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def data() -> TrainData:
    whole = DemoSource().load(None)
    return combine([without(whole, range(150, len(whole.group)))], ("en", "de"))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def run(
    data: TrainData, model: str, folder: Path, every: int = 0, killed_after: int = -1
) -> tuple[list[float], str, object]:
    """Train, from the checkpoint in ``folder`` if there is one; losses, weights and what was drawn."""
    torch.set_num_threads(1)
    settings = Settings(model=model, steps=STEPS, batch_size=16, learning_rate=1e-2, precision="float32")
    encoder, audit, refresh = load_encoder(settings, 0), Audit(data.pool.langs), Refresh()
    pool = hand(encoder, data, ("vectors",), {}).pool
    batches = schedule(Neighbours(4, Mono(), refresh_every=3), pool, 16, STEPS, 0, audit, refresh=refresh)
    lines, found = folder.with_name("steps.jsonl"), checkpoints.find(folder, OWNER)
    losses: list[float] = json.loads((found.path / lines.name).read_text()) if found else []

    def log(step: Step) -> None:
        losses.append(step.loss)
        lines.write_text(json.dumps(losses))
        if step.step == killed_after:
            raise Killed

    keeper = Keeper(folder, every, OWNER, lines, audit, found, refresh=refresh)
    train(encoder, data, batches, settings, 0, Hooks(log, keeper, refresh=refresh))
    return losses, encoder.weights_hash(), audit.summary()


@pytest.mark.parametrize("model", ["demo-static", "demo-transformer"])
def test_killed_and_resumed_to_the_same_bits(data: TrainData, tmp_path: Path, model: str) -> None:
    whole = run(data, model, tmp_path / "none")
    assert len(whole[0]) == STEPS
    for every, step in ((2, 4),):
        folder = tmp_path / f"every{every}"
        with pytest.raises(Killed):
            run(data, model, folder, every, killed_after=step)
        assert folder.is_dir()
        assert run(data, model, folder) == whole


def test_vectors_are_of_the_model_as_it_is_and_kept_by_what_they_are_made_of(data: TrainData, tmp_path: Path) -> None:
    encoder = load_encoder(Settings(model="demo-static", precision="float32"), 0)
    first = hand(encoder, data, ("vectors", "lengths"), {})
    again = hand(encoder, data, ("vectors", "lengths"), {})
    assert first.digests == again.digests
    assert len(list((tmp_path / "cache" / "handed").iterdir())) == 1
    vectors = first.pool.vectors
    assert vectors is not None
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors, followed(encoder, data))
    with torch.no_grad():
        next(encoder.model.parameters()).mul_(-0.5).add_(0.1)
    assert not np.allclose(vectors, followed(encoder, data), atol=0.01)
    assert hand(encoder, data, ("vectors",), {}).digests["vectors"] != first.digests["vectors"]
    lengths = item_lengths(encoder, data)
    np.testing.assert_array_equal(lengths > 0, data.pool.has)
    query, passage = (encoder.features([str(text["en"][5])], "query") for text in (data.query, data.passage))
    assert lengths[5, data.pool.langs.index("en")] == query["input_ids"].numel() + passage["input_ids"].numel()
