"""Scaled losses: the same training, and no update where a gradient overflows."""

import dataclasses

import pytest
import torch

from bench.data.batches import Audit, schedule
from bench.data.train_data import combine
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training import optimizer as optimizer_
from bench.training.loop import Hooks, Step, train
from bench.training.optimizer import FIRST, LossScale, Optimizers
from strategies import STRATEGIES
from tasks.demo import DemoSource


def test_the_scale_halves_at_an_overflow_and_doubles_after_a_long_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_, "CALM_UPDATES", 2)
    scale = LossScale(True)
    gradient = torch.tensor([FIRST])
    assert scale.unscale([gradient])
    assert gradient.item() == 1.0
    assert not scale.unscale([torch.tensor([1.0]), torch.tensor([float("inf")])])
    assert scale.value == FIRST / 2
    assert [scale.unscale([torch.ones(1)]) for _ in range(2)] == [True, True]
    assert scale.value == FIRST
    again = LossScale(True)
    again.load_state_dict(scale.state_dict())
    assert again.state_dict() == scale.state_dict()


def test_one_is_never_moved() -> None:
    scale = LossScale(False)
    assert scale.unscale([torch.tensor([float("inf")])])
    assert scale.value == 1.0


def test_an_overflow_leaves_weights_and_moments_alone() -> None:
    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    optimizer = Optimizers(model, 0.1, 0.0, by_rows=True, scaled=True)
    model.weight.grad = torch.tensor([[float("inf"), 1.0]])
    optimizer.step(1.0)
    assert torch.equal(model.weight, before)
    assert not optimizer.whole.state
    assert model.weight.grad is None


def test_training_in_float16_follows_float32() -> None:
    settings = Settings(model="demo-transformer", steps=5, batch_size=16, learning_rate=3e-3, temperature=0.05)
    data = combine([DemoSource().load(None)], settings.languages)
    losses = []
    for precision in ("fp16", "float32"):
        seen: list[Step] = []
        own = dataclasses.replace(settings, precision=precision)
        batches = schedule(STRATEGIES["mono"](), data.pool, 16, 5, 0, Audit(data.pool.langs))
        train(load_encoder(own, 0), data, batches, own, 0, Hooks(seen.append))
        losses.append([s.loss for s in seen])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
