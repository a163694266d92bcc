import json
import re
from pathlib import Path

import pytest

from tasks import SOURCES, TaskError
from tasks.check import check_source
from tasks.parallel_jsonl import ParallelJsonl, from_path


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def item(identity: str, query: dict[str, str], passage: dict[str, str], **more: str) -> dict[str, object]:
    return {"id": identity, "query": query, "passage": passage, **more}


def test_an_item_exists_where_query_and_passage_do(tmp_path: Path) -> None:
    write(tmp_path / "s" / "a.jsonl", item("1", {"en": "q", "de": "f"}, {"en": "p", "th": "x"}),
          item("2", {"en": " ", "de": "g"}, {"en": "p2", "de": "h"}))  # fmt: skip
    train = ParallelJsonl("s").load(tmp_path)
    assert train.langs == ("de", "en")
    assert train.query == {"de": [None, "g"], "en": ["q", None]}
    assert train.passage == {"de": [None, "h"], "en": ["p", None]}


def test_groups_join_by_field_by_query_and_by_passage(tmp_path: Path) -> None:
    write(
        tmp_path / "s" / "a.jsonl",
        item("1", {"en": "a"}, {"en": "A"}, group="g"),
        item("2", {"en": "b"}, {"en": "B"}, group="g"),
        item("3", {"en": "c", "de": "c"}, {"en": "C", "de": "X"}),
        item("4", {"de": "d"}, {"de": "X"}),
        item("5", {"en": "b"}, {"en": "E"}),
        item("6", {"de": "b"}, {"de": "F"}),
    )
    write(tmp_path / "s" / "b.jsonl", item("1", {"en": "z"}, {"en": "Z"}, group="g"))
    group = ParallelJsonl("s").load(tmp_path).group
    assert group[0] == group[1] == group[4]
    assert group[2] == group[3]
    assert len(set(group)) == 4


@pytest.mark.parametrize(("record", "message"), [
    ({"query": {}, "passage": {}}, "line 2: a record has an 'id' that is text; got None"),
    (item("1", {"en": "else"}, {"en": "p"}), "line 2: id '1' comes up twice, with other texts than in line 1"),
    (item("2", {}, {}), "line 2: id '2' has no language with both a query and a passage"),
    ({"id": "2", "query": 3, "passage": {}}, "line 2: a record has 'query' as an object of language: text; got int"),
    ({"id": "2", "query": {}}, "line 2: a record has 'passage' as an object"),
    (item("2", {"en": 3}, {}), "line 2: 'query' in 'en' is text; got int"),  # type: ignore[dict-item]
    (item("2", {"English!": "x"}, {}), "line 2: 'English!' in 'query' is not a language code"),
])  # fmt: skip
def test_broken_records_are_named(tmp_path: Path, record: dict[str, object], message: str) -> None:
    path = write(tmp_path / "a.jsonl", item("1", {"en": "q"}, {"en": "p"}), record)
    with pytest.raises(TaskError, match=message):
        from_path(path).load(None)


@pytest.mark.parametrize("record", [
    {"lang": "de", "query": "q", "passage": "p"},
    {"language": "deu", "anchor": "q", "positive": "p"},
    {"id": 7, "lang": "DE", "anchor": "q", "positive": "p", "negative": "n"},
    {"lang": "de", "query": "q", "passage": "p", "negatives": ["n", " "], "group": "g"},
])  # fmt: skip
def test_records_of_one_language_have_a_short_form(tmp_path: Path, record: dict[str, object]) -> None:
    train = from_path(write(tmp_path / "a.jsonl", record, {"lang": "en", "anchor": "r", "positive": "s"})).load(None)
    assert train.query == {"de": ["q", None], "en": [None, "r"]}
    assert train.passage == {"de": ["p", None], "en": [None, "s"]}
    negative = {"de": [("n",), ()]} if "negative" in record or "negatives" in record else {}
    assert train.negative == negative
    assert [r for r in check_source(from_path(tmp_path / "a.jsonl"), None) if not r.passed] == []


def test_a_file_may_say_the_language_of_its_records(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"anchor": "q", "positive": "p"}, {"anchor": "r", "positive": "s"})
    source = from_path(path, "zh-TW")
    assert source.load(None).query == {"zh-hant": ["q", "r"]}
    assert source.parameters() == {"lang": "zh-hant"}
    assert from_path(path).parameters() == {}
    with pytest.raises(TaskError, match=r"line 1: a record of one language says which, as \"lang\": \"de\""):
        from_path(path).load(None)


def test_what_means_the_same_is_read_and_counted(tmp_path: Path) -> None:
    clean = [item("1", {"en": "a"}, {"en": "A"}), item("2", {"en": "b", "de": "c"}, {"en": "B", "de": "C"})]
    expected = from_path(write(tmp_path / "clean.jsonl", *clean)).load(None)
    assert expected.noticed == ()
    path = tmp_path / "set" / "noisy.jsonl"
    path.parent.mkdir()
    lines = [json.dumps(row) for row in (
        clean[0] | {"id": 1, "score": float("nan")},
        clean[1] | {"query": {"EN": "b", "de": "c", "fr": None}, "passage": {"eng": "B", "de": "C", "it": "only"}},
        clean[0],
    )]  # fmt: skip
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    found = from_path(path).load(None)
    assert (found.query, found.passage, found.group) == (expected.query, expected.passage, expected.group)
    assert {n.what: n.count for n in found.noticed} == {
        "byte order marks": 1, "lines that end as on Windows": 3, "records with NaN or infinity": 1,
        "ids that are numbers": 1, "language codes in another spelling": 2, "texts that are null": 1,
        "queries or passages without the other in their language": 1, "records that come up again, equal": 1,
    }  # fmt: skip
    assert {n.what for n in found.noticed if not n.dirty} == {"queries or passages without the other in their language"}


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such file; a source is a name or the path"):
        from_path(tmp_path / "none.jsonl")
    (tmp_path / "s").mkdir()
    with pytest.raises(TaskError, match=r"no \.jsonl or \.jsonl\.gz file there"):
        ParallelJsonl("s").load(tmp_path)
    with pytest.raises(TaskError, match="holds no record"):
        from_path(write(tmp_path / "empty.jsonl")).load(None)


@pytest.mark.parametrize("name", ["lo-help", "docs-qa", "ntrex", "native-qa"])
def test_who_lacks_what_was_prepared_by_hand_is_told_from_what_and_what_else_there_is(
    tmp_path: Path, name: str
) -> None:
    said = rf"prepared by hand from .*tasks/README\.md says how.*--train '{re.escape('mmarco(limit=20000)')}'"
    for root in (None, tmp_path / "none", tmp_path):
        with pytest.raises(TaskError, match=said):
            SOURCES[name]().files(root)
    table = (Path(__file__).parents[2] / "tasks" / "README.md").read_text(encoding="utf-8")
    assert f"\n| `{name}` |" in table


@pytest.mark.parametrize(
    ("name", "items"), [("lo-help", 5521), ("docs-qa", 2642), ("ntrex", 1876), ("native-qa", 12131)]
)
def test_real_sources_pass_the_contract_suite(name: str, items: int, data_root: Path) -> None:
    source = SOURCES[name]()
    assert len(source.load(data_root).group) == items
    assert [r for r in check_source(source, data_root) if not r.passed] == []
