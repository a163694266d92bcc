import json
from pathlib import Path

import pytest

from tasks import TaskError
from tasks.check import check_source
from tasks.groups import linked
from tasks.hub_sources import HubQA, SquadFolder
from tasks.mmarco import MMarco
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


def write_squad(path: Path, *paragraphs: tuple[str, list[dict[str, object]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [{"context": context, "qas": qas} for context, qas in paragraphs]
    path.write_text(json.dumps({"data": [{"paragraphs": found}]}), encoding="utf-8")


def asked(identity: object, question: object, **more: object) -> dict[str, object]:
    return {"id": identity, "question": question, **more}


ANSWER = [{"text": "Ann", "answer_start": 0}]


def test_questions_without_an_answer_are_no_positives(tmp_path: Path) -> None:
    for lang in ("de", "en"):
        write_squad(
            tmp_path / "two" / f"{lang}.json",
            (f"Ann built it {lang}", [
                asked("1", f"who built it {lang}", answers=ANSWER, is_impossible=False),
                asked("2", f"who burnt it {lang}", answers=[], is_impossible=True, plausible_answers=ANSWER),
                asked("3", f"who sold it {lang}", answers=[]),
                asked("4", f"who saw it {lang}", answers=ANSWER, is_impossible=True),
                asked("5", f"who drew it {lang}", answers={"text": [], "answer_start": []}),
            ]),
        )  # fmt: skip
    train = SquadFolder("two").load(tmp_path)
    assert train.query == {"de": ["who built it de"], "en": ["who built it en"]}
    (said,) = train.noticed
    assert (said.what, said.count, said.dirty) == ("questions that their paragraph does not answer", 8, False)
    assert said.example == "two/de.json, '2'"


def test_an_id_that_comes_up_again_is_not_lost(tmp_path: Path) -> None:
    for lang, more in (("de", ()), ("en", ()), ("fr", (("c fr", [asked("x", "q2 fr")]),))):
        write_squad(
            tmp_path / "ids" / f"{lang}.json",
            (f"a {lang}", [asked("x", f"q {lang}"), asked("y", f"r {lang}")]),
            (f"b {lang}", [asked("x", f"q {lang}"), asked("y", f"s {lang}"), asked("y", f"s {lang}")]),
            *more,
        )
    two = SquadFolder("ids")
    whole = two.load(tmp_path)
    (tmp_path / "ids" / "fr.json").unlink()
    train = two.load(tmp_path)
    assert train.query == {lang: [f"q {lang}", f"q {lang}", f"r {lang}", f"s {lang}"] for lang in ("de", "en")}
    assert train.passage == {lang: [f"a {lang}", f"b {lang}", f"a {lang}", f"b {lang}"] for lang in ("de", "en")}
    assert len(set(train.group)) == 1
    said = {n.what: n.count for n in train.noticed}
    assert said == {
        "questions under an id that another has, in one group with it": 4, "questions that come up again, equal": 2
    }  # fmt: skip
    # where languages have different numbers of them, nobody knows which belong together
    of_x = [i for i in range(len(whole.group)) if any(str(part[i]).startswith("q") for part in whole.query.values())]
    assert [sum(part[i] is not None for part in whole.query.values()) for i in of_x] == [1] * 7
    assert [r for r in check_source(two, tmp_path) if not r.passed] == []


def test_turns_are_joined_and_questions_without_text_left_out(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "who?"}, {"role": "assistant", "content": "she"}]
    write_squad(tmp_path / "t" / "en.json", ("text", [asked(1, ["one", "two"]), asked(2, turns), asked(3, None)]),
                (" ", [asked(4, "why?")]))  # fmt: skip
    train = SquadFolder("t").load(tmp_path)
    assert train.query == {"en": ["one; two", "user: who?; assistant: she"]}
    assert {n.what: n.count for n in train.noticed} == {"questions or paragraphs without text, left out": 2}
    write_squad(tmp_path / "t" / "en.json", ("text", [asked(1, {"en": "why?"})]))
    with pytest.raises(TaskError, match=r"en\.json, 1: text or a list of turns is expected; got \{'en'"):
        SquadFolder("t").load(tmp_path)


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
    with pytest.raises(TaskError, match=r"some/set@0123abc has no configuration 'fr'; it has qa.de, qa.en"):
        HubQA("some/set", ("fr",), "0123abc").load(tmp_path)
    with pytest.raises(TaskError, match=r"give langs, as"):
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
