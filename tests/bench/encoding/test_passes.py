"""Texts that share one row of tokens give what padded texts give."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer, WeightedLayerPooling
from transformers import BertConfig, DistilBertConfig, PretrainedConfig, XLMRobertaConfig

from bench.data.corpus import Kind
from bench.encoding import passes, varlen
from bench.encoding.encoder import Encoder
from bench.encoding.passes import Work, filled
from bench.errors import BenchError
from bench.models.loading import STATIC
from bench.plan.settings import Settings

TEXTS = [
    "a",
    "the currency of Peru",
    "b c",
    "official language of Chad and its neighbours",
    "d",
    "the currency of Chile",
]
SIZES = {"vocab_size": 9000, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "pad_token_id": 1}
BERT = BertConfig(**SIZES, intermediate_size=48, max_position_embeddings=64)
XLM_R = XLMRobertaConfig(**SIZES, intermediate_size=48, max_position_embeddings=66, type_vocab_size=1)
DISTILBERT = DistilBertConfig(vocab_size=9000, dim=24, n_layers=1, n_heads=3, hidden_dim=48, pad_token_id=1)


def opened(config: PretrainedConfig, pooling: str = "mean") -> SentenceTransformer:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoModel, PreTrainedTokenizerFast

    torch.manual_seed(1)
    body = AutoModel.from_config(config)
    for parameter in body.parameters():  # positions and tokens that matter
        torch.nn.init.normal_(parameter, std=0.5 if parameter.dim() > 1 else 0.1)
    inner = Tokenizer.from_file(str(STATIC / "tokenizer.json"))
    inner.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", inner.token_to_id("[CLS]"))])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=60
    )
    with tempfile.TemporaryDirectory() as folder:
        body.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        first = Transformer(folder, max_seq_length=60)
    return SentenceTransformer(modules=[first, Pooling(24, pooling)], device="cpu")


def padded(encoder: Encoder) -> Encoder:
    encoder.packs = False
    return encoder


@pytest.mark.parametrize("config", [BERT, XLM_R], ids=["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_vectors_and_gradients_are_those_of_padded_texts(config: PretrainedConfig, pooling: str) -> None:
    encoder, other = Encoder(opened(config, pooling), Settings()), padded(Encoder(opened(config, pooling), Settings()))
    target = torch.randn(len(TEXTS), 24, generator=torch.Generator().manual_seed(0))
    found = []
    for each in (encoder, other):
        each.model.eval()
        vectors, work = each.represent(TEXTS, "passage")
        (vectors * target).sum().backward()
        gradients = {n: p.grad for n, p in each.model.named_parameters() if p.grad is not None}
        found.append((vectors.detach(), gradients, work))
    (vectors, gradients, work), (others, of_others, padded_work) = found
    torch.testing.assert_close(vectors, others, rtol=0, atol=1e-5)
    assert gradients.keys() == of_others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, of_others[name], rtol=1e-3, atol=1e-4)
    lengths = encoder.features(TEXTS, "passage")["attention_mask"].sum(dim=1)
    assert work == Work(len(TEXTS), int(lengths.sum()), int(lengths.sum()), int(lengths.square().sum()))
    assert padded_work.tokens == work.tokens < padded_work.positions


@pytest.mark.parametrize("config", [BERT, XLM_R], ids=["bert", "xlm-roberta"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_encoding_is_that_of_sentence_transformers(config: PretrainedConfig, precision: str) -> None:
    encoder = Encoder(opened(config), Settings(precision=precision))
    assert encoder.packs
    expected = opened(config).encode(TEXTS, normalize_embeddings=True)
    atol = 1e-5 if precision == "float32" else 0.03
    np.testing.assert_allclose(encoder.encode(TEXTS, "passage"), expected, rtol=0, atol=atol)
    model = encoder.model  # still takes padded texts: the mask is seen
    np.testing.assert_allclose(model.encode(TEXTS, normalize_embeddings=True), expected, rtol=0, atol=1e-5)


def test_other_architectures_and_poolings_are_padded() -> None:
    assert not Encoder(opened(DISTILBERT), Settings()).packs
    layers = SentenceTransformer(modules=[opened(BERT)[0], WeightedLayerPooling(24)], device="cpu")
    assert not passes.prepare(layers)
    generating = BertConfig(**SIZES, intermediate_size=48, is_decoder=True)
    assert not Encoder(opened(generating), Settings()).packs


def test_a_stored_model_does_not_mention_the_attention_it_was_trained_with(tmp_path: Path) -> None:
    encoder = Encoder(opened(BERT), Settings())
    encoder.save(tmp_path / "model")
    assert passes.NAME not in json.dumps(json.loads((tmp_path / "model" / "config.json").read_text()))
    again = SentenceTransformer(str(tmp_path / "model"))
    np.testing.assert_allclose(again.encode(TEXTS), encoder.model.encode(TEXTS), rtol=0, atol=1e-5)


def test_dropout_of_attention_keeps_the_mean() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 7, 4) for _ in range(3))
    ends = torch.tensor([0, 3, 7])
    module = torch.nn.Module()
    whole, _ = passes.attend(module, q, k, v, None, cu_seq_lens_q=ends)
    drawn = torch.stack([passes.attend(module, q, k, v, None, dropout=0.3, cu_seq_lens_q=ends)[0] for _ in range(4000)])
    assert not torch.equal(drawn[0], drawn[1])
    error = drawn.std(dim=0) / len(drawn) ** 0.5
    assert ((drawn.mean(dim=0) - whole).abs() < 5 * error).all()


@pytest.mark.parametrize(("packs", "expected"), [(True, [[3], [0, 2, 1]]), (False, [[3], [0, 2], [1]])])
def test_passes_are_filled_with_the_longest_texts_first(packs: bool, expected: list[list[int]]) -> None:
    mask = torch.arange(9) < torch.tensor([[4], [2], [3], [9]])
    assert [part.rows.tolist() for part in filled(mask, 9, packs)] == expected


def by_products(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    ends: varlen.Ends,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """What the kernels of a GPU compute."""
    assert ends.at.dtype == torch.int32
    lengths = ends.at.diff().tolist()
    assert ends.longest == max(lengths)
    assert dropout == 0
    parts = zip(*(t.split(lengths, dim=2) for t in (query, key, value)), strict=True)
    found = [torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, -1) @ v for q, k, v in parts]
    return torch.cat(found, dim=2).transpose(1, 2)


@pytest.mark.parametrize("config", [BERT, XLM_R], ids=["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_queries_and_passages_that_pass_together_have_their_vectors(
    config: PretrainedConfig, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(opened(config, pooling), Settings(query_prompt="a b ", passage_length=7))
    encoder.model.eval()
    queries, passages = TEXTS[:2], TEXTS[1:]
    q, p, work = encoder.represent_both(queries, passages)
    monkeypatch.setattr(varlen, "attention", by_products)
    found = encoder._together(queries, passages)
    assert found is not None
    torch.testing.assert_close(found[0], q, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[1], p, rtol=0, atol=1e-5)
    assert found[2] == work


def test_kinds_whose_prompts_are_left_out_of_the_pooling_pass_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(BERT)
    model[1].include_prompt = False
    encoder = Encoder(model, Settings(query_prompt="a b "))
    monkeypatch.setattr(varlen, "attention", by_products)
    assert encoder._together(TEXTS, TEXTS) is None


def test_texts_without_a_token_do_not_pass_together() -> None:
    static = Encoder(SentenceTransformer(str(STATIC), device="cpu"), Settings())
    assert static._together(["a"], ["b"]) is None


def test_texts_that_do_not_fit_a_gpu_together_pass_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = Encoder(opened(BERT), Settings(query_length=12, passage_length=12))
    expected, embed, seen = encoder.encode(TEXTS * 9, "passage"), encoder.embed, []

    def full(features: dict[str, torch.Tensor], kind: Kind) -> torch.Tensor:
        seen.append(features["input_ids"].numel())
        if seen[-1] > 20:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return embed(features, kind)

    monkeypatch.setattr(encoder, "embed", full)
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS * 9)]
    assert max(seen, default=0) == 0
    np.testing.assert_allclose(encoder.encode(TEXTS * 9, "passage"), expected, rtol=0, atol=1e-5)
    encoder.encode(texts, "passage")
    assert max(seen) > 20 >= seen[-1]
    assert "the GPU's memory is full" in capsys.readouterr().err
    monkeypatch.setattr(encoder, "embed", lambda features, kind: full({"input_ids": torch.zeros(99)}, kind))
    with pytest.raises(BenchError, match="one text at a time does not fit"):
        encoder.encode(texts, "passage")
