"""Tiny models with random weights, of the architectures and modules that people train: folders as others ship them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    CNN,
    LSTM,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    Router,
    StaticEmbedding,
    Transformer,
    WordEmbeddings,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast, T5EncoderModel

WIDTH = 32
POSITIONS = 80
"""Positions that models with a table of them can take."""

SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>"),
    "t5": ("<pad>", "</s>", "<unk>"),
    "decoder": ("<unk>", "<s>", "</s>", "<pad>"),
}
"""Special tokens in the order of their ids."""

TEMPLATE = {"bert": "[CLS] $A [SEP]", "roberta": "<s> $A </s>", "t5": "$A </s>", "decoder": "$A </s>"}

SIZES = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
DECODER = SIZES | {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512}
RELATIVE = {"d_model": WIDTH, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", SIZES | {"max_position_embeddings": POSITIONS}),
    "roberta": ("roberta", SIZES | {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}),
    "xlm-roberta": ("roberta", SIZES | {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}),
    "distilbert": ("bert", {"dim": WIDTH, "n_layers": 2, "n_heads": 4, "hidden_dim": 48,
                            "max_position_embeddings": POSITIONS}),
    "mpnet": ("roberta", SIZES | {"max_position_embeddings": POSITIONS + 2}),
    "modernbert": ("bert", SIZES | {"max_position_embeddings": 512, "local_attention": 16,
                                    "global_attn_every_n_layers": 2}),
    "deberta-v2": ("bert", SIZES | {"max_position_embeddings": POSITIONS, "relative_attention": True,
                                    "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
                                    "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True}),
    "electra": ("bert", SIZES | {"embedding_size": 24, "max_position_embeddings": POSITIONS}),
    "albert": ("bert", SIZES | {"embedding_size": 24, "max_position_embeddings": POSITIONS}),
    "t5": ("t5", RELATIVE),
    "mt5": ("t5", RELATIVE | {"feed_forward_proj": "gated-gelu"}),
    "qwen2": ("decoder", DECODER),
    "qwen3": ("decoder", DECODER),
    "gemma": ("decoder", DECODER),
    "llama": ("decoder", DECODER),
}  # fmt: skip
"""Model type -> style of its tokenizer, and its sizes."""

LEFT = ("qwen3",)
"""Model types whose tokenizers pad on the left, as theirs do."""


def tokenizer(style: str, left: bool = False, limit: int = 10**30) -> PreTrainedTokenizerFast:
    """A tokenizer over bytes: it knows every script."""
    special = SPECIAL[style]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    merges = [("t", "h"), ("e", "r"), ("Ġ", "a"), ("th", "e")]
    vocabulary |= {a + b: len(vocabulary) + i for i, (a, b) in enumerate(merges)}
    inner = Tokenizer(models.BPE(vocabulary, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    used = [token for token in TEMPLATE[style].split() if token != "$A"]
    inner.post_processor = processors.TemplateProcessing(
        single=TEMPLATE[style], special_tokens=[(token, vocabulary[token]) for token in used]
    )
    roles = {"[PAD]": "pad_token", "<pad>": "pad_token", "[UNK]": "unk_token", "<unk>": "unk_token",
             "[CLS]": "cls_token", "[SEP]": "sep_token", "<s>": "bos_token", "</s>": "eos_token"}  # fmt: skip
    named = {roles[token]: token for token in special}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=limit, padding_side="left" if left else "right", **named
    )


def body(kind: str, seed: int = 0, **more: Any) -> tuple[torch.nn.Module, PreTrainedTokenizerFast]:
    """A transformer with weights that matter, and its tokenizer."""
    style, sizes = CONFIGS[kind]
    words = tokenizer(style, kind in LEFT, POSITIONS if style == "roberta" else 10**30)
    ids = {name: getattr(words, name) for name in (f"{role}_token_id" for role in ("pad", "bos", "eos", "cls", "sep"))}
    config = AutoConfig.for_model(kind, vocab_size=len(words), **{**ids, **sizes, **more})
    torch.manual_seed(seed)
    model = T5EncoderModel(config) if kind == "t5" else AutoModel.from_config(config)
    if kind == "mt5":
        from transformers import MT5EncoderModel

        model = MT5EncoderModel(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval(), words


def bare(folder: Path, kind: str, **more: Any) -> Path:
    """A folder as transformers writes it, without modules."""
    model, words = body(kind, **more)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def transformer(kind: str, **more: Any) -> Transformer:
    """The first module of a model."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Transformer(str(bare(Path(folder), kind, **more)))


