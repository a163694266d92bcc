"""The contract suite that every strategy must pass, also those of other people: one function per property.

``python -m bench check strategy my_file.py:Mine`` runs it and prints a table.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from strategies.contract import Batch, Pool, Strategy, StrategyError

LANGS = ("ar", "de", "en", "th", "zh")
SIZE = 16
STEPS = 30


class Result(NamedTuple):
    """Whether one property holds; ``detail`` says what was seen."""

    name: str
    passed: bool
    detail: str


class Broken(Exception):
    """A property does not hold; the message says what was seen."""


def parallel_pool(items: int = 200) -> Pool:
    """Every item in every language; the last third of the items comes in groups of two, from a second source."""
    group = np.arange(items)
    group[2 * items // 3 :] -= group[2 * items // 3 :] % 2
    return Pool(LANGS, np.ones((items, len(LANGS)), bool), group, (group >= items // 2).astype(np.int64))


def partial_pool() -> Pool:
    """Items in one to five languages, the later languages rarer; groups and sources as in ``parallel_pool``."""
    pool = parallel_pool(400)
    has = np.random.default_rng(11).random((400, len(LANGS))) < np.linspace(0.9, 0.5, len(LANGS))
    has[~has.any(axis=1), 0] = True
    return dataclasses.replace(pool, has=has)


def draw(strategy: Strategy, pool: Pool, steps: int = STEPS, size: int = SIZE, seed: int = 7) -> list[Batch]:
    """The strategy's batches; a generator that does not end is cut after one batch too many."""
    return list(islice(strategy.batches(pool, size, steps, np.random.default_rng(seed)), steps + 1))


def exact_number_of_batches(strategy: Strategy) -> str:
    """Exactly ``steps`` batches come."""
    for steps in (1, 3, STEPS):
        _hold(
            len(draw(strategy, parallel_pool(), steps)) == steps, f"{steps} batches were asked for, another number came"
        )
    return f"asked for 1, 3 and {STEPS}"


def exact_batch_size(strategy: Strategy) -> str:
    """Every batch has exactly ``batch_size`` rows, as integer arrays in a ``Batch``."""
    for pool, size in ((parallel_pool(), SIZE), (parallel_pool(), 7), (partial_pool(), SIZE)):
        for batch in draw(strategy, pool, size=size):
            _hold(isinstance(batch, Batch), f"a batch is a strategies.Batch; got {type(batch).__name__}")
            for name, part in zip(Batch._fields, batch, strict=True):
                ok = isinstance(part, np.ndarray) and part.shape == (size,) and part.dtype == np.int64
                seen = f"{part.dtype} {part.shape}" if isinstance(part, np.ndarray) else type(part).__name__
                _hold(ok, f"{name} is int64 of shape ({size},); got {seen}")
    return f"sizes 7 and {SIZE}"


def existing_rows_only(strategy: Strategy) -> str:
    """Every item exists in both languages of its row."""
    rows = 0
    for pool in (parallel_pool(), partial_pool()):
        for batch in draw(strategy, pool, 3 * STEPS):
            bounds = ((batch.item, pool.n_items), (batch.q_lang, len(pool.langs)), (batch.d_lang, len(pool.langs)))
            _hold(all(int(p.min()) >= 0 and int(p.max()) < n for p, n in bounds), "an index lies outside of the pool")
            there = pool.has[batch.item, batch.q_lang] & pool.has[batch.item, batch.d_lang]
            _hold(bool(there.all()), f"{int((~there).sum())} rows of a batch do not exist in their languages")
            rows += len(there)
    return f"{rows} rows, part of them on a partially covered pool"


def no_repeated_group(strategy: Strategy) -> str:
    """Two rows of one group never meet in a batch."""
    batches = [(p, b) for p in (parallel_pool(), partial_pool()) for b in draw(strategy, p, 3 * STEPS, 24)]
    for pool, batch in batches:
        repeated = len(batch.item) - len(np.unique(pool.group[batch.item]))
        _hold(repeated == 0, f"{repeated} rows of a batch repeat a group")
    return f"{len(batches)} batches"


def determinism(strategy: Strategy) -> str:
    """The same generator gives the same batches, another one others; earlier use of the object changes nothing."""
    pool = partial_pool()
    first, second = draw(strategy, pool), draw(strategy, pool)
    _hold(_equal(first, second), "the same seed gave other batches")
    _hold(not _equal(first, draw(strategy, pool, seed=8)), "another seed gave the same batches")
    return "twice seed 7, once seed 8"


def global_random_state_untouched(strategy: Strategy) -> str:
    """Neither ``random`` nor ``numpy.random`` is read or moved."""
    kept_python, kept_numpy = random.getstate(), np.random.get_state(legacy=True)
    try:
        drawn = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)
            python, numpy = random.getstate(), repr(np.random.get_state(legacy=True))
            drawn.append(draw(strategy, parallel_pool()))
            moved = random.getstate() != python or repr(np.random.get_state(legacy=True)) != numpy
            _hold(not moved, "the global generator was used")
        _hold(_equal(*drawn), "the batches depend on the global generator")
    finally:
        random.setstate(kept_python)
        np.random.set_state(kept_numpy)
    return "random and numpy.random"


def label_invariance(strategy: Strategy) -> str:
    """Renaming languages and renumbering groups and sources changes no batch; languages that a parameter names stay."""
    pool = partial_pool()
    named = set(getattr(strategy, "__dict__", {}).values()) if _hashable(strategy) else set()
    langs = tuple(lang if lang in named else f"x-{9 - i}" for i, lang in enumerate(pool.langs))
    renumber = np.random.default_rng(3).permutation(int(pool.group.max()) + 1) * 5 + 1000
    other = Pool(langs, pool.has, renumber[pool.group], 9 - pool.source)
    _hold(
        _equal(draw(strategy, pool), draw(strategy, other)), "renamed languages or renumbered groups gave other batches"
    )
    return f"{sum(lang in named for lang in pool.langs)} language(s) named by parameters kept"


