"""What another process holds comes last, behind a notice; what it finished is not run again; parents come first."""

import time
from pathlib import Path

import pytest

from bench.running.jobs import Job, Left
from bench.running.run import Claims
from bench.store import locks
from bench.store.locks import Lock, Watch
from tests.bench.cluster.test_dispatch import a_job

LEFT = Left([], True)


class Folder:
    """An experiment whose cells are finished by a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []

    def finish(self, job: Job) -> None:
        (self.path / job.name).mkdir(parents=True)
        (self.path / job.name / "done").touch()

    def left(self, job: Job) -> Left | None:
        return None if (self.path / job.name / "done").is_file() else LEFT

    def claims(self, *jobs: Job) -> Claims:
        return Claims(jobs, self.left, self.path, self.said.append)

    def held(self, job: Job) -> Lock:
        found = locks.attempt(self.path / job.name, Watch())
        assert isinstance(found, Lock)
        return found


def run(folder: Folder, jobs: list[Job], all_claims: Claims) -> list[str]:
    """Take and finish cells until there are none; their labels."""
    by_name, order = {job.name: job for job in jobs}, []
    while (taken := all_claims.take()) is not None:
        assert taken[1] == LEFT
        order.append(by_name[taken[0]].label)
        folder.finish(by_name[taken[0]])
        all_claims.require_held()
        all_claims.release()
    return order


@pytest.mark.parametrize("finished", [True, False])
def test_a_held_cell_and_what_is_made_of_it_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    a, b = a_job("a"), a_job("b")
    jobs = [a, a_job("of a", a), b, a_job("of b", b)]
    folder, naps = Folder(tmp_path), list[float]()
    other = folder.held(a)

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            if finished:
                folder.finish(a)
            other.release()

    monkeypatch.setattr(time, "sleep", nap)
    order = run(folder, jobs, folder.claims(*jobs))
    assert order == ["b", "of b", *([] if finished else ["a"]), "of a"]
    assert len(naps) == 3
    waited = f"waiting for {a.name}, {jobs[1].name}"
    assert [line.split(" (")[0] for line in folder.said] == [
        f"{a.name}: in work elsewhere", waited, *([f"{a.name}: finished by another process"] if finished else [])
    ]  # fmt: skip
    assert not list(tmp_path.glob(".*"))


def test_what_a_dead_process_was_writing_is_removed(tmp_path: Path) -> None:
    a, folder = a_job("a"), Folder(tmp_path)
    (tmp_path / f".{a.name}.partial-1").mkdir()
    (tmp_path / a.name / "scores").mkdir(parents=True)
    (tmp_path / a.name / "scores" / ".x.parquet.partial-2").touch()
    (tmp_path / f".{a.name}.checkpoint").mkdir()
    mine = folder.claims(a)
    assert mine.take() == (a.name, LEFT)
    mine.release()
    assert sorted(p.name for p in tmp_path.rglob("*")) == [f".{a.name}.checkpoint", a.name, "scores"]
