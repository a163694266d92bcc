"""What strategies may claim of their batches, each as a function that fails where it is not so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategies.check_pools import Case
from strategies.contract import Batch, Ints, Pool, Vectors
from strategies.parts import script_of


class Broken(Exception):
    """A property does not hold; the message says what was seen."""


def hold(holds: bool, seen: str) -> None:
    """Fail unless it holds."""
    if not holds:
        raise Broken(seen)


def claim_same(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """q_lang == d_lang in every row."""
    hold(all((b.q_lang == b.d_lang).all() for b in batches), "a row has two languages")


def claim_different(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """q_lang != d_lang in every row."""
    hold(all((b.q_lang != b.d_lang).all() for b in batches), "a row has one language twice")


def claim_one_pair(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """All rows of a batch share one language pair."""
    hold(all(_pairs(b) == 1 for b in batches), "a batch has several language pairs")


def claim_mono_or_cross(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """Each batch is wholly in one language, or has two languages in every row."""
    for b in batches:
        same = b.q_lang == b.d_lang
        hold(
            not same.any() or (bool(same.all()) and _pairs(b) == 1), "a batch is neither monolingual nor cross-lingual"
        )


def claim_uniform(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """On a fully parallel pool every language is the query's, and the passage's, equally often."""
    expected = 1 / len(pool.langs)
    # five standard deviations, were the language drawn once per batch
    slack = 5 * (expected * (1 - expected) / len(batches)) ** 0.5
    for name, langs in (("query", [b.q_lang for b in batches]), ("passage", [b.d_lang for b in batches])):
        share = np.bincount(np.concatenate(langs), minlength=len(pool.langs)) / sum(map(len, langs))
        worst = int(np.abs(share - expected).argmax())
        hold(
            abs(share[worst] - expected) <= slack,
            f"{pool.langs[worst]} is the {name} language of {share[worst]:.0%} of rows",
        )


def claim_one_source(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """All rows of a batch come from one source."""
    several = sum(len(np.unique(pool.source[b.item])) > 1 for b in batches)
    hold(several == 0, f"{several} of {len(batches)} batches mix sources")


def claim_one_script(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """All languages of a batch are written in one script."""
    script = np.array([script_of(lang) for lang in pool.langs])
    several = sum(len(np.unique(script[np.concatenate([b.q_lang, b.d_lang])])) > 1 for b in batches)
    hold(several == 0, f"{several} of {len(batches)} batches mix scripts")


def claim_near(case: Case, pool: Pool, batches: list[Batch]) -> None:
    """Rows of a batch are more similar than those of random batches, by five standard errors at least."""
    vectors = case.given(pool).vectors
    if vectors is None:
        raise Broken("similarity is that of vectors, which the class does not say it needs")
    every = case.strategy.refresh_every or len(batches)  # behind a refresh, other vectors say what is near
    drawn, rng = batches[:every], np.random.default_rng(5)
    within = float(np.mean([similarity(vectors, b.item) for b in drawn]))
    chance = [similarity(vectors, rng.choice(pool.n_items, len(drawn[0].item), replace=False)) for _ in range(200)]
    mean, error = float(np.mean(chance)), float(np.std(chance)) / len(drawn) ** 0.5
    hold(within > mean + 5 * error, f"mean similarity {within:.3f} within batches, {mean:.3f} in random ones")


def similarity(vectors: Vectors, items: Ints) -> float:
    """Mean cosine of two different ones of these items."""
    n = len(items)
    of = vectors[items].astype(np.float64)
    return float((np.square(of.sum(axis=0)).sum() - np.square(of).sum()) / (n * (n - 1)))


CLAIMS: dict[str, Callable[[Case, Pool, list[Batch]], None]] = {
    "same": claim_same,
    "different": claim_different,
    "one_pair": claim_one_pair,
    "mono_or_cross": claim_mono_or_cross,
    "uniform": claim_uniform,
    "one_source": claim_one_source,
    "one_script": claim_one_script,
    "near": claim_near,
}


def _pairs(batch: Batch) -> int:
    return len(np.unique(np.stack([batch.q_lang, batch.d_lang]), axis=1).T)
