"""Exported batches are the very batches of a cell, in each form; other batches are refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.cli import FORMS as OFFERED
from bench.cli import main
from bench.interop.batch_files import FORMS, rows_of
from bench.store.cells import read_cells

STRATEGY = "within(cluster(4), hybrid())"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a cell that draws by vectors, and one that follows the model."""
    place = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("BENCH_CACHE", str(place / "cache"))
        command = ["run", "--strategy", f"{STRATEGY},neighbours(4, mono(), refresh_every=3)", "--steps", "8"]
        small = ["--batch-size", "16", "--task", "demo-dev", "--baselines", "none", "--no-report"]
        assert main([*command, *small, "--experiment", "kept"]) == 0
    return place


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def named(cell: str, form: str) -> str:
    return f"{cell}.jsonl" if form == "jsonl" else f"{cell}.{form}.jsonl"


@pytest.mark.parametrize("cell", ["within", "neighbours"])
def test_every_form_holds_the_batches_of_the_cell(folder: Path, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BENCH_CACHE", str(folder / "cache"))
    for form in FORMS:
        assert main(["export", "batches", "kept", cell, "--out", "out", "--form", form]) == 0
    (path,) = (folder / "results" / "kept").glob(f"{cell}-*")
    batches, tevatron, flag = (lines(folder / "out" / named(path.name, form)) for form in FORMS)
    audit = json.loads((path / "batches.json").read_text())
    rows = [row for batch in batches for row in batch["rows"]]
    assert [batch["batch"] for batch in batches] == list(range(8))
    assert {len(batch["rows"]) for batch in batches} == {16}
    assert Counter(f"{row['q_lang']}>{row['d_lang']}" for row in rows) == audit["pairs"]
    assert [(r["query"], r["positive_passages"][0]["text"], r["batch"]) for r in tevatron] == [
        (row["query"], row["passage"], i // 16) for i, row in enumerate(rows)
    ]
    assert [(r["query"], *r["pos"], r["batch"]) for r in flag] == [
        (row["query"], row["passage"], i // 16) for i, row in enumerate(rows)
    ]
    assert all(row["id"].startswith("demo/") for row in rows)


def test_other_batches_than_those_of_the_cell_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BENCH_CACHE", str(folder / "cache"))
    (path,) = (folder / "results" / "kept").glob("within-*")
    kept = (path / "batches.json").read_text()
    (path / "batches.json").write_text(kept.replace('"sha256": "', '"sha256": "0'))
    try:
        assert main(["export", "batches", "kept", "within", "--out", "other"]) == 2
    finally:
        (path / "batches.json").write_text(kept)
    assert "are not those that it was trained on" in capsys.readouterr().err
    assert not list((folder / "other").glob("*"))
    assert main(["export", "batches", "kept", "within", "--out", "other", "--strategy", "mono"]) == 2
    assert "was trained with within(cluster(k=4)" in capsys.readouterr().err


def test_items_that_were_dropped_for_a_test_set_are_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [" ".join(f"w{i}x{j}" for j in range(20)) for i in range(60)]
    with Path("mine.jsonl").open("w", encoding="utf-8") as file:
        for i, text in enumerate(words):
            query, passage = {"en": f"What is {i}?", "de": f"Was ist {i}?"}, {"en": text, "de": text}
            file.write(json.dumps({"id": str(i), "query": query, "passage": passage}) + "\n")
    for lang in ("en", "de"):
        tested = Path("tested", lang)
        (tested / "qrels").mkdir(parents=True)
        for name in ("queries", "corpus"):
            records = [
                {"_id": f"{lang}{i}", "title": "", "text": f"{text} {name}"} for i, text in enumerate(words[:10])
            ]
            (tested / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
        judged = [f"{lang}{i}\t{lang}{i}\t1" for i in range(10)]
        (tested / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    small = ["--batch-size", "16", "--steps", "12", "--baselines", "none", "--no-report", "--experiment", "dropped"]
    run = ["run", "--strategy", "mono", "--train", "mine.jsonl", "--task", "beir:./tested", *small]
    assert main([*run, "--overlap", "drop"]) == 0
    assert main(["export", "batches", "dropped", "mono", "--out", "out"]) == 2
    assert "without what tested have (--overlap drop)" in capsys.readouterr().err
    assert main(["export", "batches", "dropped", "mono", "--out", "out", "--task", "beir:./tested"]) == 0
    (path,) = Path("out").glob("mono-*.jsonl")
    ids = {row["id"].split("/")[-1] for batch in lines(path) for row in batch["rows"]}
    assert ids == {str(i) for i in range(10, 60)}, "ten items share their words with the test set"
    assert main(["export", "batches", "dropped", "mono", "--out", "other", "--task", "demo-dev"]) == 2
    assert "are not those that it was trained on" in capsys.readouterr().err


def test_options_of_the_command_are_the_forms() -> None:
    assert tuple(FORMS) == OFFERED


def test_a_cell_of_before_sources_shared_groups_is_drawn_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        asked = [{"id": str(i), "query": {"en": f"{name} {i}?"}, "passage": {"en": f"{name} {i}"}} for i in range(39)]
        shared = {"id": "shared", "query": {"en": f"{name}?"}, "passage": {"en": "the same words in both"}}
        Path(f"{name}.jsonl").write_text("\n".join(map(json.dumps, [*asked, shared])), encoding="utf-8")
    few = ["--model", "demo-static", "--steps", "2", "--batch-size", "8", "--baselines", "none", "--no-report"]
    sources = ["--train", "one.jsonl,two.jsonl", "--task", "demo-dev", "--experiment", "two"]
    assert main(["run", "--strategy", "mono", *few, *sources]) == 0
    (cell,) = read_cells(Path("results/two"))
    assert len(set(rows_of(cell, None, print)[0].data.pool.group)) == 79
    config = cell.path / "config.json"
    stored = json.loads(config.read_text(encoding="utf-8"))
    del stored["identity"]["settings"]["groups"]
    config.write_text(json.dumps(stored), encoding="utf-8")
    (before,) = read_cells(Path("results/two"))
    assert len(set(rows_of(before, None, print)[0].data.pool.group)) == 80
