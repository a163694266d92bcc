"""A small XLM-R with as large a table of embeddings as matters: 40,000 rows, of which texts use some everywhere."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from tests.bench.tiny_models import POSITIONS, WIDTH, saved

ROWS = 40_000
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
APART = 150
"""Rows between those of two bytes: the last one lies at 38,404, behind what is still a small table."""


def tokenizer() -> PreTrainedTokenizerFast:
    """Over bytes; its other tokens are in no text."""
    letters = {i * APART + len(SPECIAL): letter for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    names = [*SPECIAL, *(letters.get(i, f"<{i}>") for i in range(len(SPECIAL), ROWS))]
    inner = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=POSITIONS, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", cls_token="<s>", sep_token="</s>",
    )  # fmt: skip


def xlm_roberta(folder: Path, layers: int) -> Path:
    """A folder as sentence-transformers writes it: random weights that matter, no dropout, prompts."""
    config = XLMRobertaConfig(
        vocab_size=ROWS, hidden_size=WIDTH, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=POSITIONS + 2, type_vocab_size=1, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = XLMRobertaModel(config, add_pooling_layer=False)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
        elif name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder / "body")
    tokenizer().save_pretrained(folder / "body")
    modules = [Transformer(str(folder / "body")), Pooling(WIDTH, "mean")]
    return saved(folder / "model", modules, prompts={"query": "query: ", "document": "passage: "})
