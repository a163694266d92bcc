"""bench compare: against plain means of the stored rows, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.analysis import compare, leaderboard, statistics
from bench.analysis.means import per_question
from bench.analysis.rows import measured
from bench.analysis.set_scores import read_sets
from bench.cli import main
from bench.deciding import claims
from bench.plan.protocol import Protocol
from bench.store.cells import read_cells
from bench.store.scores import POOL
from bench.uncertainty import multiple
from tests.bench.made_up import make_cell, make_experiment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two strategies, two seeds and two rows without training."""
    path = tmp_path_factory.mktemp("compared")
    run = ["run", "--strategy", "mono,cross", "--seeds", "0,1", "--baselines", "untrained,char-tfidf", "--no-report"]
    sizes = ["--steps", "60", "--batch-size", "64", "--task", "demo-dev", "--experiment", "small"]
    assert main([*run, *sizes, *places(path)]) == 0
    return path


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def ask(folder: Path, *arguments: str) -> int:
    return main(["compare", *arguments, "--experiment", "small", *places(folder)])


def test_effects_are_the_differences_of_the_leaderboard(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(folder, "cross", "mono", "--json") == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert [c["setting"] for c in found] == ["mono", "cross", "multi"]
    (of,) = read_sets(read_cells(folder / "results" / "small"))
    rows = {r.label.split("(")[0]: r for r in leaderboard.leaderboard(of, "AP")}
    for c in found:
        assert c["mean_a"] == pytest.approx(rows["cross"].mean[c["setting"]], abs=1e-12)
        assert c["mean_b"] == pytest.approx(rows["mono"].mean[c["setting"]], abs=1e-12)
        assert c["effect"] == pytest.approx(c["mean_a"] - c["mean_b"], abs=1e-12)
        assert c["low"] < c["effect"] < c["high"]
        assert c["trainings"] == 2
        assert 0 < c["p_flips"] <= 1
    np.testing.assert_allclose([c["p"] for c in found], multiple.holm(np.array([c["p_alone"] for c in found])))


def test_clusters_are_questions_and_the_interval_is_that_of_their_table(folder: Path) -> None:
    cells = read_cells(folder / "results" / "small")
    (multi,) = (c for c in compare.compare(cells, "cross", "untrained", None, 0.01) if c.setting == "multi")
    per_question: dict[str, list[float]] = {}
    tables = {}
    for cell in cells:
        table = measured(next((cell.path / "scores").glob("*.parquet"))).to_pylist()
        tables[cell.path.name.split("-")[0], cell.seed] = [r for r in table if r["d_lang"] == POOL]
    for seed in (0, 1):
        for ours, theirs in zip(tables["cross", seed], tables["untrained", 0], strict=True):
            assert ours["query_id"] == theirs["query_id"]
            per_question.setdefault(ours["group"], []).append(ours["AP"] - theirs["AP"])
    assert multi.clusters == len(per_question)
    differences = [float(np.mean(v)) for v in per_question.values()]
    assert multi.effect == pytest.approx(np.mean(differences))
    rows = [[r["AP"] for r in tables["cross", seed]] for seed in (0, 1)]
    base = [r["AP"] for r in tables["untrained", 0]]
    groups = np.array([r["group"] for r in tables["untrained", 0]])
    table = np.array([[np.subtract(row, base)[groups == g].mean() for g in per_question] for row in rows])
    assert multi.interval == pytest.approx(statistics.interval(table), rel=1e-9)
    assert multi.p_alone == pytest.approx(2 * statistics.p_value(table, 0.0), rel=1e-6)
    assert not multi.pooled, "what is not trained has no spread to pool"


def test_one_training_is_no_ground_for_a_claim_about_trainings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(folder, "untrained", "char-tfidf") == 0
    out = capsys.readouterr().out
    assert "One training each" in out
    assert "cannot be concluded" in out


@pytest.mark.parametrize(("arguments", "message"), [
    (["hybrid", "mono"], "no finished strategy 'hybrid' here; there are "),
    (["mono", "mono"], "two different strategies are compared"),
    (["mono", "cross", "--margin", "-1"], "--margin: a difference of the measure"),
    (["mono", "cross", "--seeds", "1,7"], "seeds that are compared must have been run; mono has 0, 1, not 7"),
    (["mono", "cross", "--seeds", "a"], "whole numbers and ranges separated by commas, as 0,2 or 0-4; got 'a'"),
])  # fmt: skip
def test_refusals(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert ask(folder, *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def changed(folder: Path, to: Path) -> Path:
    shutil.copytree(folder / "results", to / "results")
    return next((to / "results" / "small").glob("mono-*-s1"))


def test_a_missing_seed_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (changed(folder, tmp_path) / "done").unlink()
    assert ask(tmp_path, "mono", "cross") == 2
    line = capsys.readouterr().err
    assert "mono has [0]" in line
    assert "compare --seeds 0" in line


def test_some_seeds_are_compared_as_if_there_were_no_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(folder, "mono", "cross", "--seeds", "1", "--json") == 0
    chosen = json.loads(capsys.readouterr().out)
    shutil.copytree(folder / "results", tmp_path / "results")
    for other in (tmp_path / "results" / "small").glob("*-s0"):
        if not other.name.startswith(("untrained", "char")):
            shutil.rmtree(other)
    assert ask(tmp_path, "mono", "cross", "--json") == 0
    assert json.loads(capsys.readouterr().out) == chosen
    assert {c["trainings"] for c in chosen["rows"]} == {1}


def test_a_row_without_training_has_no_seed_to_choose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(folder, "mono", "untrained", "--seeds", "1", "--json") == 0
    assert {c["trainings"] for c in json.loads(capsys.readouterr().out)["rows"]} == {1}


@pytest.mark.parametrize(("change", "message"), [("version", "different data"), ("nan", "not a number")])
def test_other_data_and_missing_values_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    path = next((changed(folder, tmp_path) / "scores").glob("*.parquet"))
    table = pq.read_table(path)
    if change == "version":
        about = json.loads(table.schema.metadata[b"bench"]) | {"version": "other"}
        table = table.replace_schema_metadata({"bench": json.dumps(about)})
    else:
        table = measured(path)  # as version 0.1 stored it
        values = table["AP"].to_numpy().copy()
        values[0] = np.nan
        table = table.set_column(table.column_names.index("AP"), "AP", [values])
    pq.write_table(table, path)
    assert ask(tmp_path, "mono", "cross") == 2
    assert message in capsys.readouterr().err


def test_the_report_leads_with_the_claims_of_the_protocol(folder: Path, tmp_path: Path) -> None:
    changed(folder, tmp_path)
    report = ["report", "small", *places(tmp_path)]
    assert main(report) == 0
    path = tmp_path / "reports" / "small" / "report.md"
    text = path.read_text(encoding="utf-8")
    assert "## The claims" not in text
    assert "Strategies of the primary family: hybrid; claims about them are open" in text
    run = ["run", "--strategy", "hybrid", "--seeds", "0,1", "--baselines", "none", "--no-report"]
    sizes = ["--steps", "60", "--batch-size", "64", "--task", "demo-dev", "--experiment", "small"]
    assert main([*run, *sizes, *places(tmp_path)]) == 0
    assert main(report) == 0
    text = path.read_text(encoding="utf-8")
    sets = read_sets(read_cells(tmp_path / "results" / "small"))
    found = claims.verdicts(sets, sets[0].protocol)
    assert [(v.b, v.said.setting, v.superior) for v in found] == [
        ("mono", "cross, multi", True), ("mono", "mono", False), ("cross", "mono", True),
        ("cross", "cross, multi", False),
    ]  # fmt: skip
    alone = [float(v.effect.p_value(0.0 if v.superior else -0.01)) for v in found]
    np.testing.assert_allclose([v.p for v in found], multiple.holm(np.array(alone)))
    first = claims.verdicts(sets, Protocol(edition=1))
    assert [(v.b, v.said.setting, v.superior) for v in first] == [
        ("mono", "mono", False), ("mono", "cross", True), ("mono", "multi", True),
        ("cross", "mono", True), ("cross", "cross", False), ("cross", "multi", False),
    ]  # fmt: skip
    assert found[0].said.effect == pytest.approx((first[1].said.effect + first[2].said.effect) / 2)
    assert text.index("## The claims") < text.index("## Leaderboards")
    for v in found:
        assert (v.end == "shown") == (v.p < 0.025)
        assert f"hybrid - {v.b}" in text
        assert f"{v.said.effect:+.4f}" in text
    assert main(["run", "--strategy", "hybrid(alpha=0.3)", "--seeds", "0,1", "--baselines", "none", "--no-report",
                 *sizes, *places(tmp_path)]) == 0  # fmt: skip
    again = claims.verdicts(read_sets(read_cells(tmp_path / "results" / "small")), sets[0].protocol)
    assert [v.said.interval for v in again] == [v.said.interval for v in found], "hybrid alone means its defaults"


def test_a_setting_that_is_younger_than_a_cell_has_its_default_there(folder: Path, tmp_path: Path) -> None:
    changed(folder, tmp_path)
    for path in (tmp_path / "results" / "small").glob("mono-*/config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        del config["settings"]["micro_batch"]
        path.write_text(json.dumps(config), encoding="utf-8")
    assert ask(tmp_path, "cross", "mono") == 0
    assert ask(tmp_path, "mono", "cross") == 0


def test_unequal_settings_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(folder, tmp_path)
    for path in (tmp_path / "results" / "small").glob("mono-*/config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        config["settings"]["steps"] = 61
        path.write_text(json.dumps(config), encoding="utf-8")
    assert ask(tmp_path, "cross", "mono") == 2
    assert "equal settings; steps is 60 for cross" in capsys.readouterr().err
    assert ask(tmp_path, "cross", "untrained") == 0


@pytest.mark.parametrize(("low", "high", "zero", "margin"), [
    (0.012, 0.02, "better", "by more than .01 better: shown"), (0.001, 0.02, "better", "at most .01 worse: shown"),
    (-0.005, 0.02, "not told apart", "at most .01 worse: shown"), (-0.009, -0.001, "worse", "at most .01 worse: shown"),
    (-0.03, -0.009, "worse", "open"), (-0.02, 0.02, "not told apart", "open"),
    (-0.03, -0.011, "worse", "by more than .01 worse: shown"),
    (0.0, 0.02, "not told apart", "at most .01 worse: shown"),
    (-0.01, 0.02, "not told apart", "open"), (-np.inf, np.inf, "not told apart", "open"),
])  # fmt: skip
def test_an_interval_says_two_facts(low: float, high: float, zero: str, margin: str) -> None:
    assert compare.facts(statistics.Interval(low, high), 0.01) == (zero, margin)
    assert compare.facts(statistics.Interval(low, high), 0.0) == (zero, "")


def test_a_sentence_says_what_is_not_excluded() -> None:
    found = compare.facts(statistics.Interval(-0.0218, -0.0087), 0.01)
    assert found.sentence(0.01) == "worse; more than .01 not excluded"


def test_a_training_that_is_a_strategy_of_the_protocol_lends_its_spread(tmp_path: Path) -> None:
    make_experiment(tmp_path / "made")
    for seed in (0, 1, 2):
        make_cell(tmp_path / "made", "english()", seed, 0.1)
    cells = read_cells(tmp_path / "made")
    (of,) = read_sets(cells)
    for c in compare.compare(cells, "hybrid", "mono", None, 0.01):
        rows = [of.layout.rows_of(c.setting)]
        mine = {name: [x for x in cells if x.label == f"{name}()"] for name in ("hybrid", "mono", "cross", "english")}
        y = {n: np.stack([per_question(of.layout, rows, of.values(x, "AP")) for x in s]) for n, s in mine.items()}
        assert c.interval == pytest.approx(statistics.pooled(np.stack([y["hybrid"], y["mono"], y["cross"]])).interval())
        other = next(o for o in compare.compare(cells, "english", "mono", None, 0.01) if o.setting == c.setting)
        assert other.interval == pytest.approx(statistics.interval(y["english"] - y["mono"]))
        assert np.isnan(other.unequal)
