"""What a Python file of the user's reaches: modules, packages that are installed, and files beside it that it names."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import bench
import strategies
import tasks
from tasks.checksums import checksum
from tasks.files import is_file

BUILT_IN = tuple(Path(str(package.__file__)).resolve().parent for package in (bench, strategies, tasks))
"""Their version is that of this program, and is recorded as such."""

LIBRARIES = tuple(
    Path(place).resolve()
    for place in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages())
)
"""Where packages are installed."""


class Reached(NamedTuple):
    """Files of the user's own, and the names of installed packages that they import."""

    files: set[Path]
    packages: set[str]


def reached(path: Path, module: str) -> Reached:
    """A file of the user's own with what it imports and names of that kind, and so on; and the packages it imports."""
    found = Reached(set(), set())
    _follow([(path, module), *_found(_parents(module))], found)
    return found


def reached_by(names: Iterable[str]) -> Reached:
    """The same of what imports modules of these names."""
    found = Reached(set(), set())
    _follow(_own(names, found), found)
    return found


def imported_by(module: str) -> Reached:
    """What the files of an installed package import beside it."""
    own = [path for path in package_of(module) if path.suffix == ".py"]
    return reached_by({name for path in own for name in imports(_parsed(path), module) if top(name) != top(module)})


def _follow(left: list[tuple[Path, str]], found: Reached) -> None:
    """Add files, by the names of their modules, and what they reach."""
    while left:
        path, module = left.pop()
        if path in found.files:
            continue
        found.files.update({path}, _named_beside(path))
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        left += _own(imports(_parsed(path), package), found)


def _own(names: Iterable[str], found: Reached) -> list[tuple[Path, str]]:
    """The user's own files among modules of these names; packages that are installed are added to what is found."""
    left = []
    for path, name in _found(part for whole in names for part in (*_parents(whole), whole)):
        if is_below(path, BUILT_IN):
            continue
        if is_below(path, LIBRARIES):
            found.packages.add(top(name))
        else:
            left.append((path, name))
    return left


def _found(names: Iterable[str]) -> list[tuple[Path, str]]:
    return [(path, name) for name in dict.fromkeys(names) if (path := origin(name)) is not None]


def _parents(module: str) -> list[str]:
    """The packages that are imported before a module: ``a.b.c`` -> ``a``, ``a.b``."""
    parts = module.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_bytes()) if path.suffix == ".py" else ast.Module([], [])


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module that a file imports, also inside of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and type(arg.value) is str)
        elif isinstance(node, ast.ImportFrom):
            base = f"{'.' * node.level}{node.module or ''}"
            try:
                base = importlib.util.resolve_name(base, package) if node.level else base
            except ImportError:
                continue
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _called(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _named_beside(path: Path) -> set[Path]:
    """Files below a module's folder that its text names: ``"table.json"``, ``folder / "tables" / "en.json"``."""
    texts = {_text(node) for node in ast.walk(_parsed(path))}
    names = (PurePosixPath(text.lstrip("/")) for text in texts if 2 < len(text) < 200 and text.isprintable())
    beside = (path.parent / name for name in names if ".." not in name.parts)
    return {p.resolve() for p in beside if p.suffix != ".pyc" and is_file(p)}


def _text(node: ast.AST) -> str:
    """The constant end of a path that is put together."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and (end := _text(node.right)):
        return f"{_text(node.left)}/{end}"
    return _text(node.values[-1]) if isinstance(node, ast.JoinedStr) and node.values else ""


def origin(name: str) -> Path | None:
    """The file of a module; None of the standard library's, and where there is none."""
    if not name or top(name) in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    path = Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None
    return path if path is not None and is_file(path) else None


def top(module: str) -> str:
    """The package that a module stands in."""
    return module.partition(".")[0]


def file_of(module: str) -> Path | None:
    """The file of a module that is imported."""
    name = getattr(sys.modules.get(module), "__file__", None)
    return Path(name).resolve() if isinstance(name, str) else None


def is_below(path: Path | None, places: tuple[Path, ...]) -> bool:
    """Whether a file lies in one of some folders."""
    return path is not None and any(path.is_relative_to(place) for place in places)


def relative(path: Path) -> str:
    """The path of an installed file, below where packages are installed."""
    return next(str(path.relative_to(place)) for place in LIBRARIES if path.is_relative_to(place))


def versions(module: str) -> dict[str, str]:
    """Name -> version of the distributions that a module's package is of."""
    return {name: version(name) for name in _distributions().get(top(module), ())}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _asked_for() -> frozenset[str]:
    """The packages that this program asks for: versions of those are recorded, and move numbers by rounding alone."""
    try:
        found = requires("batch-strategy-bench") or []
    except PackageNotFoundError:
        return frozenset()
    return frozenset(_plain_name(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in found)


def _plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(package: str) -> str | None:
    """sha256 over versions and files of an installed package; None of what this program asks for, and of no package."""
    of = versions(package)
    spec = None if package in sys.stdlib_module_names else importlib.util.find_spec(package)
    if spec is None or any(_plain_name(name) in _asked_for() for name in of):
        return None
    places = [Path(place).resolve() for place in spec.submodule_search_locations or ()]
    found = _files_below(places) or {Path(str(spec.origin)).resolve()}
    there = sorted(p for p in found if p.is_file() and is_below(p, LIBRARIES) and not is_below(p, BUILT_IN))
    if not there:
        return None
    about = [of, {relative(p): checksum(p) for p in there}]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _files_below(places: Iterable[Path]) -> set[Path]:
    """All files of packages, but for what Python compiles of them."""
    found = (p for place in places for p in place.rglob("*") if p.is_file())
    return {p for p in found if "__pycache__" not in p.parts and p.suffix != ".pyc"}


def package_of(module: str) -> list[Path]:
    """All files of the installed package that an imported module belongs to; of a single module, its own."""
    places = getattr(sys.modules.get(top(module)), "__path__", ())
    alone = {path for path in (file_of(module),) if path is not None}
    return sorted(_files_below(Path(place).resolve() for place in places) or alone)
