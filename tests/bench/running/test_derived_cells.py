"""How derived models stand in an experiment: beside what they are made of, compared, reported, exported."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from bench.analysis.rows import measured
from bench.analysis.strategies import find
from bench.cli import main
from bench.errors import BenchError
from bench.plan import resolve
from bench.store import json_files
from bench.store.cells import read_cells

SMALL = ("--steps", "10", "--batch-size", "16", "--task", "demo-dev", "--experiment", "small", "--baselines", "none")
DERIVED = "centering(mono),merge(mono, cross),lir(mono),shift(mono),lir(untrained, rank=2)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with all derived strategies, run once for this module."""
    path = tmp_path_factory.mktemp("derived")
    assert main(["run", "--strategy", DERIVED, *SMALL, *places(path)]) == 0
    return path


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def cell_of(path: Path, name: str) -> Path:
    (found,) = (path / "results" / "small").glob(f"{name}-*-s0")
    return found


def bits(cell: Path) -> str:
    return hashlib.sha256((cell / "scores" / "demo-dev@2.parquet").read_bytes()).hexdigest()


def test_what_is_derived_from_stands_beside_it(folder: Path) -> None:
    cells = sorted(c.name.split("-")[0] for c in (folder / "results" / "small").glob("*-s0"))
    assert cells == ["centering", "lir", "lir", "merge", "mono", "shift", "untrained"]
    config = json_files.read_json(next((folder / "results" / "small").glob("shift-*")) / "config.json")
    assert config["trained"] is True
    assert config["parents"] == [
        {"cell": cell_of(folder, "mono").name, "strategy": "mono(language_temperature=None)", "steps": 10}
    ]
    offsets = load_file(cell_of(folder, "shift") / "offsets.safetensors")
    assert sorted(offsets) == ["ar", "de", "es", "hi", "ru", "th", "tr", "zh"]


def test_merged_parents_share_the_steps_and_the_weights_are_their_mean(folder: Path) -> None:
    cell = cell_of(folder, "merge")
    parents = sorted((cell / "parents").iterdir())
    assert [len((p / "steps.jsonl").read_text().splitlines()) for p in parents] == [5, 5]
    assert not any((p / "done").exists() for p in parents)
    states = [load_file(p / "model" / "model.safetensors") for p in parents]
    merged = load_file(cell / "model" / "model.safetensors")
    for name, weight in merged.items():
        both = torch.stack([torch.from_numpy(s[name]) for s in states])
        assert not torch.equal(both[0], both[1])
        assert torch.equal(torch.from_numpy(weight), both.mean(dim=0))


def test_a_derived_cell_ranks_otherwise_than_its_parent(folder: Path) -> None:
    cells = read_cells(folder / "results" / "small")
    assert len({bits(c.path) for c in cells}) == len(cells) == 7


def test_the_same_expression_gives_the_same_bits(folder: Path, tmp_path: Path) -> None:
    again = ["run", "--strategy", DERIVED, *SMALL, "--no-report", *places(tmp_path)]
    assert main(again) == 0
    before, after = (read_cells(p / "results" / "small") for p in (folder, tmp_path))
    assert [c.path.name for c in before] == [c.path.name for c in after]
    assert [bits(c.path) for c in before] == [bits(c.path) for c in after]


def test_a_finished_cell_is_reused_and_scored_on_more_without_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = (cell_of(folder, "mono") / "model" / "model.safetensors").stat().st_mtime_ns
    scores = [cell_of(folder, name) / "scores" / "demo-dev@2.parquet" for name in ("merge", "shift")]
    before = [bits(path.parents[1]) for path in scores]
    for path in scores:
        path.unlink()
    assert main(["run", "--strategy", "merge(mono,cross),shift(mono)", *SMALL, "--no-report", *places(folder)]) == 0
    assert "training items" not in capsys.readouterr().err
    assert [bits(path.parents[1]) for path in scores] == before
    assert (cell_of(folder, "mono") / "model" / "model.safetensors").stat().st_mtime_ns == stamp


