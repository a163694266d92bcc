"""Every generator by the name of its stream; torch states read and set."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str) -> int:
    """A 63-bit number for the stream called ``names`` under ``seed``: same names, same number."""
    text = "\0".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str) -> np.random.Generator:
    """A numpy generator for the stream called ``names`` under ``seed``."""
    return np.random.default_rng(np.random.SeedSequence(derive(seed, *names)))


States: TypeAlias = "dict[str, torch.Tensor]"
"""uint8 states, ``cpu`` and, beside a GPU, its kind (``cuda``)."""


def random_states(device: torch.device) -> States:
    """The states that decide what a model on ``device`` draws next."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def set_random_states(states: States, device: torch.device) -> None:
    """Draw from here on what was drawn after ``random_states`` gave ``states``."""
    import torch

    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type], device)
