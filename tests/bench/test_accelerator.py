"""What a GPU changes in names, promises and records; the kernels themselves are tried on a device in software."""

import dataclasses
import warnings
from pathlib import Path

import pytest
import torch

from bench import accelerator
from bench.errors import BenchError
from bench.models import precision
from bench.plan.presets import load_plan
from bench.running import recorded, run
from bench.running.grid import build_grid


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_found", lambda: ("cuda", ""))


def names(tmp_path: Path) -> dict[str, str]:
    plan = load_plan("demo", {"strategies": ("mono",), "baselines": ("untrained", "char-tfidf")})
    return {job.label.split("(")[0]: job.name for job in build_grid(plan, None, tmp_path).jobs}


def test_cells_of_a_gpu_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_found", lambda: ("cpu", ""))
    here = names(tmp_path)
    monkeypatch.setattr(accelerator, "_found", lambda: ("cuda", ""))
    there = names(tmp_path)
    assert {label for label in here if here[label] == there[label]} == {"char-tfidf"}
    assert accelerator.identity() == {"device": "cuda"}


@pytest.mark.usefixtures("on_gpu")
def test_checkpoints_of_a_gpu_need_what_repeats_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("demo", {"checkpoint_every": 5})
    with pytest.raises(BenchError, match=r"--deterministic, or leave --checkpoint-every out"):
        run.set_up(plan)
    asked: list[bool] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    monkeypatch.setenv(accelerator.WORKSPACE, ":16:8")
    run.set_up(dataclasses.replace(plan, deterministic=True))
    assert asked == [True]
    monkeypatch.setenv(accelerator.WORKSPACE, ":0:0")
    with pytest.raises(BenchError, match=r"--deterministic needs CUBLAS_WORKSPACE_CONFIG=:4096:8 .* ':0:0'"):
        run.set_up(dataclasses.replace(plan, deterministic=True))


def test_on_a_cpu_nothing_is_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_found", lambda: ("cpu", ""))
    monkeypatch.delenv(accelerator.WORKSPACE, raising=False)
    run.set_up(dataclasses.replace(load_plan("demo", {"checkpoint_every": 5}), deterministic=True))
    assert not torch.are_deterministic_algorithms_enabled()
    assert accelerator.described() == {}
    assert accelerator.peak_mb() is None
    assert "device" in recorded.computed_with()


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("there", [True, False])
def test_precision_of_a_gpu_is_what_it_can(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(accelerator, "has_bf16", lambda: there)
    assert precision.resolve("auto", small=False) == ("bf16" if there else "float32")
    assert precision.resolve("auto", small=True) == "float32"
    assert precision.resolve("fp16", small=True) == "fp16"
    if there:
        assert precision.resolve("bf16", small=False) == "bf16"
    else:
        with pytest.raises(BenchError, match=r"--precision bf16 needs a GPU of compute capability 8.0 or more"):
            precision.resolve("bf16", small=False)


def test_a_gpu_that_torch_cannot_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unusable() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old (Triggered internally)",
                      stacklevel=1)  # fmt: skip
        return False

    monkeypatch.setattr(torch.cuda, "is_available", unusable)
    accelerator._found.cache_clear()
    try:
        assert accelerator.kind() != "cuda"
        assert accelerator.refusal() == "CUDA initialization: The NVIDIA driver on your system is too old"
    finally:
        accelerator._found.cache_clear()


def test_tensors_on_a_cpu_stay_where_they_are() -> None:
    there = torch.arange(3)
    found = accelerator.moved({"ids": there, "modality": "text"}, torch.device("cpu"))
    assert found["ids"].data_ptr() == there.data_ptr()
    assert found["modality"] == "text"
