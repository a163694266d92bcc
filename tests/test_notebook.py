"""The notebook is run cell by cell, as a kernel runs it; what is committed of it is whole and tells no path."""

import ast
import json
import linecache
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

NOTEBOOK = Path(__file__).parents[1] / "reports" / "notebook.ipynb"
TEXT = NOTEBOOK.read_text(encoding="utf-8")
CELLS = [cell for cell in json.loads(TEXT)["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[object]]:
    """What the last expression of each cell gives, in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        kernel, found = ModuleType("__main__"), list[object]()
        patch.setitem(sys.modules, "__main__", kernel)
        for number, cell in enumerate(CELLS):
            text, name = "".join(cell["source"]), f"/tmp/ipykernel_0/{number}.py"
            patch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
            *before, last = ast.parse(text).body
            assert isinstance(last, ast.Expr), "a cell ends with what it shows"
            exec(compile(ast.Module(before, []), name, "exec"), vars(kernel))
            found.append(eval(compile(ast.Expression(last.value), name, "eval"), vars(kernel)))
        yield found


def of_kind(cell: dict[str, object], kind: str) -> str:
    (output,) = cell["outputs"]  # type: ignore[misc]
    return "".join(output["data"].get(kind, ""))  # type: ignore[index]


def test_it_shows_what_is_committed(shown: list[object]) -> None:
    for cell, value in zip(CELLS, shown, strict=True):
        if isinstance(value, pd.DataFrame):
            kept = of_kind(cell, "text/html")
            assert kept.count("<tr") - kept.partition("<tbody>")[0].count("<tr") == len(value)
            assert all(f"<th>{column}</th>" in kept for column in value.columns)
        elif not hasattr(value, "_repr_svg_"):
            assert of_kind(cell, "text/plain") == repr(value)
    assert {type(value).__name__ for value in shown} == {"Experiment", "DataFrame", "list", "Picture"}


def test_pictures_are_shown(shown: list[object]) -> None:
    drawn = [(cell, value) for cell, value in zip(CELLS, shown, strict=True) if hasattr(value, "_repr_svg_")]
    assert drawn
    for cell, value in drawn:
        assert "<svg" in value._repr_svg_()
        assert of_kind(cell, "image/svg+xml").startswith("<svg")


def test_it_was_run_once_from_top_to_bottom_without_an_error() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert all(output["output_type"] == "execute_result" for cell in CELLS for output in cell["outputs"])


def test_it_tells_nothing_of_the_machine() -> None:
    without = re.sub(r'xmlns[^ ]*|https?://[^ "]*', "", TEXT)
    assert re.findall(r"(?<![\w.<])/(?:\w+/)+\w*", without) == []
    assert len(TEXT) < 150_000
