"""A figure is drawn where its data, the code that draws it or its files changed, and is copied elsewhere."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.figures import palette, places, plots
from bench.figures.heat_maps import grid_of
from bench.figures.places import Box
from bench.figures.shapes import (
    Boxes,
    Curves,
    Dots,
    Drawing,
    Effect,
    Forest,
    HeatMaps,
    Line,
    Panel,
    Plane,
    Point,
    Side,
    TradeOff,
)
from bench.pages.document import Figure
from bench.report import report
from bench.report.report import DRAWN, source_of, write_figures, write_report
from tests.bench.made_up import make_cell, make_experiment, undrawn

LANGS = ("ar", "zh-Hant")
DRAWINGS: dict[str, Drawing] = {
    "maps": HeatMaps((Panel("mono", LANGS, ((0.8, None), (0.25, 0.5))),), "mean AP"),
    "signed": HeatMaps((Panel("a$b", LANGS, ((0.1, -0.2), (0, 0)), ((True, False), (False, False))),) * 5, "x", True),
    "dots": Dots(LANGS, {"mono": (0.1, 0.2), "cross": (0.0, float("nan"))}, "share"),
    "curves": Curves({"mono": ((1.0, 2.0), (3.0, 2.5))}, "step", "loss", dots={"mono": ((1.0,), (2.0,))}),
    "plane": TradeOff((Plane("mono", "cross", (Point("hybrid", 0.1, 0.2, (0.0, 0.2), (0.1, 0.3)),)),), 0.01),
    "forest": Forest(
        (Line("in domain", True), Line("within a language"), Line("across languages")),
        (Side("hybrid - mono", "hybrid", (None, Effect(0.1, 0.0, 0.2), Effect(0.0, -0.1, 0.1))),) * 3,
        "difference", 0.01),
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
    assert every == {path.stem for path in reports.folder.glob("*.svg")}
    assert len(every) > 5
    first = contents(reports.folder)
    assert reports.write() == set()
    assert contents(reports.folder) == first


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_deleted_or_interrupted_figure_is_drawn_again(reports: Reports, damage: Callable[[Path], object]) -> None:
    reports.write()
    first = contents(reports.folder)
    damage(reports.folder / "toy-gap.svg")
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
    assert {path.stem for path in reports.folder.glob("*.svg")} == every


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
    (reports.folder.parent / "code").mkdir()
    (reports.folder.parent / "code" / "plots.py").write_text("# other code", encoding="utf-8")
    monkeypatch.setattr(report, "CODE", reports.folder.parent / "code")
    assert reports.write() == every
    assert reports.write() == set()


def test_the_order_of_names_is_part_of_the_data() -> None:
    a, b = ({name: ((1.0,), (2.0,)) for name in names} for names in ("ab", "ba"))
    drawn = [source_of(Figure("x", "", Curves(series, "", ""))) for series in (a, b, a)]
    assert drawn[0] == drawn[2] != drawn[1]


SVG = "{http://www.w3.org/2000/svg}"


def texts(path: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(path).getroot().iter(f"{SVG}text"))


def size_of(text: ElementTree.Element, inherited: float) -> float:
    """Points, of the font of an element."""
    styled = re.search(r"font(?:-size)?: (?:bold )?([\d.]+)px", text.get("style", ""))
    return float(styled[1]) if styled else float(text.get("font-size", inherited))


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_the_same_bytes_and_can_be_read_in_a_column_of_paper(name: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        plots.draw(DRAWINGS[name], tmp_path / folder / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")[f"{name}.svg"]) < 60_000
    root = ElementTree.parse(tmp_path / "a" / f"{name}.svg").getroot()
    width, height = (float(x) for x in root.get("viewBox", "").split()[2:])
    assert width == pytest.approx(3.3 * 72), "points of a column of paper"
    sizes = [size_of(text, 6.0) for text in texts(tmp_path / "a" / f"{name}.svg")]
    assert len(sizes) >= 3
    assert min(sizes) >= 6
    for text in texts(tmp_path / "a" / f"{name}.svg"):
        if text.get("x") is not None:
            assert 0 <= float(text.get("x", "")) <= width
            assert 0 <= float(text.get("y", "")) <= height


def test_a_heat_map_says_its_numbers(tmp_path: Path) -> None:
    write_figures([Figure("maps", "", DRAWINGS["maps"]), Figure("signed", "", DRAWINGS["signed"])], tmp_path, tmp_path)
    for name, expected in (("maps", [".80", ".25", ".50"]), ("signed", ["+.10", "-.20", "+.00", "+.00"] * 5)):
        words = [e.text for e in texts(tmp_path / f"{name}.svg") if e.text]
        assert [w for w in words if re.fullmatch(r"[+-]?\.\d\d", w)] == expected
        assert words.count("zh-Hant") == 2 * (5 if name == "signed" else 1)
    assert "a$b" in (tmp_path / "signed.svg").read_text(encoding="utf-8")
    assert set(json.loads((tmp_path / DRAWN).read_text(encoding="utf-8"))) == {"maps", "signed"}


def test_numbers_are_left_out_where_they_could_not_be_read() -> None:
    def maps(panels: int, langs: int) -> HeatMaps:
        names = tuple(f"l{i}" for i in range(langs))
        return HeatMaps((Panel("", names, ((0.1,) * langs,) * langs),) * panels, "")

    for panels, langs in ((1, 3), (2, 11), (3, 13), (2, 18), (9, 11), (9, 18)):
        grid = grid_of(maps(panels, langs))
        assert grid.numbers == (grid.cell >= 14.6), "the width of '+.02' in letters of 6 points"
        assert grid.columns * (grid.side + 28) <= 3.3 * 72
    assert grid_of(maps(2, 11)).numbers
    assert not grid_of(maps(9, 11)).numbers


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_number_can_be_read_on_any_colour(ground: tuple[int, int, int]) -> None:
    """The contrast of WCAG 2.2 is 4.5 or more."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [x / 255 / 12.92 if x / 255 <= 0.04045 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ink = {"#000": (0, 0, 0), "#fff": (255, 255, 255)}[palette.ink(ground)]
    light, dark = sorted((luminance(ground) + 0.05, luminance(ink) + 0.05), reverse=True)
    assert light / dark >= 4.5


