"""The estimate of a plan's time: what it adds up, and that it leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.plan.presets import load_plan
from bench.running import estimate as module
from bench.running.estimate import estimate
from bench.running.grid import Grid, build_grid


def grid(tmp_path: Path, **more: object) -> Grid:
    asked = {"tasks": ("demo-dev",), "steps": 40, "batch_size": 16, "baselines": (), **more}
    return build_grid(load_plan("demo", asked), None, tmp_path / "results")


def test_a_plan_is_its_steps_and_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_step", lambda *arguments: 2.0)
    monkeypatch.setattr(module, "_score", lambda *arguments: 30.0)
    one = estimate(grid(tmp_path))
    three = estimate(grid(tmp_path, seeds=(0, 1, 2)))
    assert one.total - one.rates.load >= 40 * 2.0 + 30.0
    assert three.total - three.rates.load >= 3 * (40 * 2.0 + 30.0)
    merged = estimate(grid(tmp_path, strategies=("merge(mono, cross)",)))
    assert merged.total - merged.rates.load >= 40 * 2.0 + 30.0
    assert not (tmp_path / "results").exists()


def test_what_a_plan_may_grow_to_is_told_by_the_same_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_step", lambda *arguments: 2.0)
    monkeypatch.setattr(module, "_score", lambda *arguments: 30.0)
    first, whole = grid(tmp_path), grid(tmp_path, seeds=(0, 1, 2))
    rates = module.measured(whole)._replace(opening=0.0, load=0.0)
    assert [estimate(of, rates).total for of in (first, whole)] == [110, 330]
    lines = list(module.planned(first, whole))
    assert lines[-2].startswith("all that it may come to, 3 cells: 5 min ")
    assert lines[-3].startswith("in all: 1 min ")


def test_every_part_is_measured(tmp_path: Path) -> None:
    found = estimate(grid(tmp_path))
    assert found.rates.step > 0
    assert found.rates.score["demo-dev"] > 0
    assert not (tmp_path / "results").exists()


def test_vectors_that_strategies_need_are_counted_once_and_at_each_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    needing = ("neighbours(4, mono())", "within(cluster(4), mono())")
    found = estimate(grid(tmp_path, strategies=needing))
    assert found.hand > 0
    assert "vectors and lengths that strategies need" in "\n".join(found.lines())
    assert "strategies need" not in "\n".join(estimate(grid(tmp_path)).lines())
    assert not list((tmp_path / "cache").rglob("vectors*")), "nothing is kept"
    monkeypatch.setattr(module, "_timed", lambda size, some: 5.0 if some(8) else 0.0)
    assert estimate(grid(tmp_path, strategies=needing, seeds=(0, 1))).hand == 5
    assert estimate(grid(tmp_path, strategies=("neighbours(4, mono(), refresh_every=10)",), seeds=(0, 1))).hand == 35
    places = ["--results", str(tmp_path / "results"), "--task", "demo-dev", "--baselines", "none", "--no-report"]
    assert main(["run", "--strategy", needing[0], "--steps", "1", "--batch-size", "16", *places]) == 0
    assert estimate(grid(tmp_path, strategies=needing)).hand == 0, "they are kept now"


def test_what_is_finished_takes_no_time(tmp_path: Path) -> None:
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]
    sizes = ["--task", "demo-dev", "--steps", "40", "--batch-size", "16", "--baselines", "none", "--no-report"]
    assert main(["run", "--strategy", "hybrid", *sizes, *places]) == 0
    found = estimate(grid(tmp_path))
    assert found.rates.step == 0
    assert found.total == found.rates.load


def test_a_model_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    asked = {"model": "nobody/nothing", "tasks": ("demo-dev",), "baselines": ()}
    plan = build_grid(load_plan("demo", asked), None, tmp_path, fetch=False)
    with pytest.raises(BenchError, match="is not here yet"):
        estimate(plan)


def test_a_large_corpus_is_timed_by_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    whole = module.exact

    def noted(vectors: np.ndarray, place: np.ndarray, corpus: object) -> object:
        sizes.append(len(vectors))
        return whole(vectors, place, corpus)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "exact", noted)
    monkeypatch.setattr(module, "WIDE", 300)
    passages = {lang: {f"{lang}{i}": "" for i in range(n)} for lang, n in (("de", 200), ("en", 99), ("zh", 1))}
    assert module._rank(passages, 10) > 0
    passages["en"] = {f"en{i}": "" for i in range(30_000)}
    assert module._rank(passages, 10) > 0
    assert sizes == [300, 2 + 299 + 1]
