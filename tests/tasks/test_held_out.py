"""What is held out is scored on and never trained on."""

import json
from pathlib import Path

import pytest

from bench.cli import main
from bench.data.loading import load_training
from bench.errors import BenchError
from bench.plan import resolve
from bench.plan.presets import load_plan
from bench.running.grid import build_grid
from tasks import SOURCES, TaskError
from tasks.check import check_task
from tasks.held_out import HeldOut, held_out

SHAPES: dict[str, dict[str, object]] = {
    "mine.jsonl": {"id": "#", "query": {"en": "who #?", "sw": "nani #?"}, "passage": {"en": "she #", "sw": "yeye #"}},
    "mine.jsonl(lang='de')": {"anchor": "wer #?", "positive": "sie #"},
}
"""Sources in files, with a record of each; '#' is its number."""


def test_it_keeps_the_contract_of_tasks() -> None:
    results = check_task(resolve.task("held-out:demo"), None)
    assert [r for r in results if not r.passed] == []


def test_a_twentieth_of_the_groups_and_all_their_items() -> None:
    train = SOURCES["demo"]().load(None)
    items = held_out(train, "demo")
    groups = {train.group[i] for i in items}
    assert 0.03 < len(groups) / len(set(train.group)) < 0.07
    assert items == {i for i, g in enumerate(train.group) if g in groups}


def test_no_query_of_it_is_trained_on(tmp_path: Path) -> None:
    grid = build_grid(load_plan("demo", {"tasks": ("held-out:demo",), "hold_out": True}), None, tmp_path)
    (evalset,) = grid.tasks[0].load(None)
    data = load_training(grid.plan, grid.sources, grid.root, [], lambda text: None)
    trained = {t for column in data.query.values() for t in column} | {t for c in data.passage.values() for t in c}
    asked = [t for part in evalset.queries.values() for t in part.values()]
    assert len(asked) > 100
    assert not trained & set(asked)
    other = build_grid(load_plan("demo", {}), None, tmp_path)
    whole = load_training(other.plan, other.sources, other.root, [], lambda text: None)
    assert data.pool.n_items == whole.pool.n_items - len(held_out(SOURCES["demo"]().load(None), "demo"))


@pytest.mark.parametrize(("source", "record"), SHAPES.items())
def test_what_is_held_out_of_a_file_is_not_trained_on(
    source: str, record: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps(record).replace("#", str(i)) for i in range(400)]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    plan = load_plan("demo", {"train": (source,), "tasks": (f"held-out:{source}",), "hold_out": True, "languages": ()})
    grid = build_grid(plan, None, tmp_path)
    (evalset,) = grid.tasks[0].load(None)
    assert "/" not in evalset.name
    assert evalset.name == grid.tasks[0].name
    data = load_training(grid.plan, grid.sources, grid.root, [], lambda text: None)
    trained = {text for column in data.query.values() for text in column if text is not None}
    asked = {text for part in evalset.queries.values() for text in part.values()}
    assert 8 < len(asked) / len(evalset.queries) < 40  # of 400, one in twenty
    assert not trained & asked
    assert len(trained | asked) == 400 * len(evalset.queries)


def test_it_renames_cells_only_when_asked_for(tmp_path: Path) -> None:
    plain, held = (
        build_grid(load_plan("demo", more), None, tmp_path).jobs[-1].name for more in ({}, {"hold_out": True})
    )
    assert plain != held


def test_refusals(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = ["run", "--strategy", "mono", "--task", "held-out:demo", "--dry-run", "--results", str(tmp_path)]
    assert main(run) == 2
    assert "add --hold-out" in capsys.readouterr().err
    assert main([*run, "--hold-out"]) == 2  # its few wordings come back in the items that are trained on
    assert "--overlap drop" in capsys.readouterr().err
    assert main([*run, "--hold-out", "--overlap", "drop"]) == 0
    with pytest.raises(BenchError, match="no source 'nothing'; there are demo, lo-help"):
        resolve.task("held-out:nothing")


def test_a_source_that_is_too_small_is_refused() -> None:
    class Small:
        name, licence, citation = "small", "", ""

        def load(self, root: object) -> object:
            from tasks.contract import TrainSet

            return TrainSet(("en",), {"en": ["q"]}, {"en": ["p"]}, [0])

    task = HeldOut(Small())  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="too few"):
        list(task.load(None))
