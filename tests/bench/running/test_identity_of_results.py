"""No change of code, data or parameters leaves an old number standing; what changed is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.rows import measured
from bench.cli import main
from bench.store.scores import plain_about, read_scores

PLUGIN = """
from dataclasses import dataclass
import numpy as np
from strategies import Batch, ItemStream, Strategy

@dataclass(frozen=True, repr=False)
class Turns(Strategy):
    reads = ("langs",)
    lang: str = "en"
    def batches(self, pool, batch_size, steps, rng):
        items = ItemStream(pool, rng.spawn(1)[0])
        for step in range(steps):
            lang = np.full(batch_size, pool.langs.index({expression}))
            yield Batch(items.take(batch_size), lang, lang.copy())
"""

DOCS = {"d1": "cats and dogs", "d2": "rain over london", "d3": "a train to rome"}
QUERIES = {"q1": "cats", "q2": "london rain", "q3": "rome train"}

Run = Callable[..., str]


def write_plugin(path: Path, expression: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PLUGIN.format(expression=expression), encoding="utf-8")
    return path


def write_set(folder: Path, qrels: dict[str, str], docs: dict[str, str] | None = None) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, texts in (("corpus", docs or DOCS), ("queries", QUERIES)):
        lines = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = [f"{q}\t{d}\t1\n" for q, d in qrels.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    return folder


RIGHT, WRONG = {"q1": "d1", "q2": "d2", "q3": "d3"}, {"q1": "d2", "q2": "d3", "q3": "d1"}


@pytest.fixture
def train(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs strategies for two steps on the demo; returns what was said."""
    monkeypatch.chdir(tmp_path)

    def run(strategies: str, *more: str) -> str:
        given = dict(zip(more[::2], more[1::2], strict=True))
        small = {"--steps": "2", "--batch-size": "8", "--task": "demo-dev", "--baselines": "none"} | given
        options = [text for pair in small.items() for text in pair]
        assert main(["run", "--strategy", strategies, *options, "--experiment", "made", "--no-report"]) == 0
        return capsys.readouterr().err

    return run


