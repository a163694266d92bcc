"""The contract suite for tasks and sources, also other people's: ``python -m bench check task my_file.py:Mine``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tasks.contract import EvalSet, Source, Task, TaskError, Texts, TrainSet
from tasks.languages import canonical
from tasks.notes import together
from tasks.scripts import misfits, noticed_languages

MAX_SETS = 1000
"""Evaluation sets that are looked at; a task that yields so many does not end."""


class Result(NamedTuple):
    """Whether one property holds; ``detail`` says what was seen."""

    name: str
    passed: bool
    detail: str


class Broken(Exception):
    """A property does not hold; the message says what was seen."""


def check_task(task: Task, root: Path | None, strict: bool = False) -> list[Result]:
    """Hold a task to the contract; whatever it raises becomes a result. ``strict`` refuses what is read with repair."""
    results = [_result("described", lambda: _described(task)), _result("files exist", lambda: _files(task, root))]
    results.append(_result("named for a file", lambda: _named_for_a_file(task)))
    sets: list[EvalSet] = []
    results.append(_result("loads", lambda: _load(task, root, sets)))
    for evalset in sets:
        for check in SET_CHECKS:
            results.append(_result(f"{evalset.name}: {check.__name__}", partial(check, evalset)))
        results.append(_result(f"{evalset.name}: noticed", partial(_noticed, evalset, strict)))
    if sets:
        results.append(_result("loads the same twice", lambda: _same(sets, list(islice(task.load(root), MAX_SETS)))))
    return results


def check_source(source: Source, root: Path | None, strict: bool = False) -> list[Result]:
    """Hold a training source to the contract; whatever it raises becomes a result; ``strict`` as of a task."""
    results = [_result("described", lambda: _described(source)), _result("files exist", lambda: _files(source, root))]
    loaded: list[TrainSet] = []

    def load() -> str:
        train = source.load(root)
        _hold(isinstance(train, TrainSet), f"a source gives a tasks.TrainSet; got {type(train).__name__}")
        loaded.append(train)
        return f"{len(train.group)} items in {len(train.langs)} languages"

    results.append(_result("loads", load))
    for check in TRAIN_CHECKS if loaded else ():
        results.append(_result(check.__name__, partial(check, loaded[0])))
    if loaded:
        results.append(_result("noticed", partial(_noticed, loaded[0], strict)))
        results.append(_result("loads the same twice", lambda: _same(loaded, [source.load(root)])))
    return results


def _described(thing: Task | Source) -> str:
    for name in ("name", "version", "licence", "citation"):
        value = getattr(thing, name, None)
        _hold(isinstance(value, str) and bool(value.strip()), f"{name} is text that is not empty; got {value!r}")
    return f"{thing.name}, version {thing.version}, {thing.licence}"


def _named_for_a_file(task: Task) -> str:
    for name in ("name", "version"):
        wrong = [sign for sign in getattr(task, name) if sign == "/" or not sign.isprintable()]
        _hold(not wrong, f"a {name} has no '/': it is part of the name of the file of scores; got {wrong}")
    return f"{task.name}@{task.version}"


def _files(thing: Task | Source, root: Path | None) -> str:
    files = thing.files(root)
    absent = [str(path) for path in files if not path.is_file()]
    _hold(not absent, f"no such file: {', '.join(absent[:3])}")
    return f"{len(files)} files"


def _load(task: Task, root: Path | None, sets: list[EvalSet]) -> str:
    found = list(islice(task.load(root), MAX_SETS))
    _hold(bool(found), "no evaluation set comes")
    _hold(len(found) < MAX_SETS, f"fewer than {MAX_SETS} evaluation sets come")
    for evalset in found:
        _hold(isinstance(evalset, EvalSet), f"a task yields tasks.EvalSet; got {type(evalset).__name__}")
    sets += found
    names = [s.name for s in sets]
    _hold(all(isinstance(name, str) and name for name in names), f"every set has a name; got {names}")
    cells = [(s.name, *sorted(s.queries), "/", *sorted(s.passages)) for s in sets]
    _hold(len(set(cells)) == len(cells), f"names of sets, or their languages, are unique; got {names}")
    return ", ".join(dict.fromkeys(names))


def texts(evalset: EvalSet) -> str:
    """Queries and passages are texts under text ids; empty queries are an error, the rest is counted."""
    for what, part in (("query", evalset.queries), ("passage", evalset.passages)):
        for lang, by_id in part.items():
            _require_code(lang)
            for identity, text in by_id.items():
                _hold(isinstance(identity, str) and isinstance(text, str), f"{what} {identity!r}: id and text are text")
                _hold(what == "passage" or bool(text.strip()), f"query {identity!r} ({lang}) is empty")
            _hold(bool(by_id), f"there is no {what} in {lang!r}")
        _hold(bool(part), f"there is no {what}")
    return f"{_count(evalset.queries, 'queries')}; {_count(evalset.passages, 'passages')}"


def _require_code(lang: str) -> None:
    try:
        _hold(canonical(lang) == lang, f"the language {lang!r} is written {canonical(lang)!r}")
    except TaskError as error:
        raise Broken(str(error)) from None


def _count(part: Texts, what: str) -> str:
    seen: set[int] = set()
    count = empty = 0
    for by_id in part.values():
        for _, text in by_id.items():
            count += 1
            empty += not text.strip()
            seen.add(hash(text))
    return f"{count} {what}, {count - len(seen)} of them repeat another's text, {empty} are empty"


def ids_unique_over_languages(evalset: EvalSet) -> str:
    """One id names one query, or one passage, in one language."""
    for what, part in (("query", evalset.queries), ("passage", evalset.passages)):
        ids = [identity for by_id in part.values() for identity in by_id]
        _hold(len(set(ids)) == len(ids), f"{len(ids) - len(set(ids))} {what} ids come up in several languages")
    return f"{len(evalset.queries)} query languages, {len(evalset.passages)} passage languages"


def relevance_is_closed(evalset: EvalSet) -> str:
    """Judgements are of queries and passages that exist, with whole numbers as grades; no query is without."""
    queries = {q for by_id in evalset.queries.values() for q in by_id}
    passages = {d for by_id in evalset.passages.values() for d in by_id} | set(evalset.absent)
    for q, found in evalset.relevant.items():
        _hold(q in queries, f"relevance names the query {q!r}, which does not exist")
        for d, grade in found.items():
            _hold(d in passages, f"relevance of {q!r} names the passage {d!r}, which does not exist")
            whole = isinstance(grade, int) and not isinstance(grade, bool)
            _hold(whole, f"grade of {q!r}, {d!r} is a whole number; got {grade!r}")
    without = [q for q in queries if not evalset.relevant.get(q)]
    _hold(not without, f"{len(without)} queries have no judgement, e.g. {min(without, default='')!r}")
    grades = [grade for found in evalset.relevant.values() for grade in found.values()]
    _hold(not grades or max(grades) > 0, "no passage is relevant to any query")
    wrong = sum(grade <= 0 for grade in grades)
    return f"{len(queries)} queries, {len(grades)} judgements" + (f", {wrong} of them not relevant" if wrong else "")


def groups_link_translations(evalset: EvalSet) -> str:
    """Groups, where given, cover the queries exactly and hold at most one query per language."""
    if evalset.group is None:
        return "none given: every query stands alone"
    queries = {q for by_id in evalset.queries.values() for q in by_id}
    _hold(set(evalset.group) == queries, "groups do not cover exactly the queries")
    for lang, by_id in evalset.queries.items():
        groups = [evalset.group[q] for q in by_id]
        _hold(len(set(groups)) == len(groups), f"a group holds two queries in {lang!r}")
    return f"{len(set(evalset.group.values()))} groups"


def scripts_fit_languages(evalset: EvalSet) -> str:
    """The first texts are in the script of their language, where that is known."""
    wrong = list(misfits(evalset))
    _hold(not wrong, "; ".join(wrong))
    return f"{len({*evalset.queries, *evalset.passages})} languages"


SET_CHECKS: tuple[Callable[[EvalSet], str], ...] = (
    texts,
    ids_unique_over_languages,
    relevance_is_closed,
    groups_link_translations,
    scripts_fit_languages,
)


def lengths(train: TrainSet) -> str:
    """Every language has one query and one passage slot per item, and there is one group per item."""
    n = len(train.group)
    _hold(n > 0, "there is no item")
    _hold(len(set(train.langs)) == len(train.langs), f"a language comes up twice in {train.langs}")
    for lang in train.langs:
        _require_code(lang)
    _hold(all(isinstance(g, int) for g in train.group), "groups are whole numbers")
    _hold(min(train.group) >= 0, f"groups are numbers from 0; got {min(train.group)}")
    for what, part in (("query", train.query), ("passage", train.passage)):
        _hold(
            set(part) == set(train.langs), f"{what} has the languages {sorted(part)}; langs says {sorted(train.langs)}"
        )
        wrong = [lang for lang, column in part.items() if len(column) != n]
        _hold(not wrong, f"{what} in {wrong} has not one slot for each of the {n} items")
    return f"{n} items"


def query_and_passage_exist_together(train: TrainSet) -> str:
    """In each language an item has its query and its passage, or neither; no text is empty."""
    there = [0] * len(train.group)
    for lang in train.langs:
        for i, (query, passage) in enumerate(zip(train.query[lang], train.passage[lang], strict=True)):
            _hold((query is None) == (passage is None), f"item {i} has only one of query and passage in {lang!r}")
            if query is None or passage is None:
                continue
            _hold(isinstance(query, str) and isinstance(passage, str), f"item {i} in {lang!r}: texts are text")
            _hold(bool(query.strip() and passage.strip()), f"item {i} has an empty text in {lang!r}")
            there[i] += 1
    _hold(min(there) > 0, f"item {there.index(min(there))} exists in no language")
    return f"{min(there)} to {max(there)} languages per item"


def repeated_texts_share_a_group(train: TrainSet) -> str:
    """Items with the same query or the same passage text in a language share a group: else a false negative."""
    for part in (train.query, train.passage):
        for lang, column in part.items():
            owner: dict[str, int] = {}
            for i, text in enumerate(column):
                if text is not None and owner.setdefault(text, train.group[i]) != train.group[i]:
                    raise Broken(f"item {i} repeats a text of another group in {lang!r}: {text[:40]!r}")
    return f"{len(set(train.group))} groups"


def negatives_are_no_positives(train: TrainSet) -> str:
    """A hard negative is a text, one tuple of them per item, and no passage of its own item."""
    found = 0
    for lang, column in train.negative.items():
        _hold(len(column) == len(train.group), f"negatives in {lang!r} are one tuple per item")
        for i, texts in enumerate(column):
            _hold(all(isinstance(t, str) and t.strip() for t in texts), f"item {i} has an empty negative in {lang!r}")
            own = {train.passage[known][i] for known in train.langs}
            _hold(own.isdisjoint(texts), f"item {i} has its own passage as a negative in {lang!r}")
            found += len(texts)
    return f"{found} hard negatives"


TRAIN_CHECKS: tuple[Callable[[TrainSet], str], ...] = (
    lengths,
    query_and_passage_exist_together,
    repeated_texts_share_a_group,
    negatives_are_no_positives,
)


def _noticed(part: EvalSet | TrainSet, strict: bool) -> str:
    found = together([part.noticed, noticed_languages(part)])
    dirty = [n for n in found if n.dirty]
    _hold(not (strict and dirty), f"--strict refuses {'; '.join(map(str, dirty))}")
    return "; ".join(map(str, found)) or "nothing was repaired or left out"


def _same(first: Sequence[EvalSet | TrainSet], second: Sequence[EvalSet | TrainSet]) -> str:
    same = len(first) == len(second) and all(_plain(a) == _plain(b) for a, b in zip(first, second, strict=True))
    _hold(same, "a second load gave something else")
    return "equal"


def _plain(part: EvalSet | TrainSet) -> dict[str, object]:
    """The fields; of passages that may be on disk a digest."""
    fields = dict(vars(part))
    if isinstance(part, EvalSet):
        fields["passages"] = {lang: hash(frozenset(by_id.items())) for lang, by_id in part.passages.items()}
    return fields


def _result(name: str, check: Callable[[], str]) -> Result:
    shown = name.replace("_", " ")
    try:
        return Result(shown, True, check())
    except Broken as broken:
        return Result(shown, False, str(broken))
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        return Result(shown, False, f"{type(error).__name__}: {error}")


def _hold(holds: bool, seen: str) -> None:
    if not holds:
        raise Broken(seen)
