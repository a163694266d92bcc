"""Model folders of others: nothing in them is run, no pickle is opened, nothing outside of them is read."""

import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from bench.cli import main
from bench.errors import BenchError
from bench.models.folder import folder_hash, require_safe
from bench.models.loading import STATIC, load_encoder
from bench.plan import presets
from bench.plan.settings import Plan, Settings
from bench.running import stored
from bench.running.jobs import Made, plain_job, strategy_job
from bench.store import cells
from strategies import STRATEGIES

POOLING = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
STATIC_TYPE = json.loads((STATIC / "modules.json").read_text())[0]["type"]


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def model(folder: Path, modules: Any = None, **files: Any) -> Path:
    """A copy of the built-in static model with other modules and more JSON files."""
    shutil.copytree(STATIC, folder)
    if modules is not None:
        (folder / "modules.json").write_text(json.dumps(modules))
    for name, value in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps(value))
    return folder


def module(kind: str, path: str = "") -> dict[str, Any]:
    return {"idx": 0, "name": "0", "path": path, "type": kind}


_opened: list[str] = []
_watching: list[bool] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching:
        _opened.append(str(arguments[0]))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths of the files that Python opens."""
    if not _watching:
        sys.addaudithook(_note)
    _opened.clear()
    _watching.append(True)
    yield _opened
    _watching.clear()


def test_a_pickle_beside_safetensors_is_never_opened(tmp_path: Path, opened: list[str]) -> None:
    folder = model(tmp_path / "m")
    traps = ["pytorch_model.bin", "optimizer.pt", "training_args.bin", "x.ckpt", "scaler.pkl", "1_Pooling/a.pth",
             "checkpoint-5/pytorch_model.bin"]  # fmt: skip
    for name in traps:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    opened.clear()
    encoder = load_encoder(Settings(model=str(folder)), 0)
    assert encoder.encode(["Paris"], "query").shape == (1, 192)
    assert any(name.endswith("modules.json") for name in opened)
    assert not [name for name in opened if name.endswith((".bin", ".pt", ".ckpt", ".pkl", ".pth"))]
    assert not (tmp_path / "sprung").exists()
    with (folder / "pytorch_model.bin").open("rb") as file:
        pickle.load(file)
    assert (tmp_path / "sprung").exists()  # it would have been seen


def test_a_transformer_takes_safetensors_although_its_files_ask_for_a_pickle(tmp_path: Path, opened: list[str]) -> None:
    folder = tmp_path / "m"
    load_encoder(Settings(model="demo-transformer"), 0).save(folder)
    inner = next(folder.rglob("sentence_bert_config.json")).parent
    (inner / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    options = json.loads((inner / "sentence_bert_config.json").read_text())
    options["model_kwargs"] = {"use_safetensors": False, "trust_remote_code": True}
    (inner / "sentence_bert_config.json").write_text(json.dumps(options))
    opened.clear()
    assert load_encoder(Settings(model=str(folder)), 0).encode(["Paris"], "query").shape == (1, 128)
    assert not [name for name in opened if name.endswith(".bin")]
    assert not (tmp_path / "sprung").exists()


def test_weights_as_a_pickle_alone_are_refused_by_name(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(BenchError, match=r"no \*\.safetensors there; .* pytorch_model\.bin would run code when opened"):
        load_encoder(Settings(model=str(folder)), 0)
    dense = "sentence_transformers.base.modules.dense.Dense"
    folder = model(tmp_path / "n", [module(STATIC_TYPE), module(dense, "1_Dense")])
    (folder / "1_Dense").mkdir()
    (folder / "1_Dense" / "config.json").write_text("{}")
    (folder / "1_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(BenchError, match=r"1_Dense/pytorch_model\.bin: weights as a pickle run code when opened"):
        load_encoder(Settings(model=str(folder)), 0)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", [
    "evil.Module", "os.system", "modeling_evil.Module", "builtins.eval", "", ".", "sentence_transformers",
    "sentence_transformers.SentenceTransformer", "sentence_transformers.base.model.pickle",
    "sentence_transformers.util.misc.importlib", "sentence_transformersevil.modules.Module",
    "sentence_transformers.models.Transformer\n", "sentence_transformers.modules.os", "a/b--evil.Module",
])  # fmt: skip
def test_modules_that_are_not_of_sentence_transformers_are_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = model(tmp_path / "m", [module(STATIC_TYPE), module(kind, "1")])
    with pytest.raises(BenchError, match=r"modules\.json: .*no module of sentence-transformers.*--trust-remote-code"):
        load_encoder(Settings(model=str(folder)), 0)
    router = "sentence_transformers.base.modules.router.Router"
    routed = model(tmp_path / "n", [module(router)], router_config={"types": {"a": kind}, "structure": {}})
    with pytest.raises(BenchError, match=r"router_config\.json: .*no module of sentence-transformers"):
        require_safe(routed, False)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", [
    STATIC_TYPE, POOLING, "sentence_transformers.models.Transformer",
    "sentence_transformers.models.Transformer.Transformer",
    "sentence_transformers.base.modules.dense.Dense", "sentence_transformers.models.WeightedLayerPooling",
    "sentence_transformers.sparse_encoder.models.SpladePooling",
])  # fmt: skip
def test_modules_of_this_and_older_versions_are_taken(tmp_path: Path, kind: str) -> None:
    require_safe(model(tmp_path / "m", [module(STATIC_TYPE), module(kind, "1")]), False)


@pytest.mark.parametrize("path", ["../up", "/etc", "a/../../b", "..\\up", "a\x00b", "a\nb"])
def test_paths_of_modules_stay_inside(tmp_path: Path, path: str) -> None:
    for trust_remote_code in (False, True):
        with pytest.raises(BenchError, match="a module's path stays in the model's folder"):
            require_safe(model(tmp_path / str(trust_remote_code), [module(STATIC_TYPE, path)]), trust_remote_code)


@pytest.mark.parametrize(("files", "message"), [
    ({"adapter_config": {"base_model_name_or_path": "/etc"}}, r"are read from adapter_model\.safetensors, which"),
    ({"sentence_bert_config": {"tokenizer_name_or_path": "a/b"}}, "names another tokenizer"),
    ({"sentence_bert_config": {"processor_kwargs": {"tokenizer_file": "/etc/passwd"}}}, "leads out of the model's"),
    ({"sentence_bert_config": {"model_args": [{"subfolder": "../up"}]}}, "leads out of the model's folder"),
    ({"modules": {}}, "a list of modules is expected"),
    ({"modules": [3]}, "a module has a path and a type, both text; got 3"),
    ({"modules": [{"path": ""}]}, "a module has a path and a type"),
])  # fmt: skip
def test_files_that_lead_elsewhere(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        require_safe(model(tmp_path / "m", **files), False)


@pytest.mark.parametrize("text", ["[" * 100_000, "\x00", "[NaN]", '[{"path": "", "path": ""}]', "\ufeff[]"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    folder = model(tmp_path / "m")
    (folder / "modules.json").write_text(text)
    with pytest.raises(BenchError, match=r"modules\.json: "):
        require_safe(folder, False)


def test_an_activation_that_would_be_replaced_is_refused(tmp_path: Path) -> None:
    dense = module("sentence_transformers.base.modules.dense.Dense", "1_Dense")
    for number, (activation, refused) in enumerate([("torch.nn.modules.linear.Identity", False), ("evil.f", True)]):
        folder = model(tmp_path / str(number), [module(STATIC_TYPE), dense],
                       **{"1_Dense__config": {"activation_function": activation}})  # fmt: skip
        save_file(load_file(STATIC / "model.safetensors"), folder / "1_Dense" / "model.safetensors")
        if refused:
            with pytest.raises(BenchError, match=r"the activation 'evil\.f' is not torch's"):
                require_safe(folder, False)
        else:
            require_safe(folder, False)


OWN_CODE = """
from sentence_transformers.sentence_transformer.modules import StaticEmbedding


