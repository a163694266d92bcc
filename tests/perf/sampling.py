"""Milliseconds per batch of 128 from 1,000,000 items x 11 languages, and the pool's size. Run by hand."""

import time

import numpy as np

from strategies import STRATEGIES, Pool, StrategyError

LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ITEMS, SIZE, STEPS = 1_000_000, 128, 1500


def pools() -> dict[str, Pool]:
    every = np.arange(ITEMS)
    full = np.ones((ITEMS, len(LANGS)), bool)
    rare = full.copy()
    rare[:, 7] = np.random.default_rng(0).random(ITEMS) < 0.004
    source = np.zeros(ITEMS, np.int64)
    return {
        "fully parallel": Pool(LANGS, full, every, source),
        "th in 0.4 % of items": Pool(LANGS, rare, every, source),
        "1,000 items per group": Pool(LANGS, full, every // 1000, source),
    }


def main() -> None:
    for name, pool in pools().items():
        size = sum(part.nbytes for part in (pool.has, pool.group, pool.source)) / 1e6
        print(f"\n{name}: pool {size:.0f} MB")
        print(f"{'strategy':14} {'start s':>8} {'median ms':>10} {'mean ms':>8} {'max ms':>8}")
        for strategy, make in STRATEGIES.items():
            start = time.perf_counter()
            batches = make().batches(pool, SIZE, STEPS, np.random.default_rng(0))
            try:
                next(batches)
            except StrategyError as error:
                print(f"{strategy:14} {error}")
                continue
            first, times = time.perf_counter() - start, []
            for _ in range(STEPS - 1):
                before = time.perf_counter()
                next(batches)
                times.append(1000 * (time.perf_counter() - before))
            print(f"{strategy:14} {first:8.2f} {np.median(times):10.3f} {np.mean(times):8.3f} {max(times):8.2f}")


if __name__ == "__main__":
    main()
