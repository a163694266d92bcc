import torch
from torch.nn import functional

from bench.training.loss import info_nce


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_equals_the_sum_by_hand() -> None:
    q, p = unit(4, 8), unit(4, 8).flip(0)
    expected = 0.0
    for i in range(4):
        scores = [float(q[i] @ p[j]) / 0.05 for j in range(4)]
        expected += (torch.tensor(scores).logsumexp(0) - scores[i]).item() / 4
    assert abs(info_nce(q, p, 0.05, torch.arange(4)).item() - expected) < 1e-4


def test_rows_of_one_group_are_no_negatives_of_each_other() -> None:
    q, p = unit(3, 8), unit(3, 8)
    q.requires_grad_()
    masked = info_nce(q, p, 0.1, torch.tensor([7, 7, 9]))
    alone = torch.stack(
        [
            functional.cross_entropy(q[0] @ p[[0, 2]].T / 0.1, torch.tensor(0)),
            functional.cross_entropy(q[1] @ p[[1, 2]].T / 0.1, torch.tensor(0)),
            functional.cross_entropy(q[2] @ p.T / 0.1, torch.tensor(2)),
        ]
    ).mean()
    torch.testing.assert_close(masked, alone)
    masked.backward()
    assert torch.isfinite(q.grad).all()
