"""Adapters: folders of others are models with their base; trained ones are opened again by sentence-transformers."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from bench.cli import main
from bench.data.batches import Audit, schedule
from bench.data.train_data import TrainData, combine
from bench.errors import BenchError
from bench.models.loading import files_hash, find_model, load_encoder, load_to_train, save
from bench.plan.lora import Lora
from bench.plan.settings import Settings
from bench.running.stored import encoder_of
from bench.store import cells
from bench.training.loop import Hooks, train
from strategies.hybrid import Hybrid
from tasks.demo import DemoSource
from tests.bench.tiny_models import MODELS, WIDTH, bare, behind, saved, static

peft = pytest.importorskip("peft", reason="needs the extra [peft]")
TEXTS = ["a", "the capital of Peru", "秘鲁的首都"]
SMALL = {"steps": 3, "batch_size": 8, "learning_rate": 1e-2, "query_length": 32, "passage_length": 64,
         "precision": "float32"}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], ("en", "de"))


def adapter(folder: Path, base: Path, **changed: Any) -> Path:
    """As peft writes one, with weights that matter, and the tokenizer beside it."""
    model = SentenceTransformer(str(base), device="cpu")
    torch.manual_seed(3)
    config = peft.LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft reads what transformers will rename
        peft.get_peft_model(model[0].model, config).save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return folder


def trained(settings: Settings, data: TrainData) -> Any:
    torch.set_num_threads(1)
    encoder = load_to_train(settings, 0)
    batches = schedule(Hybrid(), data.pool, settings.batch_size, settings.steps, 0, Audit(data.pool.langs))
    train(encoder, data, batches, settings, 0, Hooks(lambda step: None))
    return encoder


@pytest.mark.parametrize(("text", "said"), [
    ("r=16", "r=16,alpha=32,dropout=0,targets=all-linear"),
    ("alpha=8,r=4,targets=value+query,dropout=0.10", "r=4,alpha=8,dropout=0.1,targets=query+value"),
])  # fmt: skip
def test_what_is_asked_for_reads_alike_however_it_is_written(text: str, said: str) -> None:
    assert str(Lora.read(text)) == Settings(lora=text).lora == Settings(lora=said).lora == said


@pytest.mark.parametrize("text", ["16", "r", "r=0", "r=-1", "r=1.5", "r=16,rank=2", "r=4,alpha=0", "r=4,dropout=1",
                                  "r=4,dropout=x", "r=4,targets=", "r=4,targets=a++b", "r=٣", "alpha=3"])  # fmt: skip
def test_what_is_no_adapter_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="lora"):
        Settings(lora=text)


def test_an_adapter_with_its_base_is_a_model(tmp_path: Path) -> None:
    base = bare(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    encoder = load_encoder(Settings(model=str(folder), precision="float32"), 0)
    theirs = SentenceTransformer(str(folder), device="cpu").encode_query(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(TEXTS, "query"), theirs, atol=1e-6)
    plain = load_encoder(Settings(model=str(base), precision="float32"), 0).encode(TEXTS, "query")
    assert np.linalg.norm(encoder.encode(TEXTS, "query") - plain, axis=1).min() > 1e-3


def test_the_base_is_part_of_what_an_adapter_is(tmp_path: Path) -> None:
    base = bare(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    before = files_hash(folder)
    assert before == files_hash(folder) != files_hash(base)
    weights = load_file(base / "model.safetensors")
    save_file({n: t + 1 for n, t in weights.items()}, base / "model.safetensors", {"format": "pt"})
    assert files_hash(folder) != before


@pytest.mark.parametrize(("changed", "said"), [
    ({"base_model_name_or_path": "/nowhere/at/all"}, r"the base of the adapter: no model '/nowhere/at/all'"),
    ({"base_model_name_or_path": None}, "an adapter names its base"),
    ({"peft_type": "IA3"}, "adapters are LORA here; got 'IA3'"),
    ({"megatron_config": {"a": 1}}, "adapters are LORA here"),
    ({"init_lora_weights": "corda"}, "init_lora_weights 'corda' changes it"),
])  # fmt: skip
def test_adapters_that_cannot_be_opened_safely(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    folder = adapter(tmp_path / "adapter", bare(tmp_path / "base", "bert"), **changed)
    with pytest.raises(BenchError, match=said):
        find_model(str(folder))


def test_an_adapter_as_a_pickle_or_on_an_adapter(tmp_path: Path) -> None:
    base = bare(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    second = adapter(tmp_path / "second", base, base_model_name_or_path=str(folder))
    with pytest.raises(BenchError, match="is an adapter too; merge that into its own base"):
        find_model(str(second))
    (folder / "adapter_model.safetensors").rename(folder / "more.safetensors")
    (folder / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(BenchError, match=r"read from adapter_model\.safetensors, which is not there"):
        find_model(str(folder))


def test_an_adapter_of_another_architecture(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", bare(tmp_path / "base", "bert"))
    weights = load_file(folder / "adapter_model.safetensors")
    renamed = {name.replace("encoder", "decoder"): tensor for name, tensor in weights.items()}
    save_file(renamed, folder / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(BenchError, match=r"the weights of 8 of \d+ tensors are not in the files .*lora_A"):
        load_encoder(Settings(model=str(folder)), 0)


def test_without_peft_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = bare(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for act in (lambda: load_encoder(Settings(model=str(folder)), 0),
                lambda: load_to_train(Settings(model=str(base), lora="r=2", **SMALL), 0)):  # fmt: skip
        with pytest.raises(BenchError, match=r"pip install 'batch-strategy-bench\[peft\]'"):
            act()


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "t5", "qwen3, padded left", "llama"])
def test_trained_adapters_are_opened_again(tmp_path: Path, data: TrainData, kind: str) -> None:
    base = MODELS[kind](tmp_path / "base")
    settings = Settings(model=str(base), lora="r=2", **SMALL)
    start = load_to_train(settings, 0)
    before = {name: tensor.clone() for name, tensor in start.model.state_dict().items()}
    np.testing.assert_array_equal(start.encode(TEXTS, "query"), load_encoder(settings, 0).encode(TEXTS, "query"))
    encoder = trained(settings, data)
    after = encoder.model.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved
    assert all(".lora_" in name for name in moved)
    save(encoder, tmp_path / "saved")
    written = {path.name for path in (tmp_path / "saved").iterdir()}
    assert "adapter_model.safetensors" in written
    assert "model.safetensors" not in written
    model = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    for own, kind_of_text in ((model.encode_query, "query"), (model.encode_document, "passage")):
        theirs = own(TEXTS, normalize_embeddings=True)
        np.testing.assert_allclose(theirs, encoder.encode(TEXTS, kind_of_text), atol=1e-6)  # type: ignore[arg-type]
    again = load_encoder(Settings(model=str(tmp_path / "saved"), **SMALL), 0)
    assert again.weights_hash() == encoder.weights_hash()
    assert trained(settings, data).weights_hash() == encoder.weights_hash()


def test_what_stands_behind_the_transformer_is_trained_with_it(tmp_path: Path, data: TrainData) -> None:
    from sentence_transformers.sentence_transformer.modules import Dense

    settings = Settings(model=str(behind(lambda: Dense(WIDTH, 24))(tmp_path / "base")), lora="r=2", **SMALL)
    before = load_to_train(settings, 0).model.state_dict()["2.linear.weight"].clone()
    encoder = trained(settings, data)
    assert not torch.equal(encoder.model.state_dict()["2.linear.weight"], before)
    save(encoder, tmp_path / "saved")


def test_an_adapter_is_trained_on(tmp_path: Path, data: TrainData) -> None:
    folder = adapter(tmp_path / "adapter", bare(tmp_path / "base", "bert"))
    settings = Settings(model=str(folder), **SMALL)
    encoder = trained(settings, data)
    assert encoder.weights_hash() != load_encoder(settings, 0).weights_hash()
    save(encoder, tmp_path / "saved")
    with pytest.raises(BenchError, match="an adapter already; without --lora it is trained on"):
        load_to_train(Settings(model=str(folder), lora="r=2", **SMALL), 0)


@pytest.mark.parametrize(("build", "lora", "said"), [
    (lambda folder: saved(folder, [static()]), "r=2", "adapts a model that begins with one transformer"),
    (MODELS["router: bert and bert"], "r=2", "adapts a model that begins with one transformer"),
    (MODELS["bert"], "r=2,targets=nothing", r"peft cannot put in the adapters .*nothing"),
])  # fmt: skip
def test_models_that_cannot_be_adapted(tmp_path: Path, build: Any, lora: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        load_to_train(Settings(model=str(build(tmp_path / "base")), lora=lora, **SMALL), 0)


def test_a_cell_with_adapters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = MODELS["bert"](tmp_path / "base")
    run = ["run", "--strategy", "mono", "--model", str(base), "--preset", "demo", "--task", "demo-dev", "--lora", "r=2",
           "--steps", "2", "--batch-size", "8", "--baselines", "none", "--experiment", "e", "--no-report",
           "--results", str(tmp_path / "results")]  # fmt: skip
    assert main(run) == 0
    (cell,) = cells.read_cells(tmp_path / "results" / "e")
    assert cell.settings["lora"] == "r=2,alpha=4,dropout=0,targets=all-linear"
    assert cell.done is not None
    assert encoder_of(cell.path, False).weights_hash() == cell.done.weights_sha256
    stored = json.loads((cell.path / cells.DONE).read_text())["parity"]
    assert stored.keys() == {"opened", "saved"}
    assert all(0 <= found["distance"] < 1e-5 and found["seconds"] > 0 and found["text"] for found in stored.values())
    assert main([*run[:2], "merge(mono, cross)", *run[3:]]) == 2
    assert "averages whole weights, which adapters are not" in capsys.readouterr().err
