import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks import EvalSet, Source, Task, TrainSet
from tasks.check import Result, check_source, check_task
from tasks.contract import Noticed

GOOD = EvalSet(
    "tiny",
    queries={"en": {"en/1": "a?"}, "de": {"de/1": "b?"}},
    passages={"en": {"en/x": "A."}, "de": {"de/x": "A."}},
    relevant={"en/1": {"en/x": 1, "de/x": 1}, "de/1": {"de/x": 2}},
    group={"en/1": "1", "de/1": "1"},
)
TRAIN = TrainSet(("de", "en"), {"de": ["a", None], "en": ["b", "c"]}, {"de": ["A", None], "en": ["B", "C"]}, [0, 1])


@dataclass(frozen=True)
class Tiny(Task):
    make: Callable[[], Any] = lambda: [GOOD]

    name = "tiny"
    version = "1"
    licence = "none"
    citation = "none"

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        yield from self.make()


@dataclass(frozen=True)
class TinySource(Source):
    make: Callable[[], Any] = lambda: TRAIN

    name = "tiny"
    version = "1"
    licence = "none"
    citation = "none"

    def load(self, root: Path | None) -> TrainSet:
        made: TrainSet = self.make()
        return made


def test_wrong_passages_and_absent_ones_may_be_judged() -> None:
    relevant = {"en/1": {"en/x": 1, "en/gone": 2}, "de/1": {"de/x": 0, "en/x": -1}}
    more = dataclasses.replace(GOOD, relevant=relevant, absent={"en/gone": "en"})
    results = check_task(Tiny(lambda: [more]), None)
    assert broken(results) == {}
    assert "2 queries, 4 judgements, 2 of them not relevant" in {r.detail for r in results}


@pytest.mark.parametrize("strict", [False, True])
def test_what_was_noticed_is_shown_and_refused_where_asked(strict: bool) -> None:
    repaired, left_out = Noticed("byte order marks", 2, "a.jsonl, line 1"), Noticed("queries", 3, "q", dirty=False)
    said = {"noticed": "--strict refuses byte order marks: 2 (a.jsonl, line 1)"} if strict else {}
    train = dataclasses.replace(TRAIN, noticed=(repaired, left_out))
    assert broken(check_source(TinySource(lambda: train), None, strict)) == said
    evalset = dataclasses.replace(GOOD, noticed=(repaired, left_out))
    results = check_task(Tiny(lambda: [evalset]), None, strict)
    assert broken(results) == {f"tiny: {name}": detail for name, detail in said.items()}
    assert strict or "byte order marks: 2 (a.jsonl, line 1); queries: 3 (q)" in {r.detail for r in results}
    assert broken(check_task(Tiny(lambda: [dataclasses.replace(GOOD, noticed=(left_out,))]), None, strict)) == {}


def broken(results: list[Result]) -> dict[str, str]:
    return {name: detail for name, passed, detail in results if not passed}


def test_good_ones_pass_and_repeated_texts_are_only_counted() -> None:
    results = check_task(Tiny(), None)
    assert broken(results) == {}
    queries = "2 queries, 0 of them repeat another's text, 0 are empty"
    counted = f"{queries}; 2 passages, 1 of them repeat another's text, 0 are empty"
    assert counted in {r.detail for r in results}
    assert broken(check_source(TinySource(), None)) == {}


@pytest.mark.parametrize(("change", "name", "detail"), [
    ({"queries": {"en": {"en/1": " "}, "de": {"de/1": "b"}}}, "texts", "query 'en/1' (en) is empty"),
    ({"queries": {"en": {"en/1": 3}, "de": {"de/1": "b"}}}, "texts", "query 'en/1': id and text are text"),
    ({"queries": {}, "relevant": {}, "group": None}, "texts", "there is no query"),
    ({"passages": {"English": {"en/x": "A"}, "de": {"de/x": "A"}}}, "texts",
     "'English' is not a language code such as 'en' or 'zh-hant': letters, digits and '-'"),
    ({"passages": {"EN": {"en/x": "A"}, "de": {"de/x": "A"}}}, "texts", "the language 'EN' is written 'en'"),
    ({"queries": {"en": {"1": "a"}, "de": {"1": "b"}}, "relevant": {"1": {"en/x": 1}}, "group": None},
     "ids unique over languages", "1 query ids come up in several languages"),
    ({"relevant": {**GOOD.relevant, "q": {"en/x": 1}}}, "relevance is closed",
     "relevance names the query 'q', which does not exist"),
    ({"relevant": {**GOOD.relevant, "en/1": {"d": 1}}}, "relevance is closed",
     "relevance of 'en/1' names the passage 'd', which does not exist"),
    ({"relevant": {"en/1": {"en/x": 0}, "de/1": {"de/x": -1}}}, "relevance is closed",
     "no passage is relevant to any query"),
    ({"relevant": {**GOOD.relevant, "en/1": {"en/x": True}}}, "relevance is closed",
     "grade of 'en/1', 'en/x' is a whole number; got True"),
    ({"relevant": {"en/1": {"en/x": 1}, "de/1": {}}}, "relevance is closed",
     "1 queries have no judgement, e.g. 'de/1'"),
    ({"queries": {"en": {"en/1": "Вопрос"}, "de": {"de/1": "b"}}}, "scripts fit languages",
     "0% of the letters of the first queries in 'en' are in its script"),
    ({"group": {"en/1": "1"}}, "groups link translations", "groups do not cover exactly the queries"),
    ({"queries": {"en": {"en/1": "a", "de/1": "b"}}}, "groups link translations", "a group holds two queries in 'en'"),
])  # fmt: skip
def test_a_broken_evaluation_set_is_named(change: dict[str, Any], name: str, detail: str) -> None:
    bad = dataclasses.replace(GOOD, **change)
    assert broken(check_task(Tiny(lambda: [bad]), None)) == {f"tiny: {name}": detail}


