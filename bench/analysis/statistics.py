"""Paired comparison of two strategies: tests, intervals and corrections over clusters (parallel questions) and seeds.

Differences are (n_seeds, n_clusters): a cluster is one parallel question in all its languages, so that the many rows of
one question are never taken for independent ones; a seed is one paired training of both strategies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


BLOCK = 1 << 22
"""Drawn clusters held at once."""


FLIPS = 1 << 14
"""Sign patterns held at once."""


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


class Variance(NamedTuple):
    """Of the mean difference, split by where it comes from (two-way random effects, seeds crossed with clusters)."""

    seeds: float
    clusters: float
    rest: float

    @property
    def total(self) -> float:
        """Variance of the mean over seeds and clusters."""
        return self.seeds + self.clusters + self.rest

    @property
    def seed_share(self) -> float:
        """The seeds' part of it, 0 to 1; NaN where nothing varies."""
        return self.seeds / self.total if self.total > 0 else float("nan")


def sign_flip(values: Floats, rng: np.random.Generator, flips: int = 100_000) -> Floats:
    """Two-sided p of a mean of 0, by flipping the signs of clusters.

    All sign patterns are tried where there are no more than ``flips`` of them; else p = (1 + hits) / (1 + flips). It
    speaks for the questions of which these are a sample, and for these trained models only. Source: Fisher 1935;
    Smucker, Allan and Carterette 2007 for retrieval.

    Args:
        values: (n_clusters, m), one column per comparison; rows are flipped together.
        rng: draws the signs.
        flips: number of random patterns.

    Returns:
        (m,) p values; at least 1 / (1 + flips).
    """
    n, m = values.shape
    bound = np.abs(values.sum(axis=0)) * (1 - 1e-9) - 1e-12
    exact = n <= 16 and 2**n <= flips
    if exact:
        signs = (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2.0 - 1.0
        return np.asarray((np.abs(signs @ values) >= bound).mean(axis=0), np.float64)
    tables = _sums_of_eight(values)
    hits = np.zeros(m)
    for start in range(0, flips, FLIPS):
        drawn = rng.integers(0, 256, (len(tables), min(FLIPS, flips - start)), np.uint8)
        total = np.zeros((drawn.shape[1], m))
        for table, signs in zip(tables, drawn, strict=True):
            total += table[signs]
        hits += (np.abs(total) >= bound).sum(axis=0)
    return np.asarray((1 + hits) / (1 + flips), np.float64)


def _sums_of_eight(values: Floats) -> Floats:
    """(ceil(n / 8), 256, m): sums of eight clusters under each pattern of signs, so that a byte flips eight."""
    n, m = values.shape
    eight = np.zeros((-(-n // 8) * 8, m))
    eight[:n] = values
    signs = (np.arange(256)[:, None] >> np.arange(8) & 1) * 2.0 - 1.0
    return np.asarray(signs @ eight.reshape(-1, 8, m), np.float64)


def variance(differences: Floats) -> Variance:
    """Variance of the mean of ``differences`` (n_seeds, n_clusters), by source (Searle, Casella and McCulloch 1992).

    With one seed the seeds' part cannot be known and is 0: what follows then speaks for that training alone.
    """
    seeds, clusters = differences.shape
    mean = differences.mean()
    by_seed, by_cluster = differences.mean(axis=1), differences.mean(axis=0)
    if seeds == 1:
        return Variance(0.0, float(by_cluster.var(ddof=1)) / clusters, 0.0)
    residual = differences - by_seed[:, None] - by_cluster[None, :] + mean
    noise = float((residual**2).sum()) / ((seeds - 1) * (clusters - 1))
    of_seed = max(0.0, float(by_seed.var(ddof=1)) - noise / clusters)
    of_cluster = max(0.0, float(by_cluster.var(ddof=1)) - noise / seeds)
    return Variance(of_seed / seeds, of_cluster / clusters, noise / (seeds * clusters))


def freedom(differences: Floats) -> float:
    """Degrees of freedom of the mean's variance (Satterthwaite 1946): few where the seeds dominate, else many."""
    seeds, clusters = differences.shape
    if seeds == 1:
        return clusters - 1.0
    of_seeds = float(differences.mean(axis=1).var(ddof=1)) / seeds
    of_clusters = float(differences.mean(axis=0).var(ddof=1)) / clusters
    return _satterthwaite(of_seeds, of_clusters, variance(differences).rest, seeds, clusters)


def _satterthwaite(of_seeds: float, of_clusters: float, noise: float, seeds: int, clusters: int) -> float:
    """From the variance of the mean over seeds, of that over clusters, and the part of both that is noise."""
    below = of_seeds**2 / (seeds - 1) + of_clusters**2 / (clusters - 1) + noise**2 / ((seeds - 1) * (clusters - 1))
    total = max(of_seeds, of_clusters, of_seeds + of_clusters - noise)
    return float(total**2 / below) if below > 0 else clusters - 1.0


def bootstrap(differences: Floats, rng: np.random.Generator, level: float = 0.95, draws: int = 10_000) -> Interval:
    """Interval of the mean difference by resampling seeds and clusters, for new trainings and new questions.

    Percentiles of the resampled means, with the spread widened twice for the few seeds there are: the resampled
    variance is too small by (n - 1) / n, and Student's t replaces the normal quantile at Satterthwaite's degrees of
    freedom. Without this, intervals from three seeds that dominate miss the truth one time in five
    (tests/perf/simulation.md).

    Args:
        differences: (n_seeds, n_clusters).
        rng: draws the resamples.
        level: coverage.
        draws: number of resamples.
    """
    from scipy import stats

    seeds, clusters = differences.shape
    means = np.empty(draws)
    height = max(1, BLOCK // clusters)
    for start in range(0, draws, height):
        count = min(height, draws - start)
        drawn = rng.integers(0, clusters, (count, clusters))
        chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count) / seeds
        of_seed = np.stack([row[drawn].mean(axis=1) for row in differences], axis=1)
        means[start : start + count] = (of_seed * chosen).sum(axis=1)
    centre = float(differences.mean())
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail]) - centre
    resampled = float(means.var())
    wanted = variance(differences).total
    wider = np.sqrt(wanted / resampled) if resampled > 0 else 1.0
    wider *= stats.t.ppf(1 - tail, freedom(differences)) / stats.norm.ppf(1 - tail)
    return Interval(centre + float(low * wider), centre + float(high * wider))


def paired_t(values: Floats) -> Floats:
    """Two-sided p of Student's paired t over clusters: a check beside ``sign_flip``. (n_clusters, m) -> (m,)."""
    from scipy import stats

    found: Floats = np.asarray(stats.ttest_1samp(values, 0.0, axis=0).pvalue)
    return found


def verdict(interval: Interval, margin: float) -> str:
    """What an interval says of "A is at most ``margin`` worse than B": superior, non-inferior, inferior, inconclusive.

    Superior: wholly above 0. Inferior: wholly below -margin. Non-inferior: wholly above -margin, but not above 0. With
    a 95 % interval each claim is wrong at most 2.5 % of the time. Source: Piaggio et al. 2012 (CONSORT).
    """
    if interval.low > 0:
        return "superior"
    if interval.high < -margin:
        return "inferior"
    return "non-inferior" if interval.low > -margin else "inconclusive"


def equivalent(interval90: Interval, margin: float) -> bool:
    """Two one-sided tests at 5 %: the 90 % interval lies within the margin on both sides. Source: Schuirmann 1987."""
    return -margin < interval90.low and interval90.high < margin


def one_sided(effect: float, error: float, df: float, bound: float) -> float:
    """The p of "the true effect is at most ``bound``" (Student's t): small where the effect is above it.

    Args:
        effect: mean difference.
        error: its standard error, over seeds and clusters.
        df: degrees of freedom of the error.
        bound: 0 for superiority, minus the margin for non-inferiority.
    """
    from scipy import stats

    if error == 0:
        return 0.0 if effect > bound else 1.0
    return float(stats.t.sf((effect - bound) / error, df))


def holm(p: Floats) -> Floats:
    """Adjusted p values that bound the chance of any false claim in the family. Source: Holm 1979."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p values that bound the share of false claims. Source: Benjamini and Hochberg 1995."""
    from scipy import stats

    adjusted: Floats = np.asarray(stats.false_discovery_control(p, method="bh"))
    return adjusted


def partial_conjunction(p: Floats) -> Floats:
    """For k = 1..n: p of "an effect in fewer than k of the n languages", for one-sided p values in any dependence.

    Bonferroni's form, (n - k + 1) times the k-th smallest, made monotone. Source: Dror et al. 2017 (arXiv 1709.09500).
    """
    n = len(p)
    adjusted: Floats = np.minimum(1.0, np.maximum.accumulate(np.arange(n, 0, -1) * np.sort(p)))
    return adjusted


def detectable(differences: Floats, power: float = 0.8, level: float = 0.05) -> float:
    """The smallest true mean difference that a two-sided test at ``level`` finds with this power."""
    return _detectable(variance(differences).total, freedom(differences), power, level)


def detectable_with(seeds: int, differences: Floats, power: float = 0.8, level: float = 0.05) -> float:
    """The same for another number of ``seeds``, at least 2, and the same questions, if trainings vary as these do.

    Args:
        seeds: trainings that are planned.
        differences: (n_seeds, n_clusters) of at least two trainings that were run.
        power: chance to find it.
        level: of the two-sided test.
    """
    have, clusters = differences.shape
    seen = variance(differences)
    noise = seen.rest * have / seeds
    of_seeds, of_clusters = seen.seeds * have / seeds + noise, seen.clusters + noise
    df = _satterthwaite(of_seeds, of_clusters, noise, seeds, clusters)
    return _detectable(of_seeds + of_clusters - noise, df, power, level)


def _detectable(variance_of_mean: float, df: float, power: float, level: float) -> float:
    from scipy import stats

    quantiles = stats.t.ppf(1 - level / 2, df) + stats.t.ppf(power, df)
    return float(quantiles * np.sqrt(variance_of_mean))
