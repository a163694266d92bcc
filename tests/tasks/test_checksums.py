"""A file's checksum is that of its content, whatever is kept of it; unchanged files are not read again."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from tasks import checksums
from tasks.checksums import checksum
from tasks.contract import TaskError

OLD = 1_600_000_000_000_000_000


@pytest.fixture(autouse=True)
def cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(checksums.VERIFY, raising=False)
    monkeypatch.setattr(checksums, "FRESH", -1)  # the files of a test are all new
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read."""
    seen: list[Path] = []
    read = checksums.sha256

    def counted(path: Path) -> str:
        seen.append(path)
        return read(path)

    monkeypatch.setattr(checksums, "sha256", counted)
    return seen


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_unchanged_file_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    path = written(tmp_path / "a", "one")
    assert [checksum(path) for _ in range(3)] == [digest("one")] * 3
    assert reads == [path]


def test_an_edit_of_equal_size_and_with_its_time_put_back_is_seen(tmp_path: Path, reads: list[Path]) -> None:
    path = written(tmp_path / "a", "one")
    os.utime(path, ns=(OLD, OLD))
    assert checksum(path) == digest("one")
    written(path, "two")
    os.utime(path, ns=(OLD, OLD))
    assert checksum(path) == digest("two")


def test_another_file_under_the_name_is_seen(tmp_path: Path) -> None:
    path, other = written(tmp_path / "a", "one"), written(tmp_path / "b", "two")
    assert checksum(path) == digest("one")
    other.replace(path)
    assert checksum(path) == digest("two")


def test_verify_reads_again(tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a", "one")
    checksum(path)
    monkeypatch.setenv(checksums.VERIFY, "1")
    checksum(path)
    assert reads == [path, path]


def test_a_file_that_was_changed_a_moment_ago_is_not_kept(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "FRESH", 3600 * 10**9)
    path = written(tmp_path / "a", "one")
    assert time.time_ns() - path.stat().st_mtime_ns < checksums.FRESH
    assert [checksum(path), checksum(path)] == [digest("one")] * 2
    assert reads == [path, path]


@pytest.mark.parametrize("junk", ["", "[]", "{}", "[1, 2, 3, 4, 5]", '[1, 2, 3, 4, "x"]', "\x00"])
def test_a_broken_entry_is_read_over(tmp_path: Path, cache_of_this_test: Path, junk: str) -> None:
    path = written(tmp_path / "a", "one")
    checksum(path)
    (entry,) = (cache_of_this_test / "checksums").iterdir()
    entry.write_text(junk, encoding="utf-8")
    assert checksum(path) == digest("one")


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(written(tmp_path / "file", "not a folder")))
    path = written(tmp_path / "a", "one")
    assert [checksum(path), checksum(path)] == [digest("one")] * 2
    assert reads == [path, path]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such file; check --data-root"):
        checksum(tmp_path / "absent")


def test_two_files_never_share_a_name(tmp_path: Path) -> None:
    files = [written(tmp_path / place, place) for place in ("a/x/f", "b/x/f", "b/y/f", "c/x/qrels/t", "d/x/qrels/t")]
    found = checksums.checksums(files)
    assert found == {p: digest(p) for p in ("a/x/f", "b/x/f")} | {"y/f": digest("b/y/f")} | {
        p: digest(p) for p in ("c/x/qrels/t", "d/x/qrels/t")
    }


def test_a_file_has_one_name_from_wherever_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a" / "f", "one")
    monkeypatch.chdir(path.parent)
    given = [path, Path("f"), Path("./f"), Path("../a/f"), tmp_path / "b" / ".." / "a" / "f"]
    assert [checksums.checksums([p]) for p in given] == [{"a/f": digest("one")}] * len(given)
    assert checksums.checksums(given) == {"a/f": digest("one")}
