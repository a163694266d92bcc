"""Experiments as DataFrames and pictures, held to the leaderboard, the command line, and each other."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bench
from bench.analysis.set_scores import read_sets
from bench.analysis.strategies import find
from bench.cli import main
from bench.store import cells as stored
from bench.store import scores as score_files
from bench.store.cells import read_cells
from tests.bench.made_up import make_cell, make_experiment, observations

SETTINGS = {"mono", "cross", "multi"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "results"
    make_experiment(folder / "made")
    make_cell(folder / "two", "mono()", 0, 0.0)
    for version, of in (("1", "mono()"), ("2", "cross()")):
        path = make_cell(folder / "two", of, 1, 0.1, version)
        score_files.write_scores(next((path / "scores").glob("*.parquet")), observations(1, version))
    return folder


@pytest.fixture
def made(results: Path) -> bench.Experiment:
    return bench.load(results / "made")


def test_scores_give_the_leaderboard(made: bench.Experiment) -> None:
    scores, board = made.scores(), made.leaderboard()
    assert list(scores.columns) == ["set", "strategy", "seed", "q_lang", "d_lang", "setting", "measure", "value"]
    assert set(scores["setting"]) == SETTINGS
    assert not scores["value"].isna().any()
    by = ["strategy", "setting", "seed"]
    of_seed = scores[scores["measure"] == "AP"].groupby(by)["value"].mean().groupby(["strategy", "setting"])
    for row in board.itertuples():
        for setting in SETTINGS:
            mean, sd = of_seed.mean()[row.strategy, setting], of_seed.std()[row.strategy, setting]
            shown = board.loc[row.Index]
            assert shown[setting] == pytest.approx(mean, abs=1e-12)
            assert shown[f"{setting} sd"] == pytest.approx(sd, abs=1e-12)
    for column in ("rank distance", "same-language@10", "H1 - H2"):
        means = scores[scores["measure"] == column].groupby("strategy")["value"].mean()
        assert dict(means) == pytest.approx(dict(board.set_index("strategy")[column]), abs=1e-9)


def test_one_measure_is_that_part_of_all(made: bench.Experiment) -> None:
    scores = made.scores()
    for measure in ("AP", "rank distance", "median rank distance", "H1 - H2"):
        part = scores[scores["measure"] == measure].reset_index(drop=True)
        assert len(part)
        pd.testing.assert_frame_equal(made.scores(measure=measure), part)
    assert made.scores(measure="PEER").empty, "it is defined for no query here"


def test_values_per_query_give_the_scores(made: bench.Experiment) -> None:
    for measure in ("AP", "rank distance"):
        values = made.per_query(measure=measure)
        keys = ["set", "strategy", "seed", "q_lang", "d_lang"]
        assert list(values.columns) == [*keys, "setting", "query_id", "question", "measure", "value"]
        means = values.groupby(keys)["value"].mean()
        scores = made.scores(measure=measure).set_index(keys)["value"]
        assert dict(means) == pytest.approx(dict(scores), abs=1e-12)
    (of,) = read_sets(read_cells(made.path))
    (cell, *_) = find(of.cells, "hybrid")
    chosen = made.per_query(strategy="hybrid")
    assert set(chosen["strategy"]) == {"hybrid"}
    np.testing.assert_array_equal(chosen[chosen["seed"] == 0]["value"], of.values(cell, "AP"))
    assert chosen["question"].nunique() == of.layout.n_clusters


def test_observations_of_today_are_read_as_well(results: Path) -> None:
    two = bench.load(results / "two")
    assert len(two.sets) == 2, "data of two versions"
    assert set(two.scores()["set"]) == set(two.sets)
    assert set(two.scores(set=two.sets[0])["set"]) == {two.sets[0]}
    assert len(two.per_query(strategy="cross")["set"].unique()) == 1


def test_comparisons_are_those_of_the_command_line(made: bench.Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    frame = made.compare("hybrid", "mono", margin=0.02, seeds=[0, 1])
    where = ["--experiment", "made", "--results", str(made.path.parent)]
    assert main(["compare", "hybrid", "mono", "--margin", ".02", "--seeds", "0-1", "--json", *where]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["margin"] == 0.02
    kept = pd.DataFrame(document["rows"])
    assert list(kept.columns) == list(frame.columns)
    pd.testing.assert_frame_equal(kept, frame, check_dtype=False)
    assert (frame["low"] <= frame["effect"]).all()
    assert (frame["effect"] <= frame["high"]).all()


@pytest.mark.parametrize("more", [[], ["--by", "language"], ["--measure", "RR@10", "--sort", "mono"]])
def test_leaderboards_are_those_of_the_command_line(
    results: Path, made: bench.Experiment, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    given = dict(zip((x.removeprefix("--") for x in more[::2]), more[1::2], strict=True))
    frame = made.leaderboard(**given)  # type: ignore[arg-type]
    command = ["leaderboard", "made", "--results", str(results), *more]
    assert main([*command, "--format", "csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert main([*command, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    for other in (table, pd.DataFrame(document["rows"])):
        assert list(other.columns) == list(frame.columns)
        pd.testing.assert_frame_equal(other.astype(dict(frame.dtypes)), frame)
    assert [of["set"] for of in document["sets"]] == made.sets


def test_what_is_not_there_is_refused_in_one_line(made: bench.Experiment, results: Path) -> None:
    for call, message in (
        (lambda: bench.load(results / "mdae"), r"no results in .*Did you mean 'made'\?"),
        (lambda: made.scores("toi"), r"a set is one of toy; got 'toi'\. Did you mean 'toy'\?"),
        (lambda: made.scores(measure="map"), "a measure is one of AP"),
        (lambda: made.per_query(measure="H1 - H2"), "a measure is one of AP"),
        (lambda: made.per_query(strategy="monno"), r"no finished strategy 'monno' here.*Did you mean 'mono'\?"),
        (lambda: made.leaderboard(sort="colour"), "--sort is one of mono, cross, multi"),
        (lambda: made.compare("mono", "mono"), "two different strategies are compared"),
        (lambda: made.plot.trade_off("toi"), "Did you mean 'toy'"),
        (lambda: made.plot.trade_off().save("picture.jpeg"), "a picture's ending is one of png, svg, pdf"),
    ):
        with pytest.raises(bench.BenchError, match=message):
            call()


def test_pictures(made: bench.Experiment, tmp_path: Path) -> None:
    for picture in (made.plot.trade_off("toy"), made.plot.languages(differences=True), made.plot.claims()):
        assert picture._repr_svg_().startswith("<svg")
        assert picture.save(tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
        assert len(picture.figure.axes) >= 1
        assert picture.alt in repr(picture)
    assert "minus that of mono" in made.plot.languages(differences=True).alt
    assert "minus" not in made.plot.languages().alt
    assert picture.save(tmp_path / "claims.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_a_report_is_the_command_lines(made: bench.Experiment, tmp_path: Path) -> None:
    path = made.report(tmp_path / "a")
    assert path == tmp_path / "a" / "made" / "report.md"
    where = ["--results", str(made.path.parent), "--reports", str(tmp_path / "b")]
    assert main(["report", "made", *where]) == 0
    assert path.read_bytes() == (tmp_path / "b" / "made" / "report.md").read_bytes()


def test_what_it_holds(made: bench.Experiment) -> None:
    assert made.sets == ["toy"]
    assert made.strategies == ["cross", "hybrid", "mono"]
    assert repr(made) == "<Experiment made: 9 finished cells of 9>"
    assert made.name == "made"
    assert (made.cells[0].path / stored.DONE).is_file()
