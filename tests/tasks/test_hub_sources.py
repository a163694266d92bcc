import json
from pathlib import Path

import pytest

from tasks import TaskError
from tasks.check import check_source
from tasks.groups import linked
from tasks.hub_sources import HubQA, MMarco, SquadFolder
from tests.tasks.conftest import write_hub_folder


def squad(lang: str, ids: list[str]) -> str:
    paragraphs = [
        {"context": f"{lang} paragraph {i // 2}", "qas": [{"id": q, "question": f"{lang} {q}"}]}
        for i, q in enumerate(ids)
    ]
    return json.dumps({"data": [{"paragraphs": paragraphs}]})


def test_squad_files_are_joined_by_question(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "mine"
    folder.mkdir(parents=True)
    (folder / "de.json").write_text(squad("de", ["a", "b", "c"]), encoding="utf-8")
    (folder / "en.json").write_text(squad("en", ["b", "c", "d"]), encoding="utf-8")
    source = SquadFolder("sets/mine")
    train = source.load(tmp_path)
    assert source.name == "squad-mine"
    assert train.query["de"] == ["de a", "de b", "de c", None]
    assert train.passage["en"] == [None, "en paragraph 0", "en paragraph 0", "en paragraph 1"]
    assert train.group == [0, 0, 0, 1]
    assert [r for r in check_source(source, tmp_path) if not r.passed] == []


def test_squad_layout_is_checked(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(TaskError, match=r"mine: holds no <lang>\.json"):
        SquadFolder("mine").load(tmp_path)
    (tmp_path / "mine" / "en.json").write_text('{"data": [{"paragraphs": [{"qas": 3}]}]}', encoding="utf-8")
    with pytest.raises(TaskError, match=r"en\.json: not in SQuAD's layout \(TypeError"):
        SquadFolder("mine").load(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_question_answering_set_in_the_hubs_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {
        lang: [{"id": str(i), "question": f"{lang} q{i}", "context": f"{lang} c{i // 2}"} for i in ids]
        for lang, ids in (("de", range(3)), ("en", range(1, 4)))
    }
    parts = {f"qa.{lang}": ("train", list(part)) for lang, part in rows.items()}
    write_hub_folder(tmp_path / "hub" / "some" / "set", parts, "parquet")
    train = HubQA("some/set", ("de=qa.de", "en=qa.en"), "0123abc").load(tmp_path)
    assert train.query == {"de": ["de q0", "de q1", "de q2", None], "en": [None, "en q1", "en q2", "en q3"]}
    assert train.group == [0, 0, 1, 1]
    with pytest.raises(TaskError, match=r"hub-qa:some/set .* cannot be read"):
        HubQA("some/set", ("fr",), "0123abc").load(tmp_path)
    with pytest.raises(TaskError, match=r"give langs, .* and revision"):
        HubQA("some/set")


def test_mmarco_from_a_copy(tmp_path: Path) -> None:
    data = tmp_path / "hub" / "unicamp-dl" / "mmarco" / "data"
    (data / "v2" / "queries" / "train").mkdir(parents=True)
    (data / "v2" / "collections").mkdir()
    (data / "triples.train.ids.small.tsv").write_text("1\t10\t12\n1\t10\t13\n2\t11\t10\n1\t12\t10\n3\t13\t10\n")
    for word in ("german", "english"):
        queries = "".join(f"{q}\t{word} question {q}\n" for q in (1, 2, 3) if (word, q) != ("german", 3))
        (data / "v2" / "queries" / "train" / f"{word}_queries.train.tsv").write_text(queries)
        passages = "".join(f"{d}\t{word} passage {d}\n" for d in range(10, 14))
        (data / "v2" / "collections" / f"{word}_collection.tsv").write_text(passages)
    source = MMarco(("de", "en"))
    train = source.load(tmp_path)
    assert train.query["en"] == [f"english question {q}" for q in (1, 2, 1, 3)]
    assert train.query["de"][3] is None
    assert train.passage["de"] == ["german passage 10", "german passage 11", "german passage 12", None]
    assert train.group == [0, 1, 0, 2]
    assert [r for r in check_source(source, tmp_path) if not r.passed] == []
    assert len(MMarco(("en",), limit=2).load(tmp_path).group) == 2
    (data / "triples.train.ids.small.tsv").write_text("1 2 3\n")
    with pytest.raises(TaskError, match="line 1: a triple is three ids separated by tabs"):
        source.load(tmp_path)


def test_mmarco_refuses_what_it_has_not() -> None:
    with pytest.raises(TaskError, match="langs is a tuple of ar, de"):
        MMarco(("xx",))
    with pytest.raises(TaskError, match="limit is a whole number of at least 1"):
        MMarco(limit=0)


def test_linked_groups_reach_through_others() -> None:
    assert linked([["a"], ["b"], ["a", "c"], ["c"], []]) == [0, 1, 0, 0, 2]
