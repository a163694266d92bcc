"""The states of torch's generators, read and set: what dropout draws next."""

from __future__ import annotations

import torch
from torch import Tensor

States = dict[str, Tensor]
"""uint8 states, ``cpu`` and, beside a GPU, its kind (``cuda``)."""


def random_states(device: torch.device) -> States:
    """The states that decide what a model on ``device`` draws next."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def set_random_states(states: States, device: torch.device) -> None:
    """Draw from here on what was drawn after ``random_states`` gave ``states``."""
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type], device)
