"""The report of made-up results, against a golden file; what one seed allows to say; what comes first."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.analysis.leaderboard import leaderboard, note_on_seeds
from bench.analysis.means import means_of
from bench.analysis.set_scores import read_sets
from bench.cli import main
from bench.figures.shapes import Curves, HeatMaps
from bench.pages.document import Figure, Fold, Table
from bench.plan.protocol import FixedClaim, Protocol, keep_protocol
from bench.report import report
from bench.report.language_pairs import by_script, pair_figures
from bench.report.sets import published
from bench.report.training import training_section
from bench.store import cells, scores
from tests.bench.made_up import TOY, make_cell, make_experiment

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    make_experiment(path / "results" / "made")
    keep_protocol(path / "results" / "made", Protocol(out_of_domain=("toy",)), [TOY])
    assert report.write_report(path / "results" / "made", path / "reports" / "made", html=True).name == "report.html"
    return path / "reports" / "made"


def test_the_report_is_the_golden_one(folder: Path) -> None:
    """After a wanted change: BENCH_GOLDEN=write python -m pytest <this file>; read the difference."""
    for name in ("report.md", "appendix.md"):
        text = (folder / name).read_text(encoding="utf-8")
        if os.environ.get("BENCH_GOLDEN") == "write":
            (GOLDEN / name).write_text(text, encoding="utf-8")
        assert text == (GOLDEN / name).read_text(encoding="utf-8")


def whole(folder: Path) -> str:
    """What is read first, and the appendix."""
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in ("report.md", "appendix.md"))


def test_every_figure_is_there_once_with_words_for_it(folder: Path) -> None:
    figures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\.svg\)", whole(folder))
    assert {name for _, name in figures} == {
        "primary", "toy-pairs", "toy-contrasts", "toy-differences", "toy-gap", "toy-trade-off", "toy-same-language",
        "toy-rank-distance", "loss",
    }  # fmt: skip
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.svg" for _, name in figures), "report.md", "appendix.md", "report.html", ".drawn.json",
    }  # fmt: skip
    for alt, name in figures:
        assert len(alt) > 20
        assert (folder / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_sentence_and_a_short_table_come_first_and_the_rest_is_linked(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    title, said, table = text.split("\n\n")[:3]
    assert title == "# Experiment made"
    assert said.startswith("**Out of domain, hybrid ")
    assert said.count(";") >= 2, "two facts for each comparison"
    assert table.startswith("|")
    assert len(table.splitlines()) <= 10, "at most eight rows"
    appendix = (folder / "appendix.md").read_text(encoding="utf-8")
    linked = dict(re.findall(r"^- \[(.+)\]\(appendix.md#(.+)\)$", text, re.MULTILINE))
    assert list(linked) == re.findall(r"^## (.+)$", appendix, re.MULTILINE)
    assert linked["toy: language pairs and bias"] == "toy-language-pairs-and-bias"
    for word in ("mono AP", "cross AP", "multi AP"):
        assert word not in text + appendix, "settings are told in words: mono and cross are strategies"


def test_a_part_of_a_set_repeats_nothing(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    for path in (tmp_path / "made").glob("*/scores/*.parquet"):
        table = scores.read_scores(path)
        half = table.filter(pc.less(table["group"].cast("int64"), 20))
        part = half.set_column(0, "set", pa.array(["toy-part"] * half.num_rows).dictionary_encode())
        about = json.loads(table.schema.metadata[b"bench"])
        about["sets"]["toy-part"] = about["sets"]["toy"]
        both = pa.concat_tables([plain(table), plain(part)])
        both = both.set_column(0, "set", both["set"].dictionary_encode())
        scores.write_scores(path, encoded(both).replace_schema_metadata({"bench": json.dumps(about)}))
    report.write_report(tmp_path / "made", tmp_path / "out")
    text, appendix = ((tmp_path / "out" / name).read_text() for name in ("report.md", "appendix.md"))
    assert "### toy, AP" in text
    assert "toy-part" not in re.sub(r"(?m)^- \[.*$", "", text.split("## The claims")[0])
    assert "### toy-part, AP" not in text
    assert "## toy-part: a part of toy" in appendix
    assert not list((tmp_path / "out").glob("toy-part-*.svg"))


def plain(table: pa.Table) -> pa.Table:
    return pa.table({n: c.cast("string") if pa.types.is_dictionary(c.type) else c for n, c in
                     zip(table.column_names, table.columns, strict=True)})  # fmt: skip


def encoded(table: pa.Table) -> pa.Table:
    return pa.table({n: c.dictionary_encode() if pa.types.is_string(c.type) else c for n, c in
                     zip(table.column_names, table.columns, strict=True)})  # fmt: skip


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
    text = whole(tmp_path / "out")
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
    row = next(
        line for line in text.splitlines() if re.match(r"\| hybrid - cross +\| toy +\| across languages and pool", line)
    )
    at, claim = (cell.strip() for cell in row.split("|")[7:9])
    assert (at, claim) == ("at most .02 worse: shown", "at most .02 worse")


def test_one_seed_gives_no_stars(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made", seeds=(0,))
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = whole(tmp_path / "out")
    assert "what another training would give cannot be concluded" in text
    assert "open: one training" in text
    assert "How many trainings it takes" not in text
    assert "no pair is marked: with one training" in text
    assert "in at least so many query languages" not in text


def test_a_missing_seed_is_said_and_the_rest_is_written(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    make_cell(tmp_path / "made", "hybrid()", 3, 0.15)
    report.write_report(tmp_path / "made", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Claims are not decided: seeds are paired: hybrid has [0, 1, 2, 3], mono has [0, 1, 2]" in text
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
    langs = by_script(of.passages)
    expected = [[means["mixed"][q, d]["AP"] - means["mono"][q, d]["AP"] for d in langs] for q in langs]
    np.testing.assert_allclose(np.array(panels[2].values, float), expected, atol=1e-12)
    assert not np.any(panels[2].marked), "one training marks nothing"
    assert "Strategies with unlike seeds are compared over the seeds that both have" in note_on_seeds(of)


def test_two_settings_of_one_strategy_have_a_curve_each(tmp_path: Path) -> None:
    for seed in (0, 1):
        for hashed, steps in (("0badcafe", 5), ("", 10)):
            cell = make_cell(tmp_path / "made", "mono()", seed, 0.0)
            (cell / cells.VALIDATION).write_text(json.dumps({"step": steps, "mean": steps / 20}) + "\n")
            if hashed:
                config = json.loads((cell / cells.CONFIG).read_text())
                config |= {"settings": config["settings"] | {"steps": steps}, "hash": hashed}
                (cell / cells.CONFIG).write_text(json.dumps(config))
                losses = (cell / cells.STEPS).read_text().splitlines(keepends=True)[:steps]
                (cell / cells.STEPS).write_text("".join(losses).replace('"loss": 2.0', '"loss": 4.0'))
                cell.rename(cell.with_name(f"mono-{hashed}-s{seed}"))
    (fold, _) = training_section(cells.read_cells(tmp_path / "made"))
    assert isinstance(fold, Fold)
    drawn = {b.name: b.drawing.series for b in fold.blocks if isinstance(b, Figure) and isinstance(b.drawing, Curves)}
    names = {"mono, steps=5", "mono, steps=10"}
    assert {name: set(series) for name, series in drawn.items()} == {"loss": names, "validation": names}
    assert [drawn["loss"][name][1][0] for name in sorted(names)] == [2.0, 4.0]
    assert drawn["validation"] == {"mono, steps=5": ((5.0,), (0.25,)), "mono, steps=10": ((10.0,), (0.5,))}


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


def test_published_numbers_stand_beside_measured_ones(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    (of,) = read_sets(cells.read_cells(tmp_path / "made"))
    assert published(of) == []
    measured = {r.label: r.mean["multi"] for r in leaderboard(of, "AP")}
    of.stored = "xquad-r"  # its values are read by now
    _, table = published(of)
    assert isinstance(table, Table)
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["published, XLM-R", "within a language"] == ["0.792", "0.755", "0.798"]
    assert rows["measured here", "pool of all languages"] == [
        f"{measured[name]:.3f}" for name in ("mono", "cross", "hybrid")
    ]
    assert "levels are not comparable" in table.caption
