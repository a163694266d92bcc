"""What bench/api/README.md says is what happens: its blocks are run in order, its tables name the columns."""

import re
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.api import documents
from bench.figures import plots
from tests.bench.made_up import undrawn

README = (Path(bench.__file__).parent / "api" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw", undrawn)
        patch.chdir(tmp_path_factory.mktemp("readme"))
        found: dict[str, object] = {}
        for code in re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE):
            exec(compile(code, "README.md", "exec"), found)
        assert Path("trade-off.svg").stat().st_size > 1000
        assert Path("reports/in-python/report.md").is_file()
    return found


def test_its_blocks_run(names: dict[str, object]) -> None:
    board, rows, gains = names["board"], names["rows"], names["gains"]
    assert isinstance(board, pd.DataFrame)
    assert isinstance(rows, pd.DataFrame)
    assert isinstance(gains, pd.DataFrame)
    assert set(board["strategy"]) == {"mono", "hybrid(alpha=0.3)", "untrained", "char-tfidf"}
    assert list(board["multi"]) == list(rows["multi"])
    assert set(gains.columns) == {(of, s) for of in ("effect", "low", "high") for s in ("mono", "cross", "multi")}


def test_its_tables_name_the_columns(names: dict[str, object], tmp_path: Path) -> None:
    experiment = names["experiment"]
    assert isinstance(experiment, bench.Experiment)
    told = {name: text.split(", ") for name, text in re.findall(r"^\| `(\w+)\(\)` \| (.*) \|$", README, re.MULTILINE)}
    board = list(experiment.leaderboard().columns)
    assert told["scores"] == list(experiment.scores(measure="AP").columns)
    assert set(experiment.per_query(strategy="mono").columns) == {*told["scores"], "query_id", "question"}
    assert "; ".join((", ".join(board[:7]), "mono, mono sd, cross")) in README
    assert board[-2] == "H1 - H2"
    assert told["compare"][:-1] == list(documents.Compared._fields)[: len(told["compare"]) - 1]


def test_its_documents_have_these_keys() -> None:
    kinds = {"leaderboard": documents.Leaderboard, "compare": documents.Compare, "list": documents.Listed,
             "check": documents.Checked}  # fmt: skip
    rows = re.findall(r"^\| `[^|]*` \| (\w+) \| (.*) \|$", README, re.MULTILINE)
    assert [name for name, _ in rows] == list(kinds)
    for name, keys in rows:
        without = re.sub(r" \([^()]*(\([^()]*\))?[^()]*\)| as `\w+\(\)`", "", keys)
        assert without.split(", ") == list(kinds[name]._fields[2:])


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150
