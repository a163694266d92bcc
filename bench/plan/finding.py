"""What a name stands for: a built-in, one of a family, an entry point, or a class of a module or file."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, NamedTuple, TypeVar

from bench.errors import BenchError, did_you_mean
from bench.store.json_files import hash8
from tasks.files import is_file

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """What can be named.

    Attributes:
        word: for messages.
        builtins: by name.
        families: ``family:name`` is the family's function of the name.
        entry_group: in which packages offer more.
        base: what all are.
    """

    word: str
    builtins: Mapping[str, Callable[..., T]]
    families: Mapping[str, Callable[..., T]]
    entry_group: str
    base: type[T]


def find(name: str, kind: Kind[T], plugins: bool) -> Callable[..., T]:
    """What makes the thing of a name: a built-in, one of a family, or a plugin."""
    if name in kind.builtins:
        return kind.builtins[name]
    family, colon, rest = name.partition(":")
    if colon and family in kind.families:
        return partial(kind.families[family], rest.strip())
    if not plugins:
        raise BenchError(f"no built-in {kind.word} {name!r}; code that stored results name is not run")
    if colon:
        where, _, attribute = name.rpartition(":")
        module = _load_file(Path(where), kind.word) if where.endswith(".py") else _load_module(where, kind.word)
        return _class_of(module, attribute, where, kind)
    points = {point.name: point for point in entry_points(group=kind.entry_group)}
    if name in points:
        try:
            made: Callable[..., T] = points[name].load()
        except (Exception, SystemExit) as error:
            raise BenchError(f"{kind.word} plugin {name!r} ({points[name].value}) {_failed(error)}") from None
        if inspect.isclass(made) and not issubclass(made, kind.base):
            raise BenchError(f"{name}: {_rule(kind)}")
        return made
    known = [*kind.builtins, *points]
    raise BenchError(f"no {kind.word} {name!r:.200}; there are {listed(known)}{did_you_mean(name, known)}")


def _rule(kind: Kind[T]) -> str:
    return f"a {kind.word} plugin is a subclass of {kind.base.__module__.split('.')[0]}.{kind.base.__name__}"


def _load_module(where: str, kind: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except (Exception, SystemExit) as error:
        raise BenchError(f"{kind} plugin {where} {_failed(error)}") from None


def _load_file(path: Path, kind: str) -> ModuleType:
    if not is_file(path):
        raise BenchError(f"{path}: no such {kind} plugin file")
    name = f"bench_plugin_{path.stem}_{hash8({'path': str(path.resolve())})}"  # two files of one name are two modules
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BenchError(f"{path} {_failed(error)}") from None
    return module


def _class_of(module: ModuleType, attribute: str, where: str, kind: Kind[T]) -> Callable[..., T]:
    """A class of a module by its name. Nothing else is called: a function may do anything with its arguments."""
    found = getattr(module, attribute, None)
    if not inspect.isclass(found):
        own = {n: v for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__}
        names = [n for n, v in own.items() if issubclass(v, kind.base)] or list(own)
        raise BenchError(
            f"{where} has no {kind.word} class {attribute!r}; it has {listed(names)}{did_you_mean(attribute, names)}"
        )
    if not issubclass(found, kind.base):
        raise BenchError(f"{where}:{attribute}: {_rule(kind)}")
    return found


def _failed(error: BaseException) -> str:
    line = getattr(error, "lineno", None)
    return f"fails to import: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")


def listed(names: Sequence[str]) -> str:
    """For messages."""
    return ", ".join(names) or "none"
