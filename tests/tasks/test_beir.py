import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import TASKS, TaskError, named, streamed
from tasks.beir import BeirFolder, miracl_lite
from tasks.check import check_task
from tasks.notes import Notes
from tasks.streamed import Row, Streamed


def write(folder: Path, packed: bool = False, **change: str) -> Path:
    """A small data set; ``change`` replaces the text of a file."""
    corpus = [
        {"_id": "d1", "title": "One", "text": "first"},
        {"_id": "d2", "title": "", "text": "second"},
        {"_id": "d3", "text": "third"},
    ]
    queries = [{"_id": "q1", "text": "which?"}, {"_id": "q2", "text": "what?"}, {"_id": "q3", "text": "unjudged"}]
    texts = {
        "corpus": "".join(json.dumps(row) + "\n" for row in corpus),
        "queries": "".join(json.dumps(row) + "\n" for row in queries),
        "qrels": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td3\t1\n",
    } | change
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(texts["qrels"], encoding="utf-8")
    for name in ("corpus", "queries"):
        data = texts[name].encode()
        path = folder / (f"{name}.jsonl.gz" if packed else f"{name}.jsonl")
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_is_read(tmp_path: Path, packed: bool) -> None:
    task = named.beir(str(write(tmp_path / "mine", packed)))
    (found,) = task.load(None)
    assert found.name == "mine"
    assert found.main == "nDCG@10"
    assert found.queries == {"en": {"q1": "which?", "q2": "what?"}}
    assert dict(found.passages["en"].items()) == {"d1": "One first", "d2": "second", "d3": "third"}
    assert found.relevant == {"q1": {"d1": 2, "d2": 0}, "q2": {"d3": 1}}
    assert [r for r in check_task(task, None) if not r.passed] == []


def test_a_folder_in_another_language_than_english_is_named_with_it(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "mine"))
    names = [named.beir(folder, lang=lang).name for lang in (None, "en", "eng", "AR", "zh_Hans")]
    assert names == ["mine", "mine", "mine", "mine-ar", "mine-zh"]
    assert named.beir(folder, "test", "de", ignore_identical_ids=True).name == "mine-test-de-no-self"


def test_several_languages_are_folders_with_ids_that_say_them(tmp_path: Path) -> None:
    for lang in ("de", "en"):
        write(tmp_path / "two" / lang)
    (found,) = BeirFolder("two", "two", langs=("de", "en")).load(tmp_path)
    assert set(found.queries) == set(found.passages) == {"de", "en"}
    assert found.relevant["de/q1"] == {"de/d1": 2, "de/d2": 0}
    assert list(found.passages["en"]) == ["en/d1", "en/d2", "en/d3"]


@pytest.mark.parametrize(("change", "message"), [
    ({"corpus": ""}, r"corpus\.jsonl: holds no passage"),
    ({"queries": '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n'}, r"queries\.jsonl, line 2: id 'q1' comes"),
    ({"queries": '{"_id": "q1", "text": " "}\n'}, r"queries\.jsonl, line 1: the text of the query 'q1' is empty"),
])  # fmt: skip
def test_broken_files_are_named_with_line_or_id(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        list(named.beir(str(write(tmp_path / "mine", **change))).load(None))


def test_missing_files_and_splits_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    with pytest.raises(TaskError, match=r"train\.tsv: no such file; .* has the splits test"):
        list(named.beir(str(folder), split="train").load(None))
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(TaskError, match=r"corpus\.jsonl: no such file, nor corpus\.jsonl\.gz"):
        list(named.beir(str(folder)).load(None))


def test_what_only_carries_the_name_of_a_beir_data_set_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "scifact")
    with pytest.raises(
        TaskError, match=r"scifact below the data root holds 3 passages and 2 queries; BEIR's has 5,183"
    ):
        list(named.beir("scifact").load(tmp_path))


def test_a_corpus_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "HELD", 0)
    folder = write(tmp_path / "mine")
    (found,) = named.beir(str(folder)).load(None)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n', encoding="utf-8")
    with pytest.raises(TaskError, match="changed while it was being read"):
        dict(found.passages["en"].items())


@pytest.mark.parametrize(("held", "walks"), [(4, 1), (3, 3)])
def test_streamed_passages_are_a_mapping(monkeypatch: pytest.MonkeyPatch, held: int, walks: int) -> None:
    """Held in memory or read anew: the same passages, those that come up again once."""
    monkeypatch.setattr(streamed, "HELD", held)
    walked = []

    def walk(notes: Notes) -> Iterator[Row]:
        walked.append(notes)
        yield from (Row("a", "A", 1), Row("b", "Bcd", 2), Row("a", "A", 3))

    passages = Streamed(walk, "here")
    checked = len(walked) - 1  # whether what comes up again is equal
    assert (len(passages), list(passages), passages["b"], "c" in passages) == (2, ["a", "b"], "Bcd", False)
    assert list(passages.items()) == [("a", "A"), ("b", "Bcd")]
    assert len(walked) - checked == walks
    with pytest.raises(KeyError):
        passages["c"]


def test_names_of_miracl_lite() -> None:
    assert miracl_lite(langs=("zh", "ar")).name == "miracl-lite-zh-ar"
    assert miracl_lite(split="dev").name == "miracl-lite-dev"
    with pytest.raises(TaskError, match="miracl-lite: langs is a tuple"):
        miracl_lite(langs=("xx",))


@pytest.mark.parametrize(("name", "passages", "queries"), [
    ("scifact", 5_183, 300), ("climate-fever", 5_240, 1_061), ("miracl-lite", 47_229, 1_645)
])  # fmt: skip
def test_counts_of_the_real_data(data_root: Path, name: str, passages: int, queries: int) -> None:
    (found,) = TASKS[name]().load(data_root)
    assert sum(map(len, found.passages.values())) == passages
    assert sum(map(len, found.queries.values())) == queries


def test_beir_scifact_and_the_local_folder_are_the_same(data_root: Path) -> None:
    (a,), (b,) = named.beir("scifact").load(data_root), TASKS["scifact"]().load(data_root)
    assert (a.queries, a.relevant) == (b.queries, b.relevant)
    with pytest.raises(TaskError, match="BEIR's has 5,416,593 and 1,535"):
        list(named.beir("climate-fever").load(data_root))
