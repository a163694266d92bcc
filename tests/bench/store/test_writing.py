"""What is written is there whole, or what was there before; nothing is left beside it."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.report import write_report
from bench.store import writing
from bench.store.writing import clear_unfinished, require_writable, sync, written_aside
from tests.bench.made_up import make_experiment, undrawn


def folder_of(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    for name in ("a", "b"):
        (path / name).write_text(text)
    return path


def texts(path: Path) -> set[str]:
    return {file.read_text() for file in path.iterdir()}


@pytest.mark.parametrize("refused", [1, 2])
def test_a_folder_that_cannot_be_replaced_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    target, inner, calls = folder_of(tmp_path / "target", "old"), os.replace, []

    def refuse(source: Path, place: Path) -> None:
        calls.append(place)
        if len(calls) == refused:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))
        inner(source, place)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(BenchError, match="cannot be written"), written_aside(target) as aside:
        folder_of(aside, "new")
    assert texts(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]
    with written_aside(target) as aside:
        folder_of(aside, "new")
    assert texts(target) == {"new"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_never_seen_half_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, inner, seen = folder_of(tmp_path / "target", "old"), shutil.rmtree, []

    def looked_at(path: Path, ignore_errors: bool = False) -> None:
        seen.append((path.name, texts(target)))
        inner(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", looked_at)
    with written_aside(target) as aside:
        folder_of(aside, "new")
    ((name, found),) = seen
    assert name.startswith(".target.partial-")
    assert found == {"new"}


def test_what_killed_processes_left_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    kept = folder_of(tmp_path / "kept", "x")
    target = folder_of(tmp_path / "[cell]", "x")
    folder_of(tmp_path / ".[cell].partial-01", "half")
    folder_of(tmp_path / ".[cell].partial-01-old", "whole")
    (target / ".done.partial-02").write_text("half")
    (target / ".scores.partial-03").symlink_to(kept)
    other = folder_of(tmp_path / ".c.partial-04", "of another cell")
    clear_unfinished(target)
    assert sorted(tmp_path.iterdir()) == sorted([kept, target, other])
    assert sorted(p.name for p in target.iterdir()) == ["a", "b"]
    assert texts(kept) == {"x"}


def test_a_killed_report_leaves_nothing_to_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.figures.plots.draw", undrawn)
    make_experiment(tmp_path / "results" / "made", (0,))
    folder_of(tmp_path / "reports" / ".made.partial-01", "half")
    write_report(tmp_path / "results" / "made", tmp_path / "reports" / "made")
    assert [p.name for p in (tmp_path / "reports").iterdir()] == ["made"]


def test_a_folder_is_tried_and_nothing_is_made(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "folder")
    require_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"file.* cannot be written"):
        require_writable(tmp_path / "file" / "below")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_shared_folder_that_cannot_be_synced_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(handle: int, number: int = number) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    sync(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda handle: refuse(handle, errno.EIO))
    with pytest.raises(BenchError, match="x: cannot be written"), writing.told_in_one_line(tmp_path / "x"):
        sync(tmp_path)
