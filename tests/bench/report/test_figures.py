"""A figure is drawn where its data, the code that draws it or its files changed, and is copied elsewhere."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bench.report import plots, report
from bench.report.document import (
    Bars,
    Boxes,
    Curves,
    Drawing,
    Effect,
    Figure,
    Forest,
    HeatMaps,
    Panel,
    Plane,
    Point,
    TradeOff,
)
from bench.report.report import DRAWN, source_of, write_figures, write_report
from tests.bench.made_up import make_cell, make_experiment, undrawn

LANGS = ("ar", "zh-Hant")
DRAWINGS: dict[str, Drawing] = {
    "maps": HeatMaps((Panel("mono", LANGS, ((0.8, None), (0.25, 0.5))),), "mean AP"),
    "signed": HeatMaps((Panel("a$b", LANGS, ((0.1, -0.2), (0, 0)), ((True, False), (False, False))),) * 5, "x", True),
    "bars": Bars(LANGS, {"mono": (0.1, 0.2), "cross": (0.0, float("nan"))}, "share"),
    "curves": Curves({"mono": ((1.0, 2.0), (3.0, 2.5))}, "step", "loss", dots={"mono": ((1.0,), (2.0,))}),
    "plane": TradeOff((Plane("mono", "cross", (Point("hybrid", 0.1, 0.2, (0.0, 0.2), (0.1, 0.3)),)),), 0.01),
    "forest": Forest((Effect("hybrid - mono", 0.1, 0.0, 0.2, True), Effect("x", 0.0, -0.1, 0.1)), "difference", 0.01),
    "boxes": Boxes({"mono": (0.0, 1.0, 2.0, 3.0, 4.0)}, "doublings"),
}  # fmt: skip


@dataclass
class Reports:
    """An experiment whose report is written over and over."""

    results: Path
    folder: Path
    drawn: list[str] = field(default_factory=list)

    def write(self) -> set[str]:
        """Names of the figures that were drawn this time."""
        self.drawn.clear()
        write_report(self.results, self.folder)
        return set(self.drawn)


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reports:
    made = Reports(tmp_path / "made", tmp_path / "reports" / "made")

    def noting(drawing: Drawing, path: Path) -> None:
        made.drawn.append(path.name)
        undrawn(drawing, path)

    monkeypatch.setattr(plots, "draw", noting)
    make_experiment(made.results, (0,))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_is_drawn_twice(reports: Reports) -> None:
    every = reports.write()
    assert every == {path.stem for path in reports.folder.glob("*.png")}
    assert len(every) > 5
    first = contents(reports.folder)
    assert reports.write() == set()
    assert contents(reports.folder) == first


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_deleted_or_interrupted_figure_is_drawn_again(
    reports: Reports, damage: Callable[[Path], object], kind: str
) -> None:
    reports.write()
    first = contents(reports.folder)
    damage(reports.folder / f"toy-gap.{kind}")
    assert reports.write() == {"toy-gap"}
    assert contents(reports.folder) == first


def test_new_data_draw_what_shows_them(reports: Reports) -> None:
    every = reports.write()
    make_cell(reports.results, "mixed()", 0, 0.1)
    changed = reports.write()
    assert "toy-pairs" in changed
    assert "primary" not in changed, "the new strategy is in no claim"
    (reports.results / next(reports.results.glob("mixed-*")).name / "done").unlink()
    assert reports.write() == changed
    assert {path.stem for path in reports.folder.glob("*.png")} == every


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '{"loss": 3, "primary": {"a": 1}}', None])
def test_a_record_that_says_nothing_draws_all(reports: Reports, text: str | None) -> None:
    every = reports.write()
    if text is None:
        (reports.folder / DRAWN).unlink()
    else:
        (reports.folder / DRAWN).write_text(text, encoding="utf-8")
    assert reports.write() == every


def test_other_code_or_another_matplotlib_draws_all(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    every = reports.write()
    monkeypatch.setattr(report, "version", lambda package: "0")
    assert reports.write() == every
    monkeypatch.setattr(report, "__file__", str(reports.results / "report.py"))
    (reports.results / "plots.py").write_text("# other code", encoding="utf-8")
    assert reports.write() == every
    assert reports.write() == set()


def test_the_order_of_names_is_part_of_the_data() -> None:
    a, b = ({name: ((1.0,), (2.0,)) for name in names} for names in ("ab", "ba"))
    drawn = [source_of(Figure("x", "", Curves(series, "", ""))) for series in (a, b, a)]
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_whole_and_the_same_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        plots.draw(DRAWINGS[name], tmp_path / folder / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    picture = np.asarray(Image.open(tmp_path / "a" / f"{name}.png").convert("L"))
    assert picture.std() > 5
    assert (picture[[0, -1]] == 255).all(), "nothing touches the upper or lower edge"
    assert (picture[:, [0, -1]] == 255).all(), "nor the sides"
    assert ElementTree.parse(tmp_path / "a" / f"{name}.svg").getroot().tag.endswith("svg")


def test_a_heat_map_says_its_numbers(tmp_path: Path) -> None:
    write_figures([Figure("maps", "", DRAWINGS["maps"]), Figure("signed", "", DRAWINGS["signed"])], tmp_path, tmp_path)
    for name, expected in (("maps", [".80", ".25", ".50"]), ("signed", ["+.10", "-.20", "+.00", "+.00"] * 5)):
        root = ElementTree.parse(tmp_path / f"{name}.svg")
        words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text]
        assert [w for w in words if re.fullmatch(r"[+-]?\.\d\d", w)] == expected
        assert words.count("zh-Hant") == 2 * (5 if name == "signed" else 1)
    assert "a$b" in (tmp_path / "signed.svg").read_text(encoding="utf-8")
    assert set(json.loads((tmp_path / DRAWN).read_text(encoding="utf-8"))) == {"maps", "signed"}


def test_a_number_is_dark_on_light_and_light_on_dark(tmp_path: Path) -> None:
    """The middle of a cell differs from its corner as black and white do, not as two greys."""
    plots.draw(HeatMaps((Panel("", ("a", "b"), ((0.0, 1.0), (0.0, 1.0))),), ""), tmp_path / "x")
    picture = np.asarray(Image.open(tmp_path / "x.png").convert("L")).astype(int)
    left, top, cell = (round(96 * inches) for inches in (plots.LEFT, plots.ABOVE, 3.3 / 2))
    for column, dark in ((0, True), (1, False)):
        inner = picture[top + 5 : top + cell - 5, left + column * cell + 5 : left + (column + 1) * cell - 5]
        ground = np.bincount(inner.ravel()).argmax()
        assert (ground < 128) == dark
        assert (inner.max() - ground if dark else ground - inner.min()) > 120
