"""bench data: what there is, what it is held against, what is fetched only when asked, and how it is cited."""

import json
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from tasks import SOURCES, TASKS, facts

SHIPPED = {"demo", "demo-dev", "demo-train"}


def test_every_name_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["rows"]
    assert {(x["name"], x["use"]) for x in lines} >= {*((n, "test") for n in TASKS), *((n, "train") for n in SOURCES)}
    assert all(x["licence"] and x["version"] and x["where"] for x in lines)
    by_name = {x["name"]: x for x in lines if x["use"] == "test"}
    assert by_name["scifact"]["size"] == "300 queries, 5,183 passages"
    assert by_name["xquad-r"]["languages"].split() == ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]


def test_published_counts_are_the_stored_ones() -> None:
    """LAReQA, tables 1 and 2; BEIR, table 1."""
    xquad, mlqa = (facts.stored(name)["sets"][name] for name in ("xquad-r", "mlqa-r"))  # type: ignore[index]
    assert {lang: part["count"] for lang, part in xquad["passages"].items()} == {
        "ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219, "th": 852, "tr": 1167,
        "vi": 1209, "zh": 1196,
    }  # fmt: skip
    assert {part["count"] for part in xquad["queries"].values()} == {1190}
    assert {lang: (part["count"], mlqa["passages"][lang]["count"]) for lang, part in mlqa["queries"].items()} == {
        "ar": (517, 2545), "de": (512, 2362), "en": (1148, 6264), "es": (500, 1787), "hi": (507, 2426),
        "vi": (511, 2828), "zh": (504, 2322),
    }  # fmt: skip


def test_what_is_shipped_is_as_stored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "demo,demo-dev,demo-train"]) == 0
    out = capsys.readouterr().out
    assert out.count("equals the stored facts") == 3
    assert "BROKEN" not in out


@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r", "scifact", "climate-fever", "lo-help", "docs-qa", "ntrex"])
def test_real_data_are_as_stored(name: str, data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", name, "--data-root", str(data_root)]) == 0
    assert "no facts are stored" not in capsys.readouterr().out


def test_a_changed_file_breaks_the_facts(tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(data_root / "scifact", tmp_path / "scifact")
    queries = next(p for p in (tmp_path / "scifact").iterdir() if p.name.startswith("queries.jsonl"))
    import gzip

    packed = queries.suffix == ".gz"
    text = (gzip.decompress(queries.read_bytes()) if packed else queries.read_bytes()).decode()
    changed = text.replace('"text": "', '"text": "Indeed, ').encode()
    queries.write_bytes(gzip.compress(changed) if packed else changed)
    assert main(["data", "check", "scifact", "--data-root", str(tmp_path)]) == 2
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("equals the stored facts"))
    assert "BROKEN" in line
    assert "queries.jsonl" in line


@pytest.mark.parametrize(("arguments", "message"), [
    (["fetch", "mlqa-r"], "--accept-licence cc-by-nc-4.0"),
    (["fetch", "lo-help"], "was prepared by hand from LibreOffice's help (Debian's packages), and is not published"),
    (["fetch", "scifcat"], "no task 'scifcat'"),
    (["fetch", "xquad-r", "--offline"], "the network is switched off; 'python -m bench data fetch xquad-r'"),
    (["fetch", "miracl-hard", "--offline"], "python -m bench data fetch mteb:MIRACLRetrievalHardNegatives"),
])  # fmt: skip
def test_nothing_is_fetched_unasked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    assert main(["data", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not (tmp_path / "cache").exists()


def test_what_comes_with_the_package_needs_no_fetching(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", "demo"]) == 0
    assert "comes with the package" in capsys.readouterr().err


def test_an_experiment_is_cited_with_its_licences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"), "--experiment", "cited"]
    sizes = ["--steps", "2", "--batch-size", "8", "--no-report", "--baselines", "none"]
    assert main(["run", "--strategy", "mono", "--task", "demo-dev", *sizes, *places]) == 0
    capsys.readouterr()
    assert main(["data", "cite", "cited", *places[:4]]) == 0
    out = capsys.readouterr().out
    assert "Unicode" in out
    assert "@" in out
    assert "2408.10536" in out


def test_facts_are_printed_as_they_are_stored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "facts", "demo-dev"]) == 0
    assert json.loads(capsys.readouterr().out) == facts.stored("demo-dev")
