"""bench compare: against plain means of the stored rows, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.analysis import compare, leaderboard, statistics
from bench.analysis.set_scores import read_sets
from bench.cli import main
from bench.plan.protocol import Protocol
from bench.store.cells import read_cells
from bench.store.scores import POOL


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
    found = json.loads(capsys.readouterr().out)
    assert [c["setting"] for c in found] == ["mono", "cross", "multi"]
    (of,) = read_sets(read_cells(folder / "results" / "small"))
    rows = {r.label.split("(")[0]: r for r in leaderboard.leaderboard(of, "AP")}
    for c in found:
        assert c["a"] == pytest.approx(rows["cross"].mean[c["setting"]], abs=1e-12)
        assert c["b"] == pytest.approx(rows["mono"].mean[c["setting"]], abs=1e-12)
        assert c["effect"] == pytest.approx(c["a"] - c["b"], abs=1e-12)
        assert c["interval"][0] < c["effect"] < c["interval"][1]
        assert c["seeds"] == 2
    np.testing.assert_allclose([c["p_holm"] for c in found], statistics.holm(np.array([c["p"] for c in found])))


def test_clusters_are_questions_and_the_t_test_is_scipys(folder: Path) -> None:
    from scipy import stats as scipy_stats

    cells = read_cells(folder / "results" / "small")
    (multi,) = (c for c in compare.compare(cells, "cross", "untrained", None, 0.01) if c.setting == "multi")
    per_question: dict[str, list[float]] = {}
    tables = {}
    for cell in cells:
        table = pq.read_table(next((cell.path / "scores").glob("*.parquet"))).to_pylist()
        tables[cell.path.name.split("-")[0], cell.seed] = [r for r in table if r["d_lang"] == POOL]
    for seed in (0, 1):
        for ours, theirs in zip(tables["cross", seed], tables["untrained", 0], strict=True):
            assert ours["query_id"] == theirs["query_id"]
            per_question.setdefault(ours["group"], []).append(ours["AP"] - theirs["AP"])
    assert multi.clusters == len(per_question)
    differences = [float(np.mean(v)) for v in per_question.values()]
    assert multi.effect == pytest.approx(np.mean(differences))
    assert multi.p_t == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue)
    assert multi.verdict == "superior"


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
    (["mono", "cross", "--margin", "-1"], "--margin is a difference of the measure"),
    (["mono", "cross", "--seeds", "1,7"], "seeds that are compared must have been run; mono has 0, 1, not 7"),
    (["mono", "cross", "--seeds", "a"], "seeds are whole numbers separated by commas; got 'a'"),
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
    assert {c["seeds"] for c in chosen} == {1}


def test_a_row_without_training_has_no_seed_to_choose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(folder, "mono", "untrained", "--seeds", "1", "--json") == 0
    assert {c["seeds"] for c in json.loads(capsys.readouterr().out)} == {1}


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
    assert "## The question and the answer" not in text
    assert "Strategies of the primary family: hybrid; claims about them are open" in text
    run = ["run", "--strategy", "hybrid", "--seeds", "0,1", "--baselines", "none", "--no-report"]
    sizes = ["--steps", "60", "--batch-size", "64", "--task", "demo-dev", "--experiment", "small"]
    assert main([*run, *sizes, *places(tmp_path)]) == 0
    assert main(report) == 0
    text = path.read_text(encoding="utf-8")
    found = compare.primary(read_sets(read_cells(tmp_path / "results" / "small")), Protocol())
    assert [(claim.b, c.setting, c.claim) for claim, c in found] == [
        ("mono", "mono", "non-inferior"), ("mono", "cross", "superior"), ("mono", "multi", "superior"),
        ("cross", "mono", "superior"), ("cross", "cross", "non-inferior"), ("cross", "multi", "non-inferior"),
    ]  # fmt: skip
    np.testing.assert_allclose([c.p_holm for _, c in found], statistics.holm(np.array([c.p_claim for _, c in found])))
    assert text.index("## The question and the answer") < text.index("## What was run")
    for claim, c in found:
        assert c.holds == (c.p_holm < 0.025)
        assert f"hybrid - {claim.b}" in text
        assert f"{c.effect:+.4f}" in text
    assert main(["run", "--strategy", "hybrid(alpha=0.3)", "--seeds", "0,1", "--baselines", "none", "--no-report",
                 *sizes, *places(tmp_path)]) == 0  # fmt: skip
    again = compare.primary(read_sets(read_cells(tmp_path / "results" / "small")), Protocol())
    assert [c.effect for _, c in again] == [c.effect for _, c in found], "hybrid alone means its defaults"


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
