"""The loss is multiplied before gradients are taken in float16, where small ones would vanish, and they are divided.

Source: Micikevicius et al. 2018, "Mixed Precision Training" (arXiv 1710.03740), section 3.2; the scale halves where a
gradient overflows, and doubles after a long time without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

FIRST = 2.0**16
PATIENCE = 2000
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
        if not all(bool(torch.isfinite(g).all()) for g in gradients):
            self.value, self._calm = max(self.value / 2, 1.0), 0
            return False
        for gradient in gradients:
            gradient.div_(self.value)
        self._calm += 1
        if self._calm == PATIENCE:
            self.value, self._calm = self.value * 2, 0
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"value": self.value, "calm": self._calm}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As ``state_dict`` gave it."""
        self.value, self._calm = float(state["value"]), int(state["calm"])