def test_strategies_differ_in_mark_and_colour_and_look_alike_everywhere() -> None:
    told = ("mono", "cross", "hybrid", "mixed", "merge", "within a language", "across languages",
            "pool of all languages")  # fmt: skip
    looks = [palette.look_of(name) for name in told]
    assert len({look.colour for look in looks}) == len({look.mark for look in looks}) == len(told)
    assert palette.look_of("mono, steps=150") == palette.look_of("mono (3)") == palette.look_of("mono")
    assert palette.look_of("merge(mono, cross) (3)") == palette.look_of("merge")
    half = palette.look_of("hybrid(alpha=0.25) (1)")
    assert half == palette.look_of("hybrid")._replace(filled=False)
    others = {palette.look_of(name).mark for name in palette.OTHERS}
    assert len(others) == len(palette.OTHERS)
    assert not others & {look.mark for look in looks}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_names_at_the_ends_of_lines_are_apart_and_in_order(heights: list[float]) -> None:
    wanted = {str(i): y for i, y in enumerate(heights)}
    found = places.spread(wanted, 8.0, 0.0, 100.0)
    order = sorted(wanted, key=lambda name: wanted[name])
    assert list(found) == order
    assert all(b - a >= 8 - 1e-9 for a, b in zip(found.values(), list(found.values())[1:], strict=False))
    assert min(found.values()) >= -1e-9


@given(st.lists(st.tuples(st.floats(0, 150), st.floats(0, 120)), min_size=1, max_size=6))
@example([(0.0, 2.0), (0.0, 2.875)])
def test_names_beside_points_keep_clear_of_each_other_where_there_is_room(points: list[tuple[float, float]]) -> None:
    frame = Box(0, 0, 180, 150)
    boxes = places.beside(points, [(20.0, 6.0)] * len(points), frame)
    for i, box in enumerate(boxes):
        assert box.shared(frame) == pytest.approx(box.wide * box.high), "inside"
        assert sum(box.shared(other) for other in boxes[:i]) <= 0.5 * box.wide * box.high
