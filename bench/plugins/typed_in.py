"""What a class is made of that was typed in, at a notebook, a prompt or into the script that runs: texts and values."""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import hashlib
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, GenericAlias, MethodType, ModuleType, UnionType
from typing import NamedTuple

import numpy as np

from bench.errors import BenchError

HIDING = ("eval", "exec", "globals", "__import__")
"""Functions that reach what no text names."""


class TypedIn(NamedTuple):
    """What a class that was typed in is made of.

    Attributes:
        texts: name -> its text, or of what is no class or function, what stands for its value.
        modules: names of the modules that it takes anything from.
    """

    texts: dict[str, str]
    modules: set[str]


def is_typed_in(module: str) -> bool:
    """Whether what says that it is of this module was typed in, or stands in the script that runs."""
    if module == "__main__" or module.partition(".")[0] in sys.stdlib_module_names:
        return module == "__main__"
    return getattr(sys.modules.get(module), "__file__", None) is None


def made_of(kind: type) -> TypedIn:
    """The text of a class, of what it names among classes, functions and values typed in beside it, and so on.

    An edit of any of these gives another text; what it does not name may change.

    Raises:
        BenchError: there is no text, or what it names has no form that tells it from another one.
    """
    found = _Reached(kind)
    for base in kind.__mro__:
        if is_typed_in(base.__module__):
            found.class_(base)
    return TypedIn(found.texts, found.modules)


class _Reached:
    """What was found so far."""

    def __init__(self, kind: type) -> None:
        self.who, self.texts, self.modules = kind.__qualname__, dict[str, str](), set[str]()

    def class_(self, kind: type) -> None:
        name = kind.__qualname__
        if name in self.texts:
            return
        members = [f for value in vars(kind).values() for f in _functions(value) if not _generated(f)]
        functions = [f for f in members if is_typed_in(f.__module__)]
        self.modules |= {f.__module__ for f in members if f not in functions}
        text = next((t for f in functions if (t := _text_around(f.__code__, kind.__name__))), None)
        if functions and text is None:
            raise BenchError(
                f"{name} stands in no file, so its results could not be told from those of an edited one; put the "
                "class into a file"
            )
        self.texts[name] = text or self._form(name, _values_of(kind))
        if text:
            closed = {k: v for f in functions for k, v in _closed_over(f).items()}
            self._names(text, _namespace(kind.__module__) | closed)
        for function in functions:  # those that the class was given from outside of its text
            self.function(function)

    def function(self, function: FunctionType) -> None:
        name, text = function.__qualname__, _text_around(function.__code__)
        if any(text and text in known for known in self.texts.values()):
            return
        if text is None:
            raise BenchError(
                f"{self.who} uses {name}, which stands in no file, so results could not be told from those of an "
                "edited one; put them into a file"
            )
        self.texts[f"{name}{' again' * (name in self.texts)}"] = text
        self._names(text, function.__globals__ | _closed_over(function))

    def _names(self, text: str, namespace: Mapping[str, object]) -> None:
        """Everything that a text takes from around it."""
        for name in sorted(set(_taken(compile(textwrap.dedent(text), "<typed in>", "exec", dont_inherit=True)))):
            if name in HIDING and name not in namespace:
                raise BenchError(
                    f"{self.who} calls {name}(), so what it is made of cannot be told; put the class into a file"
                )
            if name in namespace and namespace[name] is not getattr(builtins, name, None):
                form = self._form(name, namespace[name])
                if form:
                    self.texts.setdefault(name, form)

    def _form(self, name: str, value: object) -> str:
        """What stands for a value, equal for equal ones alone; code is kept by itself."""
        if value is None or value is Ellipsis or isinstance(value, HAS_A_FORM) or type(value).__module__ == "typing":
            return repr(value)
        if isinstance(value, type | ModuleType) or callable(value):
            return self._code(name, value)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
        if isinstance(value, dict):
            return repr([(self._form(name, k), self._form(name, v)) for k, v in value.items()])
        if isinstance(value, list | tuple):
            return f"{type(value).__name__} {[self._form(name, part) for part in value]}"
        if isinstance(value, set | frozenset):
            return f"{type(value).__name__} {sorted(self._form(name, part) for part in value)}"
        if isinstance(value, Enum):
            return f"{self._code(name, type(value))} {value.name}"
        if is_dataclass(value) and hasattr(value, "__dict__"):
            return f"{self._code(name, type(value))} {self._form(name, vars(value))}"
        raise self._without_a_form(name, value)

    def _code(self, name: str, value: object) -> str:
        """Its name; that it is used is kept, with its text or as the module that it comes from."""
        if isinstance(value, functools.partial):
            return f"partial {[self._form(name, part) for part in (value.func, value.args, value.keywords)]}"
        whole = inspect.unwrap(value) if callable(value) else value
        module = whole.__name__ if isinstance(whole, ModuleType) else getattr(whole, "__module__", None)
        owner = getattr(whole, "__self__", None)
        if isinstance(whole, MethodType | BuiltinFunctionType) and not isinstance(owner, ModuleType | None):
            return f"{whole.__name__} of {self._form(name, owner)}"
        if isinstance(whole, np.ufunc):
            return str(whole)
        if isinstance(whole, type) and isinstance(module, str) and is_typed_in(module):
            self.class_(whole)
        elif isinstance(whole, FunctionType) and is_typed_in(whole.__module__):
            self.function(whole)
        elif isinstance(whole, type | ModuleType | FunctionType | BuiltinFunctionType) and isinstance(module, str):
            self.modules.add(module)
        else:
            raise self._without_a_form(name, value)
        return str(getattr(whole, "__qualname__", module))

    def _without_a_form(self, name: str, value: object) -> BenchError:
        return BenchError(
            f"{self.who} uses {name!r} ({type(value).__name__}), which nothing tells from another one; make it "
            "a parameter with a plain value, or put the class into a file"
        )


