"""What others read back: TREC files by ir_measures, result files by mteb."""

import re
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, R, nDCG

from bench.analysis.means import read_means
from bench.cli import main
from bench.door import export
from bench.evaluation.measures import MEASURES
from bench.store import cells
from bench.store.cells import Cell
from bench.store.scores import POOL
from tasks import Task


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished cells, scored on the development set."""
    path = tmp_path_factory.mktemp("exported")
    run = [
        "run",
        "--strategy",
        "mono",
        "--baselines",
        "char-tfidf",
        "--steps",
        "3",
        "--batch-size",
        "16",
        "--no-report",
    ]
    assert main([*run, "--task", "demo-dev", "--experiment", "small", *places(path)]) == 0
    return path


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def trec(folder: Path, cell: str, *more: str) -> int:
    return main(
        ["export", "trec", "small", cell, "--task", "demo-dev", "--out", str(folder / cell), *places(folder), *more]
    )


@pytest.mark.parametrize("cell", ["mono", "char-tfidf"])
def test_ir_measures_reads_what_is_stored(folder: Path, capsys: pytest.CaptureFixture[str], cell: str) -> None:
    assert trec(folder, cell, "--depth", "100000") == 0
    told = re.search(r": scored by ir_measures, all (\S+) values of queries are those stored", capsys.readouterr().err)
    judged = [p.read_text().splitlines() for p in (folder / cell).glob("*.qrels")]
    queries = sum(len({line.split()[0] for line in lines}) for lines in judged)
    assert told is not None
    assert told[1] == f"{len(MEASURES) * queries:,}"
    means = {m.cell.path.name.split("-")[0]: m for m in read_means(cells.read_cells(folder / "results" / "small"))}
    stored = means[cell.split("-")[0]].pairs
    for q_lang, d_lang in (("en", "en"), ("de", "zh"), ("vi", POOL)):
        stem = f"demo-dev.{q_lang}-{'all' if d_lang == POOL else d_lang}"
        run = list(ir_measures.read_trec_run(str(folder / cell / f"{stem}.run")))
        qrels = list(ir_measures.read_trec_qrels(str(folder / cell / f"{stem}.qrels")))
        theirs = ir_measures.calc_aggregate([AP, nDCG @ 10, R @ 100, RR @ 10], qrels, run)
        for measure, value in theirs.items():
            assert stored[q_lang, d_lang][str(measure)] == pytest.approx(value, abs=1e-6), (measure, stem)


def test_scores_that_are_not_those_of_the_files_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inner = export._stored

    def planted(cell: Cell, task: Task) -> dict[tuple[str, str, str], dict[str, dict[str, float]]]:
        values = inner(cell, task)
        assert values is not None
        found = {key: {m: dict(of) for m, of in part.items()} for key, part in values.items()}
        query = min(found["demo-dev", "en", "de"]["nDCG@10"])
        found["demo-dev", "en", "de"]["nDCG@10"][query] -= 1e-4
        return found

    monkeypatch.setattr(export, "_stored", planted)
    asked = ["export", "trec", "small", "mono", "--task", "demo-dev", "--out", str(tmp_path / "out"), *places(folder)]
    assert main(asked) == 2
    assert "demo-dev.en-de.run: nDCG@10 of query " in capsys.readouterr().err
    assert (tmp_path / "out" / "demo-dev.en-ar.run").is_file()
    assert not list((tmp_path / "out").glob("*demo-dev.en-de.*"))


def test_a_task_that_a_cell_was_not_scored_on_is_exported_and_said_to_be_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.demo.DemoDev.version", "0", raising=False)
    assert trec(folder, "char-tfidf", "--depth", "5") == 0
    assert "not compared, the cell has no exact scores of demo-dev@0" in capsys.readouterr().err


def test_the_depth_cuts_runs_and_no_file_is_without_relevant_passages(folder: Path) -> None:
    assert trec(folder, "mono", "--depth", "5") == 0
    for path in (folder / "mono").glob("*.run"):
        ranks = [int(line.split()[3]) for line in path.read_text().splitlines()]
        assert ranks == list(range(1, 6)) * (len(ranks) // 5)
        assert path.with_suffix(".qrels").stat().st_size > 0


def test_mteb_reads_its_result_files(folder: Path) -> None:
    from mteb.results import TaskResult

    assert main(["export", "mteb", "small", "--out", str(folder / "mteb"), *places(folder)]) == 0
    (path,) = (folder / "mteb").glob("bench__mono-*/*/demo-dev.json")
    result = TaskResult.from_disk(path)
    (means,) = (m for m in read_means(cells.read_cells(folder / "results" / "small")) if m.cell.label != "char-tfidf")
    subsets = {s["hf_subset"]: s for s in result.scores["test"]}
    assert len(subsets) == sum(d != POOL for _, d in means.pairs)
    assert subsets["en"]["ndcg_at_10"] == means.pairs["en", "en"]["nDCG@10"]
    assert subsets["de-zh"]["languages"] == ["deu-Latn", "zho-Hans"]
    assert np.isclose(result.get_score(), np.mean([s["main_score"] for s in subsets.values()]))


@pytest.mark.parametrize(("arguments", "message"), [
    (["small", "hybrid"], "a cell is named by its folder, or how that begins; got 'hybrid', finished are "),
    (["small", "mono", "--depth", "0"], "--depth: a whole number of at least 1; got '0'"),
    (["nowhere", "mono"], "no results in"),
])  # fmt: skip
def test_refusals(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    asked = ["export", "trec", *arguments, "--task", "demo-dev", "--out", str(folder / "none"), *places(folder)]
    assert main(asked) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "none").exists()


def test_a_changed_model_is_not_exported_as_the_one_that_was_scored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    (path,) = (folder / "results" / "small").glob("mono-*/model/model.safetensors")
    before = path.read_bytes()
    try:
        save_file({name: weight * 2 for name, weight in load_file(path).items()}, path)
        assert trec(folder, "mono") == 2
        assert "the model is not the one that was scored" in capsys.readouterr().err
    finally:
        path.write_bytes(before)
