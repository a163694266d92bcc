"""Counted operations are those that torch counts while a step runs."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.encoding.passes import Work, total
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training.cost import Flops, count
from bench.training.gradcache import cached_gradients, plain_gradients
from bench.training.loss import info_nce

TEXTS = ["a", "the currency of Peru", "b c", "official language of Chad and its neighbours"]


def objective(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    return info_nce(queries, passages, 0.05, torch.arange(len(queries)))


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("micro_batch", [0, 3])
def test_a_step_costs_what_torch_counts(packs: bool, micro_batch: int) -> None:
    encoder = load_encoder(Settings(model="demo-transformer"), 0)
    encoder.packs = packs
    flops = count(encoder)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        if micro_batch:
            _, work = cached_gradients(encoder, TEXTS, TEXTS, objective, micro_batch, torch.device("cpu"))
        else:
            _, work = plain_gradients(encoder, TEXTS, TEXTS, objective)
    of_loss = 3 * 2 * len(TEXTS) ** 2 * 128
    once = sum(counter.get_flop_counts()["SentenceTransformer.0.model.pooler"].values())
    assert flops.step(work, micro_batch) == counter.get_total_flops() - of_loss - once
    assert flops.linear > 0
    assert flops.quadratic > 0


def test_a_model_without_products_costs_nothing() -> None:
    assert count(load_encoder(Settings(), 0)) == Flops(0.0, 0.0)


def test_counting_draws_no_random_number_and_leaves_the_mode() -> None:
    encoder = load_encoder(Settings(model="demo-transformer"), 0)
    encoder.model.train()
    before = torch.get_rng_state()
    count(encoder)
    assert torch.equal(before, torch.get_rng_state())
    assert encoder.model.training


def test_work_adds_up() -> None:
    assert total(Work(1, 3, 4, 16), Work(2, 5, 6, 18)) == Work(3, 8, 10, 34)
    assert Work(1, 3, 4, 16).padding == 0.25
    assert Work(1, 0, 0, 0).padding == 0.0