@pytest.fixture
def evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Scores char-tfidf on tasks; returns what was said."""
    monkeypatch.chdir(tmp_path)

    def run(tasks: str, *more: str, code: int = 0) -> str:
        assert main(["evaluate", "--model", "char-tfidf", "--task", tasks, *more]) == code
        return capsys.readouterr().err

    return run


def cells(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "results" / "made").iterdir() if (p / "done").is_file())


def recall(tmp_path: Path, stem: str = "toy") -> float:
    """Mean R@1 of the one scores file that stands for a set."""
    (path,) = (tmp_path / "results").glob(f"evaluate/*/scores/{stem}@*.parquet")
    table = measured(path)
    first = np.asarray(table.column("q_lang").to_pylist()) == np.asarray(table.column("d_lang").to_pylist())
    return float(np.asarray(table.column("R@1"))[first].mean())


def test_an_edited_plugin_is_a_new_cell_and_what_changed_is_said(tmp_path: Path, train: Run) -> None:
    write_plugin(tmp_path / "edit.py", "self.lang")
    train("edit.py:Turns")
    before = cells(tmp_path)
    assert "finished before, skipped" in train("edit.py:Turns")
    write_plugin(tmp_path / "edit.py", "'th'")
    said = train("edit.py:Turns")
    assert f"edit.py changed since {before[0]}: a new cell" in said
    assert len(cells(tmp_path)) == 2
    write_plugin(tmp_path / "edit.py", "self.lang")
    assert f"{before[0]}: finished before, skipped" in train("edit.py:Turns")


def test_plugins_of_one_class_name_and_copies_of_built_ins_have_cells_of_their_own(tmp_path: Path, train: Run) -> None:
    for name, expression in (("turns", "'en'"), ("turns3", "'th'"), ("sub/turns", "'de'")):
        write_plugin(tmp_path / f"{name}.py", expression)
    import strategies.mono

    (tmp_path / "mono.py").write_text(Path(strategies.mono.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    train("turns.py:Turns,turns3.py:Turns,sub/turns.py:Turns,mono,mono.py:Mono")
    assert len(cells(tmp_path)) == 5


def test_one_strategy_written_in_several_ways_is_one_cell(tmp_path: Path, train: Run) -> None:
    train("hybrid(alpha=1)")
    for text in ("hybrid(alpha=1.0)", "hybrid(alpha=True)"):
        assert "finished before, skipped" in train(text)
    assert len(cells(tmp_path)) == 1


def test_changed_settings_are_said(tmp_path: Path, train: Run) -> None:
    train("mono")
    (before,) = cells(tmp_path)
    assert f"steps is 3 (was 2) since {before}: a new cell" in train("mono", "--steps", "3")


def test_changed_training_data_make_a_new_cell(tmp_path: Path, train: Run) -> None:
    def write(extra: str) -> None:
        rows = [
            {"id": str(i), "query": {"en": f"question {i} {extra}"}, "passage": {"en": f"answer {i}"}}
            for i in range(40)
        ]
        (tmp_path / "own.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")

    write("a")
    train("mono", "--train", "own.jsonl", "--languages", "en")
    (before,) = cells(tmp_path)
    write("b")
    said = train("mono", "--train", "own.jsonl", "--languages", "en")
    assert "own.jsonl changed" in said
    assert f"since {before}: a new cell" in said


@pytest.mark.parametrize("later", [WRONG, dict(list(RIGHT.items())[:2])], ids=["equal size", "half deleted"])
def test_changed_qrels_are_scored_again_and_former_scores_come_back(
    tmp_path: Path, evaluate: Run, later: dict[str, str]
) -> None:
    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy")
    assert recall(tmp_path) == 1.0
    write_set(tmp_path / "toy", later)
    said = evaluate("beir:./toy")
    assert "toy is scored again (toy/qrels/test.tsv changed); former scores are kept" in said
    assert recall(tmp_path) == (0.0 if later is WRONG else 1.0)
    (former,) = (tmp_path / "results").glob("evaluate/*/scores/former/*.parquet")
    assert "finished before, skipped" in evaluate("beir:./toy")
    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy")
    assert recall(tmp_path) == 1.0
    assert not former.exists()


def test_a_changed_corpus_is_scored_again(tmp_path: Path, evaluate: Run) -> None:
    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy")
    write_set(tmp_path / "toy", RIGHT, {"d1": "dogs and dogs", "d2": "cats over london", "d3": "a train to rome"})
    assert "toy/corpus.jsonl changed" in evaluate("beir:./toy")
    assert recall(tmp_path) < 1


def test_two_folders_of_one_name_in_one_command_are_refused_and_one_after_the_other_each_scored(
    tmp_path: Path, evaluate: Run
) -> None:
    write_set(tmp_path / "a" / "toy", RIGHT)
    write_set(tmp_path / "b" / "toy", WRONG)
    assert "two are called 'toy'" in evaluate("beir:a/toy,beir:b/toy", code=2)
    evaluate("beir:a/toy")
    assert recall(tmp_path) == 1.0
    evaluate("beir:b/toy")
    assert recall(tmp_path) == 0.0


def test_other_parameters_of_a_task_are_not_its_old_scores(tmp_path: Path, evaluate: Run) -> None:
    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy(lang='en'),beir:./toy(lang='ar')")  # other names, so both in one experiment
    langs = {
        lang
        for path in (tmp_path / "results").glob("evaluate/*/scores/toy*.parquet")
        for lang in read_scores(path).column("q_lang").to_pylist()
    }
    assert langs == {"en", "ar"}
    assert "finished before, skipped" in evaluate("beir:./toy(lang='eng'),beir:./toy(lang='ara')")


def test_an_edited_plugin_task_is_scored_again(tmp_path: Path, evaluate: Run) -> None:
    def write(answer: str) -> None:
        (tmp_path / "tiny.py").write_text(
            "from dataclasses import dataclass\nfrom tasks import EvalSet, Task\n\n@dataclass(frozen=True)\n"
            "class Tiny(Task):\n    name = 'toy'\n    version = '1'\n    licence = citation = 'none'\n"
            f"    def load(self, root):\n        yield EvalSet('toy', {{'en': {QUERIES!r}}}, {{'en': {DOCS!r}}}, "
            f"{{'q1': {{'{answer}': 1}}}})\n",
            encoding="utf-8",
        )

    write("d1")
    evaluate("tiny.py:Tiny")
    assert recall(tmp_path) == 1.0
    write("d2")
    assert "tiny.py changed" in evaluate("tiny.py:Tiny")
    assert recall(tmp_path) == 0.0


def test_data_that_left_are_no_reason_to_lose_scores(tmp_path: Path, evaluate: Run) -> None:
    folder = write_set(tmp_path / "scifact", RIGHT)
    evaluate("scifact", "--data-root", str(tmp_path))
    folder.rename(tmp_path / "elsewhere")
    said = evaluate("scifact", "--data-root", str(tmp_path))
    assert "scifact: its files are not here, so finished scores are kept unchecked" in said


def test_scores_of_version_0_1_are_held_by_their_files(tmp_path: Path, evaluate: Run) -> None:
    import pyarrow.parquet as pq

    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy")
    (path,) = (tmp_path / "results").glob("evaluate/*/scores/toy@*.parquet")
    about = plain_about(path)
    del about["content"]
    pq.write_table(pq.read_table(path).replace_schema_metadata({"bench": json.dumps(about)}), path)
    assert "finished before, skipped" in evaluate("beir:./toy")
    write_set(tmp_path / "toy", WRONG)
    assert "is scored again" in evaluate("beir:./toy")


def test_a_folder_that_merely_carries_a_name_is_not_exported_under_it(tmp_path: Path, evaluate: Run) -> None:
    write_set(tmp_path / "sub" / "msmarco", RIGHT)
    evaluate("beir:sub/msmarco")
    assert main(["export", "mteb", "evaluate", "--out", "out"]) == 0
    (path,) = (tmp_path / "out").rglob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (path.name, found["task_name"], found["dataset_revision"]) == ("msmarco.json", "msmarco", "bench")
    assert list(found["scores"]) == ["test"]


def test_verify_reads_what_times_and_sizes_hide(tmp_path: Path, evaluate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "toy", RIGHT)
    evaluate("beir:./toy")
    monkeypatch.setattr("tasks.checksums._state", lambda path: [1, 1, 1, 1])  # a file system that shows no change
    evaluate("beir:./toy")
    write_set(tmp_path / "toy", WRONG)
    assert "finished before, skipped" in evaluate("beir:./toy")
    monkeypatch.setenv("BENCH_VERIFY", "")
    assert "is scored again" in evaluate("beir:./toy", "--verify")


def test_sources_that_share_texts_are_new_cells_and_others_keep_their_names(
    tmp_path: Path, train: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str, first: str) -> None:
        rows = [{"id": str(i), "query": {"en": f"{name} {i}?"}, "passage": {"en": f"{name} {i}"}} for i in range(40)]
        rows[0]["passage"] = {"en": first}
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")

    write("a", "one")
    write("b", "another")
    how = ("--train", "a.jsonl,b.jsonl", "--languages", "en")
    assert "share texts" not in train("mono", *how)
    (apart,) = cells(tmp_path)
    assert "groups" not in identity(tmp_path, apart)
    write("b", " one ")
    assert "the training sources share texts: their groups are 1 fewer" in train("mono", *how)
    (linked,) = (name for name in cells(tmp_path) if name != apart)
    assert identity(tmp_path, linked)["groups"] == "joined by texts over all sources"
    assert "finished before, skipped" in train("mono", *how)
    monkeypatch.setattr("bench.data.loading.groups_joined", lambda sets: 0)  # as it was before
    monkeypatch.setattr("bench.data.loading.cache", lambda: tmp_path / "another cache")
    assert "a new cell" in train("mono", *how)
    assert len(cells(tmp_path)) == 3


def identity(tmp_path: Path, cell: str) -> dict[str, object]:
    """The settings in a cell's identity."""
    found = json.loads((tmp_path / "results" / "made" / cell / "config.json").read_text(encoding="utf-8"))
    settings: dict[str, object] = found["identity"]["settings"]
    return settings