@pytest.mark.parametrize(("change", "name", "detail"), [
    ({"group": []}, "lengths", "there is no item"),
    ({"group": [0, -1]}, "lengths", "groups are numbers from 0; got -1"),
    ({"group": [0, 0.5]}, "lengths", "groups are whole numbers"),
    ({"langs": ("de", "en", "de")}, "lengths", "a language comes up twice in ('de', 'en', 'de')"),
    ({"langs": ("de",)}, "lengths", "query has the languages ['de', 'en']; langs says ['de']"),
    ({"query": {"de": ["a"], "en": ["b", "c"]}}, "lengths", "query in ['de'] has not one slot for each of the 2 items"),
    ({"query": {"de": [None, None], "en": ["b", "c"]}}, "query and passage exist together",
     "item 0 has only one of query and passage in 'de'"),
    ({"query": {"de": [" ", None], "en": ["b", "c"]}}, "query and passage exist together",
     "item 0 has an empty text in 'de'"),
    ({"query": {"de": [3, None], "en": ["b", "c"]}}, "query and passage exist together",
     "item 0 in 'de': texts are text"),
    ({"query": {"de": ["a", None], "en": ["b", None]}, "passage": {"de": ["A", None], "en": ["B", None]}},
     "query and passage exist together", "item 1 exists in no language"),
    ({"passage": {"de": ["A", None], "en": ["C", "C"]}}, "repeated texts share a group",
     "item 1 repeats a text of another group in 'en': 'C'"),
])  # fmt: skip
def test_a_broken_training_set_is_named(change: dict[str, Any], name: str, detail: str) -> None:
    bad = dataclasses.replace(TRAIN, **change)
    assert broken(check_source(TinySource(lambda: bad), None))[name] == detail


def leave() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(("make", "detail"), [
    (lambda: [], "no evaluation set comes"),
    (lambda: [3], "a task yields tasks.EvalSet; got int"),
    (lambda: [GOOD, GOOD], "names of sets, or their languages, are unique; got ['tiny', 'tiny']"),
    (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    (leave, "SystemExit: 3"),
])  # fmt: skip
def test_a_task_that_does_not_load_is_a_result(make: Callable[[], Any], detail: str) -> None:
    assert broken(check_task(Tiny(make), None))["loads"] == detail


@pytest.mark.parametrize(("make", "detail"), [
    (lambda: None, "a source gives a tasks.TrainSet; got NoneType"),
    (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    (leave, "SystemExit: 3"),
])  # fmt: skip
def test_a_source_that_does_not_load_is_a_result(make: Callable[[], Any], detail: str) -> None:
    assert broken(check_source(TinySource(make), None)) == {"loads": detail}


def test_loading_twice_gives_the_same() -> None:
    names = iter("ab")
    task = Tiny(lambda: [dataclasses.replace(GOOD, name=next(names))])
    assert broken(check_task(task, None)) == {"loads the same twice": "a second load gave something else"}
    groups = iter([[0, 1], [1, 0]])
    source = TinySource(lambda: dataclasses.replace(TRAIN, group=next(groups)))
    assert broken(check_source(source, None)) == {"loads the same twice": "a second load gave something else"}


class Unnamed(Tiny):
    name = "a/b"
    citation = " "

    def files(self, root: Path | None) -> tuple[Path, ...]:
        return (Path("none.txt"),)


def test_descriptions_and_files() -> None:
    assert broken(check_task(Unnamed(), None)) == {
        "described": "citation is text that is not empty; got ' '",
        "files exist": "no such file: none.txt",
        "named for a file": "a name has no '/': it is part of the name of the file of scores; got ['/']",
    }
