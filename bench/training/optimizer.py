"""AdamW over all weights, clipped; the scale of fp16 losses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW

from bench.training.row_adamw import BETAS, EPSILON, RowAdamW, large_embeddings

FIRST = 2.0**16


CALM_UPDATES = 2000
"""Updates without an overflow after which the scale doubles."""


class LossScale:
    """A scale that finds its size; 1 and constant where it is not needed.

    Attributes:
        value: what the loss is multiplied with.
    """

    def __init__(self, needed: bool) -> None:
        self._needed = needed
        self.value = FIRST if needed else 1.0
        self._calm = 0

    def unscale(self, gradients: Sequence[Tensor]) -> bool:
        """Divide gradients in place; False where one of them overflowed, and no update is to be made of them."""
        if not self._needed:
            return True
        if not torch.isfinite(get_total_norm(gradients, float("inf"))):  # one answer to wait for, not one a tensor
            self.value, self._calm = max(self.value / 2, 1.0), 0
            return False
        torch._foreach_div_(list(gradients), self.value)
        self._calm += 1
        if self._calm == CALM_UPDATES:
            self.value, self._calm = self.value * 2, 0
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"value": self.value, "calm": self._calm}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``state_dict`` gave it."""
        self.value, self._calm = float(state["value"]), int(state["calm"])


class Optimizers:
    """AdamW over a model's weights, large embeddings row by row where ``by_rows``; one learning rate for all.

    Attributes:
        whole: over what is not updated by rows; schedulers act on it.
        scale: of the loss whose gradients arrive; other than 1 in float16 alone.
    """

    def __init__(self, model: nn.Module, lr: float, weight_decay: float, by_rows: bool, scaled: bool = False) -> None:
        self.scale = LossScale(scaled)
        tables = large_embeddings(model) if by_rows else []
        self.rows = RowAdamW(tables, lr, weight_decay) if tables else None
        apart = {id(table.weight) for table in tables}
        self.weights = [p for p in model.parameters() if p.requires_grad]
        others = [p for p in self.weights if id(p) not in apart]
        self.whole = AdamW(others, lr=lr, weight_decay=weight_decay, betas=BETAS, eps=EPSILON, fused=True)
        self._hooks = [table.register_forward_pre_hook(self._before_lookup) for table in tables]

    def _before_lookup(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        assert self.rows is not None
        assert isinstance(module, nn.Embedding)
        self.rows.catch_up(module.weight, torch.unique(arguments[0]))

    def step(self, max_norm: float) -> Tensor | None:
        """Clip all gradients to their common norm, update, and forget them; no update where one overflowed.

        Returns:
            the norm before it was clipped; None where there was no update.
        """
        norm = self._update(max_norm) if self.scale.unscale(values(self.weights)) else None
        for weight in self.weights:
            weight.grad = None
        return norm

    def _update(self, max_norm: float) -> Tensor:
        if self.rows is None:
            norm = torch.nn.utils.clip_grad_norm_(self.weights, max_norm)
        else:
            norm = clip(self.weights, max_norm)
            self.rows.param_groups[0]["lr"] = self.whole.param_groups[0]["lr"]
            self.rows.step()
        self.whole.step()
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # FSDP's is spread over processes

    def settle(self) -> None:
        """Bring the whole model up to date."""
        if self.rows is not None:
            self.rows.finish()

    def finish(self) -> None:
        """Bring the model up to date and leave it as it was found."""
        for hook in self._hooks:
            hook.remove()
        self.settle()
        if self.rows is not None:
            self.rows.leave()

    def state_dict(self) -> dict[str, Any]:
        """Of both, and of the scale."""
        rows = {"rows": self.rows.state_dict()} if self.rows else {}
        return {"whole": self.whole.state_dict(), "scale": self.scale.state_dict()} | rows

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``state_dict`` gave it."""
        self.scale.load_state_dict(state["scale"])
        self.whole.load_state_dict(state["whole"])
        if self.rows is not None:
            self.rows.load_state_dict(state["rows"])


def values(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients, of sparse ones the rows that there are; changed in place, they change the gradients."""
    found = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            found.append(parameter.grad.values())
        elif parameter.grad is not None:
            found.append(parameter.grad)
    return found


def clip(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients, also sparse ones, so that their common norm, which is returned, is at most ``max_norm``."""
    found = values(parameters)
    norm = get_total_norm(found)
    torch._foreach_mul_(found, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return norm