def test_the_order_of_sources_is_part_of_a_cell_and_so_are_the_sets_that_items_were_dropped_for(
    tmp_path: Path, train: Run
) -> None:
    for name in ("a", "b"):
        rows = [{"id": str(i), "query": {"en": f"{name} {i}?"}, "passage": {"en": f"{name} {i}"}} for i in range(40)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    write_set(tmp_path / "toy", RIGHT)
    how = ("--languages", "en", "--task", "beir:./toy")
    train("mono", "--train", "a.jsonl,b.jsonl", *how)
    train("mono", "--train", "b.jsonl,a.jsonl", *how)
    assert len(cells(tmp_path)) == 2
    train("mono", "--train", "a.jsonl,b.jsonl", *how, "--overlap", "drop")
    write_set(tmp_path / "toy", RIGHT, DOCS | {"d4": "one more"})
    assert "a new cell" in train("mono", "--train", "a.jsonl,b.jsonl", *how, "--overlap", "drop")
    assert len(cells(tmp_path)) == 4


TOUCHES = """
from dataclasses import dataclass
from pathlib import Path
from tasks import EvalSet, Task

@dataclass(frozen=True)
class Touches(Task):
    name = "toy"; version = "1"; licence = citation = "none"
    def files(self, root):
        return (Path("toy.txt"),)
    def load(self, root):
        text = Path("toy.txt").read_text()
        {change}
        yield EvalSet("toy", {{"en": {{"q": "a"}}}}, {{"en": {{"d": text, "e": "a"}}}}, {{"q": {{"d": 1}}}})
"""


def test_data_that_change_while_they_are_read_or_scored_are_not_taken_for_either(
    tmp_path: Path, evaluate: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.running import cell

    def write(change: str) -> None:
        (tmp_path / "toy.txt").write_text("a b", encoding="utf-8")
        (tmp_path / "touches.py").write_text(TOUCHES.format(change=change), encoding="utf-8")

    write("Path('toy.txt').write_text('c d')")
    assert "toy: toy.txt changed while it was read or scored" in evaluate("touches.py:Touches", code=2)
    write("pass")
    table = cell.score_table

    def slowly(*arguments: Any) -> Any:
        found = table(*arguments)
        (tmp_path / "toy.txt").write_text("e f", encoding="utf-8")
        return found

    monkeypatch.setattr(cell, "score_table", slowly)
    assert "toy: toy.txt changed while it was read or scored" in evaluate("touches.py:Touches", code=2)
    assert not list((tmp_path / "results").rglob("*.parquet"))
    monkeypatch.setattr(cell, "score_table", table)
    evaluate("touches.py:Touches")


def test_what_cells_are_named_after_may_not_change_before_they_are_trained(
    tmp_path: Path, train: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.models import loading
    from bench.running import run as running
    from tests.bench.tiny_models import MODELS

    folder = MODELS["static"](tmp_path / "model")
    rows = [{"id": str(i), "query": {"en": f"a {i}?"}, "passage": {"en": f"a {i}"}} for i in range(40)]
    own = tmp_path / "own.jsonl"
    own.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    command = ["run", "--strategy", "mono", "--train", "own.jsonl", "--languages", "en", "--model", str(folder),
               "--steps", "2", "--batch-size", "8", "--task", "demo-dev", "--baselines",
               "none", "--no-report"]  # fmt: skip

    def changing(path: Path, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*arguments: Any) -> Any:
            path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
            return act(*arguments)

        return acted

    with monkeypatch.context() as patched:
        patched.setattr(running, "load_training", changing(own, running.load_training))
        assert main(command) == 2
    assert "/own.jsonl changed since the run began, and cells are named after it" in capsys.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr(loading, "load_to_train", changing(folder / "modules.json", loading.load_to_train))
        assert main(command) == 2
    assert "model: its files changed since the run began" in capsys.readouterr().err
    assert main(command) == 0
