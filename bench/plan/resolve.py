"""From what a user writes to an object: built-in name, package.module:Class, path/to/file.py:Class, or entry point."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench.errors import EXPECTED, BenchError, did_you_mean
from bench.plan.derived import DERIVED, Derived, Recipe, Untrained
from bench.plan.finding import Kind, find, listed
from bench.plan.identity import canonical_arguments, hints_of, require_told
from strategies import PARTS, STRATEGIES, Part, Strategy
from tasks import SOURCE_FAMILIES, SOURCES, TASK_FAMILIES, TASKS, Source, Task
from tasks.files import is_folder
from tasks.held_out import HeldOut
from tasks.parallel_jsonl import from_path

T = TypeVar("T")


LONGEST_EXPRESSION = 2000
"""Characters of an expression."""


JSONL = (".jsonl", ".jsonl.gz")


_PARAMETER = re.compile(r"\s*[A-Za-z_]\w*\s*=")


class _Written(NamedTuple):
    """An expression: ``name``, or ``name(arguments)``."""

    name: str
    arguments: str


def _parsed(text: str) -> _Written | None:
    """None where it is neither form. Brackets in the name of a folder that is there are no arguments."""
    place = text.strip().partition(":")[2]
    if "(" in place and is_folder(Path(place)):
        return _Written(text.strip(), "")
    name, bracket, rest = text.strip().partition("(")
    whole = not bracket or rest.endswith(")")
    if not name.strip() or ")" in name or not whole or len(text) > LONGEST_EXPRESSION:
        return None
    return _Written(name.strip(), rest[:-1])


@contextmanager
def _in_one_line(text: str) -> Iterator[None]:
    """What names of no file or too many brackets raise."""
    try:
        yield
    except RecursionError:
        raise BenchError(f"brackets within brackets too deep; got {text!r:.80}") from None
    except OSError as error:
        raise BenchError(f"{text[:80]!r} names nothing that is here ({error.strerror or error})") from None


def recipe(text: str, plugins: bool = True) -> Strategy | Derived:
    """The strategy of an expression, or what is derived from strategies: ``merge(mono, hybrid(alpha=0.3))``.

    Args:
        text: the expression.
        plugins: whether code that it names is run. Not for names out of stored results: those may be others' files.
    """
    with _in_one_line(text):
        return _recipe(text, plugins)


def _recipe(text: str, plugins: bool) -> Strategy | Derived:
    written = _parsed(text)
    kind = DERIVED.get(written.name) if written else None
    if written is None or kind is None:
        return strategy(text, plugins)
    parts = split(written.arguments)
    parents: tuple[Recipe, ...] = tuple(
        Untrained() if part == "untrained" else _recipe(part, plugins) for part in parts if not _PARAMETER.match(part)
    )
    given = _literals(", ".join(part for part in parts if _PARAMETER.match(part)), "derived strategy", text)
    known = list(inspect.signature(kind).parameters)[1:]
    for parameter in given:
        if parameter not in known:
            raise BenchError(
                f"{written.name} has no parameter {parameter!r}; it has {listed(known)}{did_you_mean(parameter, known)}"
            )
    return kind(parents, **given)


class Objects(NamedTuple):
    """What stands in a plan under a name that is no expression: objects that a caller made."""

    strategies: dict[str, Recipe]
    tasks: dict[str, Task]
    sources: dict[str, Source]

    def strategy(self, text: str) -> Recipe:
        """What a name of the plan means."""
        return self.strategies[text] if text in self.strategies else recipe(text)


NO_OBJECTS = Objects({}, {}, {})


def signature(text: str, plugins: bool = True) -> str | None:
    """The full signature of an expression with brackets, or of a built-in's name; None where it is neither."""
    try:
        return repr(recipe(text, plugins)) if "(" in text or text in STRATEGIES else None
    except EXPECTED:
        return None


def strategy(text: str, plugins: bool = True) -> Strategy:
    """The strategy of an expression such as ``hybrid(alpha=0.3)``.

    Raises:
        BenchError: there is none, or it is derived from others and draws no batches.
    """
    written = _parsed(text)
    if written is not None and written.name in DERIVED:
        raise BenchError(f"{text} is derived and draws no batches of its own; check what stands in its brackets")
    made = _build(text, Kind("strategy", STRATEGIES, {}, "bench.strategies", Strategy), plugins)
    require_told(made)
    return made


def task(text: str, plugins: bool = True) -> Task:
    """The task of an expression such as ``xquad-r``, ``beir:scifact``, or ``held-out:`` before a source."""
    family, colon, rest = text.strip().partition(":")
    if colon and family == "held-out":
        return HeldOut(source(rest.strip(), plugins))
    return _build(text, Kind("task", TASKS, TASK_FAMILIES, "bench.tasks", Task), plugins)


