"""Names that are made to lead elsewhere: of plugins, experiments, tasks, sets, cells; and links in output folders."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.data.catalogue import cite
from bench.door import export
from bench.errors import BenchError
from bench.plan import presets, resolve
from bench.plan.protocol import read_protocol
from bench.report.report import write_report
from bench.running import stored
from bench.store import cells, json_files
from bench.store.cells import PROTOCOL
from bench.store.json_files import file_name
from bench.store.scores import score_path
from strategies import StrategyError
from tasks import TaskError
from tests.bench.made_up import make_cell, make_experiment, undrawn

TRAP = "import pathlib\npathlib.Path({!r}).touch()\n"
PLUGIN = TRAP + (
    "from dataclasses import dataclass\nfrom strategies import Strategy\n\n@dataclass(frozen=True)\n"
    "class A(Strategy):\n    def batches(self, pool, batch_size, steps, rng):\n        yield from ()\n"
)


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


@pytest.mark.parametrize("text", [
    "../x.py:A", "/nowhere/x.py:A", "x\n.py:A", "x\x00.py:A", "x" * 3000 + ".py:A", "x" * 300 + ".py:A",
    "json:__class__", "json:__dict__", "builtins:eval", "builtins:__import__", "os:system(command='true')",
    "os:system", "subprocess:Popen(args='true')", ":A", ".:A", "..:A", "a b:A", "json:", "json:JSONDecoder.decode",
    "", "()", "(", ")", "mono)", "mono(()", "mono" + "(" * 5000, "merge(mono, " * 150 + "mono" + ")" * 150,
    "mono" + " " * 100_000 + "(", "m" + " " * 1999, "hybrid(alpha=" + "-" * 1500 + "1)", "hybrid(alpha=1e999)",
    "hybrid(alpha=__import__('os').system('true'))", "hybrid(alpha=f'{1}')", "\udcff", "hybrid(pairs='\udcff')",
    "this_module_exits:A",
])  # fmt: skip
def test_hostile_expressions_are_one_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "this_module_exits.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for read in (resolve.recipe, resolve.strategy, resolve.task, resolve.source):
        with pytest.raises((BenchError, StrategyError, TaskError)) as raised:
            read(text)
        assert len(str(raised.value)) < 5000


def test_nothing_but_a_class_of_the_right_kind_is_called(tmp_path: Path) -> None:
    file = tmp_path / "plug.py"
    file.write_text(f"from strategies.mono import Mono as M\n\ndef made(path={str(tmp_path / 'x')!r}):\n"
                    "    open(path, 'w').close()\n    return M()\n")  # fmt: skip
    with pytest.raises(BenchError, match="has no strategy class 'made'"):
        resolve.strategy(f"{file}:made")
    assert repr(resolve.strategy(f"{file}:M")).startswith("mono(")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "name", ["..", "../up", "a/b", "/etc", ".hidden", "-x", "", "a\x00b", "a\nb", "x" * 101, "a b"]
)
def test_an_experiment_is_one_folder_for_every_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="an experiment's name is"):
        presets.load_plan(None, {"experiment": name})
    for command in (["leaderboard", name], ["report", name], ["compare", "a", "b", f"--experiment={name}"],
                    ["data", "cite", name], ["export", "mteb", name, "--out", str(tmp_path / "out")],
                    ["export", "trec", name, "x", "--task", "demo", "--out", str(tmp_path / "out")]):  # fmt: skip
        if name.startswith("-") and command[0] != "compare":
            continue  # argparse takes it for an option
        assert main([*command, *places(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_report_cannot_replace_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_experiment(tmp_path / "results" / "made", (0,))
    before = sorted(p.name for p in (tmp_path / "results" / "made").iterdir())
    (tmp_path / "reports").mkdir()
    assert main(["report", "../results/made", *places(tmp_path)]) == 2
    assert "an experiment's name is" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "results" / "made").iterdir()) == before


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", ".x", "a\nb", "a\x00", "\udcff", "x" * 250, "\u202eab"])
def test_what_is_no_name_of_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="becomes the name of a file: printable, without '/'"):
        file_name(name, "a set")
    if name:
        with pytest.raises(BenchError, match="name and version of a task becomes the name of a file"):
            score_path(tmp_path, name, "1")


def test_long_labels_make_short_folders() -> None:
    assert len(cells.cell_name("A" * 3000 + "()", {}, 0)) < 130
    assert cells.cell_name("../../x()", {}, 0).startswith("x-")
    assert cells.cell_name("\n", {}, 0).startswith("cell-")


def changed(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_code_that_stored_results_name_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a report of results from elsewhere reads them, and runs nothing."""
    sprung = tmp_path / "sprung"
    (tmp_path / "evil.py").write_text(PLUGIN.format(str(sprung)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "results" / "made"
    for label, name in (("evil.py:A", "evil.py:A()"), ("mono", "mono()")):
        changed(make_cell(folder, f"{label}()", 0, 0.1) / "config.json",
                lambda c, name=name: c.update(strategy=name, sources={"evil.py:A": {}, "evil:A": {}}))  # fmt: skip
    claim = {"a": "evil.py:A()", "b": "mono", "superior": ["cross"], "non_inferior": []}
    json_files.write_json(folder / PROTOCOL, {"primary": [claim]})
    scores = next(folder.rglob("toy@1.parquet"))
    shutil.copy(scores, scores.with_name("evil.py:A@1.parquet"))
    assert read_protocol(folder).primary[0].a == "evil.py:A()"
    rows, _ = cite(folder)
    assert ["evil.py:A", "train", "unknown", "unknown"] in rows
    monkeypatch.setattr("bench.figures.plots.draw", undrawn)
    write_report(folder, tmp_path / "out")
    assert not sprung.exists()
    with pytest.raises(BenchError, match="code that stored results name is not run"):
        resolve.strategy("evil.py:A", plugins=False)
    resolve.strategy("evil.py:A")
    assert sprung.exists()


def test_a_derived_cell_names_a_parent_beside_it(tmp_path: Path) -> None:
    cell = make_cell(tmp_path / "made", "lir(mono(), rank=1)", 0, 0.1)
    for parent, message in (("../../elsewhere", "a parent becomes the name of a file"), (cell.name, "not of itself")):
        changed(cell / "config.json", lambda c, parent=parent: c.update(
            derived={"kind": "lir", "what": "w", "parameters": {"rank": 1}},
            parents=[{"cell": parent, "strategy": "mono()", "steps": 1}]))  # fmt: skip
        with pytest.raises(BenchError, match=message):
            stored.ranker_of(cell, trust_remote_code=False)


@pytest.mark.parametrize("derived", [
    {"kind": "none", "what": "w", "parameters": {}},
    {"kind": "lir", "what": "w", "parameters": {"rank": "1"}},
    {"kind": "lir", "what": "w", "parameters": {}},
    {"kind": "shift", "what": "w", "parameters": {}},
])  # fmt: skip
def test_a_derived_cell_that_says_no_way(
    tmp_path: Path, derived: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_encoder", lambda config, path, trust_remote_code: Still())
    parent = make_cell(tmp_path / "made", "mono()", 0, 0.1)
    cell = make_cell(tmp_path / "made", "lir(mono(), rank=1)", 0, 0.1)
    parents = [{"cell": parent.name, "strategy": "mono()", "steps": 1}]
    changed(cell / "config.json", lambda c: c.update(derived=derived, parents=parents))
    for content in (None, b"", b"\xff" * 16):
        if content is not None:
            (cell / "offsets.safetensors").write_bytes(content)
        with pytest.raises(BenchError, match=r"derived in no known way|offsets\.safetensors: not readable"):
            stored.ranker_of(cell, trust_remote_code=False)


class Still:
    """An encoder that is not opened."""

    def weights_hash(self) -> str:
        return "0"


def test_sets_that_no_file_can_be_named_after_are_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.py").write_text(
        "from dataclasses import dataclass\nfrom tasks import EvalSet, Task\n\n@dataclass(frozen=True)\n"
        "class Tiny(Task):\n    name, version, licence, citation = 'tiny', '1', 'CC0', 'none'\n"
        "    def load(self, root):\n        yield EvalSet('../up', {'en': {'q': 'a'}}, {'en': {'d': 'b'}}, "
        "{'q': {'d': 1}})\n"
    )
    task = f"{tmp_path / 'tiny.py'}:Tiny"
    assert main(["evaluate", "--model", "char-tfidf", "--task", task, *places(tmp_path)]) == 2
    assert "the name of a set becomes the name of a file" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.parquet"))


def test_results_files_that_say_names_of_files_elsewhere(tmp_path: Path) -> None:
    cell = make_cell(tmp_path / "made", "mono()", 0, 0.1)
    changed(cell / "done", lambda d: d.update(weights_sha256="../../../up"))
    with pytest.raises(BenchError, match="weights_sha256 becomes the name of a file"):
        export.export_mteb(tmp_path / "made", tmp_path / "out")
    assert not (tmp_path / "out").exists()


SMALL = ("--steps", "2", "--batch-size", "8", "--task", "demo-dev", "--experiment", "e", "--baselines", "char-tfidf",
         "--no-report", "--precision", "float32")  # fmt: skip


def test_what_a_link_leads_to_is_neither_deleted_nor_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--strategy", "mono", *SMALL, *places(tmp_path)]
    assert main(run) == 0
    experiment = tmp_path / "results" / "e"
    cell = next(experiment.glob("mono-*"))
    away = tmp_path / "away"
    shutil.move(cell, away)
    held = {p: p.read_bytes() for p in away.rglob("*") if p.is_file()}
    cell.symlink_to(away)
    assert main(["leaderboard", "e", *places(tmp_path)]) == 0  # reading follows it
    for more in ([], ["--overwrite"], ["--resume"]):
        assert main([*run, *more]) == 2
        assert f"{cell}: a symbolic link; results and reports are never written through one" in capsys.readouterr().err
    cell.unlink()
    shutil.copytree(away, cell)
    shutil.rmtree(cell / "scores")
    (cell / "scores").symlink_to(away / "scores")
    assert main([*run, "--overwrite"]) == 2
    (cell / "scores").unlink()
    (experiment / f".{cell.name}.checkpoint").symlink_to(away)
    assert main(run) == 2
    assert {p: p.read_bytes() for p in away.rglob("*") if p.is_file()} == held


def test_a_report_is_not_written_through_a_link_and_the_folder_of_all_may_be_one(tmp_path: Path) -> None:
    make_cell(tmp_path / "elsewhere" / "made", "mono()", 0, 0.1)
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere")
    away = tmp_path / "away"
    away.mkdir()
    (away / "kept").write_text("x")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "made").symlink_to(away)
    assert main(["report", "made", *places(tmp_path)]) == 2
    assert [p.name for p in away.iterdir()] == ["kept"]
    (tmp_path / "reports" / "made").unlink()
    assert main(["report", "made", *places(tmp_path)]) == 0
    assert (tmp_path / "reports" / "made" / "report.md").is_file()


def test_a_link_in_the_place_of_the_file_that_is_written_aside(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    (tmp_path / f".a.json.partial-{os.getpid()}").symlink_to(tmp_path / "kept")
    json_files.write_json(tmp_path / "a.json", {"a": 1})
    assert (tmp_path / "kept").read_text() == "x"
    assert json_files.read_json(tmp_path / "a.json") == {"a": 1}


def test_messages_cannot_steer_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "a\x1b[2J\u202e\x07", *places(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.rstrip("\n").isprintable()
    assert "\\x1b[2J" in error
    assert main(["run", "--strategy", "x" * 100_000, *places(tmp_path)]) == 2
    assert len(capsys.readouterr().err) < 2100


def test_arguments_that_are_not_utf_8_are_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--strategy", "mono", "--task", "\udcff\udcfe", *places(tmp_path)]) == 2
    assert "no task" in capsys.readouterr().err
