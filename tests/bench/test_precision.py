"""What 'auto' stands for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import experiment, precision
from bench.config import load_plan
from bench.precision import choose


class Clock:
    """Time that passes only when work is done."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], object]:
        def done() -> None:
            self.now += seconds

        return done


@pytest.mark.parametrize(
    ("single", "half", "expected"), [(4.0, 1.0, "bf16"), (1.1, 1.0, "float32"), (1.0, 4.0, "float32")]
)
def test_the_faster_one_is_chosen(monkeypatch: pytest.MonkeyPatch, single: float, half: float, expected: str) -> None:
    clock = Clock()
    monkeypatch.setattr(precision, "time", clock)
    assert precision.decide(clock.work(single), clock.work(half)) == expected


def test_cells_are_named_after_what_was_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for resolved in ("bf16", "float32"):
        monkeypatch.setattr(experiment, "choose", lambda said=resolved: said)
        names = {
            asked: [
                job.name for job in experiment.build_grid(load_plan("demo", {"precision": asked}), None, tmp_path).jobs
            ]
            for asked in ("auto", "bf16", "float32")
        }
        assert names["auto"] == names[resolved]
        assert names["bf16"] != names["float32"]


def test_this_machine_is_measured_once() -> None:
    assert choose() in ("bf16", "float32")
    assert choose.cache_info().misses == 1
