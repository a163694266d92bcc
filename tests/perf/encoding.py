"""Tokens per second of encoding, beside SentenceTransformer.encode on the same model and texts, and its nDCG.

python tests/perf/encoding.py --model <folder> --task beir:scifact --data-root <folder> > tests/perf/encoding.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from platform import python_version
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

from bench.data.corpus import Corpus
from bench.encoding.encoder import Encoder
from bench.errors import EXPECTED
from bench.evaluation.score import score
from bench.models.loading import load_encoder
from bench.models.precision import resolve as resolve_precision
from bench.plan import resolve
from bench.plan.settings import Settings
from tasks import EvalSet

Floats = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


class Side(NamedTuple):
    """A way to encode passages; the vectors of ``bench`` in float32 are what the others are compared with."""

    name: str
    precision: str
    encode: Encode


class Given:
    """A ranker of given vectors."""

    def __init__(self, passages: Floats, queries: Floats) -> None:
        self._passages, self._queries = passages, queries

    def passages(self, corpus: Corpus) -> tuple[Floats, NDArray[np.int64]]:
        return self._passages, np.arange(len(corpus.doc_id))

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Floats:
        return self._queries


def sides(options: argparse.Namespace, kind: str) -> list[Side]:
    """Ours and theirs; theirs in bf16 has weights of bfloat16, as ``SentenceTransformer(..., model_kwargs)`` gives."""
    found = []
    for precision in ("float32", "bf16"):
        ours = encoder_of(options, precision)
        found.append(Side("bench", precision, lambda texts, e=ours: e.encode(texts, kind)))  # type: ignore[misc]
        peer = encoder_of(options, "float32")
        model, prompt = peer.model, peer.prompt["query" if kind == "query" else "passage"]
        model.max_seq_length = min(model.max_seq_length or options.passage_length, options.passage_length)
        if precision == "bf16":
            model.bfloat16()

        def theirs(texts: Sequence[str], model: object = model, prompt: str = prompt) -> Floats:
            vectors = model.encode(  # type: ignore[attr-defined]
                list(texts), prompt=prompt, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False
            )
            return np.asarray(vectors.float().numpy())

        found.append(Side("sentence-transformers", precision, theirs))
    return found


def encoder_of(options: argparse.Namespace, precision: str) -> Encoder:
    length = options.passage_length
    settings = Settings(model=options.model, precision=precision, query_length=length, passage_length=length)
    return load_encoder(settings, 0)


def timed(options: argparse.Namespace, texts: Sequence[str]) -> tuple[list[list[str]], int]:
    """The table's rows, and the number of tokens."""
    ways = sides(options, "passage")
    encoder = encoder_of(options, "float32")
    features = encoder.features(texts, "passage")
    tokens = int(features["attention_mask"].sum()) if "attention_mask" in features else features["input_ids"].numel()
    seconds: dict[tuple[str, str], list[float]] = {}
    for number in range(options.rounds + 1):
        for side in ways:
            start = time.perf_counter()
            side.encode(texts if number else texts[:32])
            if number:  # the first is to warm up
                seconds.setdefault((side.name, side.precision), []).append(time.perf_counter() - start)
                print(number, side.name, side.precision, f"{seconds[side.name, side.precision][-1]:.2f} s",
                      file=sys.stderr, flush=True)  # fmt: skip
    peers = [("sentence-transformers", "float32"), ("sentence-transformers", "bf16")]
    rows = []
    for key, taken in seconds.items():
        ratios = [f"{median(p / o for p, o in zip(seconds[peer], taken, strict=True)):.2f}" for peer in peers]
        rows.append([*key, f"{median(taken):.2f}", f"{tokens / median(taken):,.0f}", *ratios])
    return rows, tokens


def measured(options: argparse.Namespace, evalset: EvalSet) -> list[list[str]]:
    """nDCG@10 of the whole set with the vectors of each side, in the language of the first passages."""
    lang = min(evalset.passages)
    texts = [text for _, text in evalset.passages[lang].items()]
    there = {d for d, _ in evalset.passages[lang].items()}
    relevant = {q: {d: g for d, g in evalset.relevant.get(q, {}).items() if d in there} for q in evalset.queries[lang]}
    answered = [q for q, found in relevant.items() if found]
    asked = [evalset.queries[lang][q] for q in answered]
    passages = {(s.name, s.precision): s.encode(texts) for s in sides(options, "passage")}
    queries = {(s.name, s.precision): s.encode(asked) for s in sides(options, "query")}
    own = EvalSet(evalset.name, {lang: dict(zip(answered, asked, strict=True))}, {lang: evalset.passages[lang]},
                  relevant)  # fmt: skip
    of = {key: float(score(own, Given(passages[key], queries[key]))[0].values["nDCG@10"].mean()) for key in passages}
    first = of["sentence-transformers", "float32"]
    return [[*key, f"{value:.5f}", f"{value - first:+.5f}"] for key, value in of.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-transformer")
    parser.add_argument("--task", default="demo")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--passage-length", type=int, default=256)
    parser.add_argument("--texts", type=int, default=512, help="passages that are timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-score", action="store_true", help="leave the whole set and its nDCG out")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        evalset = next(iter(resolve.task(options.task).load(options.data_root)))
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    stream = (text for part in evalset.passages.values() for _, text in part.items())
    every = list(dict.fromkeys(islice(stream, 200_000)))
    texts = every[:: max(1, len(every) // options.texts)][: options.texts]
    rows, tokens = timed(options, texts)
    packages = ", ".join(f"{p} {version(p)}" for p in ("sentence-transformers", "transformers", "torch"))
    print(f"\n## {Path(options.model).name}, {len(texts)} passages of {evalset.name}, {tokens:,} tokens\n\n"
          f"{options.rounds} alternating rounds, one thread; medians. Python {python_version()}, {packages}. "
          f"auto chooses {resolve_precision('auto', options.model == 'demo-transformer')} here.\n")  # fmt: skip
    header = ["", "precision", "seconds", "tokens / s", "x theirs in float32", "x theirs in bf16"]
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=("left", "left", *["right"] * 4)))
    if not options.no_score:
        header = ["", "precision", "nDCG@10", "difference to theirs in float32"]
        print(f"\nThe whole of {evalset.name}:\n")
        print(tabulate(measured(options, evalset), header, tablefmt="pipe", disable_numparse=True,
                       colalign=("left", "left", "right", "right")))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
