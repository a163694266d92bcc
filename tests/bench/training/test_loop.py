import dataclasses

import numpy as np
import pytest
import torch

from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.encoding.encoder import Encoder
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training.loop import Hooks, Step, learning_rate_share, train
from strategies import STRATEGIES
from tasks.demo import DemoSource

SETTINGS = Settings(steps=6, batch_size=16, learning_rate=5e-3, temperature=0.05)


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], SETTINGS.languages)


def run(data: TrainData, settings: Settings, strategy: str = "hybrid", seed: int = 0) -> tuple[Encoder, list[Step]]:
    torch.set_num_threads(1)
    encoder, steps = load_encoder(settings, seed), []
    audit = Audit(data.pool.langs)
    batches = schedule(STRATEGIES[strategy](), data.pool, settings.batch_size, settings.steps, seed, audit)
    train(encoder, data, batches, settings, seed, Hooks(steps.append))
    return encoder, steps


@pytest.mark.parametrize("model", ["demo-static", "demo-transformer"])
def test_same_seed_same_bits(data: TrainData, model: str) -> None:
    settings = dataclasses.replace(SETTINGS, model=model)
    (one, first), (two, second) = run(data, settings), run(data, settings)
    assert [s.loss for s in first] == [s.loss for s in second]
    assert one.weights_hash() == two.weights_hash()
    assert one.weights_hash() != run(data, settings, seed=1)[0].weights_hash()
    assert one.weights_hash() != load_encoder(settings, 0).weights_hash()


def test_steps_are_logged_with_their_pairs_and_the_loss_falls(data: TrainData) -> None:
    _, steps = run(data, dataclasses.replace(SETTINGS, steps=60), "mono")
    assert [s.step for s in steps] == list(range(60))
    assert all(sum(s.pairs.values()) == 16 and len(s.pairs) == 1 for s in steps)
    assert np.mean([s.loss for s in steps[-10:]]) < np.mean([s.loss for s in steps[:10]])


def test_strategies_start_from_the_same_weights(data: TrainData) -> None:
    settings = dataclasses.replace(SETTINGS, model="demo-transformer")
    assert load_encoder(settings, 3).weights_hash() == load_encoder(settings, 3).weights_hash()
    assert load_encoder(settings, 3).weights_hash() != load_encoder(settings, 4).weights_hash()


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    shares = [learning_rate_share(step, 100, 0.1) for step in range(100)]
    assert shares[0] > 0
    assert max(shares) == shares[10] == 1.0
    assert shares[:11] == sorted(shares[:11])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[-1] < 0.02
    assert learning_rate_share(0, 1, 0.0) == 1.0


def test_texts_padded_by_length_give_the_same_vectors() -> None:
    encoder = load_encoder(dataclasses.replace(SETTINGS, model="demo-transformer"), 0)
    encoder.packs = False
    encoder.model.eval()
    texts = ["a", "a longer text about the currency of France", "b c"] * 7
    together, work = encoder.represent(texts, "passage")
    plain = encoder.embed(encoder.features(texts, "passage"), "passage")
    torch.testing.assert_close(together, plain, rtol=0, atol=1e-6)
    assert 0 < work.padding < 1
    np.testing.assert_allclose(encoder.encode(texts, "passage"), plain.detach().numpy(), rtol=0, atol=1e-6)


def test_a_loss_that_is_no_number_ends_the_run(data: TrainData) -> None:
    encoder = load_encoder(SETTINGS, 0)
    with torch.no_grad():
        next(iter(encoder.model.parameters())).fill_(float("nan"))
    audit = Audit(data.pool.langs)
    batches = schedule(STRATEGIES["mono"](), data.pool, 16, 6, 0, audit)
    with pytest.raises(BenchError, match=r"the loss is nan at step 0; raise --temperature \(now 0\.05\)"):
        train(encoder, data, batches, SETTINGS, 0, Hooks(lambda step: None))


@pytest.mark.parametrize(("model", "changed", "said"), [
    ("demo-static", {"learning_rate": 1e30}, r"the loss is nan at step [1-3]; lower --learning-rate \(now 1e\+30\)"),
    ("demo-static", {"learning_rate": 1e30, "steps": 1}, r"after the last step.*; lower --learning-rate \(now 1e\+30"),
    ("demo-transformer", {"learning_rate": 1e30}, r"at step 1; lower --learning-rate \(now 1e\+30\)"),
    ("demo-static", {"temperature": 1e-30}, r"of the gradients is inf at step \d; raise --temperature \(now 1e-30\)"),
    ("demo-transformer", {"temperature": 1e-30}, r"at step \d; raise --temperature \(now 1e-30\)"),
    ("demo-static", {"temperature": 1e-50}, r"the loss is nan at step 0; raise --temperature \(now 1e-50\)"),
    ("demo-static", {"weight_decay": 1e30}, r"lower --learning-rate .* and --weight-decay \(now 1e\+30\)"),
])  # fmt: skip
def test_numbers_that_overflow_end_in_a_line_about_the_option(
    data: TrainData, model: str, changed: dict[str, float], said: str
) -> None:
    settings = dataclasses.replace(SETTINGS, model=model, **changed)  # type: ignore[arg-type]
    encoder = load_encoder(settings, 0)
    audit = Audit(data.pool.langs)
    batches = schedule(STRATEGIES["mono"](), data.pool, settings.batch_size, settings.steps, 0, audit)
    with pytest.raises(BenchError, match=said):
        train(encoder, data, batches, settings, 0, Hooks(lambda step: None))
