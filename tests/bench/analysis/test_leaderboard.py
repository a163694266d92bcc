"""Leaderboards of made-up scores: means, ties, sorting, languages, and what files of other versions do."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.analysis import compare, leaderboard
from bench.analysis.set_scores import read_sets
from bench.analysis.strategies import find, short
from bench.cli import main
from bench.errors import BenchError
from bench.evaluation.score import COLUMNS
from bench.report import report
from bench.store.cells import read_cells
from bench.store.scores import POOL
from tests.bench.made_up import make_cell, make_experiment


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_experiment(tmp_path / "results" / "made")
    return tmp_path / "results"


def test_means_are_macro_over_pairs_and_seeds(results: Path) -> None:
    (of,) = read_sets(read_cells(results / "made"))
    rows = {r.label: r for r in leaderboard.leaderboard(of, "AP")}
    per_seed = []
    for cell in (c for c in of.cells if c.label == "mono()"):
        table = pq.read_table(next((cell.path / "scores").glob("*.parquet"))).to_pylist()
        pairs: dict[tuple[str, str], list[float]] = {}
        for r in table:
            if r["q_lang"] != r["d_lang"] and r["d_lang"] != POOL:
                pairs.setdefault((r["q_lang"], r["d_lang"]), []).append(r["AP"])
        per_seed.append(np.mean([np.mean(v) for v in pairs.values()]))
    assert rows["mono"].mean["cross"] == pytest.approx(np.mean(per_seed), abs=1e-12)
    assert rows["mono"].spread["cross"] == pytest.approx(np.std(per_seed, ddof=1), abs=1e-12)


def test_strategies_that_cannot_be_told_apart_share_a_rank(results: Path) -> None:
    (of,) = read_sets(read_cells(results / "made"))
    ranks = {r.label: r.rank for r in leaderboard.leaderboard(of, "AP")}
    assert ranks == {"cross": 1, "hybrid": 1, "mono": 3}
    assert [r.shown_rank for r in leaderboard.leaderboard(of, "AP")] == ["1-2", "1-2", "3"]
    by_distance = leaderboard.leaderboard(of, "AP", sort="rank distance")
    assert [r.label for r in by_distance][-1] == "mono", "smaller is better"
    assert by_distance[-1].rank == 3


def test_medians_and_the_gap(results: Path) -> None:
    (of,) = read_sets(read_cells(results / "made"))
    row = next(r for r in leaderboard.leaderboard(of, "AP") if r.label == "mono")
    found = []
    for cell in (c for c in of.cells if c.label == "mono()"):
        table = pq.read_table(next((cell.path / "scores").glob("*.parquet"))).to_pylist()
        langs = sorted({r["q_lang"] for r in table})
        medians = [
            np.median([r["rank_distance"] for r in table if (r["q_lang"], r["d_lang"]) == (x, POOL)]) for x in langs
        ]
        found.append(np.mean(medians))
    assert row.mean["median rank distance"] == pytest.approx(np.mean(found))
    assert 0 < row.mean["H1 - H2"] < 1
    assert np.isnan(row.mean["PEER"])


def test_columns_of_languages(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (of,) = read_sets(read_cells(results / "made"))
    rows = leaderboard.by_language(of, "AP", "multi")
    assert list(rows[0].mean) == ["ar", "de", "en"]
    whole = {r.label: r.mean["multi"] for r in leaderboard.leaderboard(of, "AP")}
    for r in rows:
        assert np.mean(list(r.mean.values())) == pytest.approx(whole[r.label])
    board = ["leaderboard", "made", "--results", str(results)]
    assert main([*board, "--by", "language", "--setting", "cross"]) == 0
    assert "toy, across languages, by query language, AP" in capsys.readouterr().out
    assert main([*board, "--sort", "rank distance", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["rank"] == 1
    assert main([*board, "--bias"]) == 0
    assert "own language first" in capsys.readouterr().out
    assert main([*board, "--sort", "colour"]) == 2
    assert "--sort is one of mono, cross, multi" in capsys.readouterr().err


def test_data_of_two_versions_are_never_in_one_table(results: Path) -> None:
    make_cell(results / "made", "english()", 0, 0.2, version="2")
    found = read_sets(read_cells(results / "made"))
    assert len(found) == 2
    assert all(of.name.startswith("toy@") for of in found)


def test_a_file_of_an_older_version_is_refused_by_name(results: Path) -> None:
    path = next((results / "made").glob("mono-*/scores/*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["MRC@10"]), path)
    with pytest.raises(BenchError, match="no column MRC@10"):
        [leaderboard.leaderboard(of, "AP") for of in read_sets(read_cells(results / "made"))]


def test_other_queries_are_refused(results: Path) -> None:
    path = next((results / "made").glob("mono-*/scores/*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(BenchError, match="answer different queries"):
        read_sets(read_cells(results / "made"))


def test_constant_scores_tie(tmp_path: Path) -> None:
    for label in ("mono()", "cross()"):
        for seed in (0, 1):
            make_cell(tmp_path / "made", label, seed, None)
    (of,) = read_sets(read_cells(tmp_path / "made"))
    assert [r.shown_rank for r in leaderboard.leaderboard(of, "AP")] == ["1-2", "1-2"]


def test_one_training_has_no_rank(results: Path) -> None:
    make_cell(results / "made", "english()", 0, 0.3)
    make_cell(results / "made", "mixed()", 7, -0.3)
    (of,) = read_sets(read_cells(results / "made"))
    shown = {r.label: r.shown_rank for r in leaderboard.leaderboard(of, "AP")}
    assert shown == {"english": "one training", "cross": "1-2", "hybrid": "1-2", "mono": "3", "mixed": "one training"}


def test_strategies_without_seeds_in_common_tie(results: Path) -> None:
    for seed in (7, 8, 9):
        make_cell(results / "made", "english()", seed, 0.5)
    make_cell(results / "made", "mixed()", 0, -0.3)
    make_cell(results / "made", "mixed()", 8, -0.3)
    (of,) = read_sets(read_cells(results / "made"))
    shown = {r.label: r.shown_rank for r in leaderboard.leaderboard(of, "AP")}
    assert shown == {"english": "1-4", "cross": "1-4", "hybrid": "1-4", "mono": "3-4", "mixed": "two trainings"}


@pytest.mark.parametrize("seed", range(8))
def test_ranks_never_contradict_the_order(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, gain in zip(("a", "b", "c", "d", "e"), rng.normal(0, 0.01, 5), strict=True):
        for training in sorted(rng.permutation(5)[: rng.integers(1, 6)]):
            make_cell(tmp_path / "made", f"{name}()", int(training), float(gain + rng.normal(0, 0.003)))
    (of,) = read_sets(read_cells(tmp_path / "made"))
    for column in ("multi", "mono", "rank distance", "same-language@10", "own language first"):
        ranked = [r for r in leaderboard.leaderboard(of, "AP", sort=column) if r.rank]
        assert [r.rank for r in ranked] == sorted(r.rank for r in ranked)
        assert [r.rank_to for r in ranked] == sorted(r.rank_to for r in ranked)
        for place, r in enumerate(ranked, 1):
            assert r.rank <= place <= r.rank_to


def test_what_is_best_in_the_middle_is_sorted_by_the_distance_to_it(tmp_path: Path) -> None:
    made = {"over()": 0.2, "level()": 0.55, "under()": 1.0}
    for label, gain in made.items():
        for seed in (0, 1, 2):
            make_cell(tmp_path / "made", label, seed, gain)
    (of,) = read_sets(read_cells(tmp_path / "made"))
    for column, ideal in (("same-language@10", 0.0), ("own language first", 1 / 3)):
        rows = leaderboard.leaderboard(of, "AP", sort=column)
        distances = [abs(r.mean[column] - ideal) for r in rows]
        assert distances == sorted(distances)
        assert {r.mean[column] > ideal for r in rows} == {True, False}
        assert [r.shown_rank for r in rows] == ["1", "2", "3"]


def test_one_question_is_shown_and_not_judged(results: Path, tmp_path: Path) -> None:
    for path in (results / "made").glob("*/scores/*.parquet"):
        table = pq.read_table(path)
        kept = np.array([g == "3" for g in table["group"].to_pylist()])
        pq.write_table(table.filter(pa.array(kept)), path)
    cells = read_cells(results / "made")
    (of,) = read_sets(cells)
    assert {r.rank for r in leaderboard.leaderboard(of, "AP")} == {0}
    with pytest.raises(BenchError, match="at least two parallel questions"):
        compare.compare(cells, "mono", "cross", None, 0.01)
    report.write_report(results / "made", tmp_path / "out")
    assert "Claims are not decided: hybrid against mono: a comparison needs" in (
        tmp_path / "out" / "report.md"
    ).read_text(encoding="utf-8")


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(BenchError, match="'python -m bench run' makes them"):
        read_sets(read_cells(tmp_path / "made"))


def test_made_up_cells_have_every_column(results: Path) -> None:
    table = pq.read_table(next((results / "made").glob("*/scores/*.parquet")))
    assert isinstance(table, pa.Table)
    assert set(COLUMNS) <= set(table.column_names)


def test_two_settings_of_one_strategy_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    for label in ("hybrid(alpha=0.5, pairs='row')", "mono()"):
        for seed in (0, 1):
            make_cell(tmp_path / "made", label, seed, 0.1)
    for seed in (0, 1):
        longer = make_cell(tmp_path / "made", "mono()", seed, 0.2)
        config = json.loads((longer / "config.json").read_text())
        config["settings"]["steps"] = 150
        config["hash"] = "0badcafe"
        (longer / "config.json").write_text(json.dumps(config))
        longer.rename(longer.with_name(f"mono-0badcafe-s{seed}"))
        make_cell(tmp_path / "made", "mono()", seed, 0.0)
    found = read_cells(tmp_path / "made")
    (of,) = read_sets(found)
    assert {r.label for r in leaderboard.leaderboard(of, "AP")} == {"hybrid", "mono, steps=10", "mono, steps=150"}
    assert {c.config.hash for c in find(found, "mono, steps=150")} == {"0badcafe"}
    with pytest.raises(BenchError, match=r"mono, steps=10 \(\w+\), mono, steps=150 \(0badcafe\)"):
        find(found, "mono")
    alone = make_cell(tmp_path / "made", "mono()", 0, 0.0, version="2")
    of_both = [of for of in read_sets(read_cells(tmp_path / "made")) if alone.name in {c.path.name for c in of.cells}]
    assert len(of_both) == 2, "two versions of the data, and one of mono alone on the second"
    assert all("mono, steps=10" in {r.label for r in leaderboard.leaderboard(of, "AP")} for of in of_both)


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ("hybrid(alpha=0.5, pairs='row', language_temperature=None)", "hybrid"),
        ("hybrid(alpha=0.25, pairs='row')", "hybrid(alpha=0.25)"),
        ("merge(mono, cross(pairs='row'), share=0.3)", "merge(mono, cross, share=0.3)"),
        ("english(language='de')", "english(language='de')"),
        ("my.py:hybrid(alpha=0.5)", "my.py:hybrid(alpha=0.5)"),
        ("untrained", "untrained"),
    ],
)
def test_a_name_is_what_the_command_line_needs(signature: str, shown: str) -> None:
    assert short(signature) == shown
