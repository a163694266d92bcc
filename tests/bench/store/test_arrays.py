"""An array on disk is whole, or not there, or refused by the name of its file."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.store.arrays import Kept

ARRAY = np.arange(600, dtype=np.float32).reshape(60, 10)
OWNER: dict[str, object] = {"weights": "a", "length": 64, "packages": ["torch 2"]}


def keep(folder: Path, name: str = "a", owner: dict[str, object] = OWNER) -> Path:
    kept = Kept(folder, owner)
    with kept.claimed(name, wait=False) as mine:
        assert mine
        kept.write(name, ARRAY)
    return kept.path(name)


def refusal(folder: Path, name: str = "a", owner: dict[str, object] = OWNER) -> str:
    with pytest.raises(BenchError) as refused:
        Kept(folder, owner).has(name)
    text = str(refused.value)
    assert text.startswith(f"{folder / name}.safetensors: ")
    assert text.endswith("delete it, and the same command makes it again")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_what_is_kept_comes_back_mapped_and_alone(tmp_path: Path, dtype: type) -> None:
    kept = Kept(tmp_path / "new", OWNER)
    assert not kept.has("a")
    with kept.claimed("a", wait=False) as mine:
        assert mine
        kept.write("a", ARRAY.astype(dtype))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.safetensors"]
    found = Kept(tmp_path / "new", OWNER).read("a")
    assert isinstance(found, np.memmap)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, ARRAY.astype(dtype))
    with kept.claimed("a", wait=False) as mine:
        assert not mine


def test_killed_at_every_line_of_writing(tmp_path: Path) -> None:
    """Before every single line: nothing half is found, and who comes next makes the bytes of an undisturbed run."""
    command = [sys.executable, "-m", "tests.bench.workers.keeping", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    trials = json.loads(done.stdout)
    assert len(trials) > 40
    assert all(trial["same"] for trial in trials), [t for t in trials if not t["same"]]
    assert [t["state"] for t in trials] == sorted(t["state"] for t in trials)  # nothing, and from one line on whole
    assert {t["state"] for t in trials} == {"nothing", "whole"}
    assert any(name.startswith(".second.safetensors.partial") for t in trials for name in t["left"])
    assert any("second.lock" in t["left"] for t in trials)


def test_a_process_that_is_at_it_is_not_disturbed_and_a_lock_left_behind_holds_nobody(tmp_path: Path) -> None:
    ours, theirs = Kept(tmp_path, OWNER), Kept(tmp_path, OWNER)
    with ours.claimed("a", wait=False) as mine, theirs.claimed("a", wait=False) as also:
        assert mine
        assert not also
    (tmp_path / "a.lock").write_text("")
    with theirs.claimed("a", wait=False) as mine:
        assert mine


def test_who_waited_for_a_lock_that_was_removed_holds_one_that_others_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Kept(tmp_path, OWNER), Kept(tmp_path, OWNER)
    tried, inside, done = threading.Event(), threading.Event(), threading.Event()
    lock = fcntl.flock

    def told(file: int, how: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            tried.set()
        lock(file, how)

    def wait() -> bool:
        with theirs.claimed("a", wait=True) as mine:
            inside.set()
            assert done.wait(60)
            return mine

    monkeypatch.setattr(fcntl, "flock", told)
    with ThreadPoolExecutor(1) as pool:
        with ours.claimed("a", wait=False) as mine:
            assert mine
            waiting = pool.submit(wait)
            assert tried.wait(60)
        assert inside.wait(60)
        with ours.claimed("a", wait=False) as mine:
            assert not mine
        done.set()
        assert waiting.result()


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    (tmp_path / "a.lock").symlink_to(tmp_path / "kept")
    with pytest.raises(BenchError, match=r"a\.lock: cannot be written"):
        keep(tmp_path)
    assert (tmp_path / "kept").read_text() == "x"


def test_a_disk_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(BenchError, match=r"a\.lock: cannot be written \(Function not implemented\)"):
        keep(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return keep(tmp_path_factory.mktemp("kept")).read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_part_of_a_file_is_never_taken_for_it(tmp_path: Path, written: bytes, data: st.DataObject) -> None:
    part = written[: data.draw(st.integers(0, len(written) - 1))]
    (tmp_path / "a.safetensors").write_bytes(part)
    assert "damaged" in refusal(tmp_path)
    (tmp_path / "a.safetensors").unlink()
    (tmp_path / ".a.safetensors.partial-1").write_bytes(part)
    assert not Kept(tmp_path, OWNER).has("a")
    path = keep(tmp_path)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_bit_of_the_numbers_is_taken(tmp_path: Path, written: bytes, data: st.DataObject) -> None:
    at = len(written) - 1 - data.draw(st.integers(0, ARRAY.nbytes - 1))
    changed = bytes([written[at] ^ (1 << data.draw(st.integers(0, 7)))])
    (tmp_path / "a.safetensors").write_bytes(written[:at] + changed + written[at + 1 :])
    assert "damaged, its sha256 is not the one that was written" in refusal(tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_of_the_header_is_refused_or_moves_nothing(
    tmp_path: Path, written: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(written) - ARRAY.nbytes - 1))
    changed = written[:at] + bytes([data.draw(st.integers(0, 255))]) + written[at + 1 :]
    (tmp_path / "a.safetensors").write_bytes(changed)
    kept = Kept(tmp_path, OWNER)
    with suppress(BenchError):
        assert kept.has("a")
        np.testing.assert_array_equal(kept.read("a"), ARRAY)


@pytest.mark.parametrize(("owner", "said"), [
    (OWNER | {"weights": "b"}, "foreign, made with weights a, and this is b"),
    (OWNER | {"length": 32}, "foreign, made with length 64, and this is 32"),
    (OWNER | {"packages": ["torch 3"]}, "foreign, made with packages ['torch 2'], and this is ['torch 3']"),
    (OWNER | {"index": "ivf"}, "foreign, made with index None, and this is ivf"),
    ({"weights": "a", "length": 64}, "foreign, made with packages ['torch 2'], and this is None"),
])  # fmt: skip
def test_what_was_made_from_something_else_is_refused_by_name(
    tmp_path: Path, owner: dict[str, object], said: str
) -> None:
    keep(tmp_path)
    assert said in refusal(tmp_path, owner=owner)


def test_a_file_that_was_renamed_is_refused(tmp_path: Path) -> None:
    shutil.copy(keep(tmp_path), tmp_path / "b.safetensors")
    assert "foreign, made with name a, and this is b" in refusal(tmp_path, "b")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"array": ARRAY}, tmp_path / "a.safetensors")
    assert "foreign, made with length None, and this is 64" in refusal(tmp_path)
    save_file({"vectors": ARRAY}, tmp_path / "a.safetensors")
    assert "damaged, not a file that was written here" in refusal(tmp_path)
    (tmp_path / "a.safetensors").unlink()
    (tmp_path / "a.safetensors").mkdir()
    assert "damaged" in refusal(tmp_path)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BenchError, match=r"cannot be written \(Permission denied\)"):
        keep(tmp_path)


def test_a_file_where_a_folder_is_wanted_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"file: cannot be written \(a file, or a link"):
        keep(tmp_path / "file")
