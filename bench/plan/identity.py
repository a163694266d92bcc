"""What a plugin is made of: the content of its code, and its parameters in one form whatever way they were written."""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, partial
from pathlib import PurePath
from typing import NamedTuple, TypeVar

import numpy as np

from bench.errors import BenchError
from bench.plan.derived import Derived, Untrained
from bench.plugins import modules
from bench.plugins.modules import BUILT_IN, Reached, file_of, is_below
from bench.plugins.typed_in import is_typed_in, made_of
from strategies import Part, Strategy
from tasks.checksums import checksum, checksums
from tasks.contract import Read

T = TypeVar("T")


def code_of(made: object) -> dict[str, object] | None:
    """The code of a strategy, source or task: its class, its version if it is installed, sha256 of each of its files.

    The files are those of its class, of the classes that it inherits from, of the modules of the user's own that these
    import, and of what lies beside them and is named in their text (``"table.json"``); of an installed package, all of
    its files. Other installed packages that these import stand there with the sha256 of their version and files, but
    for those that this program itself asks for. None where all of it is built in.

    Raises:
        BenchError: the class stands in no file, so nothing tells one edition of it from the next.
    """
    names = [kind.__module__ for kind in type(made).__mro__ if kind.__module__ not in sys.stdlib_module_names]
    if all(is_below(file_of(name), BUILT_IN) for name in names):
        return None
    files: dict[str, str] = {}
    of_installed: dict[str, str] = {}
    found = Reached(set(), set())
    for name, path in {name: None if is_typed_in(name) else file_of(name) for name in names}.items():
        if path is None:
            texts, reached = _typed_in(type(made))
            files |= texts
        elif is_below(path, BUILT_IN):
            continue
        elif is_below(path, modules.LIBRARIES):
            of_installed |= modules.versions(name)
            files |= {modules.relative(p): checksum(p) for p in modules.package_of(name)}
            reached = modules.imported_by(name)
        else:
            reached = modules.reached(path, name)
        found.files.update(reached.files)
        found.packages.update(reached.packages)
    files |= checksums(sorted(found.files), 1)
    about: dict[str, object] = {"class": type(made).__qualname__, "files": files}
    imports = {name: digest for name in sorted(found.packages) if (digest := modules.installed(name)) is not None}
    return about | ({"versions": of_installed} if of_installed else {}) | ({"imports": imports} if imports else {})


def inside_of(made: Strategy | Part) -> Iterator[Strategy | Part]:
    """The strategies and parts that stand in the brackets of a strategy, and in theirs."""
    for value in vars(made).values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Strategy | Part):
                yield part
                yield from inside_of(part)


def _typed_in(kind: type) -> tuple[dict[str, str], Reached]:
    """Of a class that was typed in: sha256 of its text and of all that it names; and what these reach."""
    found = made_of(kind)
    texts = {f"<typed in> {name}": text.encode() for name, text in found.texts.items()}
    named = {*found.modules, *(name for text in texts.values() for name in _named_in(text))}
    return {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}, modules.reached_by(sorted(named))


def _named_in(text: bytes) -> Iterator[str]:
    """Modules that a text imports; none where it is no code."""
    try:
        yield from modules.imports(ast.parse(textwrap.dedent(text.decode())), "")
    except SyntaxError:
        return


def canonical_arguments(make: Callable[..., object], given: Mapping[str, object]) -> dict[str, object]:
    """Arguments of the types that a class or function asks for: ``alpha=1`` and ``alpha=1.0`` are one thing."""
    while isinstance(make, partial):
        make = make.func
    hints = hints_of(make)
    defaults = {name: parameter.default for name, parameter in inspect.signature(make).parameters.items()}
    return {name: _form(value, hints.get(name, type(defaults.get(name)))) for name, value in given.items()}


def hints_of(make: Callable[..., object]) -> dict[str, object]:
    """What a class or function asks its parameters to be, by their names; {} where that cannot be said."""
    try:
        return typing.get_type_hints(make)
    except (NameError, TypeError, AttributeError, SyntaxError):  # names that stand under TYPE_CHECKING alone
        return {}


