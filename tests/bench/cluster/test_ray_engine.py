"""Cells as tasks of a Ray cluster: the bits of one process, whatever becomes of some of them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.cli import main
from bench.cluster import ray_engine
from tests.bench.store.test_locks import outcome

HAS_RAY = importlib.util.find_spec("ray") is not None
NEEDS_RAY = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed; pip install -e '.[test,ray]'")
ROOT = Path(__file__).parents[3]
MEETING = Path(__file__).parents[1] / "workers" / "meeting.py"
GOOD = [f"{MEETING}:Meeting(name='a')", f"{MEETING}:Meeting(name='b')", f"{MEETING}:Mortal"]
DERIVED = [f"centering({GOOD[0]})", f"lir(centering({GOOD[2]}))"]
BAD = [f"{MEETING}:Failing", f"centering({MEETING}:Failing)"]


def arguments(folder: Path, *strategies: str) -> list[str]:
    return [
        "run", "--strategy", ",".join(strategies), "--steps", "4", "--batch-size", "16", "--task", "demo-dev",
        "--experiment", "small", "--baselines", "none", "--threads", "1", "--no-report",
        "--results", str(folder / "results"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A folder with cells run by Ray: two that wait for each other, one that is killed once, and one that fails."""
    folder = tmp_path_factory.mktemp("ray")
    for name in ("marks", "deaths"):
        (folder / name).mkdir()
    environment = os.environ | {
        "MARKS": str(folder / "marks"), "MEETING": "2", "DEATHS": str(folder / "deaths"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "bench", *arguments(folder, *DERIVED, *BAD, *GOOD), "--engine", "ray"]
    return folder, subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@NEEDS_RAY
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two cells side by side take two cores")
def test_the_bits_of_one_process(
    finished: tuple[Path, "subprocess.CompletedProcess[str]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, done = finished
    assert "no Ray cluster can be used" not in done.stderr, done.stderr
    (tmp_path / "mortal").touch()  # here it lives
    monkeypatch.setenv("DEATHS", str(tmp_path))
    monkeypatch.setenv("MARKS", str(folder / "marks"))
    monkeypatch.setenv("MEETING", "1")
    assert main(arguments(tmp_path, *GOOD, *DERIVED)) == 0
    assert outcome(folder) == outcome(tmp_path), done.stderr[-3000:]


@NEEDS_RAY
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two cells side by side take two cores")
def test_what_is_said_of_a_killed_and_of_a_failing_cell(
    finished: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    _, done = finished
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (last,) = [line for line in lines if line.startswith("bench: ")]
    assert "2 of 8 cells are not finished, the others are and are kept; failing-" in last
    assert "this strategy has no second batch" in last
    (again,) = [line for line in lines if "run again" in line]
    assert re.fullmatch(r"mortal-\w{8}-s0: its process died \(killed, or out of memory\); run again \(1 of 3\)", again)
    counted = [re.match(r"\[(\d)/8\] (\w+)-.*: finished, on node \w{8} of \S+(, try 2)?$", line) for line in lines]
    told = [match.groups() for match in counted if match]
    assert [number for number, _, _ in told] == list("123456")
    assert {name for _, name, tries in told if tries} == {"mortal"}


class FakeRay:
    """``get`` raises what it is given."""

    def __init__(self) -> None:
        from ray import exceptions

        self.exceptions = exceptions

    def remote(self, function: object) -> object:
        return function

    def get(self, error: Exception) -> object:
        raise error


@NEEDS_RAY
def test_what_ray_raises_in_the_words_of_the_harness() -> None:
    from ray import exceptions

    fake, said = FakeRay(), list[str]()
    spec: Any = type("spec", (), {"plan": type("plan", (), {"threads": 1})})
    nodes = ray_engine.RayNodes(fake, spec, 0, said.append)
    lost = {
        exceptions.OutOfMemoryError("much"): "its node ran out of memory; --micro-batch N",
        exceptions.WorkerCrashedError(): "its process died",
        exceptions.NodeDiedError("gone"): "its node was lost",
        exceptions.ObjectLostError("00", None, ""): "its node was lost",
        exceptions.LocalRayletDiedError(): "its node was lost",
    }
    for error, words in lost.items():
        found = nodes._outcome(error)
        assert found.kind == "lost", error
        assert found.text.startswith(words)
    failed = nodes._outcome(exceptions.RayTaskError("f", "Traceback\n  line 1", ZeroDivisionError("by zero")))
    assert failed.kind == "failed"
    assert failed.text.startswith("ZeroDivisionError: by zero")
    assert "line 1" in said[0]
    for older in (
        RuntimeError("The remote function failed to import on the worker. This may be because ...\n\nTraceback"),
        exceptions.RaySystemError("cannot import name 'x' from 'bench.errors'", "Traceback"),
    ):
        assert nodes._outcome(exceptions.RayTaskError("f", "Traceback", older)).text == (
            f"its node cannot read what bench {bench.__version__} sends it: install the same version on all nodes"
        )
    assert len(said) == 1
    assert nodes._outcome(exceptions.RuntimeEnvSetupError("no\nway")).text == (
        "RuntimeEnvSetupError: Failed to set up runtime environment. no way"
    )


def test_without_ray_one_line_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*arguments(tmp_path, "mono"), "--engine", "ray"]) == 2
    assert "pip install 'batch-strategy-bench[ray]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("more", "message"), [
    (["--address", "auto"], "--address belongs to --engine ray; got --engine local"),
    (["--gpus", "1"], "--gpus belongs to --engine ray; got --engine local"),
    (["--engine", "ray", "--gpus", "-1"], "--gpus: a number of at least 0; got '-1'"),
])  # fmt: skip
def test_options_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main([*arguments(tmp_path, "mono"), *more]) == 2
    assert message in capsys.readouterr().err


@NEEDS_RAY
def test_an_address_where_nobody_answers_is_one_line_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(tmp_path, "mono"), "--engine", "ray", "--address", "127.0.0.1:1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("bench: --address 127.0.0.1:1: no Ray cluster can be used there")


@NEEDS_RAY
def test_processes_that_train_together_are_no_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.processes.count", lambda: 2)
    monkeypatch.setattr("bench.processes.agreed", lambda make: make())
    assert main([*arguments(tmp_path, "mono"), "--engine", "ray"]) == 2
    assert "run it without torchrun or accelerate" in capsys.readouterr().err
