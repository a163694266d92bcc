"""Encoding beside ``SentenceTransformer.encode``, and ranking on the card beside ranking on the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median

import numpy as np
import torch
from asked import CARD, Asked, Found, restart_peak
from sentence_transformers import SentenceTransformer

from bench import accelerator
from bench.data.corpus import build_corpus
from bench.encoding.encoder import Encoder
from bench.evaluation.device_search import OnDevice
from bench.evaluation.exact_search import Exact
from bench.models.loading import load_encoder
from bench.plan import resolve
from bench.plan.settings import Settings

LENGTH, CHUNKS, AIM = 256, 4, 2.0
"""Tokens of a passage at most; parts that are timed apart; times their tokens a second."""


def encoding(asked: Asked, found: Found) -> None:
    """Tokens a second on texts that neither side has seen, alternately; and how alike the vectors are."""
    settings = Settings(model=asked.model, precision="bf16", query_length=LENGTH, passage_length=LENGTH)
    ours = load_encoder(settings, 0)
    peer = SentenceTransformer(asked.model, local_files_only=True, model_kwargs={"dtype": torch.bfloat16})
    peer.max_seq_length = LENGTH
    size = 16 if asked.small else 4096
    every = {asked.task: of_task(asked), asked.train: of_source(asked)}
    for name, texts in every.items():
        each = min(size, len(texts) // (CHUNKS + 1))
        step = max(1, len(texts) // (each * (CHUNKS + 1)))
        spread = texts[::step]
        chunks = [spread[i * each : (i + 1) * each] for i in range(CHUNKS + 1)]
        beside(name, ours, peer, chunks, found)
        restart_peak()


def beside(name: str, ours: Encoder, peer: SentenceTransformer, chunks: list[list[str]], found: Found) -> None:
    """The last of the chunks is to warm up."""
    prompt = peer.prompts.get("passage") or ""

    def theirs(texts: Sequence[str], size: int) -> torch.Tensor:
        return peer.encode(  # type: ignore[no-any-return]
            list(texts), prompt=prompt, normalize_embeddings=True, convert_to_tensor=True,
            batch_size=size, show_progress_bar=False,
        )  # fmt: skip

    tokens = []
    for texts in chunks:  # counted by another reader: none of the sides has seen them when its time runs
        read = peer.tokenizer([prompt + t for t in texts], truncation=True, max_length=LENGTH)
        tokens.append(sum(map(len, read["input_ids"])))
    sides: dict[str, tuple[Callable[[list[str]], object], int]] = {
        "sentence-transformers, batches of 32": (lambda texts: theirs(texts, 32), 1),
        "sentence-transformers, batches of 256": (lambda texts: theirs(texts, 256), CHUNKS),
        "bench": (lambda texts: ours.encode(texts, "passage"), CHUNKS),
    }
    rates: dict[str, float] = {}
    for side, (encode, many) in sides.items():
        encode(chunks[-1])
        per = [n / taken(encode, texts) for n, texts in zip(tokens, chunks[:many], strict=False)]
        rates[side] = median(per)
    best = max(rate for side, rate in rates.items() if side != "bench")
    cosine = float(
        (torch.from_numpy(ours.encode(chunks[0], "passage")) * theirs(chunks[0], 256).float().cpu()).sum(1).min()
    )
    again = tokens[0] / taken(lambda texts: ours.encode(texts, "passage"), chunks[0])
    for side, rate in rates.items():
        row = {"passages of": name, "of": len(chunks[0]), "tokens each": tokens[0] / len(chunks[0]), "side": side}
        row |= {"tokens / s": f"{rate:,.0f}"}
        if side == "bench":
            row |= {"x their best": rate / best, "least cosine": f"{cosine:.5f}", "aim met": rate / best >= AIM}
            row |= {"texts known, tokens / s": f"{again:,.0f}"}
        found.row(**row)


def taken(encode: Callable[[list[str]], object], texts: list[str]) -> float:
    accelerator.wait()
    start = time.perf_counter()
    encode(texts)
    accelerator.wait()
    return time.perf_counter() - start


def of_task(asked: Asked) -> list[str]:
    evalset = next(iter(resolve.task(asked.task).load(asked.data)))
    stream = (text for of in evalset.passages.values() for _, text in of.items())
    return list(dict.fromkeys(islice(stream, 100_000)))


def of_source(asked: Asked) -> list[str]:
    source = resolve.source(asked.train).load(asked.data)
    return list(dict.fromkeys(text for of in source.passage.values() for text in of if text))


PASSAGES, QUERIES, LANGS = 13_014, 1_190, 11
"""XQuAD-R's."""


def ranking(asked: Asked, found: Found) -> None:
    """Random vectors of XQuAD-R's shape, one passage in a hundred twice: equal similarities stand in one order."""
    passages, queries = (600, 40) if asked.small else (PASSAGES, QUERIES)
    rng = np.random.default_rng(0)
    each = passages // LANGS
    shape = {f"l{i:02}": {f"{i:02}/{j:05}": "" for j in range(each)} for i in range(LANGS)}
    corpus, distinct = build_corpus(shape), unit(rng, each * LANGS - each * LANGS // 100)
    place = np.concatenate([np.arange(len(distinct)), rng.integers(0, len(distinct), each * LANGS - len(distinct))])
    place = rng.permutation(place)
    asking = unit(rng, queries)
    relevant = np.stack([rng.integers(0, each, queries) + i * each for i in range(LANGS)], 1).astype(np.int64)
    cpu = Exact(distinct, place, corpus)
    device = torch.device("cuda" if CARD() else "cpu")
    other = OnDevice(distinct, place, corpus, device)
    there, here = cpu.rank(asking, relevant, 21), other.rank(asking, relevant, 21)
    apart = {name: int((getattr(there, name) != getattr(here, name)).sum()) for name in ("own", "pool", "top")}
    for name, searcher in (("CPU", cpu), (f"torch on {device.type}", other)):
        times = [taken(lambda _, s=searcher: s.rank(asking, relevant, 21), []) for _ in range(3)]  # type: ignore[misc]
        found.row(where=name, queries=queries, passages=each * LANGS, s=median(times))
    for name, count in apart.items():
        found.row(where=f"of {getattr(here, name).size:,} {name} ranks, differ", s=count)


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.standard_normal((n, 384), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