def _form(value: object, hint: object) -> object:
    """A value as the type asks for it, where nothing is lost by that; else as it is."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    options = typing.get_args(hint) if union else (hint,)
    if type(value) in options:
        return value + 0.0 if isinstance(value, float) else value  # of the two zeros, the one without a sign
    for option in options:
        if option is float and isinstance(value, int):
            return float(value)
        if option is int and isinstance(value, int | float) and value == int(value):
            return int(value)
        if (option is tuple or typing.get_origin(option) is tuple) and isinstance(value, list | tuple):
            inner = [x for x in typing.get_args(option) if x is not Ellipsis]
            of = inner[0] if len(inner) == 1 else None
            return tuple(_form(x, of) for x in value)
    return value


def canonical_instance(made: T) -> T:
    """An object with its parameters in one form, as if it had been written: ``Hybrid(1)`` is ``hybrid(alpha=1.0)``.

    Raises:
        BenchError: something that tells it from another object of its class does not stand in its signature.
    """
    _require_fields(made)
    given = {f.name: getattr(made, f.name) for f in dataclasses.fields(made) if f.init}  # type: ignore[arg-type]
    if isinstance(made, Derived):
        given["parents"] = tuple(canonical_instance(parent) for parent in made.parents)
    given |= {n: canonical_instance(part) for n, part in given.items() if isinstance(part, Strategy | Part)}
    plain = given | {name: value.item() for name, value in given.items() if isinstance(value, np.generic)}
    plain = canonical_arguments(type(made), plain)
    changed = {name: value for name, value in plain.items() if repr(value) != repr(getattr(made, name))}
    found = dataclasses.replace(made, **changed) if changed else made  # type: ignore[type-var]
    _require_plain(found)
    if isinstance(found, Strategy | Part):
        require_told(found)
    return found


def _require_fields(made: object) -> None:
    if not dataclasses.is_dataclass(made):
        raise BenchError(
            f"{type(made).__name__} is no dataclass, whose fields are its parameters; write @dataclass(frozen=True) "
            "above it"
        )


def _require_plain(made: object) -> None:
    """Refuse parameters that are no plain values, and what an object has beside its parameters."""
    kind = type(made)
    values = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}  # type: ignore[arg-type]
    beside = [
        name for name in getattr(made, "__dict__", {})
        if name not in values and not isinstance(getattr(kind, name, None), cached_property)
    ]  # fmt: skip
    if beside:
        raise BenchError(f"{kind.__name__} has {beside[0]!r} beside its fields, which nothing tells; make it a field")
    for name, value in values.items():
        if not _is_plain(value):
            raise BenchError(
                f"parameters are plain values (numbers, text, None, True, tuples and tables of them); {name} of "
                f"{kind.__name__} is of the type {type(value).__name__}"
            )


def require_told(made: Strategy | Part) -> None:
    """Refuse a strategy whose signature, which names its results, leaves a parameter out.

    Raises:
        BenchError: it does, or the class is no dataclass.
    """
    _require_fields(made)
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        if not _tells(made, field.name):
            raise BenchError(
                f"{made!r} does not tell its parameter {field.name}, {getattr(made, field.name)!r}, and names its "
                "results; leave __repr__ to the base class or to dataclass"
            )


class _Mark:
    """Stands for any other value of a parameter."""

    def __repr__(self) -> str:
        return "<another value>"


def _tells(made: Strategy | Part, name: str) -> bool:
    """Whether the signature would be another one with another value of a parameter, whatever that is."""
    other = copy.copy(made)
    object.__setattr__(other, name, _Mark())
    try:
        return repr(_Mark()) in repr(other)
    except Exception:  # a text that rounds numbers, say
        return False


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    named = isinstance(value, Strategy | Part | Derived | Untrained | Read | PurePath)
    return value is None or type(value) in (str, int, float, bool) or named


def changes(before: Mapping[str, object], after: Mapping[str, object], but: Collection[str] = ()) -> list[str]:
    """What differs between two identities, in words: ``edit.py changed``, ``steps is 150 (was 100)``.

    What stands under a key of ``but`` is left out.
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    differ = [path for path in {**new, **old} if old.get(path) != new.get(path) and not set(but) & set(path)]
    return [_change(path[-1], old.get(path), new.get(path)) for path in differ]


class Move(NamedTuple):
    """A repository of the Hub that stands at another commit than when an older cell was made.

    Attributes:
        kind: ``model``, ``code`` (of a model, in another repository) or ``dataset``.
        repo: ``owner/name``.
        before: its commit then.
        now: its commit now.
        under: the key that it has in what names a cell.
    """

    kind: str
    repo: str
    before: str
    now: str
    under: str


def moved(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Move]:
    """The repositories that moved between what is recorded of two cells: ``model`` and ``sources`` of config.json."""
    older, newer = _mapping(old, "model"), _mapping(new, "model")
    if older.get("name") == newer.get("name"):
        name = str(newer.get("name"))
        yield from _moves("model", {name: older.get("revision")}, {name: newer.get("revision")}, "model")
        yield from _moves("code", _mapping(older, "code"), _mapping(newer, "code"), "model")
    before, now = _mapping(old, "sources"), _mapping(new, "sources")
    for source in now:
        was, is_now = (_mapping(_mapping(about, source), "origin") for about in (before, now))
        yield from _moves("dataset", was, is_now, source)


def _moves(kind: str, before: Mapping[str, object], now: Mapping[str, object], under: str) -> Iterator[Move]:
    for repo, commit in before.items():
        if commit and now.get(repo) and now[repo] != commit:
            yield Move(kind, repo, str(commit), str(now[repo]), under)


def _mapping(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """What is no mapping, by the keys that lead there."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    else:
        yield path, value


def _change(name: str, old: object, new: object) -> str:
    hashes = [x for x in (old, new) if isinstance(x, str) and len(x) == 64]
    if hashes:
        return f"{name} {'changed' if len(hashes) == 2 else 'is new' if old is None else 'is gone'}"
    return f"{name} is {_told(new)} (was {_told(old)})"


def _told(value: object) -> str:
    return "not set" if value is None else f"{value}"[:80]
