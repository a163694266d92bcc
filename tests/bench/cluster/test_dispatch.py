"""Whatever becomes of cells on their nodes: each is finished once, parents first, and who fails takes nobody along."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cluster import dispatch
from bench.cluster.dispatch import RETRIES, Dispatch, Outcome, Ticket
from bench.errors import BenchError
from bench.plan.settings import Settings
from bench.running.jobs import Job, Left
from bench.store import locks
from bench.store.locks import Lock, Watch

KINDS = ("finished", "elsewhere", "held", "apart", "lost", "failed")


def a_job(label: str, *parents: Job) -> Job:
    return Job(label, None, 0, Settings(), {"name": label}, {}, {}, None, parents)


class Scripted:
    """Nodes that do what a script says, in an order of their own, and finish what it says nothing more of."""

    def __init__(self, folder: Path, script: dict[str, list[str]], seed: int = 0) -> None:
        self.folder, self.script, self._random = folder, script, random.Random(seed)
        self.out: list[Ticket] = []
        self.sent: list[Ticket] = []
        self.finished: Counter[str] = Counter()

    def finish(self, name: str) -> None:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / name / "done").write_bytes(name.encode())

    def left(self, job: Job) -> Left | None:
        return None if (self.folder / job.name / "done").is_file() else Left([], True)

    def send(self, ticket: Ticket) -> None:
        assert ticket.job.name not in [t.job.name for t in self.out], "sent twice at once"
        assert all(self.left(parent) is None for parent in ticket.job.parents), "before its parents"
        self.out.append(ticket)
        self.sent.append(ticket)

    def receive(self) -> tuple[Ticket, Outcome]:
        ticket = self.out.pop(self._random.randrange(len(self.out)))
        name = ticket.job.name
        script = self.script.get(ticket.job.label, [])
        kind = script.pop(0) if script else "finished"
        if ticket.files is not None:
            assert isinstance(locks.attempt(self.folder / name, Watch()), locks.Owner), "who sent files holds the lock"
            for parent in ticket.job.parents:
                assert f"{parent.name}/done" in ticket.files
            if kind in ("held", "apart", "elsewhere"):
                kind = "finished"
            if kind == "finished":
                self.finished[name] += 1
                return ticket, Outcome("finished", files={f"{name}/done": name.encode()})
        if kind in ("finished", "elsewhere"):
            self.finished[name] += kind == "finished"
            self.finish(name)
        return ticket, Outcome(kind, f"{kind} by the script", "on a node")  # type: ignore[arg-type]


def family() -> list[Job]:
    a, b, c = a_job("a"), a_job("b"), a_job("c")
    child = a_job("d", a)
    return [a, b, c, child, a_job("e", child), a_job("f", b)]


def dispatched(nodes: Scripted, jobs: list[Job], said: list[str], counted: list[str]) -> int:
    return Dispatch(jobs, nodes, nodes.folder, nodes.left, said.append, counted.append).run()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from(KINDS), max_size=5)), st.integers(0, 99))
def test_whatever_happens(tmp_path_factory: pytest.TempPathFactory, script: dict[str, list[str]], seed: int) -> None:
    folder = tmp_path_factory.mktemp("dispatch")
    nodes, jobs = Scripted(folder, {k: list(v) for k, v in script.items()}, seed), family()
    counted: list[str] = []
    try:
        ran, failed = dispatched(nodes, jobs, [], counted), False
    except BenchError:
        ran, failed = sum(nodes.finished.values()), True
    assert ran == sum(nodes.finished.values())
    assert set(nodes.finished.values()) <= {1, 0}
    unfinished = {job.label for job in jobs if nodes.left(job) is not None}
    assert bool(unfinished) == failed
    assert len(counted) == len(jobs) - len(unfinished)
    for job in jobs:
        if job.label in unfinished:
            because = [p.label for p in job.parents if p.label in unfinished]
            kinds = script.get(job.label, [])
            assert because or "failed" in kinds or kinds.count("lost") > RETRIES, job.label
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == [], "locks are given back"


def test_a_lost_cell_is_run_again_so_many_times(tmp_path: Path) -> None:
    said: list[str] = []
    counted: list[str] = []
    nodes = Scripted(tmp_path, {"a": ["lost"] * RETRIES, "b": ["lost"] * (RETRIES + 1)})
    with pytest.raises(BenchError, match=r"2 of 6 cells are not finished.*; b-\S+: lost by the script \(4 times\)"):
        dispatched(nodes, family(), said, counted)
    assert [line for line in said if line.startswith("a-")] == [
        f"{family()[0].name}: lost by the script; run again ({n} of 3)" for n in (1, 2, 3)
    ]
    assert any(line.startswith("a-") and line.endswith("on a node, try 4") for line in counted)


def test_a_held_cell_is_left_for_the_end_and_waited_for_there(tmp_path: Path) -> None:
    nodes = Scripted(tmp_path, {"a": ["held"]})
    assert dispatched(nodes, family(), [], []) == 6
    sent = [(t.job.label, t.patient) for t in nodes.sent]
    assert [patient for label, patient in sent if label == "a"] == [False, True]
    assert sent.index(("a", True)) > max(sent.index((label, False)) for label in "bcf")


def test_a_cell_for_a_node_apart_waits_for_the_lock_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, said = family(), list[str]()
    held = locks.attempt(tmp_path / jobs[0].name, Watch())
    assert isinstance(held, Lock)
    nodes = Scripted(tmp_path, {"a": ["apart", "apart"]})
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            held.release()

    monkeypatch.setattr(time, "sleep", nap)
    assert dispatched(nodes, jobs, said, []) == 6
    assert len(naps) == 3
    assert [t.files for t in nodes.sent if t.job.label == "a"] == [None, {}]


def test_a_finished_cell_that_is_not_seen_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "FILE_PATIENCE", 0.0)
    nodes = Scripted(tmp_path, {})
    monkeypatch.setattr(nodes, "finish", lambda name: None)
    counted: list[str] = []
    with pytest.raises(BenchError, match=r"6 of 6 cells are not finished.* and not seen in"):
        dispatched(nodes, family(), [], counted)
    assert counted == []
