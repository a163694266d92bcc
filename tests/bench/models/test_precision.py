"""What 'auto' stands for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.errors import BenchError
from bench.models import precision
from bench.plan.presets import load_plan
from bench.running import grid


class Clock:
    """Time that passes only when work is done."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], object]:
        def done() -> None:
            self.now += seconds

        return done


@pytest.mark.parametrize(("single", "half", "expected"), [(4.0, 1.0, 4.0), (1.0, 4.0, 0.25)])
def test_speeds_are_compared(monkeypatch: pytest.MonkeyPatch, single: float, half: float, expected: float) -> None:
    clock = Clock()
    monkeypatch.setattr(precision, "time", clock)
    assert precision.times_faster(clock.work(half), clock.work(single)) == pytest.approx(expected)


@pytest.mark.parametrize(("faster", "small", "expected"), [(4.0, False, "bf16"), (1.1, False, "float32"),
                                                           (4.0, True, "float32")])  # fmt: skip
def test_auto_is_the_faster_one(monkeypatch: pytest.MonkeyPatch, faster: float, small: bool, expected: str) -> None:
    monkeypatch.setattr(precision, "speedup", lambda: faster)
    assert precision.resolve("auto", small) == expected
    assert precision.resolve("float32", small) == "float32"


def test_fp16_needs_a_gpu() -> None:
    if torch.cuda.is_available():
        assert precision.resolve("fp16", False) == "fp16"
    else:
        with pytest.raises(BenchError, match="fp16 needs a GPU"):
            precision.resolve("fp16", False)


def test_cells_are_named_after_what_was_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for resolved in ("bf16", "float32"):
        monkeypatch.setattr(precision, "speedup", lambda said=resolved: {"bf16": 2.0, "float32": 1.0}[said])
        monkeypatch.setattr(grid, "BUILT_IN", {})
        names = {
            asked: [job.name for job in grid.build_grid(load_plan("demo", {"precision": asked}), None, tmp_path).jobs]
            for asked in ("auto", "bf16", "float32")
        }
        assert names["auto"] == names[resolved]
        assert names["bf16"] != names["float32"]


def test_this_machine_is_measured_once() -> None:
    assert precision.speedup() > 0
    precision.speedup()
    assert precision.speedup.cache_info().misses == 1
    assert precision.measured() == pytest.approx(precision.speedup(), abs=0.005)
