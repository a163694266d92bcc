import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks import TaskError
from tasks.check import check_task
from tasks.lareqa import MLQAR, XQuADR

XQUAD_R = {"ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219, "th": 852, "tr": 1167,
           "vi": 1209, "zh": 1196}  # fmt: skip
MLQA_R = {"ar": (517, 2545), "de": (512, 2362), "en": (1148, 6264), "es": (500, 1787), "hi": (507, 2426),
          "vi": (511, 2828), "zh": (504, 2322)}  # fmt: skip


def paragraph(*questions: tuple[str, int]) -> dict[str, Any]:
    return {
        "context": "One here. Two there.",
        "sentences": ["One here.", "Two there."],
        "sentence_breaks": [[0, 9], [10, 20]],
        "qas": [{"id": q, "question": f"{q}?", "answers": [{"answer_start": at, "text": "x"}]} for q, at in questions],
    }


def write(root: Path, lang: str, *paragraphs: dict[str, Any]) -> Path:
    path = root / "xquad-r" / f"{lang}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"data": [{"paragraphs": list(paragraphs)}]}), encoding="utf-8")
    return path


def test_the_sentence_that_holds_the_answer_is_relevant_in_every_language(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph(("q1", 9 - 1), ("q2", 10)), paragraph(("q3", 0)))
    write(tmp_path, "de", paragraph(("q1", 0)))
    (found,) = XQuADR(langs=("en", "de")).load(tmp_path)
    assert found.passages["en"] == {
        "en/0000/000": "One here.", "en/0000/001": "Two there.", "en/0001/000": "One here.", "en/0001/001": "Two there."
    }  # fmt: skip
    assert found.relevant == {
        "en/q1": {"en/0000/000": 1, "de/0000/000": 1}, "de/q1": {"en/0000/000": 1, "de/0000/000": 1},
        "en/q2": {"en/0000/001": 1}, "en/q3": {"en/0001/000": 1},
    }  # fmt: skip
    assert found.group == {"en/q1": "q1", "de/q1": "q1", "en/q2": "q2", "en/q3": "q3"}


@pytest.mark.parametrize(("broken", "message"), [
    (paragraph(("q1", 0), ("q1", 0)), r"en\.json: question id 'q1' comes up twice"),
    (paragraph(("q1", 9)), "0 sentences hold the answer of 'q1' at 9; exactly one does"),
    (paragraph() | {"qas": [{"id": "q"}]}, r"not in the LAReQA layout \(no .question.\)"),
    (paragraph(("q", 0)) | {"sentence_breaks": None}, r"not in the LAReQA layout \(no .sentence_breaks.\)"),
    (paragraph(), "holds no question"),
])  # fmt: skip
def test_broken_files_are_named(tmp_path: Path, broken: dict[str, Any], message: str) -> None:
    write(tmp_path, "en", broken)
    with pytest.raises(TaskError, match=message):
        list(XQuADR(langs=("en",)).load(tmp_path))


def test_a_missing_language_file_or_language(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph(("q1", 0)))
    with pytest.raises(TaskError, match=r"xquad-r/de\.json: no such file"):
        list(XQuADR(langs=("en", "de")).load(tmp_path))
    with pytest.raises(TaskError, match=r"the languages are ar, de, .*; got 'xx'"):
        list(XQuADR(langs=("en", "xx")).load(tmp_path))


def test_published_counts_of_xquad_r(data_root: Path) -> None:
    (found,) = XQuADR().load(data_root)
    assert {lang: len(p) for lang, p in found.passages.items()} == XQUAD_R
    assert {len(q) for q in found.queries.values()} == {1190}
    assert {len(d) for d in found.relevant.values()} == {11}
    assert found.group is not None
    assert len(set(found.group.values())) == 1190


def test_published_counts_of_mlqa_r(data_root: Path) -> None:
    full, four = MLQAR().load(data_root)
    assert {lang: (len(full.queries[lang]), len(p)) for lang, p in full.passages.items()} == MLQA_R
    assert full.group is not None
    assert four.group is not None
    assert Counter(Counter(full.group.values()).values()) == {4: 820, 3: 263, 2: 65}
    assert set(Counter(four.group.values()).values()) == {4}


@pytest.mark.parametrize("task", [XQuADR(), MLQAR()])
def test_the_contract_suite_passes(task: XQuADR | MLQAR, data_root: Path) -> None:
    assert [r for r in check_task(task, data_root) if not r.passed] == []


def test_a_restricted_set_is_another_task(data_root: Path) -> None:
    assert XQuADR(langs=("de", "en")).name == XQuADR(langs=("en", "de")).name == "xquad-r-de-en"
    assert XQuADR(langs=XQuADR.offered).name == "xquad-r"
    _, shared = MLQAR(langs=("ar", "de", "en")).load(data_root)
    assert {len(q) for q in shared.queries.values()} == {207}
