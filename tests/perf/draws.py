"""How much less the difference of two strategies varies over trainings where draws are balanced.

python tests/perf/draws.py results/draws > tests/perf/draws.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import f
from tabulate import tabulate

import bench
from bench.store.scores import SETTINGS, in_words
from strategies.draws import WAYS

A, B = "hybrid", "cross"


def means(experiment: Path) -> pd.DataFrame:
    """(setting, strategy) x seed: AP, mean over language pairs."""
    scores = bench.load(experiment).scores()
    scores = scores[scores.measure == "AP"]
    return scores.groupby(["setting", "strategy", "seed"]).value.mean().unstack("seed").dropna(axis="columns")


def rows(found: pd.DataFrame) -> Iterator[list[str]]:
    """Of each setting: means and standard deviations of A - B by way of drawing, ratio of the variances, its limits."""
    for setting in SETTINGS:
        of = found.loc[setting]
        apart = [of.loc[_named(A, way)] - of.loc[_named(B, way)] for way in WAYS]
        free, even = (float(np.var(d, ddof=1)) for d in apart)
        n, ratio = len(found.columns) - 1, even / free
        limits = (ratio / float(f.ppf(p, n, n)) for p in (0.975, 0.025))
        yield [in_words(setting), *(f"{d.mean():+.4f} ± {np.std(d, ddof=1):.4f}" for d in apart),
               f"{ratio:.2f}", "[{:.2f}, {:.2f}]".format(*limits)]  # fmt: skip


def _named(strategy: str, way: str) -> str:
    return strategy if way == WAYS[0] else f"{strategy}(draws={way!r})"


def main() -> None:
    """Print the page."""
    found = means(Path(sys.argv[1]))
    header = [f"{A} - {B}, AP", *WAYS, "ratio of variances", "95 % limits"]
    print(tabulate(rows(found), header, tablefmt="pipe", disable_numparse=True))
    print(f"\n{len(found.columns)} trainings of each, seeds {', '.join(map(str, found.columns))}.")


if __name__ == "__main__":
    main()
