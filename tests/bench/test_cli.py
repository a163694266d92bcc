"""The whole path, as a user walks it: run, skip, leaderboard, report, evaluate, list, check, and what is refused."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.cli import main

SMALL = (
    "--steps",
    "30",
    "--batch-size",
    "32",
    "--task",
    "demo-dev",
    "--experiment",
    "small",
    "--baselines",
    "char-tfidf",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with two strategies and two seeds, run once for this module."""
    path = tmp_path_factory.mktemp("bench")
    assert main(["run", "--strategy", "mono,cross", "--seeds", "0,1", *SMALL, *places(path)]) == 0
    return path


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_leaves_cells_and_a_report(folder: Path) -> None:
    cells = sorted(p for p in (folder / "results" / "small").iterdir() if p.name != "protocol.json")
    assert [c.name.split("-")[0] for c in cells] == ["char", "cross", "cross", "mono", "mono"]
    for cell in cells[1:]:
        names = {p.name for p in cell.iterdir()}
        assert names == {"config.json", "steps.jsonl", "batches.json", "cost.json", "model", "scores", "done"}
        assert len((cell / "steps.jsonl").read_text().splitlines()) == 30
        config = json.loads((cell / "config.json").read_text())
        assert config["command"].startswith("python -m bench run --strategy mono,cross")
        assert config["sources"]["demo"]["files"]["demo_data/facts.jsonl.gz"]
        assert json.loads((cell / "batches.json").read_text())["same_group_rows"] == 0
    pages = [folder / "reports" / "small" / name for name in ("report.md", "appendix.md")]
    report = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert "mechanism check" in pages[0].read_text(encoding="utf-8")
    assert "python -m bench run" in report
    for figure in {line.split("](")[1].split(")")[0] for line in report.splitlines() if line.startswith("![")}:
        assert (folder / "reports" / "small" / figure).stat().st_size > 1000


