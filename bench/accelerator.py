"""The device that computes: which one it is, what is recorded of it, how its bits are made to repeat.

CUDA's kernels may add numbers in another order at every run. ``repeat`` has torch take those that do not.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bench import processes
from bench.errors import BenchError

if TYPE_CHECKING:
    import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Read by cuBLAS when it is first used; without a value its sums may be split in another way at every run."""


@lru_cache(maxsize=1)
def _found() -> tuple[str, str]:
    """``cuda``, ``mps`` or ``cpu``; and why a GPU that there seems to be is not used."""
    import torch

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    if there:
        return "cuda", ""
    said = str(heard[0].message).partition("(Triggered")[0].strip().splitlines()[0] if heard else ""
    return ("mps" if torch.backends.mps.is_available() else "cpu"), said


def kind() -> str:
    """``cuda``, ``mps`` or ``cpu``."""
    return _found()[0]


def refusal() -> str:
    """What torch says of a GPU that it cannot use, as with a driver that is too old for it; empty where it does not."""
    return _found()[1]


def device() -> torch.device:
    """The device of this process; of several on one machine, each has its own GPU."""
    import torch

    if kind() != "cuda":
        return torch.device(kind())
    several = processes.count() > 1 and "LOCAL_RANK" in os.environ
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]) if several else torch.cuda.current_device())


def is_cuda() -> bool:
    """Whether a CUDA device computes."""
    return kind() == "cuda"


def has_bf16() -> bool:
    """Whether the CUDA device multiplies in bf16 itself, rather than by emulation (from compute capability 8 on)."""
    import torch

    return torch.cuda.get_device_capability(device())[0] >= 8


def identity() -> dict[str, object]:
    """What the device adds to that which decides a cell's numbers: nothing on a CPU."""
    return {} if kind() == "cpu" else {"device": kind()}


def described() -> dict[str, object]:
    """What is recorded of a GPU; nothing on a CPU."""
    import torch

    if not is_cuda():
        return {} if kind() == "cpu" else {"device": {"kind": kind()}}
    found = torch.cuda.get_device_capability(device())
    return {
        "device": {
            "kind": "cuda",
            "name": torch.cuda.get_device_name(device()),
            "capability": f"{found[0]}.{found[1]}",
            "driver": _driver(),
            "cuda": torch.version.cuda or "",
            "torch": torch.__version__,
            "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
    }


@lru_cache(maxsize=1)
def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "not told"
    return found.stdout.split("\n")[0].strip() or "not told"


def repeat() -> None:
    """Have a GPU give the same bits for the same work: torch's deterministic algorithms, cuBLAS' workspace, no TF32.

    Raises:
        BenchError: the environment asks cuBLAS for a workspace with which its bits do not repeat.
    """
    if not is_cuda():
        return
    import torch

    if os.environ.setdefault(WORKSPACE, ":4096:8") not in (":4096:8", ":16:8"):
        raise BenchError(
            f"--deterministic needs {WORKSPACE}=:4096:8 or :16:8; the environment has {os.environ[WORKSPACE]!r:.40}"
        )
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def wait() -> None:
    """Until the GPU has done what it was given: clocks that are read behind it tell the time of the work."""
    import sys

    if "torch" in sys.modules and is_cuda():
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.synchronize()


def restart_peak() -> None:
    """Count the peak of the GPU's memory anew."""
    if is_cuda():
        import torch

        torch.cuda.reset_peak_memory_stats()


def peak_mb() -> int | None:
    """Megabytes of the GPU's memory that were taken at the peak since ``restart_peak``; None without one."""
    if not is_cuda():
        return None
    import torch

    return torch.cuda.max_memory_allocated() >> 20


def moved(features: Mapping[str, Any], to: torch.device) -> dict[str, Any]:
    """Tensors of a batch on the device; to CUDA they travel from pinned memory while the host goes on."""
    import torch

    return {name: sent(value, to) if isinstance(value, torch.Tensor) else value for name, value in features.items()}


def sent(value: torch.Tensor, to: torch.device) -> torch.Tensor:
    """A tensor on the device."""
    if to.type != "cuda" or value.device.type != "cpu" or not value.numel():
        return value.to(to)
    return value.pin_memory().to(to, non_blocking=True)
