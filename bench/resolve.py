"""From what a user writes to an object: built-in name, package.module:Class, path/to/file.py:Class, or entry point."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from bench.derived import DERIVED, Derived, Recipe, Untrained
from bench.errors import EXPECTED, BenchError
from strategies import STRATEGIES, Strategy
from tasks import SOURCE_FAMILIES, SOURCES, TASK_FAMILIES, TASKS, Source, Task
from tasks.parallel_jsonl import from_path

T = TypeVar("T")

_EXPRESSION = re.compile(r"(?P<name>[^()]+?)\s*(?:\((?P<arguments>.*)\))?\s*", re.DOTALL)


_PARAMETER = re.compile(r"\s*[A-Za-z_]\w*\s*=")


def recipe(text: str) -> Strategy | Derived:
    """The strategy of an expression, or what is derived from strategies: ``merge(mono, hybrid(alpha=0.3))``."""
    match = _EXPRESSION.fullmatch(text.strip())
    kind = DERIVED.get(match["name"].strip()) if match else None
    if match is None or kind is None:
        return strategy(text)
    parts = split(match["arguments"] or "")
    parents: tuple[Recipe, ...] = tuple(
        Untrained() if part == "untrained" else recipe(part) for part in parts if not _PARAMETER.match(part)
    )
    given = _literals(", ".join(part for part in parts if _PARAMETER.match(part)), "derived strategy", text)
    known = list(inspect.signature(kind).parameters)[1:]
    for parameter in given:
        if parameter not in known:
            raise BenchError(
                f"{match['name']} has no parameter {parameter!r}; it has {_list(known)}{_hint(parameter, known)}"
            )
    return kind(parents, **given)


def signature(text: str) -> str | None:
    """The full signature of an expression with brackets, or of a built-in's name; None where it is neither."""
    try:
        return repr(recipe(text)) if "(" in text or text in STRATEGIES else None
    except EXPECTED:
        return None


def strategy(text: str) -> Strategy:
    """The strategy of an expression such as ``hybrid(alpha=0.3)``.

    Raises:
        BenchError: there is none, or it is derived from others and draws no batches.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is not None and match["name"].strip() in DERIVED:
        raise BenchError(f"{text} is derived and draws no batches of its own; check what stands in its brackets")
    return _build(text, "strategy", STRATEGIES, "bench.strategies", Strategy)


def task(text: str) -> Task:
    """The task of an expression such as ``xquad-r``, ``beir:scifact`` or ``mteb:BelebeleRetrieval``."""
    found = _of_family(text, "task", TASK_FAMILIES, "bench.tasks", Task)
    return found or _build(text, "task", TASKS, "bench.tasks", Task)


def source(text: str) -> Source:
    """The training source of a name, or of the path of a .jsonl or .jsonl.gz file."""
    if text.endswith((".jsonl", ".jsonl.gz")):
        return from_path(Path(text))
    found = _of_family(text, "source", SOURCE_FAMILIES, "bench.sources", Source)
    return found or _build(text, "source", SOURCES, "bench.sources", Source)


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


def _of_family(
    text: str, kind: str, families: Mapping[str, Callable[..., T]], entry_group: str, base: type[T]
) -> T | None:
    """What ``family:name`` or ``family:name(parameter=value)`` stands for; None where there is no such family."""
    family, _, name = text.strip().partition(":")
    match = _EXPRESSION.fullmatch(name)
    if family not in families or match is None:
        return None
    called = match["name"].strip()
    return _build(text, kind, {f"{family}:{called}": partial(families[family], called)}, entry_group, base)


def _build(text: str, kind: str, builtins: Mapping[str, Callable[..., T]], entry_group: str, base: type[T]) -> T:
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise BenchError(f"a {kind} is written name or name(parameter=value); got {text!r}")
    name = match["name"].strip()
    make = _find(name, kind, builtins, entry_group)
    if inspect.isclass(make) and not issubclass(make, base):
        raise BenchError(f"{name}: a {kind} plugin is a subclass of {base.__module__.split('.')[0]}.{base.__name__}")
    arguments = _literals(match["arguments"] or "", kind, text)
    known = list(inspect.signature(make).parameters)
    for parameter in arguments:
        if parameter not in known:
            raise BenchError(f"{name} has no parameter {parameter!r}; it has {_list(known)}{_hint(parameter, known)}")
    try:
        made = make(**arguments)
    except EXPECTED:
        raise
    except Exception as error:
        raise BenchError(f"{text}: {type(error).__name__}: {error}") from None
    if not isinstance(made, base):
        raise BenchError(f"{name}: a {kind} plugin makes a {base.__name__}; got {type(made).__name__}")
    return made


def _find(name: str, kind: str, builtins: Mapping[str, Callable[..., T]], entry_group: str) -> Callable[..., T]:
    if name in builtins:
        return builtins[name]
    if ":" in name:
        where, _, attribute = name.rpartition(":")
        module = _load_file(Path(where), kind) if where.endswith(".py") else _load_module(where, kind)
        return _attribute(module, attribute, where, kind)
    plugins = {point.name: point for point in entry_points(group=entry_group)}
    if name in plugins:
        try:
            made: Callable[..., T] = plugins[name].load()
        except Exception as error:
            raise BenchError(f"{kind} plugin {name!r} ({plugins[name].value}) {_failed(error)}") from None
        return made
    known = [*builtins, *plugins]
    raise BenchError(f"no {kind} {name!r}; there are {_list(known)}{_hint(name, known)}")


def _load_module(where: str, kind: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except Exception as error:
        raise BenchError(f"{kind} plugin {where} {_failed(error)}") from None


def _load_file(path: Path, kind: str) -> ModuleType:
    if not path.is_file():
        raise BenchError(f"{path}: no such {kind} plugin file")
    name = f"bench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BenchError(f"{path} {_failed(error)}") from None
    return module


def _attribute(module: ModuleType, attribute: str, where: str, kind: str) -> Callable[..., T]:
    found: Callable[..., T] | None = getattr(module, attribute, None)
    if found is None or not callable(found):
        names = [
            n for n, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        raise BenchError(f"{where} has no {kind} class {attribute!r}; it has {_list(names)}{_hint(attribute, names)}")
    return found


def _literals(arguments: str, kind: str, text: str) -> dict[str, object]:
    rule = f"parameters of a {kind} are name=value with plain values (numbers, 'text', None, True)"
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise BenchError(f"{rule}; got {text!r}")
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except BenchError:
        raise
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise BenchError(f"{rule}; got {text!r}") from None


def _failed(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    return f"fails to import: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f". Did you mean {close[0]!r}?" if close else ""
