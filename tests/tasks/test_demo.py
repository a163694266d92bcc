import importlib.util
import json
from pathlib import Path

import pytest

from tasks import TaskError, demo, demo_build
from tasks.check import check_source, check_task
from tasks.demo import Demo, DemoDev, DemoSource, load_names, load_wordings

LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ABOUT = json.loads((demo.DATA / "about.json").read_text(encoding="utf-8"))


def rows(split: str) -> list[dict[str, object]]:
    return demo._facts(split)


def test_the_contract_suites_pass() -> None:
    assert [r for r in check_task(Demo(), None) + check_task(DemoDev(), None) if not r.passed] == []
    assert [r for r in check_source(DemoSource(), None) if not r.passed] == []


def test_sizes() -> None:
    assert sum(ABOUT["totals"].values()) >= 1500
    for evalset in Demo().load(None):
        assert tuple(evalset.passages) == LANGS
        floor = 500 if evalset.name != "demo-ood" else 400
        assert all(len(p) >= floor for p in evalset.passages.values()), evalset.name


def test_sets_of_the_same_passages_share_them() -> None:
    first, seen, _ = Demo().load(None)
    assert seen.passages is first.passages
    assert seen.queries != first.queries


def test_splits_share_no_fact_but_entities() -> None:
    ids = {split: {row["id"] for row in rows(split)} for split in ("train", "dev", "test", "ood")}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values()))
    assert {str(i).split(":")[0] for i in ids["ood"]} == {"script"}
    assert not any(str(i).startswith("script:") for i in ids["train"] | ids["dev"] | ids["test"])
    entities = {split: {str(i).split(":")[1] for i in found} for split, found in ids.items()}
    assert len(entities["train"] & entities["test"]) >= 200


def test_texts_are_distinct_within_a_language_and_no_test_question_was_trained_on() -> None:
    train, dev, test, ood = (rows(split) for split in ("train", "dev", "test", "ood"))
    for lang in LANGS:
        for field in ("query", "passage"):
            texts = [row[field][lang] for part in (train, dev, test, ood) for row in part]  # type: ignore[index]
            assert len(set(texts)) == len(texts), (lang, field)
        assert len({row["query_seen"][lang] for row in test}) == len(test)  # type: ignore[index]


def test_headline_wordings_are_never_trained_on() -> None:
    forms = demo_build.templates()
    for lang in LANGS:
        form = forms[lang]
        assert not set(form["frames"]) & set(form["frames_test"])
        for relation, wording in form.items():
            if isinstance(wording, dict):
                assert not set(wording["ask"]) & set(wording["ask_test"]), relation


def test_templates_are_complete_with_the_same_placeholders_in_every_language() -> None:
    forms = demo_build.templates()
    relations = {r for r, wording in forms["en"].items() if isinstance(wording, dict)}
    for lang, form in forms.items():
        assert {r for r, wording in form.items() if isinstance(wording, dict)} == relations, lang
        assert all(text.count("{x}") == 1 for text in form["frames"] + form["frames_test"]), lang
        for relation in relations:
            year = relation == "former_currency"
            for part, least in (("ask", 3), ("ask_test", 2), ("tell", 3)):
                texts = form[relation][part]
                assert len(set(texts)) == len(texts) >= least, (lang, relation)
                for text in texts:
                    assert "{a}" in text, text
                    assert ("{b}" in text) == (part == "tell"), text
                    assert ("{y}" in text) == year, text


def test_every_fact_is_about_things_that_exist() -> None:
    for split in ("train", "dev", "test", "ood"):
        for row in rows(split):
            relation, code = str(row["id"]).split(":")
            assert code not in ("ZZ", "und"), row["id"]
            for lang in sorted(demo_build.OTHER_SCRIPT) if relation.startswith("city") else ():
                latin = code.rpartition("/")[2].replace("_", " ")
                assert latin not in row["passage"][lang], row["id"]  # type: ignore[index]


def test_wordings_have_no_placeholder_left() -> None:
    wordings = load_wordings()
    assert len(wordings) == 11 * (8 + 9 * 10)
    assert not any("{" in text for text in wordings)


def test_names_are_parallel() -> None:
    names = load_names()
    assert tuple(names) == LANGS
    assert len({len(column) for column in names.values()}) == 1
    assert "Germany" in names["en"]
    assert names["de"][names["en"].index("Germany")] == "Deutschland"


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in demo.DATA.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if path.name == "facts.jsonl.gz" else data)
    monkeypatch.setattr(demo, "DATA", tmp_path)
    with pytest.raises(TaskError, match=r"facts\.jsonl\.gz: not the frozen file .* rebuild it with"):
        list(Demo().load(None))


def test_the_frozen_files_are_what_the_generator_writes() -> None:
    if importlib.util.find_spec("babel") is None:
        pytest.skip("needs Babel: install the extra 'demo'")
    import babel

    if babel.__version__ != ABOUT["babel"]:
        pytest.skip(f"generated with Babel {ABOUT['babel']}, here is {babel.__version__}")
    for name, data in demo_build.build().items():
        assert (demo.DATA / name).read_bytes() == data, name
