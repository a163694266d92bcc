"""Milliseconds per batch of 128 from 1,000,000 items x 11 languages, set-up, and memory. Run by hand.

``python tests/perf/sampling.py [--steps N] [strategy ...]``; each in a process of its own, for its peak of memory.
"""

import argparse
import multiprocessing
import time

import numpy as np

from bench.environment import peak_mb, restart_peak
from bench.plan import resolve
from strategies import STRATEGIES, Pool, StrategyError

LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ITEMS, SIZE, DIMENSIONS, TOPICS = 1_000_000, 128, 384, 2000
MORE = ("within(script, mono())", "within(cluster(16), hybrid())", "mono(language_temperature='unimax')")


def pool_of(kind: str, vectors: bool) -> Pool:
    every, has, rng = np.arange(ITEMS), np.ones((ITEMS, len(LANGS)), bool), np.random.default_rng(0)
    if kind == "rare":
        has[:, 7] = rng.random(ITEMS) < 0.004
    source = np.searchsorted([400_000, 700_000, 900_000], every, side="right").astype(np.int64)
    pool = Pool(LANGS, has, every // 1000 if kind == "groups" else every, source, ("a", "b", "c", "d"))
    return Pool(*(getattr(pool, f) for f in ("langs", "has", "group", "source", "source_names", "ids")),
                unit_vectors(rng) if vectors else None)  # fmt: skip


def unit_vectors(rng: np.random.Generator) -> np.ndarray:
    """(ITEMS, DIMENSIONS), float32, around many topics."""
    centres = rng.standard_normal((TOPICS, DIMENSIONS), np.float32)
    out = np.empty((ITEMS, DIMENSIONS), np.float32)
    for start in range(0, ITEMS, 50_000):
        part = out[start : start + 50_000]
        part[:] = centres[rng.integers(TOPICS, size=len(part))] + rng.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return out


def measure(text: str, kind: str, steps: int) -> None:
    strategy = resolve.strategy(text)
    pool = pool_of(kind, "vectors" in strategy.needs)
    before = peak_mb()
    restart_peak()
    held = peak_mb()
    start = time.perf_counter()
    batches = strategy.batches(pool, SIZE, steps, np.random.default_rng(0))
    try:
        next(batches)
    except StrategyError as error:
        print(f"{text:34} {error}", flush=True)
        return
    first, times = time.perf_counter() - start, []
    for _ in range(steps - 1):
        at = time.perf_counter()
        next(batches)
        times.append(1000 * (time.perf_counter() - at))
    print(f"{text:34} {first:8.2f} {np.median(times):10.3f} {np.mean(times):8.3f} {max(times):8.2f} "
          f"{min(before, held):8,} {peak_mb():9,}", flush=True)  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("names", nargs="*", default=[*STRATEGIES, *MORE])
    asked.add_argument("--steps", type=int, default=1500)
    asked.add_argument("--pools", default="full,rare,groups", help="fully parallel; th in 0.4 %%; 1,000 items a group")
    options = asked.parse_args()
    for kind in options.pools.split(","):
        print(f"\n{kind}\n{'strategy':34} {'start s':>8} {'median ms':>10} {'mean ms':>8} {'max ms':>8} {'pool MB':>8} "
              f"{'peak MB':>9}", flush=True)  # fmt: skip
        for text in options.names:
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(text, kind, options.steps))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
