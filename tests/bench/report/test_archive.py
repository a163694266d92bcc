"""A published copy of an experiment gives the same report, without models."""

from pathlib import Path

import numpy as np
import pytest

from bench.analysis.set_scores import read_sets
from bench.cli import main
from bench.errors import BenchError
from bench.figures.shapes import Curves
from bench.pages.document import figures
from bench.plan.protocol import Protocol, keep_protocol
from bench.report import report
from bench.report.shares import share_of, share_section
from bench.store import cells, copies, scores
from tests.bench.made_up import TOY, make_cell, make_experiment

SHARED = {"share": {"cross()": 0.0, "hybrid(alpha=0.25)": 0.1, "hybrid(alpha=0.75)": 0.2, "mono()": 0.3}}


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "made"
    make_experiment(folder, seeds=(0,))
    keep_protocol(folder, Protocol(out_of_domain=("toy",)), [TOY])
    (folder / "findings.md").write_text("Nothing surprised.\n")
    (make_cell(folder, "mono()", 9, 0.0) / "done").unlink()  # unfinished
    for cell in folder.glob("*-s0"):
        (cell / "model").mkdir()
        (cell / "model" / "model.safetensors").write_bytes(b"weights")
    return folder


def test_the_copy_gives_the_same_report_without_models(experiment: Path, tmp_path: Path) -> None:
    code = main(["export", "results", "made", "--results", str(experiment.parent), "--out", str(tmp_path / "out")])
    assert code == 0
    copy = tmp_path / "out" / "made"
    assert sorted(p.name for p in copy.iterdir() if p.is_dir()) == sorted(p.name for p in experiment.glob("*-s0"))
    assert not list(copy.rglob("*.safetensors"))
    one, two = tmp_path / "one", tmp_path / "two"
    report.write_report(experiment, one)
    report.write_report(copy, two)
    for name in ("report.md", "appendix.md"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert "Nothing surprised." in (two / "appendix.md").read_text()
    for path in experiment.glob("*-s0/scores/*.parquet"):
        first, second = scores.read_scores(path), scores.read_scores(copy / path.relative_to(experiment))
        assert first.schema.equals(second.schema, check_metadata=True)
        for name in first.column_names:
            np.testing.assert_array_equal(first[name].to_numpy(), second[name].to_numpy())  # NaN equals NaN


def test_a_second_copy_replaces_the_first(experiment: Path, tmp_path: Path) -> None:
    copies.archive(experiment, tmp_path / "out")
    make_cell(experiment, "mixed()", 0, 0.0)
    assert len(copies.archive(experiment, tmp_path / "out")) == 4
    assert len(cells.read_cells(tmp_path / "out" / "made")) == 4


def test_what_cannot_be_copied_is_refused(experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="a copy of an experiment goes to another folder"):
        copies.archive(experiment, experiment.parent)
    for done in experiment.glob("*/done"):
        done.unlink()
    with pytest.raises(BenchError, match="no cell is finished yet"):
        copies.archive(experiment, tmp_path / "out")


@pytest.mark.parametrize(
    ("label", "share"),
    [
        ("mono(language_temperature=None)", 1.0),
        ("cross(pairs='row', language_temperature=None)", 0.0),
        ("hybrid(alpha=0.25, pairs='row', language_temperature=None)", 0.25),
        ("cross(pairs='batch', language_temperature=None)", None),
        ("hybrid(alpha=0.5, pairs='row', language_temperature=0.7)", None),
        ("mixed(language_temperature=None)", None),
        ("hybrid_rows(alpha=0.5)", None),
        ("merge(mono(), cross())", None),
    ],
)
def test_the_share_of_monolingual_batches_is_read_off_the_signature(label: str, share: float | None) -> None:
    assert share_of(label) == share


def test_the_curve_shows_trainings_minus_cross_of_their_seed_and_means_as_lines(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "curve"
    for label, gain in SHARED["share"].items():
        for seed in (0, 1) if label in ("mono()", "cross()") else (0,):
            make_cell(folder, label, seed, gain)
    report.write_report(folder, tmp_path / "out")
    text = (tmp_path / "out" / "appendix.md").read_text()
    assert "## Share of monolingual batches" in text
    assert "](toy-share.svg)" in text
    section = text.split("## Share of monolingual batches")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("|")][2:]
    assert [float(row[0]) for row in rows] == [0, 0.25, 0.75, 1]
    assert [int(row[1]) for row in rows] == [2, 1, 1, 2]
    across = [float(row[3]) for row in rows]
    assert across == sorted(across)
    assert across[-1] - across[0] == pytest.approx(0.3, abs=0.01)
    (of,) = read_sets(cells.read_cells(folder))
    drawing = next(figures(share_section([of]))).drawing
    assert isinstance(drawing, Curves)
    line, dots = drawing.series["across languages"], drawing.dots["across languages"]
    assert line[0] == (0.0, 1.0), "no line through a share that was trained once"
    assert [dots[0].count(x) for x in (0.0, 0.25, 0.75, 1.0)] == [2, 1, 1, 2]
    assert line[1][1] == pytest.approx(np.mean([y for x, y in zip(*dots, strict=True) if x == 1.0]))
