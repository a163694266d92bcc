"""Classes that were typed in, as in a notebook: known by their text and by all that it names, or refused."""

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bench.errors import BenchError
from bench.plan.identity import code_of

Typed = Callable[..., dict[str, object]]

CELL = """
from dataclasses import dataclass
from functools import lru_cache, partial
import numpy as np
from strategies import Strategy
{above}
@dataclass(frozen=True)
class Mine({base}):
    {member}
    def batches(self, pool, batch_size, steps, rng):
        {body}
        yield from ()
"""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The code of ``Mine`` after cells were run one after the other, as IPython runs and keeps them."""

    def run(*cells: str, made: str = "Mine()", **parts: str) -> dict[str, object]:
        notebook = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", notebook)
        main = CELL.format(**{"above": "", "base": "Strategy", "member": "", "body": ""} | parts)
        for number, text in enumerate([*cells, main]):
            name = f"/tmp/ipykernel_1/{number}.py"
            monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
            exec(compile(text, name, "exec"), vars(notebook))
        found = code_of(eval(made, vars(notebook)))
        assert found is not None
        return found

    return run


def test_the_same_text_is_the_same_code_and_an_edit_is_another(typed: Typed) -> None:
    first = typed()
    assert first == typed()
    assert first["class"] == "Mine"
    assert typed(body="x = 1") != first
    assert typed(member="share: float = 0.5") != first
    assert typed("unrelated = 3", above="another = 4\n\ndef unused():\n    return another\n") == first


@pytest.mark.parametrize(("before", "after", "body"), [
    ("TABLE = (1, 2)", "TABLE = (1, 3)", "TABLE"),
    ("TABLE = {'a': [1.0]}", "TABLE = {'a': [1]}", "print(TABLE)"),
    ("import numpy\nTABLE = numpy.arange(3)", "import numpy\nTABLE = numpy.arange(3.0)", "TABLE[0]"),
    ("def helper(x):\n    return x", "def helper(x):\n    return -x", "helper(1)"),
    ("def helper(x):\n    return x", "helper = lambda x: x", "[helper(i) for i in range(3)]"),
    ("helper = lambda x: x", "helper = lambda x: -x", "(lambda: helper(1))()"),
    ("def deep():\n    return 1\ndef helper():\n    return deep()",
     "def deep():\n    return 2\ndef helper():\n    return deep()", "helper()"),
    ("class Helper:\n    def call(self):\n        return 1", "class Helper:\n    def call(self):\n        return 2",
     "Helper().call()"),
    ("from functools import lru_cache\n@lru_cache\ndef helper():\n    return 1",
     "from functools import lru_cache\n@lru_cache\ndef helper():\n    return 2", "helper()"),
    ("import functools\nf = functools.partial(max, 1)", "import functools\nf = functools.partial(max, 2)", "f(3)"),
    ("import functools\nf = functools.partial(max, 1)", "import functools\nf = functools.partial(min, 1)", "f(3)"),
    ("def make(n):\n    def inner():\n        return n\n    return inner\nhelper = make(1)",
     "def make(n):\n    def inner():\n        return n\n    return inner\nhelper = make(2)", "helper()"),
    ("import math as helper", "import cmath as helper", "helper.pi"),
    ("from strategies import Mono as Inner", "from strategies import Cross as Inner", "Inner()"),
    ("import strategies as s\ninner = s.Hybrid(0.3)", "import strategies as s\ninner = s.Hybrid(0.4)", "inner"),
    ("TABLE = {'b', 'a'}", "TABLE = {'b', 'c'}", "TABLE"),
    ("TABLE = {'f': lambda: 1}", "TABLE = {'f': lambda: 2}", "TABLE"),
])  # fmt: skip
def test_what_the_class_names_counts(typed: Typed, before: str, after: str, body: str) -> None:
    assert typed(before, body=body) == typed(before, body=body)
    assert typed(before, body=body) != typed(after, body=body)
    assert typed(before) == typed(after), "it is not named"


def test_places_that_names_stand_in(typed: Typed) -> None:
    """Defaults, decorators, bases, members: an edit of what they name is another code."""
    for parts in (
        {"member": "def other(self, x=LIMIT):\n        return x\n"},
        {"member": "@decorated\n    def other(self):\n        return 1\n"},
        {"member": "limit: int = LIMIT"},
        {"member": "other = property(lambda self: LIMIT)"},
        {"member": "@staticmethod\n    def other():\n        return LIMIT\n"},
        {"base": "Base"},
    ):
        cell = (
            "from strategies import Strategy\nLIMIT = {n}\ndef decorated(f):\n    LIMIT\n    return f\n"
            "class Base(Strategy):\n    def more(self):\n        return LIMIT\n"
        )
        codes = [typed(cell.format(n=n), **parts) for n in (1, 1, 2)]
        assert codes[0] == codes[1], parts
        assert codes[0] != codes[2], parts


def test_locals_are_no_names_of_the_notebook(typed: Typed) -> None:
    body = "step = 1; items = [step for step in range(3)]; print(items, pool.shape)"
    first = typed("step = object()\nitems = open\nshape = object()", body=body)
    assert first == typed(body=body)


def test_methods_given_later_count(typed: Typed) -> None:
    given = "def other(self):\n    return {n}\n"
    codes = [typed(given.format(n=n), made="(setattr(Mine, 'other', other), Mine())[1]") for n in (1, 1, 2)]
    assert codes[0] == codes[1] != codes[2]


def test_a_class_without_functions_is_known_by_its_values(typed: Typed) -> None:
    def code(alpha: str) -> dict[str, object]:
        text = "from dataclasses import dataclass\nfrom strategies import Hybrid\n@dataclass(frozen=True)\n"
        text += f"class Less(Hybrid):\n    alpha: float = {alpha}\n"
        return typed(text, made="Less()")

    assert code("0.2") == code("0.2") != code("0.3")


def test_files_of_the_users_that_it_names_count(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = tmp_path / "helper_of_notebook.py"

    def code(text: str, cell: str, body: str) -> dict[str, object]:
        helper.write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, "helper_of_notebook", raising=False)
        return typed(cell, body=body)

    for cell, body in (
        ("import helper_of_notebook", "helper_of_notebook.f()"),
        ("from helper_of_notebook import f", "f()"),
        ("", "from helper_of_notebook import f; f()"),
    ):
        first = code("def f():\n    return 1\n", cell, body)
        assert "helper_of_notebook.py" in first["files"]  # type: ignore[operator]
        assert code("def f():\n    return 222\n", cell, body) != first


@pytest.mark.parametrize(("cell", "body", "message"), [
    ("import threading\nthing = threading.Lock()", "thing", "Mine uses 'thing' .*, which nothing tells from"),
    ("import numpy\nthing = numpy.random.default_rng(0)", "thing", "Mine uses 'thing'"),
    ("import numpy\nthing = numpy.random.default_rng(0).integers", "thing(3)", "Mine uses 'thing'"),
    ("thing = [object()]", "thing", "Mine uses 'thing'"),
    ("class Thing:\n    def __call__(self):\n        return 1\nthing = Thing()", "thing()", "Mine uses 'thing'"),
    ("", "eval('1')", r"Mine calls eval\(\), so what it is made of cannot be told"),
    ("", "globals()['x']", r"Mine calls globals\(\)"),
    ("exec('def thing(): return 1')", "thing()", "Mine uses thing, which stands in no file"),
])  # fmt: skip
def test_what_cannot_be_told_is_refused_in_one_line(typed: Typed, cell: str, body: str, message: str) -> None:
    with pytest.raises(BenchError, match=message) as refused:
        typed(cell, body=body)
    assert "\n" not in str(refused.value)
