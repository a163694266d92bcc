"""The optimiser of rows against torch's AdamW over whole tables."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.training import row_adamw
from bench.training.optimizer import clip
from bench.training.row_adamw import RowAdamW, large_embeddings


def rates(steps: int) -> list[float]:
    return [0.01 * (1 - i / steps) for i in range(steps)]


def batches(steps: int, rows: int) -> list[torch.Tensor]:
    torch.manual_seed(3)
    return [torch.randint(0, rows // 2 if i % 3 else rows, (7,)) for i in range(steps)]


def trained(table: nn.Embedding, by_rows: bool, steps: int = 60, stop: int = 0) -> torch.Tensor:
    target = torch.linspace(-1, 1, table.embedding_dim, dtype=table.weight.dtype)
    if by_rows:
        rows: RowAdamW | None = RowAdamW([table], 0.01, 0.1)
        step_of: torch.optim.Optimizer = rows  # type: ignore[assignment]
    else:
        rows, step_of = None, torch.optim.AdamW(table.parameters(), lr=0.01, weight_decay=0.1)
    for i, (rate, ids) in enumerate(zip(rates(steps), batches(steps, table.num_embeddings), strict=True)):
        step_of.param_groups[0]["lr"] = rate
        if rows is not None:
            rows.catch_up(table.weight, torch.unique(ids))
        loss = functional.mse_loss(table(ids), target.expand(7, -1)) + (table(ids[:2]) ** 3).sum()
        loss.backward()
        clip(table.parameters(), 0.5)
        step_of.step()
        step_of.zero_grad()
        if rows is not None and stop == i + 1:
            kept = copy.deepcopy(rows.state_dict())
            rows = RowAdamW([table], 0.5, 0.5)
            rows.load_state_dict(kept)
            step_of = rows
    if rows is not None:
        rows.finish()
    return table.weight.detach()


@pytest.mark.parametrize("padding", [None, 1])
def test_the_same_weights_as_adamw_up_to_rounding(padding: int | None) -> None:
    torch.manual_seed(0)
    table = nn.Embedding(50, 8, padding_idx=padding, dtype=torch.float64)
    other = copy.deepcopy(table)
    start = table.weight.detach().clone()
    ours, theirs = trained(table, True), trained(other, False)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    assert ((ours != start) | (start == 0)).any(dim=1).all(), "rows that were never touched are decayed"


def test_rows_that_wait_for_long_are_those_of_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the horizon, weights and moments are computed at once; the moments count for the steps that follow."""
    replayed: list[int] = []
    whole = RowAdamW._replay_long

    def noted(self: RowAdamW, weight: torch.Tensor, rows: torch.Tensor, last: torch.Tensor, done: int) -> None:
        replayed.append(int(((last > 0) & (last < done - row_adamw.HORIZON)).sum()))
        whole(self, weight, rows, last, done)

    monkeypatch.setattr(RowAdamW, "_replay_long", noted)
    torch.manual_seed(0)
    table = nn.Embedding(900, 8, dtype=torch.float64)
    other = copy.deepcopy(table)
    ours, theirs = trained(table, True, 600), trained(other, False, 600)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert sum(replayed[:-1]) > 30, "rows come up again in training after so long"


def test_state_that_is_stored_and_read_gives_the_same_bits() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(50, 8)
    other = copy.deepcopy(table)
    assert torch.equal(trained(table, True), trained(other, True, stop=31))


def test_clipping_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    sparse, dense = nn.Embedding(20, 4, sparse=True), nn.Linear(4, 3)
    both = nn.ModuleList([copy.deepcopy(sparse), copy.deepcopy(dense)])
    both[0].sparse = False
    ids = torch.tensor([1, 5, 5, 7])
    for table, layer in ((sparse, dense), (both[0], both[1])):
        (layer(table(ids)) ** 2).sum().backward()
    clip([*sparse.parameters(), *dense.parameters()], 0.1)
    torch.nn.utils.clip_grad_norm_(both.parameters(), 0.1)
    torch.testing.assert_close(sparse.weight.grad.to_dense(), both[0].weight.grad)
    torch.testing.assert_close(dense.weight.grad, both[1].weight.grad)


def test_only_large_tables_that_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_adamw, "LARGE_EMBEDDING", 100)
    small, large, tied = nn.Embedding(10, 2), nn.Embedding(200, 2), nn.Embedding(300, 2)
    head = nn.Linear(2, 300, bias=False)
    head.weight = tied.weight
    assert large_embeddings(nn.ModuleList([small, large, tied, head])) == [large]
