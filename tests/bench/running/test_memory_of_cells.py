"""What a cell took is given back before the next one begins."""

import gc
from pathlib import Path

import pytest

from bench.cli import main
from bench.running import cell


def test_no_model_outlives_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    whole, held = cell.run_cell, []

    def counted(*arguments: object, **named: object) -> object:
        held.append(sum(type(thing) is SentenceTransformer for thing in gc.get_objects()))
        return whole(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("bench.running.run.run_cell", counted)
    run = ["run", "--strategy", "mono,cross", "--seeds", "0,1", "--steps", "2", "--baselines", "none", "--no-report"]
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]
    gc.collect()
    gc.disable()
    try:
        assert main([*run, "--task", "demo-dev", "--experiment", "held", *places]) == 0
    finally:
        gc.enable()
    assert len(held) == 4
    assert held == [held[0]] * 4
