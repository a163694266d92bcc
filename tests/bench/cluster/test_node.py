"""A cell that a node runs, in the shared folder or apart, is the cell that one process runs; or the node is refused."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main
from bench.cluster import ray_engine
from bench.cluster.node import Spec, opened, run_apart, run_shared
from bench.plan.presets import load_plan
from bench.running.grid import Grid, build_grid
from bench.running.jobs import with_parents
from bench.running.recorded import Request
from bench.store import cells, copies, locks
from bench.store.locks import Lock, Watch
from tasks import hub

STRATEGIES = "mono,centering(mono)"


def a_grid(results: Path) -> Grid:
    """The grid of ``small`` without what is written by a command line."""
    plan = load_plan("demo", {
        "strategies": ("mono", "centering(mono)"), "steps": 4, "batch_size": 16, "tasks": ("demo-dev",),
        "experiment": "small", "baselines": (),
    })  # fmt: skip
    return build_grid(plan, None, results)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bits of every cell, run by one process."""
    results = tmp_path_factory.mktemp("here")
    command = ["run", "--strategy", STRATEGIES, "--steps", "4", "--batch-size", "16", "--task", "demo-dev"]
    more = ["--experiment", "small", "--baselines", "none", "--no-report", "--results", str(results)]
    assert main([*command, *more]) == 0
    return bits(results / "small")


def bits(folder: Path) -> dict[str, str]:
    """Of each cell, a hash over the scores, the weights and what was drawn."""
    found = {}
    for cell in cells.read_cells(folder):
        digest = hashlib.sha256(str(cell.done and cell.done.weights_sha256).encode())
        for name in ("scores/demo-dev@2.parquet", "batches.json", "model/model.safetensors"):
            digest.update((cell.path / name).read_bytes() if (cell.path / name).is_file() else b"")
        found[cell.path.name] = digest.hexdigest()
    return found


def a_spec(grid: Grid, mark: str = "mark") -> Spec:
    grid.folder.mkdir(parents=True, exist_ok=True)
    (grid.folder / "mark").touch()
    return ray_engine._spec(grid, Request(grid.plan, "made by hand", False, print), mark)


def test_a_node_that_shares_the_folder(tmp_path: Path, here: dict[str, str]) -> None:
    grid = a_grid(tmp_path)
    spec = a_spec(grid)
    for job in grid.jobs:
        assert run_shared(spec, job.name, patient=True).kind == "finished"
        assert run_shared(spec, job.name, patient=False).kind == "elsewhere"
    assert bits(grid.folder) == here
    assert {p.name for p in grid.folder.iterdir()} == {*here, "mark"}


def test_a_node_that_does_not_share_the_folder(tmp_path: Path, here: dict[str, str]) -> None:
    grid = a_grid(tmp_path / "driver")
    spec = a_spec(grid, mark="not seen")
    for job in grid.jobs:
        assert run_shared(spec, job.name, patient=False).kind == "apart"
        files = copies.pack(grid.folder, [part.name for part in with_parents([job])])
        outcome = run_apart(spec, job.name, files)
        assert outcome.kind == "finished", outcome.text
        assert outcome.files is not None
        copies.store(outcome.files, grid.folder, job.name)
    assert bits(grid.folder) == here


def test_a_trained_cell_is_sent_along_and_only_scored(tmp_path: Path, here: dict[str, str]) -> None:
    grid = a_grid(tmp_path)
    spec, name = a_spec(grid), grid.jobs[0].name
    assert run_shared(spec, name, patient=False).kind == "finished"
    (grid.folder / name / "done").unlink()
    (grid.folder / name / "scores" / "demo-dev@2.parquet").unlink()
    outcome = run_apart(spec, name, copies.pack(grid.folder, [name]))
    assert outcome.files is not None
    log = (grid.folder / name / "steps.jsonl").read_bytes()
    assert outcome.files[f"{name}/steps.jsonl"] == log, "seconds of steps stand in it: another training, another log"
    copies.store(outcome.files, grid.folder, name)
    assert bits(grid.folder) == {name: here[name]}


def test_a_cell_that_is_held(tmp_path: Path) -> None:
    grid = a_grid(tmp_path)
    spec, name = a_spec(grid), grid.jobs[0].name
    held = locks.attempt(grid.folder / name, Watch())
    assert isinstance(held, Lock)
    outcome = run_shared(spec, name, patient=False)
    assert outcome.kind == "held"
    assert outcome.text.startswith("process ")
    held.release()


@pytest.mark.parametrize("package", ["torch", "batch-strategy-bench"])
def test_a_node_with_other_versions_is_refused(tmp_path: Path, package: str) -> None:
    grid = a_grid(tmp_path)
    spec = a_spec(grid)
    other = tuple((name, "0.1" if name == package else version) for name, version in spec.versions)
    outcome = run_shared(spec._replace(versions=other), grid.jobs[0].name, patient=False)
    assert outcome.kind == "failed"
    assert (
        f"all machines have the same versions, or the bits differ; {package} is 0.1 where the run began" in outcome.text
    )


def test_a_node_with_other_data_is_refused(tmp_path: Path) -> None:
    grid = a_grid(tmp_path)
    outcome = run_shared(a_spec(grid), "mono-00000000-s0", patient=False)
    assert outcome.kind == "failed"
    assert f"mono-00000000-s0 is none of {grid.jobs[0].name}, {grid.jobs[1].name} on a node" in outcome.text


def test_a_process_reads_the_data_once_for_many_cells(tmp_path: Path) -> None:
    spec = a_spec(a_grid(tmp_path))
    assert opened(spec)[1] is opened(spec._replace())[1]
    assert hash(spec) == hash(spec._replace())


def test_a_node_knows_names_and_the_way_to_the_hub_and_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, names = a_grid(tmp_path), {"model acme/x@main": "1" * 40}
    ways = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    for name, value in {**ways, "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    hub.forget()
    hub.take(names)
    try:
        spec = a_spec(grid)
        assert (dict(spec.hub), dict(spec.commits), spec.offline) == (ways, names, False)
        assert b"hf_secret" not in pickle.dumps(spec)
        hub.forget()
        for name in ways:
            monkeypatch.setenv(name, "of the node")
        monkeypatch.setenv("HF_DATASETS_OFFLINE", "0")
        opened(spec._replace(offline=True))
        assert hub.taken() == names
        assert hub.offline()
        assert {name: os.environ[name] for name in ways} == ways
    finally:
        hub.forget()


def test_the_library_of_the_hub_is_not_read_before_a_node_is_told_where_it_is() -> None:
    """It reads HF_ENDPOINT and HF_HOME once."""
    code = "import sys, bench.cluster.ray_engine; print([m for m in sys.modules if m.startswith('huggingface_hub')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
