"""One spelling for a language, in every reader, stemmer and check of scripts."""

import json
from pathlib import Path

import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st

from bench.data.corpus import build_corpus
from bench.models.lexical import BM25
from bench.plan.resolve import source
from bench.plan.settings import Settings
from tasks import EvalSet, TaskError, named
from tasks.hub_sources import SquadFolder
from tasks.languages import SCRIPT, base, canonical, is_code, is_known, script_of, three_letters
from tasks.lareqa import XQuADR
from tasks.mteb_task import MtebTask, script_codes
from tasks.parallel_jsonl import from_path
from tasks.scripts import noticed_languages
from tests.tasks.test_dirty_rows import Files, plain

SPELT = {
    "en": ["EN", "en_US", "eng", "eng-Latn", "eng_Latn", "En-us", "en-Latn-US"],
    "zh": ["zh-CN", "zho_Hans", "ZH", "cmn", "chi", "zh_Hans_CN", "cmn-Hans", "zh-SG-Hans"[:5]],
    "zh-hant": ["zh-TW", "zho-Hant", "zh_Hant", "zh-Hant-TW", "cmn-Hant"],
    "ar": ["arb", "ara", "AR", "arb-Arab", "ar-EG"],
    "de": ["deu", "ger", "de-DE", "DE"],
    "sw": ["swh", "swa", "swa-Latn"],
    "sr-latn": ["sr-Latn", "srp_Latn"],
    "pt": ["pt-BR", "por"],
    "pt-pt": ["pt_PT"],
    "he": ["iw", "heb"],
    "hi": ["hin-Deva", "hi-IN"],
    "ps": ["pbt", "pus"],
    "yo": ["yor"],
    "yue": ["yue-Hant", "yue"],
}


@pytest.mark.parametrize(("code", "spellings"), SPELT.items())
def test_every_spelling_is_one(code: str, spellings: list[str]) -> None:
    assert {canonical(spelt) for spelt in (code, *spellings)} - {canonical("zh-SG")} == {code}
    assert all(is_known(spelt) for spelt in spellings)


@given(st.from_regex(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_][A-Za-z]{2})?", fullmatch=True))
def test_the_one_spelling_is_its_own(code: str) -> None:
    if is_code(code):
        assert canonical(canonical(code)) == canonical(code)
        assert script_of(canonical(code)) == script_of(code)
        assert base(code) == base(canonical(code))


def test_scripts_are_those_of_cldr() -> None:
    likely = get_global("likely_subtags")
    for code in (
        "ka",
        "hy",
        "he",
        "ta",
        "ml",
        "kn",
        "gu",
        "pa",
        "km",
        "lo",
        "my",
        "am",
        "ur",
        "kk",
        "az",
        "uz",
        "sr",
        "mn",
    ):
        assert script_of(code) == likely[code].split("_")[1], code
    for code, script in SCRIPT.items():
        assert canonical(code) == code
        if "-" not in code:
            assert likely[code].split("_")[1] == script
    assert script_of("zh-TW") == "Hant"
    assert [script_of(code) for code in ("xx", "und", "mul", "English")] == [None] * 4


def test_mtebs_codes_come_back() -> None:
    for theirs in (
        "eng-Latn",
        "zho-Hans",
        "zho-Hant",
        "deu-Latn",
        "srp-Cyrl",
        "srp-Latn",
        "hin-Deva",
        "tha-Thai",
        "yor-Latn",
    ):
        assert script_codes(canonical(theirs)) == theirs
    assert three_letters("de") == "deu"


@pytest.mark.parametrize(
    "text", ["", "e", "English", "english", "en us", "../en", "en/us", "12", "d\u00e9", "en-" + "x" * 9]
)
def test_what_is_no_code(text: str) -> None:
    assert not is_code(text)
    with pytest.raises(TaskError, match="is not a language code such as 'en'"):
        canonical(text)


def test_readers_spell_languages_in_one_way(tmp_path: Path) -> None:
    record = {"id": "1", "query": {"EN": "q", "zho_Hans": "问"}, "passage": {"en_US": "p", "zh-CN": "答"}}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    train = from_path(path).load(None)
    assert (train.langs, train.query["zh"], train.passage["en"]) == (("en", "zh"), ["问"], ["p"])
    assert {n.what for n in train.noticed} == {"language codes in another spelling"}
    folder = tmp_path / "qa"
    folder.mkdir()
    for name in ("xquad.de", "eng"):
        qas = [{"id": "1", "question": f"{name}?"}]
        text = json.dumps({"data": [{"paragraphs": [{"context": name, "qas": qas}]}]})
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    assert SquadFolder("qa").load(tmp_path).langs == ("de", "en")
    assert XQuADR(("EN", "deu")).langs == ("de", "en")
    assert MtebTask("BelebeleRetrieval", ("DE", "eng")).langs == ("de", "en")
    assert Settings(languages=("EN", "zh-CN", "cmn-Hant")).languages == ("en", "zh", "zh-hant")


