"""Of several processes one holds a lock; a dead one's is taken over by exactly one other; clocks do not matter."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.store import checkpoints, locks
from bench.store.cells import read_cells
from bench.store.locks import Lock, Owner, Watch
from tests.bench.workers.meeting import wait_until

MEETING = Path(__file__).parents[1] / "workers" / "meeting.py"
ROOT = Path(__file__).parents[3]
HERE = Owner("0" * 16, locks.machine(), "here", os.getpid(), locks.started(os.getpid()))
ELSEWHERE = HERE._replace(machine="another machine", host="elsewhere")


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process of this machine that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return HERE._replace(pid=done.pid)


def put(path: Path, owner: Owner, after: str = "") -> Path:
    """A lock as ``owner`` would have put it; returns the file that beats."""
    folder = locks._successor(path, after)
    folder.mkdir(parents=True)
    file = folder / owner.token
    file.write_text(json.dumps(owner._asdict()))
    return file


@contextmanager
def taken(path: Path, watch: Watch | None = None) -> Iterator[Lock]:
    found = locks.attempt(path, watch or Watch())
    assert isinstance(found, Lock), found
    yield found
    found.release()


def test_a_held_lock_names_its_process_and_a_released_one_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cell"
    with taken(path) as held:
        found = locks.attempt(path, Watch())
        assert isinstance(found, Owner)
        assert found.pid == os.getpid()
        assert read_cells(tmp_path) == []
        held.require_held()
    assert list(tmp_path.iterdir()) == []
    with taken(path) as again:
        assert again.after is None


def test_a_dead_process_is_followed_by_exactly_one(tmp_path: Path, dead: Owner) -> None:
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(30):
            path = tmp_path / f"cell{round_}"
            put(path, dead)
            gate = threading.Barrier(8)

            def race(path: Path = path, gate: threading.Barrier = gate) -> Lock | Owner:
                gate.wait()
                return locks.attempt(path, Watch())

            found = [f.result() for f in [pool.submit(race) for _ in range(8)]]
            (held,) = [f for f in found if isinstance(f, Lock)]
            assert held.after == dead
            assert {f.pid for f in found if isinstance(f, Owner)} == {os.getpid()}
            held.release()
    assert list(tmp_path.iterdir()) == []


def test_many_take_it_in_turns_and_never_two_at_once(tmp_path: Path, dead: Owner) -> None:
    path, inside, seen = tmp_path / "cell", threading.Lock(), []
    put(path, dead)

    def work(number: int) -> None:
        for _ in range(10):
            while isinstance(found := locks.attempt(path, Watch()), Owner):
                pass
            assert inside.acquire(blocking=False), "two at once"
            seen.append(number)
            inside.release()
            found.release()

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, n) for n in range(6)]:
            done.result()
    assert len(seen) == 60
    assert list(tmp_path.iterdir()) == []


def test_a_lock_put_behind_one_that_was_given_back_is_none(tmp_path: Path, dead: Owner) -> None:
    """Somebody saw a dead lock, was slow, and puts his behind it when it is gone and another stands."""
    path = tmp_path / "cell"
    with taken(path):
        late = locks._put(locks._successor(path, dead.token))
        assert locks._head(path) != late.owner.token
        assert isinstance(locks.attempt(path, Watch()), Owner)


@pytest.mark.parametrize("empty", [True, False])
def test_what_killed_processes_left_on_the_way_is_cleared(tmp_path: Path, dead: Owner, empty: bool) -> None:
    """Killed between making a lock, or putting it away, and the end of that."""
    path = tmp_path / "[cell]"
    asides = [tmp_path / f".[cell].lock{dot}.aside-0123" for dot in ("", ".4567")]
    for aside in asides:
        aside.mkdir()
        if not empty:
            (aside / "89ab").write_text("{}")
    with taken(path):
        assert not any(aside.exists() for aside in asides)
    put(path, dead)
    asides[0].mkdir()
    (tmp_path / "[cell]").mkdir()
    with taken(tmp_path / "other"):
        locks.tidy(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == [".other.lock", "[cell]"]


def test_who_is_cleared_away_on_the_way_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = tmp_path / "cell", []
    whole = Path.write_text

    def cleared_first(self: Path, *arguments: object, **named: object) -> int:
        if not told:
            told.append(self)
            locks._clear(path)
        return whole(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", cleared_first)
    with taken(path):
        assert len(told) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_pid_that_is_used_again_is_not_its_predecessor(tmp_path: Path) -> None:
    path = tmp_path / "cell"
    put(path, HERE._replace(start="1"))
    with taken(path) as held:
        assert held.after is not None
        assert held.after.start == "1"


def test_a_killed_process_counts_as_dead_before_its_parent_knows() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = locks.started(child.pid)
    assert locks.runs(child.pid, start)
    child.kill()
    wait_until(lambda: not locks.runs(child.pid, start), "the end of a killed process")
    child.communicate()
    assert not locks.runs(child.pid, start)
    assert not locks.runs(2**40, start)


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("damaged", [False, True])
def test_another_machine_lives_while_its_time_changes_whatever_it_says(tmp_path: Path, damaged: bool) -> None:
    path, clock = tmp_path / "cell", Clock()
    watch = Watch(clock)
    file = put(path, ELSEWHERE)
    if damaged:
        file.write_bytes(b'{"pid": 1e999')
    for time_told in (0, 4_000_000_000, 17, 4_000_000_000, 18):  # its clock jumps, back and forth
        os.utime(file, (time_told, time_told))
        assert isinstance(locks.attempt(path, watch), Owner)
        clock.now += locks.SILENCE - 1
        assert isinstance(locks.attempt(path, watch), Owner)
    assert isinstance(locks.attempt(path, Watch(clock)), Owner), "who has just come has heard nothing yet"
    clock.now += 2
    with taken(path, watch) as held:
        assert held.after is not None
        assert held.after.host == ("an unknown machine" if damaged else "elsewhere")


def test_a_living_process_of_this_machine_needs_no_beat(tmp_path: Path) -> None:
    path, clock = tmp_path / "cell", Clock()
    os.utime(put(path, HERE), (0, 0))
    watch = Watch(clock)
    assert isinstance(locks.attempt(path, watch), Owner)
    clock.now += 1e9
    assert isinstance(locks.attempt(path, watch), Owner)


def test_the_holder_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.01)
    with taken(tmp_path / "cell") as held:
        (file,) = tmp_path.glob(".cell.lock/*")
        os.utime(file, (0, 0))
        wait_until(lambda: file.stat().st_mtime > 0, "a sign of life")
        held.require_held()


@pytest.mark.parametrize("finished", [False, True])
def test_who_was_taken_for_dead_learns_it_when_it_asks_and_frees_nothing(tmp_path: Path, finished: bool) -> None:
    """Stopped for long, it asks before its own beat had time to look; the other one may be done by then."""
    path = tmp_path / "cell"
    with taken(path) as held:
        (file,) = tmp_path.glob(".cell.lock/*")
        theirs = put(path, ELSEWHERE, after=file.name)
        if finished:
            shutil.rmtree(file.parent)
            shutil.rmtree(theirs.parent)
            put(path, HERE)
        with pytest.raises(BenchError, match="taken over"):
            held.require_held()
    assert finished or file.is_file()
    assert locks._head(path) == (HERE if finished else ELSEWHERE).token


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE])
def test_a_lock_that_is_given_back_while_it_is_read_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path, read = tmp_path / "cell", Path.read_bytes
    file = put(path, ELSEWHERE)

    def given_back(self: Path) -> bytes:
        if self == file:
            shutil.rmtree(file.parent)
            raise OSError(number, os.strerror(number), str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", given_back)
    with taken(path) as held:
        assert held.after is None


def test_tokens_that_follow_each_other_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "cell"
    put(path, ELSEWHERE)
    put(path, ELSEWHERE, after=ELSEWHERE.token)
    assert isinstance(locks.attempt(path, Watch()), Owner)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("step", ["mkdir", "rename"])
def test_a_folder_without_room_or_rights_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(BenchError, match=rf"cannot be written \({os.strerror(number)}\)"):
        locks.attempt(tmp_path / "cell", Watch())
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


NAMES = "abc"
STRATEGIES = [f"{MEETING}:Meeting(name='{name}')" for name in NAMES]


def arguments(folder: Path, *strategies: str) -> list[str]:
    return [
        "run", "--strategy", ",".join(strategies), "--steps", "4", "--batch-size", "16", "--task", "demo-dev",
        "--experiment", "small", "--baselines", "none", "--threads", "1",
        "--results", str(folder / "results"), "--reports", str(folder / "reports"),
    ]  # fmt: skip


def start(folder: Path, marks: Path, meeting: int, *strategies: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"MARKS": str(marks), "MEETING": str(meeting), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench", *arguments(folder, *strategies)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(folder: Path) -> dict[str, tuple[str, str]]:
    """Of each cell, the hash of its weights and the bits of its scores; nothing else is there."""
    cells = {}
    there = sorted(p for p in (folder / "results" / "small").iterdir() if p.name != "protocol.json")
    for cell in there:
        scores = (cell / "scores" / "demo-dev@2.parquet").read_bytes()
        weights = json.loads((cell / "done").read_text())["weights_sha256"]
        cells[cell.name] = (weights, hashlib.sha256(scores).hexdigest())
        assert not list(cell.rglob(".*")), cell
    return cells


DERIVED = f"centering({STRATEGIES[0]})"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "marks").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKS", str(folder / "marks"))
        patch.setenv("MEETING", "1")
        assert main(arguments(folder, *STRATEGIES, DERIVED)) == 0
    return outcome(folder)


def test_two_processes_on_one_experiment_train_each_cell_once(
    tmp_path: Path, undisturbed: dict[str, tuple[str, str]]
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    both = [start(tmp_path, marks, 2, DERIVED, *STRATEGIES) for _ in range(2)]
    told = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted(mark.name[0] for mark in marks.iterdir()) == list(NAMES)
    assert {int(mark.name.split("-")[1]) for mark in marks.iterdir()} == {process.pid for process in both}
    assert outcome(tmp_path) == undisturbed
    assert sum("in work elsewhere" in text for text in told) >= 1
    assert sum(line.startswith("[") for text in told for line in text.splitlines()) == len(NAMES) + 1
    assert (tmp_path / "reports" / "small" / "report.md").is_file()
    assert [p.name for p in (tmp_path / "reports").iterdir()] == ["small"]


def test_kill_9_of_the_holder_and_the_next_run_takes_over(
    tmp_path: Path,
    undisturbed: dict[str, tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    process = start(tmp_path, marks, 2, *STRATEGIES, DERIVED)
    wait_until(lambda: list(marks.iterdir()), "the first cell")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    left = [p.name for p in (tmp_path / "results" / "small").iterdir()]
    assert sum(".partial-" in name for name in left) == 1
    assert sum(name.endswith(".lock") for name in left) == 1
    monkeypatch.setenv("MARKS", str(marks))
    monkeypatch.setenv("MEETING", "1")
    assert main(arguments(tmp_path, *STRATEGIES, DERIVED)) == 0
    assert f"taken over, process {process.pid} on " in capsys.readouterr().err
    assert outcome(tmp_path) == undisturbed


def test_overwriting_waits_for_a_cell_in_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    monkeypatch.setenv("MEETING", "1")
    (tmp_path / "marks").mkdir()
    assert main([*arguments(tmp_path, STRATEGIES[0]), "--no-report"]) == 0
    (name,) = outcome(tmp_path)
    put(tmp_path / "results" / "small" / name, HERE)
    looks: list[bool] = []

    def until_looked_at_twice(pid: int, start: str) -> bool:
        looks.append(True)
        return len(looks) < 2

    monkeypatch.setattr(locks, "runs", until_looked_at_twice)
    assert main([*arguments(tmp_path, STRATEGIES[0]), "--overwrite", "--no-report"]) == 0
    assert f"{name}: in work elsewhere (process {os.getpid()} on here), waited for" in capsys.readouterr().err


def test_who_lost_a_cell_writes_no_more_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken over after its first checkpoint: neither the next one nor the model is written, nor the other's removed."""
    inner, written = checkpoints.write, []

    def taken_over(folder: Path, step: int, *arguments: Any) -> None:
        written.append(step)
        inner(folder, step, *arguments)
        (file,) = folder.parent.glob(".*.lock/*")
        put(folder.with_name(file.parent.name[1 : -len(".lock")]), ELSEWHERE, after=file.name)
        (folder / ".partial").mkdir()

    monkeypatch.setattr(checkpoints, "write", taken_over)
    monkeypatch.setenv("MARKS", str(tmp_path))
    monkeypatch.setenv("MEETING", "1")
    assert main([*arguments(tmp_path, STRATEGIES[0]), "--checkpoint-every", "1", "--no-report"]) == 2
    assert "taken over" in capsys.readouterr().err
    assert written == [1]
    folder = tmp_path / "results" / "small"
    assert {p.name for p in folder.glob(".*.checkpoint/*")} == {"step-00000001", ".partial"}
    assert [p.name for p in folder.iterdir() if not p.name.startswith(".")] == ["protocol.json"]
    assert not list(folder.glob(".*.partial-*"))
