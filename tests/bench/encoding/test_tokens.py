"""Kept token ids give the features that the tokenizer gives, to the bit, and are given up where they cannot."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Router, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from bench.data.corpus import Kind
from bench.encoding import sides, tokens
from bench.encoding.encoder import Encoder
from bench.encoding.reading import Reading
from bench.encoding.tokens import Reader, Store
from bench.models.folder import files_of
from bench.models.loading import STATIC, load_encoder
from bench.plan.settings import Settings

TEXTS = ["", "a", "the currency of Peru", "b c " * 40, "official language of Chad", "https://x.org/a.jpg", "a"]


def static() -> StaticEmbedding:
    return StaticEmbedding(Tokenizer.from_file(str(STATIC / "tokenizer.json")), embedding_dim=4)


def transformer(folder: Path, **options: str) -> Transformer:
    inner = Tokenizer.from_file(str(STATIC / "tokenizer.json"))
    inner.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", inner.token_to_id("[CLS]"))])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=60, **options
    )
    config = BertConfig(
        vocab_size=9000, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Transformer(str(folder), max_seq_length=60)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SentenceTransformer]:
    def opened(*modules: torch.nn.Module) -> SentenceTransformer:
        return SentenceTransformer(modules=list(modules), device="cpu")

    def made(**options: str) -> Transformer:
        return transformer(tmp_path_factory.mktemp("model"), **options)

    return {
        "static": opened(static()),
        "padded right": opened(made(), Pooling(8, "mean")),
        "padded left": opened(made(padding_side="left"), Pooling(8, "mean")),
        "cut in front": opened(made(truncation_side="left"), Pooling(8, "mean")),
        "router": opened(Router({"document": [made(), Pooling(8)], "query": [static()]}, default_route="document")),
    }


def plain(encoder: Encoder, texts: list[str], kind: Kind) -> dict[str, Any]:
    """What sentence-transformers gives."""

    def read(self: Reading, model: SentenceTransformer, batch: list[str], kind: Kind) -> dict[str, Any]:
        return dict(model.preprocess(list(batch), prompt=self._prompt[kind], task=sides.TASK[kind]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reading, "_read", read)
        return encoder.features(texts, kind)


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(x, b[k]) and x.dtype == b[k].dtype if isinstance(x, Tensor) else x == b[k] for k, x in a.items()
    )


@pytest.mark.parametrize("name", ["static", "padded right", "padded left", "cut in front", "router"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5), min_size=1, max_size=6), st.booleans())
def test_features_are_what_the_tokenizer_gives(
    models: dict[str, SentenceTransformer], name: str, batches: list[list[str]], training: bool
) -> None:
    encoder = Encoder(models[name], Settings(query_length=12, query_prompt="ask: ", passage_prompt=""))
    encoder.model.train(training)
    for batch in batches:
        for kind in ("query", "passage"):
            assert equal(encoder.features(batch, kind), plain(encoder, batch, kind))


@pytest.mark.parametrize("name", ["static", "padded right", "padded left", "router"])
def test_a_text_is_read_once(
    models: dict[str, SentenceTransformer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, read = Encoder(models[name], Settings()), noted(monkeypatch)
    for texts in (TEXTS, TEXTS[:3], [*reversed(TEXTS), "one more"], TEXTS):
        encoder.features(texts, "passage")
    encoder.features(TEXTS, "query")
    assert read == [*TEXTS, "one more", *TEXTS]


def test_encoders_of_equal_files_share_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens.SHARED, "_kept", {})
    first = load_encoder(Settings(model="demo-static"), 0)
    first.save(tmp_path / "a")
    first.encode(TEXTS, "query")
    first.model[0].embedding.weight.data.neg_()
    first.save(tmp_path / "b")
    read = noted(monkeypatch)
    load_encoder(Settings(model="demo-static"), 1).encode(TEXTS, "query")
    assert read == []
    saved, again = (load_encoder(Settings(model=str(tmp_path / name)), 0) for name in "ab")
    assert (saved.encode(["shared"], "query") == -again.encode(["shared"], "query")).all()
    assert read.count("shared") == 1
    config = tmp_path / "b" / "tokenizer.json"
    config.write_text(config.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert files_of(tmp_path / "a", "") != files_of(tmp_path / "b", "")


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that reach a tokenizer from now on."""
    read: list[str] = []
    whole: Callable[..., dict[str, Tensor]] = Reading._preprocessed

    def reading(self: Reading, model: SentenceTransformer, texts: list[str], kind: Kind) -> dict[str, Tensor]:
        read.extend(texts)
        return whole(self, model, texts, kind)

    monkeypatch.setattr(Reading, "_preprocessed", reading)
    return read


