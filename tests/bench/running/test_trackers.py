"""Trackers are told every step, and need neither account nor network."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.running import trackers
from bench.running.trackers import require_trackers, tracking
from bench.training.loop import Step

RUN = [
    "run", "--strategy", "mono", "--steps", "3", "--batch-size", "16", "--task", "demo-dev", "--baselines", "none",
    "--experiment", "tracked", "--no-report",
]  # fmt: skip


class Recorder:
    """Stands for one of accelerate's."""

    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []

    def start(self) -> None:
        self.said.append(("start", None))

    def store_init_configuration(self, values: dict[str, object]) -> None:
        self.said.append(("settings", values))

    def log(self, values: dict[str, float], step: int) -> None:
        self.said.append((f"step {step}", values))

    def finish(self) -> None:
        self.said.append(("finish", None))


def test_unknown_or_absent_trackers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match="a tracker of --log-with is one of tensorboard, wandb, mlflow; got 'paper'"):
        require_trackers(["paper"])
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match="pip install wandb"):
        require_trackers(["wandb"])


def test_a_tracker_is_closed_after_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder()
    monkeypatch.setattr(trackers, "_opened", lambda *arguments: recorder)
    step = Step(0, 1.5, 1e-3, 10.0, 100.0, 0.0, 0, 0.0, {"en>en": 2})

    def fail() -> None:
        with tracking(["wandb"], tmp_path, "experiment", "cell", {"steps": 3, "train": ("a", "b")}) as log:
            log(step)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [what for what, _ in recorder.said] == ["start", "settings", "step 0", "finish"]
    assert recorder.said[1][1] == {"steps": 3, "train": "('a', 'b')"}
    values = recorder.said[2][1]
    assert isinstance(values, dict)
    assert values["loss"] == 1.5
    assert "pairs" not in values


def test_a_run_without_trackers_opens_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trackers, "_opened", lambda *arguments: pytest.fail("opened"))
    assert main([*RUN, "--results", str(tmp_path)]) == 0
    assert not (tmp_path / "tracked" / ".trackers").exists()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_holds_the_losses_of_every_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main([*RUN, "--results", str(tmp_path), "--log-with", "tensorboard"]) == 0
    (cell,) = (tmp_path / "tracked").glob("mono-*")
    events = EventAccumulator(str(tmp_path / "tracked" / ".trackers" / "tensorboard" / cell.name)).Reload()
    logged = [json.loads(line)["loss"] for line in (cell / "steps.jsonl").read_text().splitlines()]
    assert [e.value for e in events.Scalars("loss")] == pytest.approx(logged, rel=1e-6)
    assert [e.step for e in events.Scalars("loss")] == [0, 1, 2]
