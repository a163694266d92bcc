"""Two processes train what one trains, on the strategy's own batches; what is equal to the bit and what is not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training.devices import _without_weights, require_equal, require_sharding
from bench.training.loop import Hooks, train
from strategies import STRATEGIES
from tasks.demo import DemoSource
from tests.bench.launching import launch

WORKER = Path(__file__).parents[1] / "workers" / "together.py"
CASES = ("mono", "cross", "hybrid", "transformer", "padded", "gradcache", "negatives")


class Outcome:
    """What the worker wrote, of each process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: list[dict[str, Any]] = [
            json.loads(path.read_text()) for path in sorted(folder.glob("process-*.json"))
        ]

    def weights(self, case: str) -> torch.Tensor:
        tensors = load_file(self.folder / f"{case}.safetensors")
        return torch.cat(
            [tensors[name].flatten().double() for name in sorted(tensors) if tensors[name].is_floating_point()]
        )


def moved(outcome: Outcome, case: str) -> float:
    """How far training moved the weights."""
    start = load_encoder(
        Settings(model="demo-static" if case in CASES[:3] else "demo-transformer"), 0
    ).model.state_dict()
    before = torch.cat([start[name].flatten().double() for name in sorted(start) if start[name].is_floating_point()])
    return float((outcome.weights(case) - before).norm())


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("one")
    subprocess.run([sys.executable, WORKER, folder], check=True, capture_output=True)
    return Outcome(folder)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("two")
    done = launch(WORKER, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return Outcome(folder)


@pytest.mark.parametrize("case", CASES)
def test_losses_and_weights_are_those_of_one_process_up_to_rounding(one: Outcome, two: Outcome, case: str) -> None:
    np.testing.assert_allclose(two.found[0][case]["losses"], one.found[0][case]["losses"], rtol=1e-4)
    assert (two.weights(case) - one.weights(case)).norm() < 1e-3 * moved(one, case)


@pytest.mark.parametrize("case", CASES)
def test_all_processes_end_with_the_same_bits(two: Outcome, case: str) -> None:
    assert len(two.found) == 2
    assert two.found[0][case] == two.found[1][case]


def test_a_batch_is_cut_into_nearly_equal_parts_and_the_padding_is_that_of_all(one: Outcome, two: Outcome) -> None:
    assert two.found[0]["sizes"] == [9, 8]
    assert all(0 < share < 1 for share in two.found[0]["padded"]["padding"])
    assert set(two.found[0]["transformer"]["padding"]) == {0.0}


def test_two_processes_give_the_same_bits_twice(two: Outcome) -> None:
    assert two.found[0]["again"] == two.found[0]["transformer"]


def test_two_processes_resume_to_the_same_bits_with_dropout(two: Outcome) -> None:
    for found in two.found:
        assert found["dropout"]["losses"] != found["transformer"]["losses"]
        assert found["resumed"]["losses"] == found["dropout"]["losses"][4:]
        assert found["resumed"]["weights"] == found["dropout"]["weights"]


def test_batches_handed_out_by_turns_are_refused(two: Outcome) -> None:
    for found in two.found:
        assert found["apart"].startswith("step 0: the processes do not hold the strategy's batch;")


def test_every_row_and_language_is_compared() -> None:
    batch = np.arange(12).reshape(4, 3)
    require_equal(batch, batch.copy(), 3)
    for row, column in ((0, 0), (2, 1), (3, 2)):
        held = batch.copy()
        held[row, column] += 1
        with pytest.raises(BenchError, match=f"step 3: .* 1 of 4 rows differ, the first is row {row}"):
            require_equal(batch, held, 3)


COMMAND = (
    "-m", "bench", "run", "--strategy", "hybrid", "--steps", "6", "--batch-size", "16", "--task", "demo-dev",
    "--model", "demo-transformer", "--train", "demo", "--experiment", "small", "--baselines", "none", "--threads", "1",
)  # fmt: skip


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def test_the_command_line_in_two_processes_writes_and_prints_once(tmp_path: Path) -> None:
    done = launch(*COMMAND, *places(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("demo-dev") == 1
    assert done.stderr.count("[1/1] hybrid") == 1
    cells = sorted((tmp_path / "results" / "small").glob("*-s0"))
    assert [cell.name.split("-")[0] for cell in cells] == ["hybrid"]
    for cell in cells:
        assert {p.name for p in cell.iterdir()} == {
            "config.json",
            "cost.json",
            "steps.jsonl",
            "batches.json",
            "model",
            "scores",
            "done",
        }
        assert json.loads((cell / "config.json").read_text())["processes"] == 2
        assert len((cell / "steps.jsonl").read_text().splitlines()) == 6
    assert (tmp_path / "reports" / "small" / "report.md").is_file()


def test_a_refusal_in_two_processes_is_exit_code_2_without_a_traceback_of_the_harness(tmp_path: Path) -> None:
    done = launch(*COMMAND, "--resume", "--overwrite", *places(tmp_path))
    assert done.returncode != 0
    assert "bench: --overwrite runs cells from their first step" in done.stderr
    assert "exitcode  : 2" in done.stderr
    assert "bench/cli.py" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_sharded_weights_are_trained_alike(one: Outcome, two: Outcome) -> None:
    if refused := two.found[0]["sharded"].get("refused"):
        assert not hasattr(torch.cpu.Stream, "record_event")
        pytest.skip(refused)
    for found in two.found:
        np.testing.assert_allclose(found["sharded"]["losses"], one.found[0]["even"]["losses"], rtol=1e-4)
    assert (two.weights("sharded") - one.weights("even")).norm() < 1e-3 * moved(one, "even")
    assert two.found[0]["sharded"]["weights"] == two.found[1]["sharded"]["weights"]


def test_where_the_group_is_nccls_processes_wait_for_each_other_through_gloo(two: Outcome) -> None:
    assert [found["patient"] for found in two.found] == [["None", "from 0", "gloo"]] * 2


def test_what_sharded_weights_are_put_into_holds_no_weights_before() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.BatchNorm1d(4))
    empty = _without_weights(model)
    assert all(p.is_meta for p in empty.parameters())
    assert not any(b.is_meta for b in empty.buffers())
    empty.load_state_dict(model.state_dict(), assign=True)
    ids = torch.tensor([1, 7])
    assert torch.equal(empty.eval()(ids), model.eval()(ids))


def test_threads_change_rounding_alone() -> None:
    data: TrainData = combine([DemoSource().load(None)], ("en", "de"))
    settings = Settings(model="demo-transformer", steps=4, batch_size=16, learning_rate=1e-3, temperature=0.05)
    losses: dict[int, list[float]] = {1: [], 2: []}
    before = torch.get_num_threads()
    for threads, seen in losses.items():
        torch.set_num_threads(threads)
        encoder = load_encoder(settings, 0)
        batches = schedule(STRATEGIES["hybrid"](), data.pool, 16, 4, 0, Audit(data.pool.langs))
        train(encoder, data, batches, settings, 0, Hooks(lambda step, seen=seen: seen.append(step.loss)))  # type: ignore[misc]
    torch.set_num_threads(before)
    np.testing.assert_allclose(losses[1], losses[2], rtol=1e-4)


def test_a_torch_that_cannot_shard_on_cpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require_sharding(torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "Stream", object)
    require_sharding(torch.device("cuda"))
    with pytest.raises(BenchError, match="cannot shard weights on CPUs; take a newer one, or leave FSDP out"):
        require_sharding(torch.device("cpu"))