def fixed_width(texts: list[str]) -> dict[str, Any]:
    """Every batch is filled up to 8 places."""
    mask = torch.stack([torch.arange(8) < len(text) for text in texts]).long()
    return {"input_ids": mask * 7, "attention_mask": mask}


def with_more(texts: list[str]) -> dict[str, Any]:
    return fixed_width(texts) | {"lang_ids": torch.zeros(len(texts), 8).long()}


@pytest.mark.parametrize("read", [fixed_width, with_more])
def test_batches_that_are_more_than_their_texts_are_not_kept(read: Callable[[list[str]], dict[str, Any]]) -> None:
    store, seen = Store(), []

    def noting(texts: list[str]) -> dict[str, Any]:
        seen.append(texts)
        return read(texts)

    for batch in (["a", "bb"], ["bb", "ccc"], ["a", "ccc"]):
        assert equal(store.features(batch, Reader("", "query", "", 8), noting, True), read(batch))
    assert store.bytes == 0
    assert seen[-1] == ["a", "ccc"]


def test_the_limit_holds_for_corpora_and_other_models_make_way() -> None:
    def read(texts: list[str]) -> dict[str, Any]:
        ids = torch.tensor([ord(c) for text in texts for c in text])
        return {"input_ids": ids, "offsets": torch.tensor([0, *map(len, texts)]).cumsum(0)[:-1]}

    store = Store(limit=2000)
    ours, theirs = Reader("ours", "passage", "", 8), Reader("theirs", "passage", "", 8)
    for i in range(50):
        store.features([f"old {i}"], theirs, read, False)
    full = store.bytes
    assert 2000 <= full < 2300
    assert equal(store.features(["new"], ours, read, False), read(["new"]))
    assert 0 < store.bytes < 300
    for i in range(50):
        store.features([f"trained {i}"], ours, read, True)
    assert 0 < store.bytes < 300
    every = [f"trained {i}" for i in range(50)]
    assert equal(store.features(every, ours, lambda texts: pytest.fail("read again"), False), read(every))


@pytest.mark.parametrize("name", ["padded right", "padded left", "cut in front"])
def test_after_some_texts_the_shorter_way_gives_the_same(
    models: dict[str, SentenceTransformer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(models[name], Settings(query_length=12, query_prompt="ask: ", passage_length=20))
    rng = random.Random(0)
    words = ["a", "b", "the", "currency", "Peru", "北京", "عاصمة", "🙂", "\n", " ", "", "https://x.org/a.jpg"]
    batches = [[" ".join(rng.choices(words, k=rng.randrange(40))) for _ in range(16)] for _ in range(12)]
    read = noted(monkeypatch)
    found = [(encoder.features(b, "query"), encoder.features(b, "passage")) for b in batches]
    assert 2 * tokens.TRIED <= len(read) <= 2 * (tokens.TRIED + 32)
    for batch, (query, passage) in zip(batches, found, strict=True):
        assert equal(query, plain(encoder, batch, "query"))
        assert equal(passage, plain(encoder, batch, "passage"))


def test_a_shorter_way_that_is_wrong_is_not_taken() -> None:
    store, asked = Store(), []

    def read(texts: list[str]) -> dict[str, Any]:
        ids = torch.tensor([ord(c) for text in texts for c in text])
        return {"input_ids": ids, "offsets": torch.tensor([0, *map(len, texts)]).cumsum(0)[:-1]}

    def wrong(texts: list[str]) -> list[bytes]:
        asked.append(len(texts))
        return [b"\\0\\0\\0\\0" for _ in texts]

    for i in range(9):
        batch = [f"text {i} {j}" for j in range(30)]
        assert equal(store.features(batch, Reader("", "query", "", 8), read, True, wrong), read(batch))
    assert asked == [30]
