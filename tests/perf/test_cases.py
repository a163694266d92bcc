"""The table of odd data sets, on two made here."""

import json
from pathlib import Path

import pytest
from cases import main

TEXTS = {"a": "the old mill", "b": "a mill by the sea", "c": "the sea"}


def write(folder: Path, queries: dict[str, str], qrels: str) -> None:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", TEXTS), ("queries", queries)):
        lines = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(qrels)
    (folder / "README").write_text("what it is\n")


def test_it_shows_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "plain", {"1": "mill", "2": "sea"}, "1 0 a 1\n2 0 b 1\n2 0 b 1\n")
    write(tmp_path / "self", {"a": TEXTS["a"]}, "query-id\tcorpus-id\tscore\na\tb\t1.0\n")
    write(tmp_path / "wrong", {"1": "mill"}, "1\ta\t1\n1\ta\t2\n")
    main([str(tmp_path), "--model", "char-tfidf"])
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["plain", "self", "self(ignore_identical_ids=True)", "wrong"]
    assert all(row[4] == row[5] for row in rows[:3])
    assert "judgements that come up again, equal: 1" in rows[0][3]
    assert [row[4].split()[0] for row in rows[1:3]] == ["0.6309", "1.0000"]
    assert (rows[3][4], "twice" in rows[3][3] or "two" in rows[3][3]) == ("refused", True)


def test_it_fails_where_nothing_is_scored(tmp_path: Path) -> None:
    write(tmp_path / "wrong", {"1": "mill"}, "1\ta\t1\n1\ta\t2\n")
    with pytest.raises(SystemExit, match="nothing there was scored"):
        main([str(tmp_path)])