class Mine(StaticEmbedding):
    pass
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with a module of its own."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = model(tmp_path / "mine", [module("modeling_mine.Mine")])
    (folder / "modeling_mine.py").write_text(OWN_CODE)
    return folder


def test_code_of_a_model_runs_with_consent_that_is_recorded(
    own_code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["evaluate", "--model", str(own_code), "--task", "demo-dev", "--experiment", "e", "--precision", "float32",
           "--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]  # fmt: skip
    assert main(run) == 2
    assert "'modeling_mine.Mine' is no module of sentence-transformers" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert main([*run, "--trust-remote-code"]) == 0
    (cell,) = [c for c in cells.read_cells(tmp_path / "results" / "e")]
    assert cell.settings["trust_remote_code"] is True
    assert "--trust-remote-code" in cell.config.command
    with pytest.raises(BenchError, match="its model runs code of its own; --trust-remote-code consents"):
        stored.ranker_of(cell.path, trust_remote_code=False)
    assert cell.done is not None
    assert stored.ranker_of(cell.path, trust_remote_code=True)[1] == cell.done.weights_sha256


def test_consent_and_the_code_are_part_of_a_cells_identity(own_code: Path) -> None:
    trusting = Settings(trust_remote_code=True)
    about = {"name": "m", "files": "0"}
    names = {plain_job("m", s, about).name for s in (Settings(), trusting)}
    names |= {
        strategy_job(STRATEGIES["mono"](), 0, Plan(settings=s), Made({}, about, {})).name
        for s in (Settings(), trusting)
    }
    assert len(names) == 4
    before = folder_hash(own_code, trust_remote_code=True)
    (own_code / "modeling_mine.py").write_text(OWN_CODE + "\n")
    assert folder_hash(own_code, trust_remote_code=True) != before
    assert folder_hash(own_code) == folder_hash(own_code, trust_remote_code=False) != before


def test_no_preset_consents(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[settings]\ntrust_remote_code = true\n")
    with pytest.raises(BenchError, match="consented to by --trust-remote-code alone"):
        presets.load_plan(str(tmp_path / "p.toml"), {})
    assert presets.load_plan("demo", {"trust_remote_code": True}).settings.trust_remote_code


def test_whatever_decides_vectors_names_a_model(tmp_path: Path) -> None:
    """Also behind a link to a folder, and in a sentencepiece model of another ending; loops end."""
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "model"
    for place in (elsewhere, folder):
        place.mkdir()
    (folder / "1_Dense").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(folder)
    files = [folder / "config.json", folder / "x.spm", folder / "x.tiktoken", elsewhere / "config.json",
             elsewhere / "model.safetensors"]  # fmt: skip
    for path in files:
        path.write_text("1", encoding="utf-8")
    seen = {folder_hash(folder)}
    for path in files:
        path.write_text("2", encoding="utf-8")
        seen.add(folder_hash(folder))
    assert len(seen) == len(files) + 1
    assert folder_hash(folder) in seen