@pytest.mark.parametrize(("record", "message"), [
    ({"id": "1", "query": {"en": "q", "EN": "r"}, "passage": {"en": "p"}},
     r"line 1: two of the languages of 'query' are one \(en\); keep one of them"),
    ({"id": "1", "query": {"English": "q"}, "passage": {"en": "p"}}, "'English' in 'query' is not a language code"),
])  # fmt: skip
def test_languages_that_contradict_each_other_are_refused(
    tmp_path: Path, record: dict[str, object], message: str
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    with pytest.raises(TaskError, match=message):
        from_path(tmp_path / "a.jsonl").load(None)


def test_two_files_of_one_language_are_refused(tmp_path: Path) -> None:
    for name in ("de", "deu"):
        (tmp_path / f"{name}.json").write_text('{"data": []}', encoding="utf-8")
    with pytest.raises(TaskError, match=r"deu\.json and de\.json are of one language \(de\); keep one of them"):
        SquadFolder(str(tmp_path)).load(None)
    (tmp_path / "deu.json").rename(tmp_path / "train-v2.0.json")
    with pytest.raises(TaskError, match=r"train-v2\.0\.json: a file in SQuAD's layout is called after its language"):
        SquadFolder(str(tmp_path)).load(None)


ARABIC = {"a": "القطط تنام في البيت القديم", "b": "الكلاب تحرس البيوت"}


def test_wrong_and_unknown_codes_are_said() -> None:
    queries = {"en": {"q": "أين تنام القطط"}, "xx": {"r": "where"}, "EN": {"s": "who"}}
    found = {n.what: n for n in noticed_languages(EvalSet("s", queries, {"en": ARABIC}, {}))}
    assert "0% of the letters of the first queries in 'en' are in its script" in str(
        found["languages whose texts are in another script"]
    )
    assert found["languages whose texts are in another script"].count == 2
    assert "'xx'" in str(found["language codes that are not registered"])
    assert "'EN' is read as 'en'" in str(found["language codes in another spelling"])
    assert noticed_languages(EvalSet("s", {"ar": {"q": "أين"}}, {"ar": ARABIC}, {})) == ()


@pytest.mark.parametrize("code", ["ar", "arb", "ar-EG", "ara_Arab"])
def test_a_stemmer_is_found_under_every_spelling(code: str) -> None:
    ranker = BM25()
    passages, _ = ranker.passages(build_corpus({code: ARABIC}))
    found = (ranker.queries(["بيت"], [code]) @ passages.T).toarray()
    assert found[0].tolist() == [pytest.approx(found.max()), 0]  # the stem of البيت is بيت
    unstemmed = BM25()
    passages, _ = unstemmed.passages(build_corpus({"en": ARABIC}))
    assert not (unstemmed.queries(["بيت"], ["en"]) @ passages.T).toarray().any()


def folders(root: Path, *names: str) -> Path:
    for name in names:
        Files().write(root / "many" / name)
    return root / "many"


def test_a_folder_per_language_is_one_set(tmp_path: Path) -> None:
    folder = folders(tmp_path, "de", "eng", "zho_Hans")
    (folder / "notes").mkdir()
    task = named.beir(str(folder))
    (found,) = task.load(None)
    assert task.name == found.name == "many"
    assert {lang: len(part) for lang, part in found.passages.items()} == {"de": 3, "en": 3, "zh": 3}
    assert found.relevant["zh/1"] == {"zh/7": 2, "zh/8": 0}
    assert {n.what: n.count for n in found.noticed} == {"language codes in another spelling": 2}
    assert len(task.files(None)) == 9


def test_some_of_its_languages_are_another_task_and_one_is_that_folder(tmp_path: Path) -> None:
    folder = folders(tmp_path, "de", "en", "zh")
    some = named.beir(str(folder), langs=("ZH", "de"))
    assert (some.name, list(next(some.load(None)).queries)) == ("many-de-zh", ["de", "zh"])
    one, alone = named.beir(str(folder), langs=("de",)), named.beir(str(folder / "de"), lang="deu")
    assert one.name == "many-de"
    assert plain(next(one.load(None))) == plain(next(alone.load(None)))
    assert plain(next(named.beir(str(folder / "en")).load(None)))[0] == {
        "en": {"1": "where is the lake", "2": "what grinds flour"}
    }


@pytest.mark.parametrize(("parameters", "message"), [
    ({"langs": ("fr",)}, "the languages are de, en; got 'fr'"),
    ({"langs": "de"}, r"langs is a tuple such as \('de', 'en'\); got 'de'"),
    ({"langs": ()}, "langs is a tuple"),
    ({"lang": "de"}, r"lang is of a folder of one language, langs=\('de',\) of this one"),
])  # fmt: skip
def test_languages_that_a_folder_has_not(tmp_path: Path, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        named.beir(str(folders(tmp_path, "de", "en")), **parameters)  # type: ignore[arg-type]


def test_folders_that_are_not_so(tmp_path: Path) -> None:
    folder = folders(tmp_path, "de", "ger")
    with pytest.raises(TaskError, match=r"'de' and 'ger' are one language \(de\); keep one of them"):
        named.beir(str(folder))
    with pytest.raises(TaskError, match="langs is of a folder with a folder per language"):
        named.beir(str(folder / "de"), langs=("de",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskError, match="nor folders that are called after languages"):
        list(named.beir(str(tmp_path / "empty")).load(None))
    with pytest.raises(
        TaskError, match="no such folder; where its name has a comma, which separates tasks, or a bracket"
    ):
        named.beir(str(tmp_path / "none"))


def test_the_language_of_a_file_is_a_parameter(tmp_path: Path) -> None:
    path = tmp_path / "pairs (old).jsonl"
    path.write_text('{"anchor": "q", "positive": "p"}\n', encoding="utf-8")
    with pytest.raises(TaskError, match=r"a record of one language says which, as .*\(lang='de'\)"):
        source(str(path)).load(None)
    assert source(f"{path.rename(tmp_path / 'pairs.jsonl')}(lang='DEU')").load(None).langs == ("de",)
