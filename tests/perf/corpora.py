"""Seconds per passage and peak memory of encoding to shards and of searching them, from 10,000 passages to a million.

OMP_NUM_THREADS=1 python tests/perf/corpora.py [--data-root DATA] > corpora.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import NamedTuple

import numpy as np
import torch

from bench.data.corpus import Corpus, build_corpus
from bench.encoding.sharded import Sharded
from bench.environment import peak_mb
from bench.evaluation.exact_search import Exact
from bench.evaluation.faiss_search import SAMPLED_QUERIES, Faiss
from bench.evaluation.measures import TOP
from bench.evaluation.ranks import Search
from bench.evaluation.score import score
from bench.evaluation.score_table import Remembering
from bench.figures import plots, shapes
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store.shards import CHUNK, Shards
from tasks.beir import miracl_lite
from tasks.streamed import Row, Streamed

DIM, ASKED, DEPTH = 384, 1000, 1000

CLUSTER = 100
"""Passages around one centre, on average."""


class Taken(NamedTuple):
    """What a process took, and how much of it was the part that is measured."""

    cpu: float
    wall: float
    peak: int
    found: str = ""


Curves = dict[str, list[tuple[int, Taken]]]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def synthetic(root: Path, n: int, clustered: bool = True) -> Shards:
    """Unit vectors on disk; those around one centre have a cosine of about a half, others of about zero."""
    found = Shards(root, {"drawn": "around centres" if clustered else "evenly"}, n)
    centres = unit(np.random.default_rng(0).standard_normal((-(-n // CLUSTER), DIM)))
    for i, name in enumerate(found.names):
        with found.kept.claimed(name, wait=False) as mine:
            if mine:
                rng = np.random.default_rng([1, i])
                vectors = unit(rng.standard_normal((min(CHUNK, n - i * CHUNK), DIM)))
                if clustered:
                    vectors = unit(vectors + centres[rng.integers(0, len(centres), len(vectors))])
                found.write(name, vectors)
    return found


def ids(n: int) -> Corpus:
    """A corpus of one language with ids as MIRACL's, without texts."""
    return build_corpus({"en": dict.fromkeys((f"{i // 20}#{i % 20}" for i in range(n)), "")})


def timed(work: Callable[[], str]) -> Taken:
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    return Taken(time.process_time() - cpu, time.perf_counter() - wall, peak_mb(), found)


def search(root: Path, n: int, search_with: Search, clustered: bool = True) -> Taken:
    """Rank for queries that lie beside one relevant passage each."""
    vectors, corpus = synthetic(root, n, clustered), ids(n)
    rng = np.random.default_rng(3)
    relevant = rng.choice(n, (ASKED, 1), replace=False)
    queries = unit(vectors[relevant[:, 0]] + unit(rng.standard_normal((ASKED, DIM))))
    searcher = search_with(vectors, np.arange(n), corpus)

    def work() -> str:
        pool = searcher.rank(queries, relevant, TOP + 1).pool
        return f"{(pool == 1).mean():.1%} of the answers are first"

    if isinstance(search_with, Faiss) and search_with.kind != "flat":
        searcher.rank(queries[:1], relevant[:1], TOP)  # builds the index
        search_with.recalls.clear()
    taken = timed(work)
    return taken if not isinstance(search_with, Faiss) else with_recall(taken, search_with)


def with_recall(taken: Taken, how: Faiss) -> Taken:
    if how.kind == "flat":
        return taken
    return taken._replace(found=f"recall {np.mean(how.recalls):.2%} of the exact first {how.depth}")


def build(root: Path, n: int, kind: str) -> Taken:
    """Build the indexes of all blocks and keep them."""
    vectors, corpus = synthetic(root, n), ids(n)
    how = Faiss(kind, DEPTH)
    return timed(lambda: str(len(how(vectors, np.arange(n), corpus).rank(vectors[:1], np.zeros((1, 1), int), TOP).top)))


def texts(n: int) -> Iterator[Row]:
    for i in range(n):
        text = f"Passage {i} speaks of thing {i % 977} and of place {i % 4099} " + "word " * 20
        yield Row(f"{i // 20}#{i % 20}", text, i + 1)


def encode(root: Path, n: int) -> Taken:
    """From texts to shards on disk, with the built-in model; and again, where all shards are there."""
    torch.set_num_threads(1)
    encoder = load_encoder(Settings(model="demo-static"), 0)
    encoder.encode(["warm up"], "passage")
    corpus = build_corpus({"en": Streamed(lambda notes: texts(n), "made up")})
    ranker = Sharded(encoder, root / "encoded", {"model": "demo-static"})
    taken = timed(lambda: f"{len(ranker.passages(corpus)[0].names)} shards")
    again = timed(lambda: f"{len(ranker.passages(corpus)[0].names)} shards")
    return taken._replace(found=f"{taken.found}; {again.cpu:.1f} s where they are there")


