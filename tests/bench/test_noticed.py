"""What is repaired or left out in reading is said in the run, stored with the scores, and stands under the table."""

import json
from pathlib import Path

import pytest

from bench.cli import main
from bench.store import cells, scores

REPAIRED = "judgements that come up again, equal: 1 (noisy/qrels/test.tsv, line 4: '2' and 'b')"
LEFT_OUT = "queries without judgements, not asked: 1 (query '3')"


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    folder = tmp_path / "noisy"
    (folder / "qrels").mkdir(parents=True)
    corpus, queries = {"a": "a mill", "b": "the sea"}, {"1": "mill", "2": "sea", "3": "land"}
    for name, texts in (("corpus", corpus), ("queries", queries)):
        lines = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n2\tb\t1\n")
    return folder


def evaluate(folder: Path, *more: str) -> int:
    places = ["--results", str(folder.parent / "results"), "--reports", str(folder.parent / "reports")]
    return main(["evaluate", "--model", "char-tfidf", "--task", f"beir:{folder}", "--experiment", "e", *places, *more])


def test_it_is_said_stored_and_shown_under_the_table(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(noisy) == 0
    out, err = capsys.readouterr()
    assert f"noisy: {REPAIRED}; {LEFT_OUT}\n" in err
    assert f"|\n\nRead with: {REPAIRED}; {LEFT_OUT}.\n" in out
    (cell,) = cells.read_cells(noisy.parent / "results" / "e")
    (path,) = (cell.path / "scores").glob("*.parquet")
    stored = scores.read_about(path).sets["noisy"].noticed
    assert [(n.count, n.dirty) for n in stored] == [(1, True), (1, False)]
    assert main(["report", "e", "--results", str(noisy.parent / "results"), "--reports", str(noisy.parent / "r")]) == 0
    assert f"Read with: {REPAIRED}; {LEFT_OUT}." in (noisy.parent / "r" / "e" / "report.md").read_text(encoding="utf-8")
    capsys.readouterr()
    show = ["leaderboard", "e", "--results", str(noisy.parent / "results")]
    for form in ("csv", "json", "latex"):  # read by other programs
        assert main([*show, "--format", form]) == 0
        assert "Read with" not in capsys.readouterr().out
    assert main([*show, "--by", "language"]) == 0
    assert capsys.readouterr().out.count(f"\nRead with: {REPAIRED}; {LEFT_OUT}.\n") == 1


def test_strict_refuses_what_is_repaired_and_not_what_is_left_out(
    noisy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(noisy, "--strict") == 2
    assert f"bench: noisy: --strict refuses {REPAIRED}; correct the data" in capsys.readouterr().err
    assert main(["data", "check", f"beir:{noisy}"]) == 0
    assert main(["data", "check", f"beir:{noisy}", "--strict"]) == 2
    assert f"--strict refuses {REPAIRED}" in capsys.readouterr().out
    lines = (noisy / "qrels" / "test.tsv").read_text().splitlines(keepends=True)
    (noisy / "qrels" / "test.tsv").write_text("".join(lines[:-1]))
    assert evaluate(noisy, "--strict") == 0
    assert f"noisy: {LEFT_OUT}\n" in capsys.readouterr().err
