"""Rebuilds the demo base encoder: ``python -m bench.door.pretrain``. Same machine, same versions, same bits.

A StaticEmbedding (mean of token vectors), pre-trained to bring translations of a *name* together. Its tokenizer was
trained on the names and on all wordings of the data set, those of the test questions included, as a real tokenizer
knows words that a fine-tuning set lacks. Its vectors have seen names alone: a word that occurs in no name starts near
zero, and one that occurs in test questions only stays there.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

SIZE = 8000


DIM = 192


STEPS = 2000


BATCH = 256


LEARNING_RATE = 1e-2


TEMPERATURE = 0.05


SEED = 0


WEIGHT = 20
"""How often a wording counts beside a name when the vocabulary is chosen."""


SPECIAL = ("[PAD]", "[UNK]", "[CLS]")


def build(folder: Path) -> None:
    """Write tokenizer and weights (float16, as shipped) as a sentence-transformers folder."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from bench.models.loading import quiet_libraries
    from tasks.demo import load_names, load_wordings

    quiet_libraries()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    names = load_names()
    tokenizer = _tokenizer([name for column in names.values() for name in column] + WEIGHT * load_wordings())
    static = StaticEmbedding(tokenizer, embedding_dim=DIM)
    torch.nn.init.normal_(static.embedding.weight, std=0.002)
    _align(static, names)
    model = SentenceTransformer(modules=[static], device="cpu", similarity_fn_name="cosine")
    model.half().save_pretrained(str(folder), create_model_card=False)


def _tokenizer(texts: list[str]) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # a Unigram's training is not reproducible
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(sorted(texts), trainer)
    return tokenizer


def _align(static: StaticEmbedding, names: dict[str, list[str]]) -> None:
    """InfoNCE between a name in one language and the same name in another, languages drawn per row."""
    import torch
    from torch.nn import functional
    from tqdm import tqdm

    from bench.training.loss import info_nce

    rng = np.random.default_rng(SEED)
    langs = sorted(names)
    size = len(names[langs[0]])
    optimizer = torch.optim.AdamW(static.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    for _ in tqdm(range(STEPS), desc="align names", unit="step", disable=None):
        rows = rng.choice(size, BATCH, replace=False)
        pairs = np.argsort(rng.random((BATCH, len(langs))), axis=1)[:, :2]
        sides = [[names[langs[pairs[i, k]]][row] for i, row in enumerate(rows)] for k in (0, 1)]
        a, b = (functional.normalize(static(static.preprocess(side))["sentence_embedding"], dim=-1) for side in sides)
        loss = info_nce(a, b, TEMPERATURE, torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main() -> None:
    """Rebuild the shipped folder, or another one."""
    from bench.models.loading import STATIC

    parser = argparse.ArgumentParser(prog="python -m bench.door.pretrain", description=__doc__)
    parser.add_argument("--out", type=Path, default=STATIC)
    out = parser.parse_args().out
    from bench.models.folder import folder_hash
    from bench.store.writing import written_aside

    with written_aside(out) as aside:
        build(aside)
    print(f"{out}: {folder_hash(out)}")


if __name__ == "__main__":
    main()