def saved(folder: Path, modules: Sequence[torch.nn.Module], **more: Any) -> Path:
    """The folder of a model of these modules."""
    model = SentenceTransformer(modules=list(modules), device="cpu", **more)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def static(seed: int = 0) -> StaticEmbedding:
    """Means of random token vectors."""
    words = tokenizer("bert")
    torch.manual_seed(seed)
    return StaticEmbedding(words, embedding_weights=torch.randn(len(words), WIDTH))


def pooled(kind: str, pooling: str = "mean") -> Callable[[Path], Path]:
    """Builds a folder of a transformer of a kind, and a pooling."""
    prompts = {"query": "query: ", "document": "passage: "}
    return lambda folder: saved(folder, [transformer(kind), Pooling(WIDTH, pooling)], prompts=prompts)


def words_and(*modules: Callable[[], torch.nn.Module]) -> Callable[[Path], Path]:
    """Builds a folder of word embeddings and modules over them."""

    def build(folder: Path) -> Path:
        vocabulary = ["the", "passage", "a", "longer", "of", "capital", "Peru", "Lima", "query"]
        torch.manual_seed(0)
        rows = torch.randn(len(vocabulary), WIDTH)
        first = WordEmbeddings(WhitespaceTokenizer(vocabulary, stop_words=[]), rows, update_embeddings=True)
        return saved(folder, [first, *(make() for make in modules)])

    return build


def router(query: Callable[[], list[torch.nn.Module]], passage: Callable[[], list[torch.nn.Module]],
           default: str | None = None) -> Callable[[Path], Path]:  # fmt: skip
    """Builds a folder with a way for queries and one for passages."""

    def build(folder: Path) -> Path:
        ways = Router.for_query_document(query(), passage(), default_route=default, allow_empty_key=default is not None)
        return saved(folder, [ways, Normalize()], prompts={"query": "ask: ", "document": "tell: "})

    return build


def small_bert(seed: int = 0) -> list[torch.nn.Module]:
    """A way of a router."""
    return [transformer("bert", seed=seed), Pooling(WIDTH, "mean")]


def behind(*modules: Callable[[], torch.nn.Module], **more: Any) -> Callable[[Path], Path]:
    """Builds a folder of a BERT, its mean, and modules behind them."""
    return lambda folder: saved(folder, [*small_bert(), *(make() for make in modules)], **more)


MODELS: dict[str, Callable[[Path], Path]] = {
    **{kind: pooled(kind) for kind in ("bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "modernbert",
                                       "deberta-v2", "electra", "albert", "t5", "mt5", "gemma", "llama")},
    "qwen2": pooled("qwen2", "lasttoken"),
    "qwen3, padded left": pooled("qwen3", "lasttoken"),
    "bert, cls": pooled("bert", "cls"),
    "bert, max": pooled("bert", "max"),
    "llama, weightedmean": pooled("llama", "weightedmean"),
    "xlm-roberta, weightedmean": pooled("xlm-roberta", "weightedmean"),
    "bert, Dense, Normalize": behind(lambda: Dense(WIDTH, 24), Normalize),
    "bert, LayerNorm": behind(lambda: LayerNorm(WIDTH)),
    "bert, truncate_dim=8": behind(truncate_dim=8),
    "bert without modules": lambda folder: bare(folder, "bert"),
    "static": lambda folder: saved(folder, [static()]),
    "static, prompts": lambda folder: saved(folder, [static()], prompts={"query": "ask ", "document": "tell "}),
    "router: bert and bert": router(small_bert, lambda: small_bert(1)),
    "router: static and bert": router(lambda: [static()], small_bert, default="document"),
    "words, LSTM": words_and(lambda: LSTM(WIDTH, WIDTH), lambda: Pooling(2 * WIDTH, "mean")),
    "words, CNN of single words": words_and(lambda: CNN(WIDTH, WIDTH, [1]), lambda: Pooling(WIDTH, "mean")),
}  # fmt: skip
"""Name -> builds the folder of such a model at a path."""