HAS_A_FORM = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    range,
    slice,
    np.generic,
    np.dtype,
    PurePath,
    GenericAlias,
    UnionType,
)
"""Types whose ``repr`` says everything."""


def _functions(value: object) -> Iterator[FunctionType]:
    """The functions of a member of a class."""
    if isinstance(value, property):
        parts: tuple[object, ...] = (value.fget, value.fset, value.fdel)
    else:
        parts = (getattr(value, "__func__", None) or getattr(value, "func", None) or value,)
    for part in parts:
        whole = inspect.unwrap(part) if callable(part) else part
        if isinstance(whole, FunctionType):
            yield whole


GENERATED = ("__create_fn__", "__init__", "__repr__", "__eq__", "__hash__", "__lt__", "__le__", "__gt__", "__ge__",
             "__setattr__", "__delattr__", "__replace__", "_replace", "_recursive_repr")  # fmt: skip


def _generated(function: FunctionType) -> bool:
    """Whether dataclasses wrote it: out of the fields, which stand in the class's text."""
    of_library = function.__module__ in ("dataclasses", "abc") or function.__code__.co_filename.endswith(
        "dataclasses.py"
    )
    return of_library or (function.__code__.co_filename == "<string>" and function.__name__ in GENERATED)


def _closed_over(function: FunctionType) -> dict[str, object]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if name != "__class__"}


def _namespace(module: str) -> dict[str, object]:
    return dict(vars(sys.modules[module])) if module in sys.modules else {}


def _values_of(kind: type) -> dict[str, object]:
    """Of a class without functions of its own: the names and values of its members, and its bases."""
    own = {k: v for k, v in vars(kind).items() if not k.startswith("__") and k != "_abc_impl"}
    fields = list(getattr(kind, "__dataclass_fields__", {}))
    return {"bases": [base.__qualname__ for base in kind.__bases__], "fields": fields, **own}


def _text_around(code: CodeType, of_class: str = "") -> str | None:
    """The text of a function, or of the class of a name that it stands in; None where there is none."""
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return None
    kinds = (ast.ClassDef,) if of_class else (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    around = [node for node in ast.walk(tree) if isinstance(node, kinds) and _begins(node) <= code.co_firstlineno
              <= (node.end_lineno or 0) and of_class in ("", getattr(node, "name", ""))]  # fmt: skip
    if not around:
        return None
    node: ast.stmt | ast.Lambda = max(around, key=_begins)
    if isinstance(node, ast.Lambda):  # with others of its line, which are not told apart
        node = next(s for s in tree.body if _begins(s) <= node.lineno <= (s.end_lineno or 0))
    return "".join(lines[_begins(node) - 1 : node.end_lineno])


def _begins(node: ast.AST) -> int:
    """Its first line, with decorators."""
    above = [decorator.lineno for decorator in getattr(node, "decorator_list", ())]
    return min([*above, getattr(node, "lineno", 0)])


def _taken(code: CodeType) -> Iterator[str]:
    """Names that code takes from around it, also in the functions and classes inside of it."""
    here = list(dis.get_instructions(code))
    own = (
        {i.argval for i in here if i.opname in ("STORE_NAME", "STORE_GLOBAL")} if code.co_name != "<module>" else set()
    )
    for i in here:
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") and i.argval not in own:
            yield i.argval
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _taken(part)
