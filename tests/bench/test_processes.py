"""How far something is: lines every few seconds where there is no terminal, a bar with the loss where there is one."""

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest
from tqdm import tqdm

from bench import processes
from bench.cli import main
from bench.processes import EVERY, Progress


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def steps(progress: Progress, clock: Clock, number: int, seconds: float) -> None:
    with progress:
        for step in range(number):
            clock.now += seconds
            progress.update(1, f"loss {step:.1f}")


def test_a_line_every_few_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    steps(Progress("train", 1_010, "step", done=1_000, last=True, clock=clock), clock, 10, EVERY / 4)
    assert capsys.readouterr().err.splitlines() == [
        "train: 1,004 of 1,010 steps, loss 3.0",
        "train: 1,008 of 1,010 steps, loss 7.0",
        "train: 1,010 of 1,010 steps, loss 9.0",
    ]


def test_what_is_short_is_not_told_unless_its_end_is(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    steps(Progress("train", 2, "step", clock=clock), clock, 2, EVERY / 10)
    assert capsys.readouterr().err == ""
    steps(Progress("train", 2, "step", last=True, clock=clock), clock, 2, EVERY / 10)
    assert capsys.readouterr().err == "train: 2 of 2 steps, loss 1.0\n"


def test_without_a_note_the_line_says_how_fast(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress("encode passage", 5_000, "text", clock=clock) as progress:
        for _ in range(2):
            clock.now += EVERY / 2
            progress.update(1_000)
    assert capsys.readouterr().err == f"encode passage: 2,000 of 5,000 texts, {2_000 / EVERY:,.0f} texts/s\n"


def test_the_speed_is_the_mean_since_the_line_before(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress("train", 100, "step", rows=128, clock=clock) as progress:
        for seconds in (EVERY / 2, EVERY / 2, EVERY):
            clock.now += seconds
            progress.update(1, "loss 1.0")
    assert capsys.readouterr().err.splitlines() == [
        f"train: 2 of 100 steps, loss 1.0, {2 * 128 / EVERY:,.0f} rows/s",
        f"train: 3 of 100 steps, loss 1.0, {128 / EVERY:,.0f} rows/s",
    ]


def test_on_a_terminal_a_bar_shows_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    clock = Clock()
    steps(Progress("train", 3, "step", last=True, clock=clock), clock, 3, EVERY)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "3/3" in shown
    assert "loss 2.0" in shown
    assert "train: 3 of" not in shown


def test_only_the_first_process_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    clock = Clock()
    steps(Progress("train", 3, "step", last=True, clock=clock), clock, 3, EVERY)
    assert capsys.readouterr().err == ""


def test_a_run_tells_steps_loss_and_speed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "EVERY", 0.0)
    folder = tmp_path_factory.mktemp("told")
    places = ["--results", str(folder / "results"), "--no-report"]
    asked = ["--steps", "3", "--batch-size", "16", "--task", "demo-dev", "--baselines", "none"]
    assert main(["run", "--strategy", "mono", *asked, *places]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: ")]
    assert [line.split(",")[0] for line in told] == [f"train: {n} of 3 steps" for n in (1, 2, 3)]
    assert all(", loss " in line and line.endswith(" rows/s") for line in told)


class Notebook(ModuleType):
    """IPython, as a kernel has it."""

    def get_ipython(self) -> object:
        return SimpleNamespace(kernel=1)


def test_in_a_notebook_a_bar_moves_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", Notebook("IPython"))
    monkeypatch.setattr(processes, "bar_of_notebook", lambda: tqdm)
    clock = Clock()
    steps(Progress("train", 3, "step", last=True, clock=clock), clock, 3, EVERY)
    shown = capsys.readouterr().err
    assert "\rtrain:   0%|" in shown
    assert " of 3 steps" not in shown
    assert shown.split("\r")[-1].strip() == ""


def test_a_prompt_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not processes.in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not processes.in_notebook()
    assert issubclass(processes.bar_of_notebook(), tqdm)
