"""The report of made-up results, against a golden file; what one seed allows to say; the page in a browser."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.leaderboard import leaderboard, note_on_seeds
from bench.analysis.means import means_of
from bench.analysis.set_scores import read_sets
from bench.cli import main
from bench.plan.protocol import FixedClaim, Protocol, keep_protocol
from bench.report import report
from bench.report.document import Figure, HeatMaps, Table
from bench.report.language_pairs import pair_figures
from bench.report.sets import published
from bench.store import cells
from tests.bench.made_up import TOY, make_cell, make_experiment

GOLDEN = Path(__file__).parents[2] / "golden" / "report.md"

CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    make_experiment(path / "results" / "made")
    keep_protocol(path / "results" / "made", Protocol(out_of_domain=("toy",)), [TOY])
    assert report.write_report(path / "results" / "made", path / "reports" / "made", html=True).name == "report.html"
    return path / "reports" / "made"


def test_the_report_is_the_golden_one(folder: Path) -> None:
    """After a wanted change: BENCH_GOLDEN=write python -m pytest <this file>; read the difference."""
    text = (folder / "report.md").read_text(encoding="utf-8")
    if os.environ.get("BENCH_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_every_figure_is_there_as_png_and_svg_with_words_for_it(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    figures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\.png\)", text)
    assert {name for _, name in figures} == {
        "primary", "toy-pairs", "toy-differences", "toy-gap", "toy-trade-off", "toy-same-language", "toy-rank-distance",
        "loss",
    }  # fmt: skip
    for alt, name in figures:
        assert len(alt) > 20
        assert (folder / f"{name}.png").stat().st_size > 1000
        assert "<svg" in (folder / f"{name}.svg").read_text(encoding="utf-8")


def test_the_same_results_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    make_experiment(tmp_path / "results" / "made")
    keep_protocol(tmp_path / "results" / "made", Protocol(out_of_domain=("toy",)), [TOY])
    report.write_report(tmp_path / "results" / "made", tmp_path / "made", html=True)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in (tmp_path / "made").iterdir())
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "made" / path.name).read_bytes(), path.name


def test_languages_of_one_script_have_no_table_of_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.made_up.LANGS", ("de", "en", "es"))
    make_experiment(tmp_path / "made", seeds=(0,))
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "## toy" in text
    assert "across scripts" not in text


def test_claims_written_one_by_one_tell_margins_of_their_own_and_shares(tmp_path: Path) -> None:
    wide = FixedClaim("hybrid", "cross", "in", ("toy",), ("cross", "multi"), -0.02, 0.75)
    better = FixedClaim("hybrid", "mono", "in", ("toy",), ("multi",), 0.0, 0.25)
    keep_protocol(tmp_path / "made", Protocol(claims=(wide, better)), [TOY])
    make_experiment(tmp_path / "made")
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "2 claims, each of the mean of its sets, written one by one" in text
    assert "shares of the error, in this order: .75, .25." in text
    assert "at the margin, alone" in text
    row = next(line for line in text.splitlines() if re.match(r"\| hybrid - cross +\| toy +\| cross, multi", line))
    at, claim = (cell.strip() for cell in row.split("|")[9:11])
    assert (at, claim) == ("at most .02 worse: shown", "at most .02 worse")


def test_one_seed_gives_no_stars(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made", seeds=(0,))
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "What another training would give cannot be concluded" in text
    assert "open: one training" in text
    assert "How many trainings it takes" not in text
    assert "with one training per strategy no pair is marked" in text
    assert "in at least so many query languages" not in text


def test_a_missing_seed_is_said_and_the_rest_is_written(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    make_cell(tmp_path / "made", "hybrid()", 3, 0.15)
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Not decided: seeds are paired: hybrid has [0, 1, 2, 3], mono has [0, 1, 2]" in text
    assert "## toy" in text


def test_unlike_seeds_are_compared_over_those_in_common(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    make_cell(tmp_path / "made", "mixed()", 2, 0.1)
    (of,) = read_sets(cells.read_cells(tmp_path / "made"))
    figure = next(b for b in pair_figures(of) if isinstance(b, Figure) and b.name == "toy-differences")
    assert isinstance(figure.drawing, HeatMaps)
    panels = figure.drawing.panels
    titles = [panel.title for panel in panels]
    assert titles == ["cross", "hybrid", "mixed, 1 seed"]
    means = {m.cell.path.name.split("-")[0]: m.pairs for m in means_of(of) if m.cell.seed == 2}
    langs = sorted(of.passages)
    expected = [[means["mixed"][q, d]["AP"] - means["mono"][q, d]["AP"] for d in langs] for q in langs]
    np.testing.assert_allclose(np.array(panels[2].values, float), expected, atol=1e-12)
    assert not np.any(panels[2].marked), "one training marks nothing"
    assert "Strategies with unlike seeds are compared over the seeds that both have" in note_on_seeds(of)


def test_equal_seeds_need_no_note(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    (of,) = read_sets(cells.read_cells(tmp_path / "made"))
    assert note_on_seeds(of) == ""


def test_an_empty_results_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results" / "none").mkdir(parents=True)
    assert main(["report", "none", "--results", str(tmp_path / "results"), "--reports", str(tmp_path / "out")]) == 2
    assert "no finished cell with scores" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_needs_nothing_from_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert not re.findall(r"<(?:link|script)[^>]+(?:href|src)=", page)
    assert not re.findall(r'<img[^>]+src="(?!data:)', page)
    assert "<script>alert" not in page


SORT = """
<script>
const table=document.querySelectorAll("table.sortable")[1],column=[...table.tHead.rows[0].cells].findIndex(c=>c.textContent==="mono AP");
const read=()=>[...table.tBodies[0].rows].map(r=>parseFloat(r.cells[column].textContent));
const click=()=>table.tHead.rows[0].cells[column].querySelector("button").click();
click();const down=read();click();const up=read();
const tip=document.querySelector("table.map td[title]").title;
const seen=document.createElement("pre");seen.id="seen";
seen.textContent=JSON.stringify({down,up,tip});document.body.append(seen);
</script></body>
"""  # noqa: E501


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_sorting_and_tooltips_in_a_browser(folder: Path, tmp_path: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8").replace("</body>", SORT)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    ran = subprocess.run(
        [CHROMIUM, *options, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', ran.stdout)
    assert found is not None
    seen = json.loads(found[1])
    assert len(seen["down"]) == 3
    assert seen["down"] == sorted(seen["down"], reverse=True)
    assert seen["up"] == sorted(seen["down"])
    assert seen["down"] != seen["up"]
    assert re.fullmatch(r"ar to ar: [01]\.\d{4}", seen["tip"])


def test_published_numbers_stand_beside_measured_ones(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    (of,) = read_sets(cells.read_cells(tmp_path / "made"))
    assert published(of) == []
    measured = {r.label: r.mean["multi"] for r in leaderboard(of, "AP")}
    of.stored = "xquad-r"  # its values are read by now
    _, table = published(of)
    assert isinstance(table, Table)
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["published, XLM-R", "mono"] == ["0.792", "0.755", "0.798"]
    assert rows["measured here", "multi"] == [f"{measured[name]:.3f}" for name in ("mono", "cross", "hybrid")]
    assert "levels are not comparable" in table.caption