def test_a_trained_cell_opens_with_sentence_transformers(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = next((folder / "results" / "small").glob("mono-*-s0")) / "model"
    assert SentenceTransformer(str(model), device="cpu").encode(["Paris"]).shape == (1, 192)


def test_finished_cells_are_skipped_and_overwrite_gives_the_same_bits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = next((folder / "results" / "small").glob("mono-*-s0"))
    scores, weights = cell / "scores" / "demo-dev@2.parquet", cell / "model" / "model.safetensors"
    before, time = (digest(scores), digest(weights)), weights.stat().st_mtime_ns
    again = ["run", "--strategy", "mono", *SMALL, *places(folder), "--no-report"]
    assert main(again) == 0
    assert "finished before, skipped" in capsys.readouterr().err
    assert weights.stat().st_mtime_ns == time
    assert main([*again, "--overwrite"]) == 0
    assert weights.stat().st_mtime_ns != time
    assert (digest(scores), digest(weights)) == before


def test_a_cell_without_done_is_scored_again_without_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = next((folder / "results" / "small").glob("cross-*-s1"))
    scores = cell / "scores" / "demo-dev@2.parquet"
    before, time = digest(scores), (cell / "steps.jsonl").stat().st_mtime_ns
    (cell / "done").unlink()
    scores.unlink()
    assert main(["run", "--strategy", "cross", "--seeds", "1", *SMALL, *places(folder), "--no-report"]) == 0
    assert digest(scores) == before
    assert (cell / "steps.jsonl").stat().st_mtime_ns == time


@pytest.mark.parametrize("form", ["markdown", "csv", "json", "latex"])
def test_leaderboard_forms(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert main(["leaderboard", "small", "--format", form, *places(folder)]) == 0
    out = capsys.readouterr().out
    head = {"markdown": "demo-dev, AP", "latex": "demo-dev: mean AP", "csv": ",mono,mono sd,", "json": '"mono sd"'}
    assert head[form] in out
    if form == "json":
        rows = {row["strategy"].split("(")[0]: row for row in json.loads(out)["rows"]}
        assert rows["mono"]["seeds"] == "0 1"
        assert 0 < rows["cross"]["multi"] < 1
        assert rows["char-tfidf"]["multi sd"] is None


def test_evaluate_scores_a_trained_cell_to_the_same_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = next((folder / "results" / "small").glob("mono-*-s0"))
    assert (
        main(["evaluate", "--model", str(cell / "model"), "--task", "demo-dev", "--threads", "1", *places(folder)]) == 0
    )
    assert cell.name in capsys.readouterr().out
    other = next((folder / "results" / "evaluate").glob(f"{cell.name.replace('_', '-')}-*"))
    files = [c / "scores" / "demo-dev@2.parquet" for c in (cell, other)]
    assert digest(files[0]) == digest(files[1])


@pytest.mark.parametrize(("command", "meant"), [
    ("leaderboard smal", "small"), ("leaderboard small --set demo-def", "demo-dev"),
    ("leaderboard small --sort mlti", "multi"), ("compare monno cross --experiment small", "mono"),
])  # fmt: skip
def test_what_was_likely_meant(folder: Path, capsys: pytest.CaptureFixture[str], command: str, meant: str) -> None:
    assert main([*command.split(), *places(folder)]) == 2
    assert capsys.readouterr().err.strip().endswith(f"Did you mean {meant!r}?")


def test_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--strategy", "mono,hybrid(alpha=0.3)", "--dry-run", *places(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "hybrid(alpha=0.3, pairs='row', language_temperature=None)" in out
    assert "128,000" in out
    assert "to download: nothing" in out
    assert (
        main(["run", "--strategy", "mono", "--preset", "paper", "--dry-run", "--task", "demo", "--train", "demo"]) == 0
    )
    assert "to download: model sentence-transformers/LaBSE@50fe0940" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["strategies", "tasks", "sources", "models", "presets"])
def test_list(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    names = [row["name"] for row in rows]
    assert all(len(row["about"]) > 10 for row in rows)
    assert main(["list", what]) == 0
    shown = capsys.readouterr().out
    assert len(names) >= 3
    assert all(name in shown for name in names)


def test_check_exits_by_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "strategy", "hybrid(alpha=0.2)"]) == 0
    assert main(["check", "task", "demo-dev"]) == 0
    assert main(["check", "source", "demo", "--json"]) == 0
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from dataclasses import dataclass\nimport numpy as np\nfrom strategies import Batch, Strategy\n\n"
        "@dataclass(frozen=True)\nclass Wrong(Strategy):\n    def batches(self, pool, batch_size, steps, rng):\n"
        "        for _ in range(steps):\n            lang = np.zeros(batch_size, np.int64)\n"
        "            yield Batch(np.random.randint(0, pool.n_items, batch_size), lang, lang)\n"
    )
    capsys.readouterr()
    assert main(["check", "strategy", f"{wrong}:Wrong"]) == 2
    out = capsys.readouterr().out
    for name in ("no repeated group", "existing rows only", "determinism", "global random state untouched"):
        assert "BROKEN" in next(line for line in out.splitlines() if line.startswith(name))


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "--strategy", "hybird"], "Did you mean 'hybrid'?"),
    (["run", "--strategy", "mono", "--task", "xquadr"], "no task 'xquadr'"),
    (["run", "--strategy", "mono", "--task", "xquad-r"], "give the folder that holds xquad-r/ar.json with --data-root"),
    (["run", "--strategy", "mono", "--train", "lo-hlep"], "no source 'lo-hlep'"),
    (["run", "--strategy", "mono", "--languages", "xx"], "no source has a training language of ['xx']"),
    (["run", "--strategy", "mono", "--languages", "en,xx"], "no source has the training language 'xx'"),
    (["evaluate", "--model", "nobody/nothing"], "model 'nobody/nothing' is neither a folder here nor to be had"),
    (["run", "--strategy", "mono", "--batch-size", "5000"], "batch size 5000 needs 5000 distinct groups that exist"),
    (["run", "--strategy", "mono", "--seeds", "a"], "--seeds: whole numbers and ranges separated by commas"),
    (["run", "--strategy", "mono", "--seeds", ""], "--seeds: at least one, separated by commas; got ''"),
    (["run", "--strategy", "", "--seeds", "0"], "--strategy: at least one, separated by commas; got ''"),
    (["run", "--strategy", "none"], "--strategy names what to train"),
    (["run", "--strategy", "mono", "--preset", ""], "--preset: names something; got ''"),
    (["run", "--strategy", "mono", "--preset", "stduy"], "Did you mean 'study'?"),
    (["run", "--strategy", "mono", "--stpes", "3"], "no option '--stpes'. Did you mean '--steps'?"),
    (["run", "--strategy", "mono", "--step", "3"], "no option '--step'. Did you mean '--steps'?"),
    (["run", "--strategy", "mono", "--engine", "rya"], "one of local, ray; got 'rya'. Did you mean 'ray'?"),
    (["run", "--strategy", "mono", "--steps", "many"], "--steps: a whole number; got 'many'"),
    (["run", "--strategy", "mono", "--temperature", "warm"], "--temperature: a number; got 'warm'"),
    (["run", "--strategy", "mono", "--steps"], "--steps: expected one argument"),
    (["run", "--strategy", "mono", "--strategy", "cross"], "--strategy: given twice, then as"),
    (["run", "mono"], "nothing more is expected; got 'mono'"),
    (["rnu"], "Did you mean 'run'?"),
    (["data", "fecth", "xquad-r"], "Did you mean 'fetch'?"),
    ([], "the following arguments are required: COMMAND"),
    (["--verison"], "no option '--verison'. Did you mean '--version'?"),
    (["export", "mteb", "demo", "--uot=folder"], "no option '--uot'"),
    (["run", "--", "extra"], "nothing more is expected; got 'extra'"),
    (["evaluate", "--steps", "3"], "no option '--steps' ("),
    (["run", "--strategy", "mono", "--temperature", "-1"], "temperature is a positive number; got -1.0"),
    (["run", "--strategy", "mono,mono"], "every cell is named once"),
    (["run", "--strategy", "mono", "--model", "demo-statc"], "Did you mean 'demo-static'?"),
    (["run", "--strategy", "mono", "--model", "./nowhere"], "no model './nowhere'"),
    (["run", "--strategy", "mono", "--experiment", "../up"], "an experiment's name is"),
    (["run", "--strategy", "mono", "--baselines", "bm26"], "is one of untrained, char-tfidf, bm25; got 'bm26'. Did"),
    (["run", "--strategy", "mono", "--temperature", "0"], "temperature is a positive number; got 0.0"),
    (["leaderboard", "nothing"], "no results in"),
    (["report", "nothing"], "no results in"),
])  # fmt: skip
def test_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, *(places(tmp_path) if len(arguments) > 1 and arguments[0] != "data" else [])]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("bench: ")
    assert message in error
    assert not list(tmp_path.rglob("*.json"))


def test_a_pickle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "pytorch_model.bin").write_bytes(b"")
    assert main(["evaluate", "--model", str(model), *places(tmp_path)]) == 2
    assert "no *.safetensors there; weights in any other form (pickle) are refused" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").write_text("a file")
    assert main(["run", "--strategy", "mono", *SMALL, *places(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_ctrl_c_keeps_finished_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.evaluation import score_table
    from bench.running import cell as running_cell

    whole = score_table.score_table
    calls = []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(running_cell, "score_table", interrupted)
    assert main(["run", "--strategy", "mono", *SMALL, *places(tmp_path)]) == 130
    cells = {c.name.split("-")[0]: c for c in (tmp_path / "results" / "small").iterdir()}
    assert (cells["char"] / "done").is_file()
    assert not (cells["mono"] / "done").exists()
    assert not list((tmp_path / "results").rglob("*.partial*"))


def test_help_starts_without_torch() -> None:
    out = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, check=True)
    assert "leaderboard" in out.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip() == f"bench {bench.__version__}"
