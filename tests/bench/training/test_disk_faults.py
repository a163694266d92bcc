"""Full disks, read-only folders, too little memory, clocks that jump: one line, exit code 2, and nothing half there."""

import errno
import hashlib
import itertools
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from bench.cli import main
from bench.environment import enough_memory
from bench.errors import BenchError
from bench.store import cells, checkpoints, locks

STRATEGIES = "mono,cross"


def run(folder: Path, *more: str) -> int:
    return main([
        "run", "--strategy", STRATEGIES, "--steps", "4", "--batch-size", "16", "--task", "demo-dev", "--no-report",
        "--experiment", "small", "--baselines", "none", "--threads", "1", "--results", str(folder), *more,
    ])  # fmt: skip


def bits(folder: Path) -> dict[str, tuple[str, str]]:
    """Of each finished cell, the hash of its weights and the bits of its scores."""
    found = {}
    for cell in cells.read_cells(folder / "small"):
        if cell.done is not None:
            scores = (cell.path / "scores" / "demo-dev@2.parquet").read_bytes()
            found[cell.path.name] = (cell.done.weights_sha256, hashlib.sha256(scores).hexdigest())
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(folder) == 0
    return bits(folder)


def require_one_line(capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    error = capsys.readouterr().err
    (line,) = [x for x in error.splitlines() if x.startswith("bench: ")]
    assert error.endswith(f"{line}\n")
    assert "Traceback" not in error
    for part in parts:
        assert part in line


def require_clean(folder: Path) -> None:
    """Nothing is left beside cells, but for the folder of a checkpoint, and no file of them is half written."""
    hidden = [p for p in folder.rglob(".*") if not p.name.endswith(".checkpoint")]
    assert hidden == []


@contextmanager
def room_for_files_of(size: int) -> Iterator[None]:
    """The system refuses to write more than ``size`` bytes to a file, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("size", "more", "what"), [
    (1_000_000, [], "mono-"),
    (1_000_000, ["--checkpoint-every", "2"], ".checkpoint/step-00000002"),
    (1_000, [], "protocol.json"),
    (2_200, [], "config.json"),
])  # fmt: skip
def test_files_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: dict[str, tuple[str, str]], size: int,
    more: list[str], what: str,
) -> None:  # fmt: skip
    with room_for_files_of(size):
        assert run(tmp_path, *more) == 2
    require_one_line(capsys, what, "cannot be written", os.strerror(errno.EFBIG))
    require_clean(tmp_path)
    assert bits(tmp_path) == {}
    assert run(tmp_path, *more) == 0
    assert bits(tmp_path) == undisturbed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_whichever_file_cannot_be_put_in_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, tuple[str, str]], number: int,
) -> None:  # fmt: skip
    inner, finished, codes = os.replace, 0, []
    for nth in itertools.count(1):
        calls: list[object] = []

        def refuse(source: str, target: str, calls: list[object] = calls, nth: int = nth) -> None:
            calls.append(target)
            if len(calls) == nth:
                raise OSError(number, os.strerror(number), str(target))
            inner(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            codes.append(run(tmp_path))
        if codes[-1] == 0:
            break
        require_one_line(capsys, str(calls[-1]), f"cannot be written ({os.strerror(number)})")
        require_clean(tmp_path)
        assert len(bits(tmp_path)) >= finished, "finished cells are kept"
        finished = len(bits(tmp_path))
    assert len(codes) > 4
    assert bits(tmp_path) == undisturbed


def test_a_cell_that_needs_too_much_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.training.gradcache import plain_gradients

    calls: list[int] = []

    def hungry(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > 4:
            torch.empty(2**55)
        return plain_gradients(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("bench.training.gradcache.plain_gradients", hungry)
    assert run(tmp_path) == 2
    require_one_line(capsys, "cross-", "not enough memory", "--micro-batch N", "Finished cells are kept")
    assert [name.split("-")[0] for name in bits(tmp_path)] == ["mono"]
    require_clean(tmp_path)


def test_other_errors_are_not_taken_for_too_little_memory() -> None:
    with pytest.raises(RuntimeError, match="sizes"), enough_memory("a"):
        raise RuntimeError("sizes of tensors must match")
    with pytest.raises(BenchError, match="a: not enough memory"), enough_memory("a"):
        raise MemoryError


def test_a_clock_that_jumps_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, tuple[str, str]]
) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.001)
    jumps = itertools.cycle([0.0, 4e9, 1e9, 2e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    assert run(tmp_path) == 0
    assert bits(tmp_path) == undisturbed
    for cell in cells.read_cells(tmp_path / "small"):
        seconds = json.loads((cell.path / "done").read_text())["seconds"]
        assert all(0 <= value < 1e6 for value in seconds.values())


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "steps.jsonl"
    log.write_text("")
    small, large = {"model": {"a": torch.zeros(10)}}, {"model": {"a": torch.zeros(100_000)}}
    state = {"owner": {}, "batches_sha256": "", "resumed_at": [], "scalars": {"optimizer": {}, "scheduler": {}}}
    checkpoints.write(tmp_path / "kept", 1, state, small, log)
    with room_for_files_of(10_000), pytest.raises(BenchError, match="cannot be written"):
        checkpoints.write(tmp_path / "kept", 2, state, large, log)
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["step-00000001"]
    found = checkpoints.find(tmp_path / "kept", {})
    assert found is not None
    assert found.step == 1
