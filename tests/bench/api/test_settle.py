"""run --until settled, from the command line: looks, stops, replay, what is refused, what it is likely to take."""

import json
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from bench.plan.protocol import digest_of, read_protocol
from bench.store.cells import LOOKS, PROTOCOL, read_cells

PRESET = """
experiment = "small"
strategies = ["mono", "mixed"]
tasks = ["demo-dev"]
baselines = []
threads = 1

[[protocol.primary]]
a = "mono"
b = "mixed"
superior = ["multi"]
non_inferior = ["mono"]

[settings]
model = "demo-static"
train = ["demo"]
steps = 40
batch_size = 32
learning_rate = 5e-3
temperature = 0.05
precision = "float32"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settle")
    (path / "small.toml").write_text(PRESET, encoding="utf-8")
    assert run(path, "--until", "settled", "--seeds", "5,0,1") == 0
    return path


def run(path: Path, *more: str) -> int:
    where = ["--results", str(path / "results"), "--reports", str(path / "reports")]
    return main(["run", "--preset", str(path / "small.toml"), "--no-report", *more, *where])


def test_sets_and_claims_are_fixed_and_stand_in_every_cell(folder: Path) -> None:
    experiment = folder / "results" / "small"
    kept = read_protocol(experiment)
    assert [(c.sets, c.settings, c.bound, c.weight) for c in kept.claims] == [
        (("demo-dev",), ("multi",), 0.0, 0.5), (("demo-dev",), ("mono",), -0.01, 0.5),
    ]  # fmt: skip
    assert kept.looks is not None
    assert kept.looks.seeds == (5, 0, 1)
    cells = read_cells(experiment)
    assert {c.config.protocol for c in cells} == {digest_of(experiment)}
    assert sorted(c.seed for c in cells) == [0, 0, 1, 1, 5, 5]


def test_the_same_command_replays_and_runs_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = folder / "results" / "small"
    before = (experiment / LOOKS).read_text(encoding="utf-8")
    (line,) = map(json.loads, before.splitlines())
    assert line["trainings"] == 3
    assert all(claim["end"] for claim in line["claims"])
    assert run(folder, "--until", "settled", "--seeds", "5,0,1") == 0
    said = capsys.readouterr().err
    assert "look at 3 trainings of each strategy:" in said
    assert "mono - mixed, in domain, multi: " in said
    assert "0 of 6 cells run" in said
    assert (experiment / LOOKS).read_text(encoding="utf-8") == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["--seeds", "2"], "come in the order of its protocol, 5, 0, 1"),
    (["--seeds", "5,0,1,2"], "come in the order of its protocol"),
    (["--until", "settled"], "a protocol is fixed before the first run"),
    (["--until", "settled", "--seeds", "0,1,5"], "has other looks"),
    (["--until", "settled", "--seeds", "0,1"], "looked at from the third on"),
    (["--until", "settled", "--strategy", "mono,cross"], "--until settled asks for strategies that claims are about"),
    (["--pilot", "small"], "add it, with --dry-run"),
])  # fmt: skip
def test_what_it_refuses(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(folder, *arguments) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_changed_protocol_and_a_removed_training_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, message in (("protocol", "made under another protocol"), ("cell", "none is left out")):
        here = tmp_path / name
        shutil.copytree(folder, here)
        experiment = here / "results" / "small"
        if name == "protocol":
            text = (experiment / PROTOCOL).read_text(encoding="utf-8")
            (experiment / PROTOCOL).write_text(text.replace("-0.01", "-0.2"), encoding="utf-8")
        else:
            for cell in experiment.glob("*-s0"):
                shutil.rmtree(cell)
        report = ["report", "small", "--results", str(here / "results"), "--reports", str(here / "reports")]
        assert main(report) == 0
        text = (here / "reports" / "small" / "report.md").read_text(encoding="utf-8")
        assert "Claims are not decided: " in text
        assert message in text
        capsys.readouterr()


def test_what_it_is_likely_to_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--until", "settled", "--seeds", "5,0,1", "--dry-run"]
    assert run(folder, *asked, "--pilot", "small") == 0
    out = capsys.readouterr().out
    assert "claims are looked at after 3 to 3 trainings" in out
    assert "| mono better than mixed, multi " in out
    assert "| mono at most .01 worse against mixed, mono " in out
    assert run(folder, *asked, "--components", "0.001,0.001") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| mono ")]
    assert [[cell.strip() for cell in row.split("|")][6:11] for row in rows] == [["", "3", "3", "3", "3"], ["3"] * 5]
    assert run(folder, *asked) == 2
    assert "--pilot EXPERIMENT, or --components SD,SE" in capsys.readouterr().err
