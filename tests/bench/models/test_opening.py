"""What would make numbers meaningless is refused when a model is opened, by name; what leaves a choice is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import CNN, Dense, Normalize, Pooling, Transformer
from tokenizers import processors
from torch import Tensor

from bench.cli import main
from bench.encoding.encoder import Encoder
from bench.errors import BenchError, told
from bench.models.loading import load_encoder, save
from bench.plan.settings import Settings
from bench.training.gradcache import cached_gradients, plain_gradients
from bench.training.loss import info_nce
from tests.bench import tiny_models
from tests.bench.tiny_models import MODELS, WIDTH, bare, behind, body, pooled, saved, tokenizer, words_and

Weights = dict[str, Tensor]


def opened(folder: Path, **settings: Any) -> Any:
    """As it is opened with short texts."""
    return load_encoder(Settings(**{"model": str(folder), "query_length": 24, "passage_length": 40, **settings}), 0)


def changed(folder: Path, change: Callable[[Weights], Weights]) -> Path:
    """With other weights in its file."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})
    return folder


def edited(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(("change", "said"), [
    (lambda w: {f"base.{name}": tensor for name, tensor in w.items()}, r"the weights of 37 of 39 tensors are not in"),
    (lambda w: {n: t for n, t in w.items() if "layer.1." not in n}, r"the weights of 16 of 39 .*encoder\.layer\.1\."),
    (lambda w: {n: t for n, t in w.items() if "word_emb" not in n}, r"1 of 39 .* embeddings\.word_embeddings\.weight;"),
])  # fmt: skip
def test_weights_that_the_files_lack_are_refused_by_name(
    tmp_path: Path, change: Callable[[Weights], Weights], said: str
) -> None:
    with pytest.raises(BenchError, match=said):
        opened(changed(MODELS["bert"](tmp_path), change))


def test_a_pooler_that_nothing_asks_may_be_missing(tmp_path: Path) -> None:
    folder = MODELS["bert"](tmp_path)
    whole = opened(folder).encode(["a b"], "query")
    part = opened(changed(folder, lambda w: {n: t for n, t in w.items() if "pooler" not in n}))
    np.testing.assert_array_equal(part.encode(["a b"], "query"), whole)
    assert part.notes == []


def test_a_pooler_that_is_the_vector_may_not(tmp_path: Path) -> None:
    folder = saved(tmp_path, [tiny_models.transformer("bert")])
    output = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
    edited(folder / "sentence_bert_config.json", modality_config=output, module_output_name="sentence_embedding")
    assert opened(folder).encode(["a b"], "query").shape == (1, WIDTH)
    with pytest.raises(BenchError, match=r"the weights of 2 of 39 tensors .*pooler\.dense"):
        opened(changed(folder, lambda w: {n: t for n, t in w.items() if "pooler" not in n}))


def test_what_a_library_says_of_shapes_is_told_whole(tmp_path: Path) -> None:
    folder = changed(MODELS["bert"](tmp_path), lambda w: w | {"embeddings.word_embeddings.weight": torch.zeros(20, 32)})
    with pytest.raises(
        BenchError, match=r"cannot open .*embeddings\.word_embeddings\.weight: mismatch .*20, 32.*264, 3"
    ):
        opened(folder)


def test_errors_are_told_with_their_causes() -> None:
    error = RuntimeError("the file\nis of another model")
    error.__cause__ = KeyError("weight")
    assert told(error) == "RuntimeError: the file is of another model; because of KeyError: 'weight'"
    assert told(ValueError()) == "ValueError"


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8])
def test_weights_of_eight_bits_without_scales(tmp_path: Path, kind: torch.dtype) -> None:
    folder = changed(MODELS["bert"](tmp_path), lambda w: {name: tensor.to(kind) for name, tensor in w.items()})
    with pytest.raises(BenchError, match=r"model\.safetensors: .* has eight bits and no scale; give weights in 16 or"):
        opened(folder)
    halves = changed(MODELS["bert"](tmp_path / "16"), lambda w: {name: tensor.half() for name, tensor in w.items()})
    assert opened(halves).encode(["a b"], "query").shape == (1, WIDTH)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    folder = changed(
        MODELS["bert"](tmp_path), lambda w: w | {"embeddings.LayerNorm.bias": torch.full((32,), torch.nan)}
    )
    with pytest.raises(BenchError, match=r"the weights hold NaN or infinity, in 0\.model\.embeddings\.LayerNorm\.bias"):
        opened(folder)


