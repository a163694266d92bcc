"""The fuzzing that is run by hand, on a few inputs of every target; and that it would see what it looks for."""

import os
import re
from pathlib import Path
from random import Random

import pytest
from fuzz import Counts, kind_of, try_one
from fuzz_targets import TARGETS, Target, without_pictures
from guard import Hang, Outside, at_most, writes_only_below
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate import odd_bytes

from bench.errors import BenchError

FEW, FEW_SLOW = 25, 3


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_no_input_shows_a_defect(target: Target, tmp_path: Path) -> None:
    counts = Counts()

    @settings(
        max_examples=FEW_SLOW if target.slow else FEW,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(target.seeds), st.randoms(use_true_random=False))
    def read(seed: bytes, rng: Random) -> None:
        try_one(target, target.mutate(seed, rng), tmp_path, counts)
        assert not counts.defects, next(iter(counts.defects.values()))

    with without_pictures():
        read()
    assert counts.inputs == counts.accepted + sum(counts.messages.values())
    assert counts.inputs >= (FEW_SLOW if target.slow else FEW)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_valid_inputs_are_accepted(target: Target, tmp_path: Path) -> None:
    counts = Counts()
    with without_pictures():
        try_one(target, target.seeds[0], tmp_path, counts)
    assert (counts.accepted, counts.messages, counts.defects) == (1, {}, {})


def target_of(read: object) -> Target:
    return Target("made up", (b"x",), odd_bytes, lambda data, folder: read)  # type: ignore[arg-type,return-value]


def test_every_kind_of_defect_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.LIMIT", 0.2)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"

    def hidden() -> None:
        try:
            outside.write_text("x")
        except Exception:
            return

    def endless() -> None:
        while True:
            re.match("(a+)+$", "a" * 30 + "b")

    def refused() -> None:
        raise BenchError("3 files in '/x/y' are none")

    reads = [lambda: None, refused, lambda: 1 / 0, endless, hidden, lambda: os.system("true"),
             lambda: os.mkdir(outside)]  # fmt: skip
    counts = Counts()
    for read in reads:
        try_one(target_of(read), b"x", tmp_path, counts)
    assert (counts.inputs, counts.accepted, counts.messages) == (7, 1, {"* files in * are none": 1})
    assert [key.split(":")[0] for key in counts.defects] == [
        "ZeroDivisionError", "Hang", "Outside", "Outside", "Outside",
    ]  # fmt: skip
    assert not outside.exists()


def test_what_is_written_below_the_folder_is_allowed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "out", tmp_path / "kept"
    inside.mkdir()
    outside.write_text("x")
    (inside / "link").symlink_to(outside)
    with writes_only_below(inside):
        (inside / "a").mkdir()
        (inside / "a" / "b").write_text("x")
        (inside / "a" / "b").rename(inside / "c")
        outside.read_text()
    for change in (lambda: (inside / "link").write_text("y"), lambda: (inside / "c").rename(tmp_path / "c"),
                   outside.unlink, lambda: (inside / ".." / "d").mkdir(), lambda: outside.chmod(0)):  # fmt: skip
        with pytest.raises(Outside), writes_only_below(inside):
            change()
    assert outside.read_text() == "x"


def test_the_limit_is_lifted_afterwards() -> None:
    def endless() -> None:
        while True:
            pass

    with pytest.raises(Hang, match=r"no end after 0\.05 s"), at_most(0.05):
        endless()
    with at_most(10):
        pass


def test_messages_differ_by_what_they_say_alone() -> None:
    assert kind_of(BenchError("/a/b.json, line 3: got 'x'")) == kind_of(BenchError("/c.json, line 14: got 'yy'"))
    assert kind_of(BenchError("no file")) != kind_of(BenchError("no folder"))
