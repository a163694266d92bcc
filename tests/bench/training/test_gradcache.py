"""GradCache gives the gradients of the whole batch, with dropout too, and leaves the random state where that would."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from bench.data.corpus import Kind
from bench.data.train_data import TrainData, combine
from bench.encoding.encoder import Encoder
from bench.encoding.passes import Work
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training import gradcache
from bench.training.gradcache import Gradients, Represents, cached_gradients, plain_gradients
from bench.training.loss import info_nce
from tasks.demo import DemoSource

CPU = torch.device("cpu")
QUERIES = [f"query {i} {'x' * (i * 7 % 11)}" for i in range(22)]
PASSAGES = [f"passage {i} {'y' * (i * 5 % 13)}" for i in range(22)]
GROUP = torch.tensor([*range(20), 0, 1])


class Toy(Represents):
    """A float64 network over character counts, with dropout."""

    def __init__(self, dropout: float) -> None:
        torch.manual_seed(0)
        layers = (nn.Linear(128, 24), nn.Tanh(), nn.Dropout(dropout), nn.Linear(24, 8))
        self.model = nn.Sequential(*layers).double().train()

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
        counts = torch.tensor([[float(text.count(chr(i))) for i in range(128)] for text in texts], dtype=torch.float64)
        return nn.functional.normalize(self.model(counts), dim=-1), Work(len(texts), 1, len(texts), 0)


class InMicroBatches(Represents):
    """Calls an encoder as GradCache does, but keeps the whole graph: what GradCache must equal."""

    def __init__(self, inner: Represents, micro_batch: int) -> None:
        self.inner, self.micro_batch = inner, micro_batch

    def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        parts = [order[a : a + self.micro_batch] for a in range(0, len(order), self.micro_batch)]
        vectors = torch.cat([self.inner.represent([texts[i] for i in part], kind)[0] for part in parts])
        return vectors[torch.tensor(order).argsort()], Work(len(texts), 1, len(texts), 0)


def gradient(model: nn.Module) -> Tensor:
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return found


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def objective(q: Tensor, p: Tensor) -> Tensor:
    return info_nce(q, p, 0.05, GROUP)


@pytest.mark.parametrize("micro_batch", [1, 4, 5, 22, 100])
def test_the_gradient_is_that_of_the_whole_batch(micro_batch: int) -> None:
    toy = Toy(0.0)
    plain, work = plain_gradients(toy, QUERIES, PASSAGES, objective)
    expected = gradient(toy.model)
    cached, summed = cached_gradients(toy, QUERIES, PASSAGES, objective, micro_batch, CPU)
    assert relative(gradient(toy.model), expected) < 1e-12
    assert float(cached) == pytest.approx(float(plain), rel=1e-12)
    assert summed.positions == work.positions


@pytest.mark.parametrize("micro_batch", [1, 4, 5, 22])
def test_with_dropout_the_second_pass_draws_what_the_first_drew(micro_batch: int) -> None:
    toy = Toy(0.3)
    torch.manual_seed(7)
    loss, _ = plain_gradients(InMicroBatches(toy, micro_batch), QUERIES, PASSAGES, objective)
    expected, state = gradient(toy.model), torch.get_rng_state()
    torch.manual_seed(7)
    cached, _ = cached_gradients(toy, QUERIES, PASSAGES, objective, micro_batch, CPU)
    assert relative(gradient(toy.model), expected) < 1e-12
    assert float(cached) == pytest.approx(float(loss), rel=1e-12)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    cached_gradients(toy, QUERIES, PASSAGES, objective, micro_batch, CPU)
    assert relative(gradient(toy.model), expected) > 0.01  # the masks matter


def test_with_dropout_the_loss_is_another_one_of_the_same_distribution() -> None:
    """Other masks than those of the whole batch at once; the same in the mean, and so are the gradients."""
    toy, found = Toy(0.3), []
    for compute in (plain_gradients, partial(cached_gradients, micro_batch=5, device=CPU)):
        losses, gradients = [], []
        for seed in range(300):
            torch.manual_seed(seed)
            losses.append(float(compute(toy, QUERIES, PASSAGES, objective)[0]))
            gradients.append(gradient(toy.model))
        found.append((torch.tensor(losses)[:, None], torch.stack(gradients)))
    for whole, cached in zip(*found, strict=True):
        assert (whole - cached).abs().max() > 0.1 * whole.std()  # not the same draw
        error = ((whole.var(dim=0) + cached.var(dim=0)) / len(whole)).sqrt()
        moves = error > 0
        assert ((whole.mean(dim=0) - cached.mean(dim=0)).abs()[moves] < 6 * error[moves]).all()


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], ("en", "de"))


def transformer(dropout: float) -> Encoder:
    encoder = load_encoder(dataclasses.replace(Settings(), model="demo-transformer"), 0)
    for module in encoder.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    encoder.model.train()
    return encoder


def test_the_masks_of_a_real_encoder_are_others(data: TrainData) -> None:
    queries, passages = data.query["en"][:48], data.passage["de"][:48]
    loss = partial(info_nce, temperature=0.05, group=torch.arange(48))
    for dropout, equal in ((0.0, True), (0.2, False)):
        encoder = transformer(dropout)
        torch.manual_seed(3)
        whole, _ = plain_gradients(encoder, queries, passages, loss)  # type: ignore[arg-type]
        torch.manual_seed(3)
        cached, _ = cached_gradients(encoder, queries, passages, loss, 16, CPU)  # type: ignore[arg-type]
        assert (abs(float(cached) / float(whole) - 1) < 1e-5) is equal


@pytest.mark.parametrize(("dropout", "apart"), [(0.0, 48), (0.0, 16), (0.2, 16)])
def test_a_real_encoder_against_all_at_once(data: TrainData, dropout: float, apart: int) -> None:
    queries = [q for q in data.query["en"][:48] if q is not None]
    passages = [p for p in data.passage["de"][:48] if p is not None]
    loss = partial(info_nce, temperature=0.05, group=torch.arange(48))
    encoder = transformer(dropout)
    torch.manual_seed(3)
    plain, _ = plain_gradients(InMicroBatches(encoder, apart), queries, passages, loss)
    expected, state = gradient(encoder.model), torch.get_rng_state()
    torch.manual_seed(3)
    cached, _ = cached_gradients(encoder, queries, passages, loss, 16, CPU)
    assert relative(gradient(encoder.model), expected) < 1e-6
    assert float(cached) == pytest.approx(float(plain), rel=1e-6)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("fits", [1, 3, 7, 40])
def test_a_batch_that_does_not_fit_a_gpu_passes_in_parts(
    fits: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy, plain = Toy(0.0), Toy(0.0)
    plain_gradients(plain, QUERIES, PASSAGES, objective)

    class Full(Toy):
        def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
            if len(texts) > fits:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return toy.represent(texts, kind)

    monkeypatch.setattr(gradcache, "random_states", lambda device: {"cpu": torch.get_rng_state()})
    monkeypatch.setattr(gradcache, "set_random_states", lambda states, device: torch.set_rng_state(states["cpu"]))
    gradients = Gradients(Full(0.0), list(toy.model.parameters()), 0, torch.device("cuda"))
    gradients(QUERIES, PASSAGES, objective)
    assert relative(gradient(toy.model), gradient(plain.model)) < 1e-12
    expected = {1: 1, 3: 2, 7: 5, 40: 0}[fits]
    assert gradients.micro_batch == expected
    assert ("do not fit into the GPU's memory" in capsys.readouterr().err) == bool(expected)


def test_a_text_that_does_not_fit_a_gpu_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Toy):
        def represent(self, texts: Sequence[str], kind: Kind) -> tuple[Tensor, Work]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gradcache, "random_states", lambda device: {})
    monkeypatch.setattr(gradcache, "set_random_states", lambda states, device: None)
    with pytest.raises(BenchError, match=r"one text at a time does not fit into the GPU's memory; a smaller"):
        Gradients(Full(0.0), [], 0, torch.device("cuda"))(QUERIES, PASSAGES, objective)
