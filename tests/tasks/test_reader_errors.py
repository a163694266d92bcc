import gzip
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from tasks import SOURCES, TaskError
from tasks.files import MAX_LINE, read_json, read_jsonl, sha256
from tasks.lareqa import MLQAR, XQuADR
from tasks.parallel_jsonl import ParallelJsonl, from_path

QUESTION = {"id": "q", "question": "x?", "answers": [{"answer_start": 0, "text": "x"}]}
PARAGRAPH = {"sentences": ["One.", "Two."], "sentence_breaks": [[0, 4], [5, 9]], "qas": [QUESTION]}


def record(identity: str, query: dict[str, str], passage: dict[str, str], **more: object) -> str:
    return json.dumps({"id": identity, "query": query, "passage": passage, **more}) + "\n"


@pytest.mark.parametrize(("change", "message"), [
    ({"sentence_breaks": [[0, 4]]}, "paragraph 0: 2 sentences, but 1 sentence_breaks; fetch the file again"),
    ({"sentence_breaks": [[0], [5, 9]]}, r"paragraph 0: sentence_breaks are pairs .* of whole numbers; got \[0\]"),
    ({"sentence_breaks": [[0, 4], [0, 4]]}, "2 sentences hold the answer of 'q' at 0; exactly one does"),
    ({"sentences": ["a", " "]}, "paragraph 0: sentences are texts that are not empty; got ' '"),
    ({"sentences": ["a", 3]}, "paragraph 0: sentences are texts that are not empty; got 3"),
    ({"qas": ["x"]}, r"a question: not in the LAReQA layout \(no 'id'\)"),
    ({"qas": [{"id": 3}]}, r"not in the LAReQA layout \('id' is int, not str\)"),
    ({"qas": [QUESTION | {"question": " "}]}, "question 'q': its text is empty"),
    ({"qas": [QUESTION | {"answers": []}]}, "question 'q': 0 answers; LAReQA has exactly one"),
])  # fmt: skip
def test_broken_paragraphs_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "xquad-r" / "en.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"data": [{"paragraphs": [PARAGRAPH | change]}]}), encoding="utf-8")
    with pytest.raises(TaskError, match=message):
        list(XQuADR(("en",)).load(tmp_path))


@pytest.mark.parametrize(("content", "message"), [
    (b'{"data": [', r"en\.json: invalid JSON \(Expecting value, at character 10\); correct it"),
    (b'{"data": "\xff"}', r"en\.json: not UTF-8 \(byte 10\); convert the file"),
    (b"[]", r"en\.json: a JSON object is expected; got list"),
    (b"{}", r"en\.json: not in the LAReQA layout \(no 'data'\); the files are at github\.com/"),
])  # fmt: skip
def test_files_that_are_not_json_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "xquad-r").mkdir()
    (tmp_path / "xquad-r" / "en.json").write_bytes(content)
    with pytest.raises(TaskError, match=message):
        list(XQuADR(("en",)).load(tmp_path))


@pytest.mark.parametrize("langs", ["de,en", "de", ()])
def test_langs_is_a_tuple(langs: Any) -> None:
    with pytest.raises(TaskError, match=r"xquad-r: langs is a tuple such as \('de', 'en'\); got"):
        XQuADR(langs)


def test_a_restricted_task_travels_with_its_name() -> None:
    assert pickle.loads(pickle.dumps(MLQAR(("zh",)))).name == "mlqa-r-zh"
    assert XQuADR(("en", "de")) == XQuADR(("de", "en")) != XQuADR()


def test_both_sets_are_read_in_two_seconds(data_root: Path) -> None:
    start = time.process_time()
    sets = [*XQuADR().load(data_root), *MLQAR().load(data_root)]
    assert [s.name for s in sets] == ["xquad-r", "mlqa-r", "mlqa-r-intersected"]
    assert time.process_time() - start < 2


@pytest.mark.parametrize(("name", "groups"), [("lo-help", 5303), ("docs-qa", 2581), ("ntrex", 476),
                                              ("native-qa", 3757)])  # fmt: skip
def test_groups_of_the_real_sources(name: str, groups: int, data_root: Path) -> None:
    assert len(set(SOURCES[name]().load(data_root).group)) == groups


@pytest.mark.parametrize(("second", "message"), [
    (record("1", {"en": "q"}, {"en": "p"}), r"a\.jsonl, line 2: id '1' comes up twice, with other texts than"),
    (record("2", {"en": "q"}, {"de": "p"}), "line 2: id '2' has no language with both a query and a passage"),
    (record("2", {"en": "q"}, {"en": "p"}, group=3), "line 2: 'group' is text; got int"),
])  # fmt: skip
def test_broken_records_are_named(tmp_path: Path, second: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(record("1", {"en": "a"}, {"en": "b"}) + second, encoding="utf-8")
    with pytest.raises(TaskError, match=message):
        from_path(path).load(None)


def test_several_files_keep_their_groups_apart_even_under_one_name(tmp_path: Path) -> None:
    paths = (tmp_path / "x" / "a.jsonl", tmp_path / "y" / "a.jsonl")
    for path in paths:
        path.parent.mkdir()
        path.write_text(record("1", {"en": path.parent.name}, {"en": path.parent.name}, group="g"), encoding="utf-8")
    assert ParallelJsonl("both", paths=paths).load(None).group == [0, 1]
    assert [from_path(path).name for path in paths] == ["x/a.jsonl", "y/a.jsonl"]


def test_a_truncated_source_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(record(str(i), {"en": f"q{i}"}, {"en": f"p{i}"}) for i in range(5000))
    path.write_bytes(gzip.compress(lines.encode())[:-500])
    with pytest.raises(TaskError, match=r"a\.jsonl\.gz, after line \d+: broken gzip"):
        from_path(path).load(None)


def test_a_flipped_bit_in_gzip_is_seen(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b'{"x": 1}\n' * 1000))
    whole[-8] ^= 1  # of the checksum at the end
    (tmp_path / "a.jsonl.gz").write_bytes(whole)
    with pytest.raises(TaskError, match=r"a\.jsonl\.gz, after line \d+: broken gzip \(CRC"):
        list(read_jsonl(tmp_path / "a.jsonl.gz"))


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"x": 1}\n')
    with pytest.raises(TaskError, match="line 1: begins with a byte order mark; write the file as UTF-8 without one"):
        list(read_jsonl(tmp_path / "a.jsonl"))


def test_a_whole_surrogate_pair_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(rb'{"x": "\ud83d\ude00"}')
    assert read_json(tmp_path / "a.json") == {"x": "\U0001f600"}


def test_whole_json_may_have_long_lines_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"x": 1' + b" " * MAX_LINE + b"}")
    assert read_json(path) == {"x": 1}
    monkeypatch.setattr("tasks.files.MAX_FILE", MAX_LINE)
    with pytest.raises(TaskError, match=r"a\.json, line 1: longer than any data set here \(10000000 bytes\)"):
        read_json(path)


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert sha256(tmp_path / "a") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(TaskError, match="no such file"):
        sha256(tmp_path / "b")
