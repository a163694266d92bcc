"""Documents for machines: one each, of their kind and version, valid JSON; LaTeX that compiles."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.set_scores import read_sets
from bench.api import boards, documents
from bench.api.boards import Wanted
from bench.cli import main
from bench.store.cells import read_cells
from bench.store.json_files import typed
from tests.bench.made_up import make_cell, make_experiment

Printed = Callable[..., str]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents") / "results"
    make_experiment(folder / "made")
    make_cell(folder / "made", "a_b(x='100%', y=2)", 0, 0.3)
    make_cell(folder / "made", "english()", 0, 0.3, version="2")
    return folder


@pytest.fixture
def printed(results: Path, capsys: pytest.CaptureFixture[str]) -> Printed:
    def call(*arguments: str, code: int = 0, stored: bool = True) -> str:
        where = ["--results", str(results)] if stored else []
        assert main([*arguments, *where]) == code
        return capsys.readouterr().out

    return call


def strictly(text: str) -> dict[str, object]:
    """One JSON document, without NaN or Infinity."""

    def refused(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    found = json.loads(text, parse_constant=refused)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("more", [[], ["--by", "language"], ["--bias"], ["--measure", "RR@10"]])
def test_leaderboards_are_one_document(printed: Printed, results: Path, more: list[str]) -> None:
    document = strictly(printed("leaderboard", "made", "--format", "json", *more))
    found = typed(documents.Leaderboard, document, "here")
    assert (found.document, found.version, found.experiment) == ("leaderboard", documents.VERSION, "made")
    names = [of.name for of in read_sets(read_cells(results / "made"))]
    assert len(names) == 2
    assert [of.set for of in found.sets] == names == list(dict.fromkeys(row["set"] for row in found.rows))
    assert len({tuple(row) for row in found.rows}) == 1, "all rows have the same keys"


def test_comparisons_are_one_document(printed: Printed) -> None:
    document = strictly(printed("compare", "cross", "mono", "--experiment", "made", "--json"))
    found = typed(documents.Compare, document, "here")
    assert (found.document, found.a, found.b, found.margin) == ("compare", "cross", "mono", 0.01)
    assert [(row.set[:4], row.setting) for row in found.rows] == [("toy@", s) for s in ("mono", "cross", "multi")]


def test_one_training_says_nothing_of_others_and_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_experiment(tmp_path / "one", (0,))
    assert main(["compare", "cross", "mono", "--experiment", "one", "--json", "--results", str(tmp_path)]) == 0
    row = typed(documents.Compare, strictly(capsys.readouterr().out), "here").rows[0]
    assert row.spread is None
    assert row.detectable is None
    assert row.low < row.effect < row.high


@pytest.mark.parametrize("what", ["strategies", "tasks", "sources", "models", "presets"])
def test_lists_are_one_document(printed: Printed, what: str) -> None:
    found = typed(documents.Listed, strictly(printed("list", what, "--json", stored=False)), "here")
    assert (found.document, found.what) == ("list", what)
    assert all(row["name"] and row["about"] for row in found.rows)


def test_data_are_listed_in_one_document(printed: Printed) -> None:
    found = typed(documents.Listed, strictly(printed("data", "list", "--json", stored=False)), "here")
    assert (found.document, found.what) == ("list", "data")
    assert {"name", "use", "version", "licence", "size", "languages", "where"} == set(found.rows[0])


def test_several_checks_are_one_document(printed: Printed) -> None:
    document = strictly(printed("data", "check", "demo-dev,demo-train", "--json", stored=False))
    found = typed(documents.Checked, document, "here")
    assert [(held.name, held.holds) for held in found.checked] == [("demo-dev", True), ("demo-train", True)]
    assert all(p.property and p.holds for held in found.checked for p in held.properties)


def test_a_broken_check_is_a_document_too(printed: Printed, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from strategies import STRATEGIES\n\nclass Wrong(STRATEGIES['mono']):\n"
        "    def batches(self, pool, batch_size, steps, rng):\n        yield from ()\n",
        encoding="utf-8",
    )
    document = strictly(printed("check", "strategy", f"{wrong}:Wrong", "--json", code=2, stored=False))
    (held,) = typed(documents.Checked, document, "here").checked
    assert not held.holds
    assert {p.holds for p in held.properties} == {True, False}


def test_facts_are_valid(printed: Printed) -> None:
    assert strictly(printed("data", "facts", "demo-dev", stored=False))["sets"]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), np.float64("nan"), [np.nan], {"a": (np.inf,)}]
)
def test_what_is_no_number_is_null(value: object) -> None:
    assert json.dumps(json.loads(documents.text(value))).strip('[{"a: ]}') == "null"


def test_csv_is_one_table_with_one_header(printed: Printed) -> None:
    lines = printed("leaderboard", "made", "--format", "csv").splitlines()
    assert lines[0].startswith("set,measure,rank,rank_to,strategy,trained,seeds,mono,mono sd,")
    assert sum(line.startswith("set,") for line in lines) == 1
    assert len(lines) == 1 + 5


def document_of(tables: str) -> str:
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{tables}\n\\end{{document}}\n"


def test_latex_names_the_sets_and_is_plain(printed: Printed) -> None:
    text = printed("leaderboard", "made", "--format", "latex")
    assert text.isascii()
    assert text.count(r"\begin{tabular}") == text.count(r"\caption{toy@") == text.count(r"\toprule") == 2
    assert r" $\pm$ " in text
    assert r"a\_b(x='100\%', y=2)" in text
    for table in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(table[0])}
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(bias=True), Wanted(by="language", setting="multi")])
def test_the_best_of_each_column_is_bold(results: Path, wanted: Wanted) -> None:
    sets = read_sets(read_cells(results / "made"))
    for of, text in zip(sets, "".join(boards.shown("made", sets, wanted, "latex")).split(r"\end{table}"), strict=False):
        header, *rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r"\\")]
        for i, column in enumerate(header[3:], 3):
            cells = [row[i] for row in rows]
            bold = [float(m[1]) for cell in cells if (m := re.match(r"\\textbf\{([-\d.]+)\}", cell))]
            all_ = [float(m[0]) for cell in cells if (m := re.search(r"[-\d.]+", cell))]
            assert bold, column
            assert len(set(bold)) == 1
            if column.endswith(of.main) or wanted.by == "language":
                assert bold[0] == max(all_)
                assert all_.count(max(all_)) == len(bold), "what is shown alike is bold alike"
            elif column in ("rank distance", "H1 - H2"):
                assert bold[0] == min(all_)


@pytest.mark.parametrize("sign", r"\~^<>|&%$#_{}")
def test_signs_of_latex_are_escaped(sign: str) -> None:
    assert boards.escaped(f"a{sign}b") in (f"a\\{sign}b", boards.SIGNS[sign].join("ab"))
    assert boards.escaped(sign)[0] == "\\"


LATEX = next((name for name in ("pdflatex", "lualatex", "xelatex", "tectonic") if shutil.which(name)), "")


@pytest.mark.skipif(not LATEX, reason="no LaTeX here: apt-get install texlive-latex-base texlive-latex-recommended")
@pytest.mark.parametrize("more", [[], ["--bias"], ["--by", "language", "--setting", "cross"]])
def test_latex_compiles(printed: Printed, tmp_path: Path, more: list[str]) -> None:
    signs = boards.escaped(r"""\~^<>|&%$#_{}"'`-@*+=/()[]!?;:,.""")
    (tmp_path / "tables.tex").write_text(
        document_of(printed("leaderboard", "made", "--format", "latex", *more) + f"\n\n{signs}"), encoding="utf-8"
    )
    how = [] if LATEX == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    made = subprocess.run([LATEX, *how, "tables.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 1000