def test_vectors_that_are_all_equal(tmp_path: Path) -> None:
    folder = changed(MODELS["bert"](tmp_path), lambda w: {n: torch.zeros_like(t) + 0.1 for n, t in w.items()})
    with pytest.raises(BenchError, match="gives every query the same vector, and nothing can be ranked"):
        opened(folder)


@pytest.mark.parametrize("kind", ["SparseEncoder", "CrossEncoder", "MultiVectorEncoder"])
def test_other_kinds_of_models_are_not_turned_into_this_one(tmp_path: Path, kind: str) -> None:
    folder = MODELS["bert"](tmp_path)
    edited(folder / "config_sentence_transformers.json", model_type=kind)
    with pytest.raises(BenchError, match=f"a {kind} does not give a text one vector"):
        opened(folder)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "t5", "qwen2", "llama"])
def test_a_folder_without_a_tokenizer(tmp_path: Path, kind: str) -> None:
    folder = bare(tmp_path, kind)
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(BenchError, match=r"no tokenizer there \(tokenizer\.json, vocab\.txt, .*copy it"):
        opened(folder)


def test_a_tokenizer_that_is_larger_than_the_embedding(tmp_path: Path) -> None:
    folder = bare(tmp_path / "bert", "bert")
    words = tokenizer("bert")
    words.add_tokens(["Lima"])
    words.save_pretrained(folder)
    with pytest.raises(BenchError, match="gives ids up to 264 and its embedding has 264 rows"):
        opened(folder)
    static = saved(tmp_path / "static", [tiny_models.static()])
    changed(static, lambda w: {"embedding.weight": w["embedding.weight"][:-1].contiguous()})
    with pytest.raises(BenchError, match="gives ids up to 263 and its embedding has 263 rows"):
        opened(static)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "bert", "t5"])
def test_a_tokenizer_without_a_pad_token(tmp_path: Path, kind: str) -> None:
    model, words = body(kind)
    words.pad_token = None
    model.save_pretrained(tmp_path / "base")
    words.save_pretrained(tmp_path / "base")
    if kind in ("bert", "t5"):
        with pytest.raises(BenchError, match=r"has no pad token, .*name it in tokenizer_config\.json"):
            opened(tmp_path / "base")
        return
    encoder = opened(tmp_path / "base")
    assert encoder.notes == [f"the model's tokenizer has no pad token; '</s>' pads, as is usual for {kind}"]
    save(encoder, tmp_path / "saved")
    assert SentenceTransformer(str(tmp_path / "saved"), device="cpu").tokenizer.pad_token == "</s>"


def test_positions_end_before_the_texts_do(tmp_path: Path) -> None:
    """XLM-R's table has two rows more than it has positions for tokens."""
    folder = MODELS["xlm-roberta"](tmp_path)
    edited(folder / "tokenizer_config.json", model_max_length=82)
    with pytest.raises(
        BenchError, match=r"has positions for 80 tokens, and up to 82 of passages .* --passage-length 80"
    ):
        opened(folder, passage_length=256)
    assert opened(folder, passage_length=80).encode(["word " * 100], "passage").shape == (1, WIDTH)


def test_prompts_that_leave_no_room(tmp_path: Path) -> None:
    folder = MODELS["bert"](tmp_path)
    with pytest.raises(BenchError, match=r"26 tokens of the prompt .* leave no room for queries, of which 24 tokens"):
        opened(folder, query_prompt="x" * 24)
    assert opened(folder, query_prompt="x" * 21).prompt["query"] == "x" * 21


@pytest.mark.parametrize(("own", "used", "told_of"), [
    ({"query": "q: ", "passage": "p: "}, "p: ", True),  # sentence-transformers adds an empty 'document', and takes it
    ({"query": "q: ", "document": "d: "}, "d: ", False),
    ({"query": "q: ", "document": "d: ", "passage": "p: "}, "d: ", True),
    ({"query": "q: ", "document": "", "passage": "p: "}, "p: ", True),
    ({"corpus": "c: "}, "c: ", True),
    ({}, "", False),
])  # fmt: skip
def test_the_prompts_that_were_used_are_saved_as_sentence_transformers_takes_them(
    tmp_path: Path, own: dict[str, str], used: str, told_of: bool
) -> None:
    folder = pooled("bert")(tmp_path / "base")
    edited(folder / "config_sentence_transformers.json", prompts=own)
    for asked, expected in ((None, used), ("", ""), ("new: ", "new: ")):
        encoder = opened(folder, passage_prompt=asked)
        assert encoder.prompt == {"query": own.get("query", ""), "passage": expected}
        assert any("is used, and saved as all of them" in note for note in encoder.notes) is (told_of and asked is None)
        target = tmp_path / f"saved {asked}"
        save(encoder, target)
        theirs = SentenceTransformer(str(target), device="cpu").encode_document(["a b"], normalize_embeddings=True)
        np.testing.assert_allclose(theirs, encoder.encode(["a b"], "passage"), atol=1e-6)