def test_no_derived_cell_is_caught_by_the_name_of_its_parent(folder: Path) -> None:
    cells = read_cells(folder / "results" / "small")
    for name, kind in (
        ("mono", "mono"),
        ("merge(mono,cross)", "merge"),
        (" merge( mono, cross(pairs='row') )", "merge"),
        ("merge", "merge"),
        ("centering(mono)", "centering"),
        ("shift(mono)", "shift"),
    ):
        assert [c.path for c in find(cells, name)] == [cell_of(folder, kind)]
    with pytest.raises(BenchError, match="no finished strategy 'centering\\(cross\\)' here"):
        find(cells, "centering(cross)")
    with pytest.raises(BenchError, match="'lir' means several strategies"):
        find(cells, "lir")


def test_derived_cells_are_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared = ["compare", "merge(mono, cross)", "lir(mono)", "--experiment", "small", "--json", *places(folder)]
    assert main(compared) == 0
    assert {c["setting"] for c in json.loads(capsys.readouterr().out)["rows"]} == {"mono", "cross", "multi"}
    assert main(["compare", "lir(untrained,rank=2)", "mono", "--experiment", "small", *places(folder)]) == 0


def test_the_report_says_how_each_was_derived(folder: Path) -> None:
    report = (folder / "reports" / "small" / "appendix.md").read_text(encoding="utf-8")
    section = report.split("## Derived from others")[1].split("## Training")[0]
    assert "- `merge(mono, cross)`: weights averaged; from mono (5 steps) and cross" in section
    assert "- `shift(mono, source='en')`: passages moved" in section
    assert "from untrained (0 steps)." in section
    assert len(section.strip().splitlines()) == 5
    assert "1 trained cells: `mono(language_temperature=None)`" in report


@pytest.mark.parametrize("name", ["merge", "centering", "shift"])
def test_runs_are_exported_as_they_were_scored(folder: Path, name: str) -> None:
    import ir_measures
    from ir_measures import nDCG

    out = folder / "trec" / name
    export = ["export", "trec", "small", name, "--task", "demo-dev", "--depth", "10", "--out", str(out)]
    assert main([*export, *places(folder)]) == 0
    run = list(ir_measures.read_trec_run(str(out / "demo-dev.el-de.run")))
    qrels = list(ir_measures.read_trec_qrels(str(out / "demo-dev.el-de.qrels")))
    table = measured(cell_of(folder, name) / "scores" / "demo-dev@2.parquet").to_pylist()
    stored = [row["nDCG@10"] for row in table if (row["q_lang"], row["d_lang"]) == ("el", "de")]
    assert ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10] == pytest.approx(np.mean(stored), abs=1e-6)


def test_list_check_and_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategies", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for name in ("merge", "centering", "lir", "shift"):
        assert listed[name]["about"].startswith("derived: ")
        assert resolve.recipe(listed[name]["signature"])
    assert main(["check", "strategy", "merge(mono, cross)"]) == 2
    assert capsys.readouterr().err == (
        "bench: merge(mono, cross) is derived and draws no batches of its own; check what stands in its brackets\n"
    )
    assert main(["run", "--strategy", "centering(merge(mono, cross))", *SMALL, "--dry-run", *places(tmp_path)]) == 0
    out = capsys.readouterr().out
    rows = [[x.strip() for x in line.split("|")] for line in out.splitlines() if line.startswith(("| merge", "| cent"))]
    assert [(r[1].split("-")[0], r[4]) for r in rows] == [("merge", "10"), ("centering", "0")]
    assert "weights averaged; from mono(language_temperature=None) (5 steps) and cross" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "message"), [
    (["merge(mono, cross, any_pair)"], "merge shares the steps equally: --steps is divisible by 3; got 10"),
    (["lir(mono),lir(mono, rank=1)"], "every cell is named once"),
    (["shift(mono, source='el')"], "shift moves passages to a training language, one of ar, de, en"),
    (["merge(mono, cross)", "--batch-size", "5000"], "batch size 5000 needs 5000 distinct groups"),
])  # fmt: skip
def test_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    small = [*SMALL[:2], *SMALL[4:]] if "--batch-size" in arguments else SMALL
    assert main(["run", *small, "--strategy", *arguments, *places(tmp_path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("bench: ")
    assert message in error
    assert not list(tmp_path.rglob("*.json"))