def source(text: str, plugins: bool = True) -> Source:
    """The training source of a name, or of the path of a .jsonl or .jsonl.gz file, as ``mine.jsonl(lang='de')``."""
    if text.endswith(JSONL):
        return from_path(Path(text))
    written = _parsed(text)
    if written is not None and written.name.endswith(JSONL):
        of_file = {written.name: partial(from_path, Path(written.name))}
        return _build(text, Kind("source", of_file, {}, "bench.sources", Source), plugins)
    return _build(text, Kind("source", SOURCES, SOURCE_FAMILIES, "bench.sources", Source), plugins)


def split(text: str) -> list[str]:
    """Split at commas outside of brackets and quotes: ``mono,hybrid(alpha=0.3, pairs='row')`` has two parts."""
    parts, depth, quote, start = [], 0, "", 0
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


_OPTIONS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("strategy", "--strategy", frozenset({*STRATEGIES, *DERIVED})),
    ("task", "--task", frozenset({*TASKS, *TASK_FAMILIES, "held-out"})),
    ("source", "--train", frozenset({*SOURCES, *SOURCE_FAMILIES})),
)
"""Kinds of names, where they are given, and those that ship."""


def _require_of_kind(name: str, wanted: str) -> None:
    """Refuse a name that ships as another kind: ``--train xquad-r``."""
    for word, option, names in _OPTIONS:
        if word != wanted and name.partition(":")[0] in names:
            raise BenchError(f"{name} is a {word}, given by {option}, and no {wanted}") from None


def _build(text: str, kind: Kind[T], plugins: bool) -> T:
    written = _parsed(text)
    if written is None:
        raise BenchError(f"a {kind.word} is written name or name(parameter=value); got {text!r:.200}")
    name = written.name
    with _in_one_line(text):
        try:
            make = find(name, kind, plugins)
        except BenchError:
            _require_of_kind(name, kind.word)
            raise
    arguments = _arguments(written.arguments, make, kind.word, text, plugins)
    known = list(inspect.signature(make).parameters)
    for parameter in arguments:
        if parameter not in known:
            raise BenchError(
                f"{name} has no parameter {parameter!r}; it has {listed(known)}{did_you_mean(parameter, known)}"
            )
    try:
        made = make(**canonical_arguments(make, arguments))
    except EXPECTED:
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(f"{text}: {type(error).__name__}: {error}") from None
    if not isinstance(made, kind.base):
        raise BenchError(f"{name}: a {kind.word} plugin makes a {kind.base.__name__}; got {type(made).__name__}")
    if isinstance(made, Strategy | Part) and not dataclasses.is_dataclass(made):
        raise BenchError(
            f"{name}: a {kind.word} is a frozen dataclass, whose fields are its parameters and whose repr names its "
            "results; write @dataclass(frozen=True) above the class"
        )
    return made


def _arguments(written: str, make: Callable[..., object], kind: str, text: str, plugins: bool) -> dict[str, object]:
    """The arguments of an expression: plain values, and strategies or parts of a pool where those are asked for.

    A class says in ``positional`` which parameters may come without their names, as in ``within(source, hybrid())``.
    """
    hints = hints_of(make).items()
    nested = {name: kind for name, hint in hints for kind in (Part, Strategy) if _takes(hint, kind)}
    places = getattr(make, "positional", ())
    if not nested and not places:
        return _literals(written, kind, text)
    given: dict[str, object] = {}
    plain: list[str] = []
    for i, part in enumerate(split(written)):
        name, sign, value = part.partition("=") if _PARAMETER.match(part) else ("", "", part)
        if not sign and (i >= len(places) or plain or len(given) < i):
            raise BenchError(f"{_rule_of(kind, places)}; got {text!r:.200}")
        name = name.strip() if sign else places[i]
        if name in given:
            raise BenchError(f"{text!r:.200} gives {name} twice")
        if name in nested:
            given[name] = _nested(value.strip(), nested[name], plugins)
        elif sign:
            plain.append(part)
        else:
            given |= _literals(f"{name}={value}", kind, text)
    more = _literals(", ".join(plain), kind, text)
    if given.keys() & more.keys():
        raise BenchError(f"{text!r:.200} gives {min(given.keys() & more.keys())} twice")
    return given | more


def _takes(hint: object, kind: type) -> bool:
    return any(inspect.isclass(one) and issubclass(one, kind) for one in (hint, *typing.get_args(hint)))


def _nested(text: str, kind: type[Part] | type[Strategy], plugins: bool) -> Strategy | Part:
    """What stands in the brackets of a strategy: a part of the pool, or another strategy."""
    if issubclass(kind, Part):
        return _build(text, Kind("part", PARTS, {}, "bench.parts", Part), plugins)
    return strategy(text, plugins)


def _literals(arguments: str, kind: str, text: str) -> dict[str, object]:
    rule = _rule_of(kind)
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise BenchError(f"{rule}; got {text!r:.200}")
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except BenchError:
        raise
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise BenchError(f"{rule}; got {text!r:.200}") from None


def _rule_of(kind: str, places: Sequence[str] = ()) -> str:
    without = f"; {' and '.join(places)} may come first, without the name" if places else ""
    return f"parameters of a {kind} are name=value with plain values (numbers, 'text', None, True){without}"