def test_lengths_are_saved_and_the_tokenizer_forgets_its_last_batch(tmp_path: Path) -> None:
    base = MODELS["bert"](tmp_path / "base")
    encoder = opened(base)
    encoder.encode(["word " * 100], "query")
    save(encoder, tmp_path / "saved")
    words = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    assert (words["truncation"], words["padding"]) == (None, None)
    model = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert (model[0].query_length, model[0].document_length, model.max_seq_length) == (24, 40, 80)


@pytest.mark.parametrize(("options", "kept"), [
    ({"document_length": 12}, 12), ({"processing_kwargs": {"text": {"max_length": 14}}}, 14), ({}, 40),
])  # fmt: skip
def test_lengths_of_the_model_are_kept_to_and_told(tmp_path: Path, options: dict[str, Any], kept: int) -> None:
    folder = MODELS["bert"](tmp_path / "base")
    edited(folder / "sentence_bert_config.json", **options)
    encoder = opened(folder)
    assert encoder.features(["word " * 100], "passage")["input_ids"].shape == (1, kept)
    assert any(f"passages are cut to {kept} tokens, as the model says" in note for note in encoder.notes) is (kept < 40)
    save(encoder, tmp_path / "saved")
    again = opened(tmp_path / "saved")
    np.testing.assert_array_equal(*(e.encode(["word " * 100], "passage") for e in (encoder, again)))