def real(root: Path, kind: str, depth: int) -> Taken:
    """The recall on texts: the built-in model's vectors of miracl-lite."""
    ranker = Remembering(load_encoder(Settings(model="demo-static"), 0), limit=1 << 40)
    sets, how = list(miracl_lite().load(root)), Faiss(kind, depth)
    return with_recall(timed(lambda: str([len(score(s, ranker, how)) for s in sets])), how)


PARTS: dict[str, Callable[[Path, int], Taken]] = {
    "exact, all ranks": lambda root, n: search(root, n, Exact),
    f"flat, depth {DEPTH}": lambda root, n: search(root, n, Faiss("flat", DEPTH)),
    "encode to shards": encode,
    "ivf, building": lambda root, n: build(root, n, "ivf"),
    f"ivf, depth {DEPTH}": lambda root, n: search(root, n, Faiss("ivf", DEPTH)),
    "ivf, depth 100": lambda root, n: search(root, n, Faiss("ivf", 100)),
    "hnsw, building": lambda root, n: build(root, n, "hnsw"),
    f"hnsw, depth {DEPTH}": lambda root, n: search(root, n, Faiss("hnsw", DEPTH)),
    "hnsw, depth 100": lambda root, n: search(root, n, Faiss("hnsw", 100)),
}


def measured(part: str, n: int, root: Path) -> Taken:
    """In a process of its own."""
    command = [sys.executable, __file__, "--one", part, "--sizes", str(n), "--folder", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    taken = Taken(*json.loads(done.stdout.splitlines()[-1]))
    print(part, f"{n:,}", taken, file=sys.stderr, flush=True)
    return taken


def shown(part: str, n: int, taken: Taken) -> list[str]:
    each = f"{taken.cpu / n * 1e6:.2f}" if n else ""
    return [part, f"{n:,}" if n else "", f"{taken.cpu:.2f}", each, f"{taken.wall:.1f}", f"{taken.peak:,}", taken.found]


def lines(options: argparse.Namespace, root: Path, curves: Curves) -> Iterator[list[str]]:
    for part in PARTS:
        sizes = options.indexed if part.startswith(("ivf", "hnsw")) else options.sizes
        for n in sizes.split(","):
            for _ in range(options.rounds if "building" not in part and not part.startswith("encode") else 1):
                taken = measured(part, int(n), root)
                curves.setdefault(part, []).append((int(n), taken))
                yield shown(part, int(n), taken)
    if options.data_root:
        for kind in ("ivf", "hnsw"):
            for depth in (100, DEPTH):
                yield shown(f"{kind}, depth {depth}, miracl-lite, demo-static", 0, real(options.data_root, kind, depth))


def draw(curves: Curves, path: Path) -> str:
    """The curves of the parts with several sizes, as images of markdown."""
    told = []
    for what, label, of in (
        ("time", "microseconds of the processor per passage", lambda n, taken: taken.cpu / n * 1e6),
        ("memory", "peak MB", lambda n, taken: float(taken.peak)),
    ):
        series = {
            part: (tuple(float(n) for n, _ in points), tuple(of(n, taken) for n, taken in points))
            for part, points in curves.items()
            if len({n for n, _ in points}) > 1
        }
        file = path.with_name(f"{path.name}-{what}")
        plots.draw(shapes.Curves(series, "passages", label, marker=True, log=True), file)
        told.append(f"![{label} over the number of passages]({file.name}.svg)")
    return "\n\n".join(told)


def explained() -> str:
    packages = ("numpy", "torch", "faiss-cpu")
    return f"""One thread; {ASKED:,} queries; unit vectors of {DIM} dimensions, drawn around centres, in float32 shards;
texts of about 40 tokens through the built-in static model. Seconds are the processor's, since others may use the
machine; microseconds are those for a passage and all queries. Every line is a process of its own, and the peak is that
of all of it: Python, torch, faiss, ids of the passages. Searching an index includes measuring its recall on
{SAMPLED_QUERIES} queries.

Python {python_version()}, {", ".join(f"{p} {version(p)}" for p in packages)}.
"""


def main() -> None:
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--indexed", default="100000", help="passages of the approximate indexes")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data-root", type=Path, help="holds miracl-lite, for recall on texts")
    parser.add_argument("--folder", type=Path, help="for the vectors (default: one that is removed)")
    parser.add_argument("--figure", type=Path, help="draw the curves beside this path")
    parser.add_argument("--one", choices=tuple(PARTS), help="measure one part in this process")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        print(json.dumps(PARTS[options.one](options.folder, int(options.sizes))))
        return
    curves: Curves = {}
    with tempfile.TemporaryDirectory() as folder:
        table = list(lines(options, options.folder or Path(folder), curves))
    print("# Encoding and searching large corpora\n")
    print(explained())
    header = ["what", "passages", "seconds", "µs a passage", "clock", "peak MB", ""]
    align = ("left", "right", "right", "right", "right", "right", "left")
    print(tabulate(table, header, tablefmt="pipe", disable_numparse=True, colalign=align))
    if options.figure:
        print(f"\n{draw(curves, options.figure)}")


if __name__ == "__main__":
    main()
