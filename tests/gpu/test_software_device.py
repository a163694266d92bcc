"""What users do with a GPU, on a CUDA device in software, in a process of its own; beside it, the same on the CPU."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
MODELS = ("demo-static", "demo-transformer", "xlm-roberta")

LAYER, REST, WAITS = 90, 120, 4
"""The budget of a training step: launches of a transformer's layer, of all else, and waits for the device.

Twelve layers, as of a small E5, may so take 1,200 launches, at any number of rows. With updates of single rows, and
with queries and passages padded in passes of their own, they took up to 3,849 launches and 269 waits.
"""

LAYERS = {"demo-static": 0, "demo-transformer": 2, "xlm-roberta": 2, "12 layers": 12}


class Came:
    """What came of the cases on one device, and where their weights lie."""

    def __init__(self, folder: Path, told: str) -> None:
        self.folder = folder
        lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        self.errors = {line["case"]: line["error"] for line in lines if "error" in line}
        self._values = {line["case"]: line["value"] for line in lines if "value" in line}

    def of(self, case: str) -> Any:
        assert case not in self.errors, f"{case}: {self.errors[case]}"
        return self._values[case]

    def weights(self, model: str, case: str) -> dict[str, torch.Tensor]:
        self.of(f"{model} {case}")
        return load_file(self.folder / model / f"{case}.safetensors")


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Came]:
    """By device; both processes run at once."""
    folders = {device: tmp_path_factory.mktemp(device) for device in ("cuda", "cpu")}
    running = {}
    for device, folder in folders.items():
        command = [sys.executable, "-m", "tests.gpu.software.cases", str(folder), device]
        own = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        running[device] = subprocess.Popen(
            command, cwd=ROOT, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    found = {}
    for device, process in running.items():
        out, err = process.communicate()
        assert process.returncode == 0, err[-2000:]
        found[device] = Came(folders[device], out)
    return found


def apart(came: dict[str, Came], model: str, case: str) -> float:
    """The norm of the difference of the two devices' weights, relative to how far training moved them.

    The bias of keys has no gradient but rounding, whose size AdamW divides by.
    """
    start = came["cpu"].weights(model, "opens")
    on, host = (came[device].weights(model, case) for device in ("cuda", "cpu"))
    names = [name for name in host if not name.endswith("key.bias")]
    assert on.keys() == host.keys()

    def norm(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
        return math.sqrt(sum(float((a[name] - b[name]).double().square().sum()) for name in names))

    assert norm(start, host) > 0
    return norm(on, host) / norm(start, host)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_every_case_ends_but_the_one_that_cannot(came: dict[str, Came]) -> None:
    assert came["cpu"].errors == {}
    assert set(came["cuda"].errors) == {"xlm-roberta one_text_too_many"}
    assert (
        came["cuda"]
        .errors["xlm-roberta one_text_too_many"]
        .startswith("BenchError: one text at a time does not fit into the GPU's memory")
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_model_opens_on_the_device_with_the_weights_that_it_has(came: dict[str, Came], model: str) -> None:
    for device, found in came.items():
        opened = found.of(f"{model} opens")
        assert opened["device"] == device
        assert opened["parity"] < 1e-5
    assert equal(came["cuda"].weights(model, "opens"), came["cpu"].weights(model, "opens"))


@pytest.mark.parametrize("case", ["trains", "gradcache"])
@pytest.mark.parametrize("model", MODELS)
def test_training_is_that_of_the_cpu(came: dict[str, Came], model: str, case: str) -> None:
    on, host = (came[device].of(f"{model} {case}")["losses"] for device in ("cuda", "cpu"))
    assert len(set(on)) == 6, "the weights move"
    assert on == pytest.approx(host, rel=1e-5)
    assert apart(came, model, case) < 1e-3


@pytest.mark.parametrize("model", MODELS)
def test_texts_of_the_next_step_are_read_while_the_device_works(came: dict[str, Came], model: str) -> None:
    assert came["cuda"].of(f"{model} trains")["read"] == ["ahead"] * 6
    assert came["cpu"].of(f"{model} trains")["read"] == ["in its turn"] * 6, "it has no core to spare"


@pytest.mark.parametrize("model", MODELS)
def test_a_killed_training_goes_on_to_the_same_bits(came: dict[str, Came], model: str) -> None:
    assert equal(came["cuda"].weights(model, "resumes"), came["cuda"].weights(model, "trains"))


@pytest.mark.parametrize("model", MODELS)
def test_what_was_saved_opens_and_scores_are_those_of_the_cpu(came: dict[str, Came], model: str) -> None:
    on, host = (came[device].of(f"{model} trains") for device in ("cuda", "cpu"))
    assert on["device"] == "cuda"
    assert max(on["parity"], host["parity"]) < 1e-5
    assert on["AP"].keys() == host["AP"].keys()
    for pair, values in host["AP"].items():
        assert sum(on["AP"][pair]) / len(values) == pytest.approx(sum(values) / len(values), abs=0.005), pair
    every = [value for values in host["AP"].values() for value in values]
    assert 0.1 < sum(every) / len(every) < 1


@pytest.mark.parametrize("model", MODELS)
def test_validation_finds_the_same_best_weights(came: dict[str, Came], model: str) -> None:
    on, host = (came[device].of(f"{model} validates") for device in ("cuda", "cpu"))
    assert len(on["means"]) == 3
    assert on["means"] == pytest.approx(host["means"], abs=1e-3)
    assert on["best"] == host["best"]
    assert apart(came, model, "validates") < 1e-3


@pytest.mark.parametrize("model", MODELS)
def test_half_precision_follows_float32(came: dict[str, Came], model: str) -> None:
    on, host = (came[device].of(f"{model} fp16")["losses"] for device in ("cuda", "cpu"))
    assert on == pytest.approx(host, rel=0.02)
    assert (on == host) == (model == "demo-static")  # it has no layers


def test_gradients_that_overflow_move_nothing(came: dict[str, Came]) -> None:
    assert came["cuda"].of("xlm-roberta overflows")["scales"] == [2.0**60, 2.0**59, 2.0**58]
    assert equal(came["cuda"].weights("xlm-roberta", "overflows"), came["cuda"].weights("xlm-roberta", "opens"))


def test_a_batch_that_does_not_fit_passes_in_halves(came: dict[str, Came]) -> None:
    found = came["cuda"].of("xlm-roberta fills_memory")
    assert found["losses"] == pytest.approx(came["cpu"].of("xlm-roberta trains")["losses"], rel=1e-5)
    assert len(found["said"]) == 1
    assert "from here on 4 at a time" in found["said"][0]


@pytest.mark.parametrize("precision", ["float32", "fp16"])
@pytest.mark.parametrize("model", LAYERS)
def test_a_step_stays_within_its_budget_and_costs_what_the_others_cost(
    came: dict[str, Came], model: str, precision: str
) -> None:
    case = precision if precision == "fp16" or model == "12 layers" else "trains"
    found = came["cuda"].of(f"{model} {case}")
    launches, waits = found["launches"][1:], found["waits"][1:]  # the first step makes the moments
    assert 0 < max(launches) <= LAYER * LAYERS[model] + REST
    assert 0 < max(waits) <= WAITS
    assert len(set(launches)) == len(set(waits)) == 1


def test_devices_mix_where_cuda_lets_them_and_nowhere_else(came: dict[str, Came]) -> None:
    rules = came["cuda"].of("rules")
    refused = {name: said for name, said in rules.items() if name.startswith("refused: ")}
    assert len(refused) > 15
    assert "nothing was raised" not in refused.values()
    assert "same device" in refused["refused: add"]
    assert "numpy" in refused["refused: numpy"]
    assert "fp16 and bf16" in refused["refused: flash in float32"]
    assert "int32" in refused["refused: flash with ends of 64 bits"]
    assert sum("same device" in said for said in refused.values()) > 10
    others = {name: said for name, said in rules.items() if name not in refused}
    assert len(others) > 20
    assert {name: said for name, said in others.items() if said} == {}


def test_a_cell_of_a_gpu_has_a_name_of_its_own(came: dict[str, Came]) -> None:
    on, host = (came[device].of("command") for device in ("cuda", "cpu"))
    assert on["cell"] != host["cell"]
    assert on["device"]["kind"] == "cuda"
    assert on["device"]["deterministic"] is True
    assert host["device"] is None
    assert {"train", "train, GPU"} <= set(on["peaks"])
    assert not any("GPU" in name for name in host["peaks"])
    assert on["losses"] == pytest.approx(host["losses"], rel=1e-5)


def test_the_command_resumes_on_a_gpu_where_its_bits_repeat(came: dict[str, Came]) -> None:
    for code, lines in came["cuda"].of("command refused"):
        assert code == 2
        assert len(lines) == 1
        assert "--deterministic" in lines[0]
    whole, resumed = (came["cuda"].of(name) for name in ("command", "command resumed"))
    assert (whole["resumed_at"], resumed["resumed_at"]) == ([], [4])
    for name in ("cell", "weights", "losses"):
        assert whole[name] == resumed[name]
