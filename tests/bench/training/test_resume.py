"""A resumed cell ends with the bits of an uninterrupted one, or it is refused by the name of the file that is wrong."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.cli import main
from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.presets import load_plan
from bench.plan.settings import Settings
from bench.running.grid import build_grid
from bench.store import checkpoints
from bench.store.cells import read_cells
from bench.training.loop import Hooks, Step, train
from bench.training.resume import Keeper, flatten, unflatten
from strategies import STRATEGIES, Batch
from tasks.demo import DemoSource

STEPS = 7
SETTINGS = Settings(steps=STEPS, batch_size=16, learning_rate=5e-3, temperature=0.05, warmup=0.5)
OWNER: dict[str, object] = {"cell": "a", "threads": 1}


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], ("en", "de", "ar"))


def run(
    data: TrainData,
    settings: Settings,
    folder: Path,
    every: int = 0,
    killed_after: int | None = None,
    strategy: str = "hybrid",
) -> tuple[list[float], str, Audit]:
    """Train, from the checkpoint in ``folder`` if there is one; dropout is on where the model has layers for it."""
    torch.set_num_threads(1)
    encoder, audit = load_encoder(settings, 0), Audit(data.pool.langs)
    for module in encoder.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
    batches: Iterator[Batch] = schedule(STRATEGIES[strategy](), data.pool, 16, STEPS, 0, audit)
    lines, found = folder.with_name("steps.jsonl"), checkpoints.find(folder, OWNER)
    losses: list[float] = json.loads((found.path / lines.name).read_text()) if found else []

    def log(step: Step) -> None:
        losses.append(step.loss)
        lines.write_text(json.dumps(losses))
        if step.step == killed_after:
            raise Killed

    train(encoder, data, batches, settings, 0, Hooks(log, Keeper(folder, every, OWNER, lines, audit, found)))
    return losses, encoder.weights_hash(), audit


@pytest.mark.parametrize(
    ("model", "micro_batch"), [("demo-static", 0), ("demo-transformer", 0), ("demo-transformer", 8)]
)
def test_killed_twice_and_resumed_to_the_same_bits(
    data: TrainData, tmp_path: Path, model: str, micro_batch: int
) -> None:
    settings = dataclasses.replace(SETTINGS, model=model, micro_batch=micro_batch)
    losses, weights, audit = run(data, settings, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    for every, first, second in ((1, 0, 5), (2, 2, 4), (3, 5, 5)):
        folder = tmp_path / f"every{every}"
        for step in (first, second):
            with pytest.raises(Killed):
                run(data, settings, folder, every, killed_after=step)
        assert [p.name for p in folder.iterdir()] == [f"step-{second // every * every:08d}"]
        resumed = run(data, settings, folder)
        assert resumed[0] == losses
        assert resumed[1] == weights
        assert resumed[2].summary() == audit.summary()


def test_the_random_states_are_part_of_it(data: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(SETTINGS, model="demo-transformer")
    losses = run(data, settings, tmp_path / "none")[0]
    with pytest.raises(Killed):
        run(data, settings, tmp_path / "kept", every=1, killed_after=3)
    monkeypatch.setattr("bench.training.resume.set_random_states", lambda states, device: None)
    assert run(data, settings, tmp_path / "kept")[0] != losses


@pytest.fixture
def kept(data: TrainData, tmp_path: Path) -> Path:
    """The folder of a checkpoint after four steps."""
    with pytest.raises(Killed):
        run(data, SETTINGS, tmp_path / "kept", every=2, killed_after=4)
    return tmp_path / "kept"


NAMES = ("model.safetensors", "training.safetensors", "random.safetensors", "steps.jsonl", "state.json")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["a bit", "the end", "all"])
def test_a_damaged_file_is_refused_by_name(kept: Path, name: str, damage: str) -> None:
    path = kept / "step-00000004" / name
    content = path.read_bytes()
    if damage == "a bit":
        path.write_bytes(
            content[: len(content) // 2]
            + bytes([content[len(content) // 2] ^ 1])
            + content[-(-len(content) // 2) + 1 :]
        )
    elif damage == "the end":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    if (name, damage) == ("state.json", "the end"):  # its last byte is the end of the line
        assert checkpoints.find(kept, OWNER) is not None
        return
    with pytest.raises(BenchError, match=r"(damaged|missing).*without --resume") as refused:
        checkpoints.find(kept, OWNER)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(("owner", "message"), [
    (OWNER | {"cell": "b"}, "cell a, and this is b"),
    (OWNER | {"threads": 2}, "threads 1, and this is 2"),
    (OWNER | {"torch": "3"}, "torch None, and this is 3"),
])  # fmt: skip
def test_a_foreign_checkpoint_is_refused_by_name(kept: Path, owner: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message) as refused:
        checkpoints.find(kept, owner)
    assert str(kept / "step-00000004" / "state.json") in str(refused.value)


def test_other_batches_are_refused(data: TrainData, kept: Path) -> None:
    with pytest.raises(BenchError, match="step-00000004: a foreign checkpoint; it was trained on other batches"):
        run(data, SETTINGS, kept, strategy="mono")


def test_what_was_half_written_is_not_found(kept: Path) -> None:
    (kept / "step-00000004").rename(kept / ".partial")
    assert checkpoints.find(kept, OWNER) is None
    assert checkpoints.find(kept / "nowhere", OWNER) is None


def leaves() -> st.SearchStrategy[object]:
    tensors = st.sampled_from(
        [torch.arange(6).reshape(2, 3), torch.tensor(1.5), torch.zeros(0), torch.ones(2).bfloat16()]
    )
    return st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), tensors)


@given(st.recursive(leaves(), lambda inner: st.one_of(
    st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.integers() | st.sampled_from("abc"), inner)
)))  # fmt: skip
def test_nested_values_come_back_from_json_and_tensors(value: object) -> None:
    tensors: dict[str, Tensor] = {}
    plain = json.loads(json.dumps(flatten(value, tensors)))
    assert same(unflatten(plain, tensors), value)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_what_needs_pickle_is_not_stored() -> None:
    with pytest.raises(TypeError, match=r"x\.0: a set cannot be stored"):
        flatten({"x": [{1}]}, {})


def arguments(path: Path, *more: str) -> list[str]:
    return [
        "run", "--strategy", "hybrid", "--steps", "7", "--batch-size", "16", "--task", "demo-dev", "--no-report",
        "--experiment", "small", "--baselines", "none", "--results", str(path / "results"), *more,
    ]  # fmt: skip


def test_what_resume_means_to_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tmp_path / "results" / "small"

    def interrupted(step: int) -> None:
        def refuse(batch: Batch, langs: object, calls: list[int] = []) -> dict[str, int]:  # noqa: B006
            calls.append(1)
            if len(calls) > step:
                raise KeyboardInterrupt
            return {}

        with monkeypatch.context() as patch:
            patch.setattr("bench.training.loop.pair_counts", refuse)
            assert main(arguments(tmp_path, "--checkpoint-every", "2")) == 130

    interrupted(5)
    (kept,) = cells.glob(".*")
    assert kept.name.startswith(".hybrid-")
    assert kept.name.endswith("-s0.checkpoint")
    assert read_cells(cells) == []
    assert main(arguments(tmp_path, "--resume", "--overwrite")) == 2
    assert "give one of them" in capsys.readouterr().err
    (kept / "step-00000004" / "model.safetensors").write_bytes(b"")
    assert main(arguments(tmp_path, "--resume")) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("bench:")]
    assert "step-00000004/model.safetensors: damaged" in line
    assert kept.is_dir()
    assert main(arguments(tmp_path)) == 0
    assert "the checkpoint of an unfinished run is discarded (--resume goes on from it)" in capsys.readouterr().err
    (cell,) = cells.glob("hybrid-*")
    weights = json.loads((cell / "done").read_text())["weights_sha256"]
    assert json.loads((cell / "config.json").read_text())["resumed_at"] == []
    assert main(arguments(tmp_path, "--overwrite")) == 0
    (cell / "model").rename(tmp_path / "model")
    (cell / "done").unlink()
    interrupted(5)
    assert main(arguments(tmp_path, "--resume")) == 0
    assert "goes on after step 4 of 7" in capsys.readouterr().err
    assert json.loads((cell / "done").read_text())["weights_sha256"] == weights
    assert json.loads((cell / "config.json").read_text())["resumed_at"] == [4]
    assert {p.name for p in cells.iterdir()} == {cell.name, "protocol.json"}


def test_settings_name_a_cell_where_they_move_bits(tmp_path: Path) -> None:
    def name(**overrides: object) -> str:
        plan = load_plan("demo", {"baselines": (), **overrides})
        return build_grid(plan, None, tmp_path).jobs[0].name

    assert name() == name(micro_batch=0) == name(checkpoint_every=5, threads=2)
    assert "micro_batch" not in json.dumps(build_grid(load_plan("demo", {}), None, tmp_path).jobs[-1].identity)
    assert name(micro_batch=8) not in (name(), name(micro_batch=16))


def test_kill_9_at_random_steps(tmp_path: Path) -> None:
    """Processes are killed at three random steps, and one amid a checkpoint, with and without GradCache."""
    command = [sys.executable, "-m", "tests.bench.workers.killed", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 7
    for outcome in outcomes:
        assert outcome["signals"] == [9], outcome
        assert outcome["resumed"] == outcome["whole"], outcome
        assert outcome["resumed_at"] == outcome["expected_at"], outcome
        assert len(outcome["whole"]["losses"]) == 9
