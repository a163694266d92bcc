import json
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
    (item("1", {}, {}), "line 2: id '1' comes up twice"),
    ({"id": "2", "query": "x", "passage": {}}, "line 2: a record has 'query' as an object of language: text; got str"),
    ({"id": "2", "query": {}}, "line 2: a record has 'passage' as an object"),
    (item("2", {"en": 3}, {}), "line 2: 'query' in 'en' is text; got int"),  # type: ignore[dict-item]
    (item("2", {"English!": "x"}, {}), "line 2: 'English!' in 'query' is not a language code"),
])  # fmt: skip
def test_broken_records_are_named(tmp_path: Path, record: dict[str, object], message: str) -> None:
    path = write(tmp_path / "a.jsonl", item("1", {"en": "q"}, {"en": "p"}), record)
    with pytest.raises(TaskError, match=message):
        from_path(path).load(None)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such file; a source is a name or the path"):
        from_path(tmp_path / "none.jsonl")
    (tmp_path / "s").mkdir()
    with pytest.raises(TaskError, match=r"no \.jsonl or \.jsonl\.gz file there"):
        ParallelJsonl("s").load(tmp_path)
    with pytest.raises(TaskError, match="holds no record"):
        from_path(write(tmp_path / "empty.jsonl")).load(None)


@pytest.mark.parametrize(
    ("name", "items"), [("lo-help", 5521), ("docs-qa", 2642), ("ntrex", 1876), ("native-qa", 12131)]
)
def test_real_sources_pass_the_contract_suite(name: str, items: int, data_root: Path) -> None:
    source = SOURCES[name]()
    assert len(source.load(data_root).group) == items
    assert [r for r in check_source(source, data_root) if not r.passed] == []
