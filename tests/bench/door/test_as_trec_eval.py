"""Folders as they are in the wild, scored and exported: what is stored is what ir_measures makes of the files."""

import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, R, nDCG

from bench.analysis.means import read_means
from bench.cli import main
from bench.door.export import export_trec
from bench.interop.trec import trec_id
from bench.store.cells import read_cells
from tasks import TaskError

DEBATES = {
    "t0a": "Cars should be banned from city centres because they pollute the air people breathe.",
    "t0b": "Banning cars hurts shops in city centres, and cleaner engines solve pollution.",
    "t1a": "Schools should teach cooking because it keeps pupils healthy for life.",
    "t1b": "Cooking is learned at home; schools lack time and kitchens for pupils.",
    "t2a": "Zoos protect animals that would otherwise die out in the wild.",
    "t2b": "Animals in zoos suffer; the wild should be protected in place.",
}


def write(folder: Path, corpus: dict[str, str], queries: dict[str, str], qrels: Iterable[tuple[str, str, int]]) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", corpus), ("queries", queries)):
        lines = [json.dumps({"_id": identity, "text": text}) + "\n" for identity, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = ["query-id\tcorpus-id\tscore\n", *(f"{q}\t{d}\t{grade}\n" for q, d, grade in qrels)]
    (folder / "qrels" / "test.tsv").write_text("".join(rows), encoding="utf-8")
    return folder


def stored_and_read_back(folder: Path, model: str, task: str) -> tuple[dict[str, float], dict[str, float]]:
    """Means as they are stored, and as ir_measures computes them from the exported files."""
    places = ["--results", str(folder / "results"), "--reports", str(folder / "reports")]
    assert main(["evaluate", "--model", model, "--task", task, "--experiment", "e", *places]) == 0
    (cell,) = read_cells(folder / "results" / "e")
    out = ["--task", task, "--out", str(folder / "out"), "--depth", "1000"]
    assert main(["export", "trec", "e", cell.path.name, *out, *places]) == 0
    (means,) = read_means([cell])
    (run,), (qrels,) = ((folder / "out").glob(f"*.{suffix}") for suffix in ("run", "qrels"))
    theirs = ir_measures.calc_aggregate(
        [AP, nDCG @ 10, R @ 10],
        list(ir_measures.read_trec_qrels(str(qrels))),
        list(ir_measures.read_trec_run(str(run))),
    )
    return means.pairs["en", "en"], {str(measure): value for measure, value in theirs.items()}


@pytest.mark.parametrize("model", ["bm25", "char-tfidf", "demo-static"])
@pytest.mark.parametrize("drop", [False, True])
def test_a_passage_that_is_the_query_leaves_its_ranking_where_the_task_says_so(
    tmp_path: Path, model: str, drop: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = {identity: DEBATES[identity] for identity in ("t0a", "t1a", "t2a")}
    folder = write(tmp_path / "debates", DEBATES, queries, [(q, q.replace("a", "b"), 1) for q in queries])
    task = f"beir:{folder}" + ("(ignore_identical_ids=True)" if drop else "")
    ours, theirs = stored_and_read_back(tmp_path, model, task)
    for measure, value in theirs.items():
        assert ours[measure] == pytest.approx(value, abs=1e-6), measure
    run = next((tmp_path / "out").glob("*.run"))
    found = [line.split()[:3:2] for line in run.read_text().splitlines()]
    assert any(q == d for q, d in found) is not drop
    warned = "queries with the id of a passage, which ignore_identical_ids=True takes out" in capsys.readouterr().err
    assert warned is not drop
    if model == "bm25":
        assert (ours["nDCG@10"] == 1) is drop


QRELS = [("q 1", "d 1", 2), ("q 1", "gone", 1), ("q 1", "d%202", 0), ("q2", "d%202", 1), ("q3", "d 1", 0),
         ("q3", "d4", -1), ("q4", "d4", 1)]  # fmt: skip


@pytest.mark.parametrize("model", ["bm25", "demo-static"])
def test_zeros_negatives_lost_passages_blanks_and_unmatched_queries(tmp_path: Path, model: str) -> None:
    corpus = {"d 1": "the red mill", "d%202": "a blue lake", "d3": "the mill at the lake", "d4": "salt of the sea"}
    queries = {"q 1": "red mill", "q2": "lake", "q3": "salt", "q4": "nothing matches", "q5": "unjudged"}
    folder = write(tmp_path / "mixed", corpus, queries, QRELS)
    ours, theirs = stored_and_read_back(tmp_path, model, f"beir:{folder}")
    for measure, value in theirs.items():
        assert ours[measure] == pytest.approx(value, abs=1e-6), measure
    qrels, run = (next((tmp_path / "out").glob(f"*.{end}")).read_text().splitlines() for end in ("qrels", "run"))
    written = [tuple(map(unquote, line.split())) for line in qrels]
    assert sorted((q, d, int(grade)) for q, _, d, grade in written) == sorted(QRELS)
    assert {unquote(line.split()[2]) for line in run} <= set(corpus)
    answered = {unquote(line.split()[0]) for line in run}
    assert answered == ({"q 1", "q2", "q3"} if model == "bm25" else {"q 1", "q2", "q3", "q4"})


def test_texts_without_words_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "dots", {"a": "...", "b": "?!"}, {"q": "what"}, [("q", "a", 1)])
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]
    assert main(["evaluate", "--model", "bm25", "--task", f"beir:{folder}", *places]) == 2
    assert "no passage has a word, so none can be found by its words" in capsys.readouterr().err


@given(st.text(min_size=1))
def test_ids_in_trecs_files_are_one_column_and_come_back(identity: str) -> None:
    assert len(trec_id(identity).split()) == 1
    assert unquote(trec_id(identity)) == identity


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_ids_stay_two(one: str, other: str) -> None:
    assert (trec_id(one) == trec_id(other)) is (one == other)


def test_ordinary_ids_stay_as_they_are() -> None:
    for identity in ("MED-10", "<dbpedia:Rome_(film)>", "100%", "a/b#3", "Zürich"):
        assert trec_id(identity) == identity


def test_what_is_wrong_with_the_data_is_said_before_the_model_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "set", {"a": "mill"}, {"q": "mill"}, [("q", "a", 1)])
    stored_and_read_back(tmp_path, "demo-static", f"beir:{folder}")
    (cell,) = read_cells(tmp_path / "results" / "e")
    (cell.path / "config.json").write_text("no longer a cell")
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(TaskError, match=r"corpus\.jsonl: no such file"):
        export_trec(cell, f"beir:{folder}", None, tmp_path / "none", 10)