@pytest.mark.parametrize("options", [
    {"processing_kwargs": {"text": 3}}, {"processing_kwargs": {"text": {"max_length": "9"}}}, {"query_length": "9"},
    {"document_length": 0}, {"query_length": -1}, {"max_seq_length": 0},
])  # fmt: skip
def test_options_of_a_folder_that_make_no_sense(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = MODELS["bert"](tmp_path)
    edited(folder / "sentence_bert_config.json", **options)
    with pytest.raises(BenchError, match=r"cannot be set up for|keeps (0|-1) tokens of"):
        opened(folder)


def test_a_model_that_forbids_to_cut_texts(tmp_path: Path) -> None:
    folder = MODELS["bert"](tmp_path)
    edited(folder / "sentence_bert_config.json", processing_kwargs={"text": {"truncation": False}})
    with pytest.raises(BenchError, match="processing_kwargs forbid to cut queries"):
        opened(folder)


@pytest.mark.parametrize(("similarity", "ends", "taken"), [
    ("cosine", [], True), ("dot", [], False), ("dot", [Normalize], True), ("euclidean", [Normalize], True),
    ("euclidean", [], False), ("manhattan", [Normalize], False),
])  # fmt: skip
def test_other_similarities_are_refused_unless_they_rank_alike(
    tmp_path: Path, similarity: str, ends: list[Any], taken: bool
) -> None:
    folder = behind(*ends, similarity_fn_name=similarity)(tmp_path / "base")
    if not taken:
        with pytest.raises(BenchError, match=f"compares vectors by {similarity} .*write 'cosine' there"):
            opened(folder)
        return
    save(opened(folder), tmp_path / "saved")
    assert SentenceTransformer(str(tmp_path / "saved"), device="cpu").similarity_fn_name == similarity


def test_dimensions_are_cut_where_the_model_says_so(tmp_path: Path) -> None:
    encoder = opened(MODELS["bert, truncate_dim=8"](tmp_path))
    vectors = encoder.encode(["a b"], "query")
    assert vectors.shape == encoder.represent(["a b"], "query")[0].shape == (1, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_modules_whose_vectors_depend_on_the_batch_are_refused(tmp_path: Path) -> None:
    build = words_and(lambda: CNN(WIDTH, WIDTH, [3]), lambda: Pooling(WIDTH, "mean"))
    with pytest.raises(BenchError, match=r"has another vector here .* alone: the model reads padding"):
        opened(build(tmp_path))


def test_routes_by_kind_of_text(tmp_path: Path) -> None:
    encoder = opened(MODELS["router: bert and bert"](tmp_path))
    query, passage = (encoder.encode(["a b"], kind) for kind in ("query", "passage"))
    assert np.linalg.norm(query - passage) > 0.1


def test_a_router_that_knows_other_words(tmp_path: Path) -> None:
    folder = MODELS["router: bert and bert"](tmp_path)
    path = folder / "router_config.json"
    path.write_text(path.read_text().replace('"document": [', '"passage": ['))
    with pytest.raises(BenchError, match=r"router has no way for passages: .*'document'"):
        opened(folder)


@pytest.mark.parametrize(("kind", "pooling"), [("qwen2", "lasttoken"), ("bert", "cls"), ("xlm-roberta", "mean")])
def test_texts_without_a_token(tmp_path: Path, kind: str, pooling: str) -> None:
    model, words = body(kind)
    words.backend_tokenizer.post_processor = processors.ByteLevel()
    model.save_pretrained(tmp_path / "bare")
    words.save_pretrained(tmp_path / "bare")
    encoder = opened(saved(tmp_path / "base", [Transformer(str(tmp_path / "bare")), Pooling(WIDTH, pooling)]))
    alone, beside = encoder.encode([""], "query"), encoder.encode(["", "a"], "query")
    np.testing.assert_allclose(alone, beside[:1], atol=1e-6)
    assert np.isfinite(alone).all()
    encoder.model.train()
    assert encoder.represent(["", ""], "query")[0].shape == (2, WIDTH)


def test_a_model_without_a_pooling(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="gives a text no vector; its modules lack a Pooling"):
        opened(saved(tmp_path, [tiny_models.transformer("bert")]))


def test_a_token_for_padding_within_a_text(tmp_path: Path) -> None:
    """RoBERTa counts no position for it, wherever it stands."""
    folder = MODELS["xlm-roberta"](tmp_path)
    encoder = opened(folder)
    assert encoder.packs
    texts = ["a <pad> b c", "d"]
    theirs = SentenceTransformer(str(folder), device="cpu").encode_query(texts, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(texts, "query"), theirs, atol=1e-6)


def test_a_foreign_warning_is_told(tmp_path: Path) -> None:
    folder = behind(lambda: Dense(WIDTH, 8))(tmp_path)
    edited(folder / "2_Dense" / "config.json", gain=3)
    (note,) = opened(folder).notes
    assert "Ignoring unrecognized Dense config key(s) ['gain']" in note


def test_a_folder_that_is_not_what_was_saved_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, write = opened(MODELS["bert"](tmp_path / "base")), Encoder.save

    def written(self: Encoder, folder: Path) -> None:
        write(self, folder)
        changed(folder, lambda w: w | {"embeddings.LayerNorm.bias": w["embeddings.LayerNorm.bias"] + 0.1})

    monkeypatch.setattr(Encoder, "save", written)
    with pytest.raises(
        BenchError, match=r"model, saved and opened again: .* has another vector here than in sentence-"
    ):
        save(encoder, tmp_path / "model")


def test_comparing_leaves_random_states_and_modes_as_they_were(tmp_path: Path) -> None:
    encoder = opened(MODELS["bert"](tmp_path / "base"), precision="bf16")
    encoder.model.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    save(encoder, tmp_path / "model")
    assert torch.equal(torch.rand(3), expected)
    assert encoder.model.training
    assert encoder.half is torch.bfloat16
    assert max(found.distance for found in encoder.parity.values()) < 1e-5
    assert encoder.parity.keys() == {"opened", "saved"}


@pytest.mark.parametrize("micro_batch", [0, 3])
def test_both_ways_of_a_router_are_trained(tmp_path: Path, micro_batch: int) -> None:
    encoder = opened(MODELS["router: bert and bert"](tmp_path))
    texts, passages = ["a", "b c", "d e f", "g"], ["h", "i j", "k", "l m n"]

    def objective(q: Tensor, p: Tensor) -> Tensor:
        return info_nce(q, p, 0.05, torch.arange(4))

    if micro_batch:
        cached_gradients(encoder, texts, passages, objective, micro_batch, torch.device("cpu"))
    else:
        plain_gradients(encoder, texts, passages, objective)
    moved = {name.split(".")[2] for name, p in encoder.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"query", "document"}


@pytest.mark.parametrize("more", [("--dry-run",), ()])
def test_a_model_that_cannot_be_used_ends_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    folder = changed(MODELS["bert"](tmp_path / "base"), lambda w: {n: t for n, t in w.items() if "layer.0" not in n})
    command = ["evaluate", "--model", str(folder), "--task", "demo-dev", "--experiment", "e", "--precision", "float32",
               "--results", str(tmp_path / "results"), *more]  # fmt: skip
    assert main(command) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("bench:")]
    assert "are not in the files and would be random: encoder.layer.0" in line