def balance_of_items(strategy: Strategy) -> str:
    """On a fully parallel pool no item is drawn much more often than another: each once per pass."""
    pool = parallel_pool()
    steps = 10 * pool.n_items // SIZE
    counts = np.bincount(np.concatenate([b.item for b in draw(strategy, pool, steps)]), minlength=pool.n_items)
    low, high = int(counts.min()), int(counts.max())
    _hold(high - low <= 3, f"in 10 passes an item was drawn {low} to {high} times")
    return f"in 10 passes each item {low} to {high} times"


def pool_unchanged(strategy: Strategy) -> str:
    """The pool is only read."""
    pool = partial_pool()
    for part in (pool.has, pool.group, pool.source):
        part.setflags(write=False)
    before = [part.copy() for part in (pool.has, pool.group, pool.source)]
    draw(strategy, pool)
    same = all((a == b).all() for a, b in zip(before, (pool.has, pool.group, pool.source), strict=True))
    _hold(same, "the pool was changed")
    return "arrays were read-only"


def short_pool_is_refused(strategy: Strategy) -> str:
    """A pool with too few groups for a batch ends in a ``StrategyError``, not in a short or endless batch."""
    pool = parallel_pool(40)
    pool = dataclasses.replace(pool, group=np.arange(40) // 4)
    try:
        draw(strategy, pool, size=SIZE)
    except StrategyError as error:
        return str(error)
    raise Broken(f"{SIZE} rows of different groups were drawn from a pool of 10 groups")


def claim_same(batches: list[Batch]) -> None:
    """q_lang == d_lang in every row."""
    _hold(all((b.q_lang == b.d_lang).all() for b in batches), "a row has two languages")


def claim_different(batches: list[Batch]) -> None:
    """q_lang != d_lang in every row."""
    _hold(all((b.q_lang != b.d_lang).all() for b in batches), "a row has one language twice")


def claim_one_pair(batches: list[Batch]) -> None:
    """All rows of a batch share one language pair."""
    _hold(all(_pairs(b) == 1 for b in batches), "a batch has several language pairs")


def claim_mono_or_cross(batches: list[Batch]) -> None:
    """Each batch is wholly in one language, or has two languages in every row."""
    for b in batches:
        same = b.q_lang == b.d_lang
        _hold(
            not same.any() or (bool(same.all()) and _pairs(b) == 1), "a batch is neither monolingual nor cross-lingual"
        )


def claim_uniform(batches: list[Batch]) -> None:
    """On a fully parallel pool every language is the query's, and the passage's, equally often."""
    expected = 1 / len(LANGS)
    # five standard deviations, were the language drawn once per batch
    slack = 5 * (expected * (1 - expected) / len(batches)) ** 0.5
    for name, langs in (("query", [b.q_lang for b in batches]), ("passage", [b.d_lang for b in batches])):
        share = np.bincount(np.concatenate(langs), minlength=len(LANGS)) / (len(langs) * SIZE)
        worst = int(np.abs(share - expected).argmax())
        _hold(
            abs(share[worst] - expected) <= slack,
            f"{LANGS[worst]} is the {name} language of {share[worst]:.0%} of rows",
        )


CLAIMS: dict[str, Callable[[list[Batch]], None]] = {
    "same": claim_same,
    "different": claim_different,
    "one_pair": claim_one_pair,
    "mono_or_cross": claim_mono_or_cross,
    "uniform": claim_uniform,
}

CHECKS: tuple[Callable[[Strategy], str], ...] = (
    exact_number_of_batches,
    exact_batch_size,
    existing_rows_only,
    no_repeated_group,
    determinism,
    global_random_state_untouched,
    label_invariance,
    balance_of_items,
    pool_unchanged,
    short_pool_is_refused,
)


def check_strategy(strategy: Strategy) -> list[Result]:
    """Hold a strategy to the contract and to what it claims; whatever it raises becomes a result."""
    results = [_result(check.__name__.replace("_", " "), partial(check, strategy)) for check in CHECKS]
    return results + list(_claims(strategy))


def _claims(strategy: Strategy) -> Iterator[Result]:
    claims = tuple(strategy.claims)
    batches: list[Batch] = []

    def drawn() -> str:
        batches.extend(draw(strategy, parallel_pool(), 400))
        return ""

    if claims and not (result := _result("claims", drawn)).passed:
        yield result
        return
    for name in claims:
        check = CLAIMS.get(name)
        if check is None:
            yield Result(f"claim {name}", False, f"there is no such claim; there are {', '.join(CLAIMS)}")
            continue
        yield _result(f"claim {name}", partial(_held, check, batches))


def _held(claim: Callable[[list[Batch]], None], batches: list[Batch]) -> str:
    claim(batches)
    return (claim.__doc__ or "").strip()


def _result(name: str, check: Callable[[], str]) -> Result:
    try:
        return Result(name, True, check())
    except Broken as broken:
        return Result(name, False, str(broken))
    except Exception as error:  # a plugin may raise anything
        return Result(name, False, f"{type(error).__name__}: {error}")


def _hold(holds: bool, seen: str) -> None:
    if not holds:
        raise Broken(seen)


def _equal(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True)
    )


def _pairs(batch: Batch) -> int:
    return len(np.unique(np.stack([batch.q_lang, batch.d_lang]), axis=1).T)


def _hashable(strategy: Strategy) -> bool:
    try:
        set(vars(strategy).values())
    except TypeError:
        return False
    return True
