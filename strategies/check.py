"""The contract suite that every strategy must pass, also those of other people: one function per property.

``python -m bench check strategy my_file.py:Mine`` runs it and prints a table.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from strategies.check_claims import CLAIMS, Broken, hold
from strategies.check_names import label_invariance, told
from strategies.check_pools import LANGS, SIZE, STEPS, Case, case_of, equal, parallel_pool, partial_pool
from strategies.contract import NEEDS, Batch, Strategy, StrategyError

__all__ = ["CHECKS", "LANGS", "Result", "check_strategy", "parallel_pool", "partial_pool", "require_sound"]


MOST = 5
"""Times the mean that an item may be drawn where vectors, lengths or names decide."""


LONGEST = 1000
"""Steps up to a refresh that are drawn to look behind it."""


class Result(NamedTuple):
    """Whether one property holds; ``detail`` says what was seen."""

    name: str
    passed: bool
    detail: str


def declarations(case: Case) -> str:
    """What the class says of itself is what can be said."""
    strategy = case.strategy
    hold(isinstance(strategy.needs, tuple), f"needs is a tuple, as ('vectors',); got {strategy.needs!r}")
    unknown = [name for name in strategy.needs if name not in NEEDS]
    hold(not unknown, f"needs are of {', '.join(NEEDS)}; got {', '.join(map(repr, unknown))}")
    names = isinstance(strategy.reads, tuple) and all(isinstance(name, str) for name in strategy.reads)
    hold(names, f"reads is a tuple of names, as ('langs',); got {strategy.reads!r}")
    every = strategy.refresh_every
    hold(type(every) is int and every >= 0, f"refresh_every is a whole number of at least 0; got {every!r}")
    hold(not every or "vectors" in strategy.needs, "refresh_every gives new vectors; needs lacks 'vectors'")
    hold(type(strategy.repeats_groups) is bool, f"repeats_groups is True or False; got {strategy.repeats_groups!r}")
    said = [*strategy.needs, *(f"by name: {name}" for name in strategy.reads)]
    said += [f"new vectors every {every} steps"] * bool(every) + ["repeats groups"] * strategy.repeats_groups
    return ", ".join(said) or "needs nothing beside the numbers"


def exact_number_of_batches(case: Case) -> str:
    """Exactly ``steps`` batches come."""
    for steps in (1, 3, STEPS):
        hold(len(case.draw(case.parallel(), steps)) == steps, f"{steps} batches were asked for, another number came")
    return f"asked for 1, 3 and {STEPS}"


def exact_batch_size(case: Case) -> str:
    """Every batch has exactly ``batch_size`` rows, as integer arrays in a ``Batch``."""
    for pool, size in ((case.parallel(), SIZE), (case.parallel(), 7), (case.partial(), SIZE)):
        for batch in case.draw(pool, size=size):
            hold(isinstance(batch, Batch), f"a batch is a strategies.Batch; got {type(batch).__name__}")
            for name, part in zip(Batch._fields, batch, strict=True):
                ok = isinstance(part, np.ndarray) and part.shape == (size,) and part.dtype == np.int64
                seen = f"{part.dtype} {part.shape}" if isinstance(part, np.ndarray) else type(part).__name__
                hold(ok, f"{name} is int64 of shape ({size},); got {seen}")
    return f"sizes 7 and {SIZE}"


def existing_rows_only(case: Case) -> str:
    """Every item exists in both languages of its row."""
    rows = 0
    for pool in (case.parallel(), case.partial()):
        for batch in case.draw(pool, 3 * STEPS):
            bounds = ((batch.item, pool.n_items), (batch.q_lang, len(pool.langs)), (batch.d_lang, len(pool.langs)))
            hold(all(int(p.min()) >= 0 and int(p.max()) < n for p, n in bounds), "an index lies outside of the pool")
            there = pool.has[batch.item, batch.q_lang] & pool.has[batch.item, batch.d_lang]
            hold(bool(there.all()), f"{int((~there).sum())} rows of a batch do not exist in their languages")
            rows += len(there)
    return f"{rows} rows, part of them on a partially covered pool"


def no_repeated_group(case: Case) -> str:
    """Two rows of one group never meet in a batch; where the class repeats groups, a batch has two at least."""
    batches = [(p, b) for p in (case.parallel(), case.partial()) for b in case.draw(p, 3 * STEPS, 24)]
    for pool, batch in batches:
        groups = len(np.unique(pool.group[batch.item]))
        if case.strategy.repeats_groups:
            hold(groups > 1, "all rows of a batch are of one group: none has a negative")
        else:
            hold(groups == len(batch.item), f"{len(batch.item) - groups} rows of a batch repeat a group")
    return f"{len(batches)} batches"


def determinism(case: Case) -> str:
    """The same generator gives the same batches, another one others; earlier use of the object changes nothing."""
    pool = case.partial()
    first, second = case.draw(pool), case.draw(pool)
    hold(equal(first, second), "the same seed gave other batches")
    hold(not equal(first, case.draw(pool, seed=8)), "another seed gave the same batches")
    return "twice seed 7, once seed 8"


def global_random_state_untouched(case: Case) -> str:
    """Neither ``random`` nor ``numpy.random`` is read or moved."""
    kept_python, kept_numpy = random.getstate(), np.random.get_state(legacy=True)
    try:
        drawn = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)
            python, numpy = random.getstate(), repr(np.random.get_state(legacy=True))
            drawn.append(case.draw(case.parallel()))
            moved = random.getstate() != python or repr(np.random.get_state(legacy=True)) != numpy
            hold(not moved, "the global generator was used")
        hold(equal(*drawn), "the batches depend on the global generator")
    finally:
        random.setstate(kept_python)
        np.random.set_state(kept_numpy)
    return "random and numpy.random"


def balance_of_items(case: Case) -> str:
    """On a fully parallel pool no item is drawn much more often than another: each once per pass.

    Where vectors, lengths or names decide, an item is drawn at most ``MOST`` times as often as in the mean: some may be
    left out, but none is a hub that sits in every batch.
    """
    pool = case.parallel()
    steps = 10 * pool.n_items // SIZE
    counts = np.bincount(np.concatenate([b.item for b in case.draw(pool, steps)]), minlength=pool.n_items)
    low, high = int(counts.min()), int(counts.max())
    most = MOST * counts.mean() if case.strategy.needs or case.strategy.reads else low + 3
    hold(high <= most, f"in 10 passes an item was drawn {low} to {high} times")
    return f"in 10 passes each item {low} to {high} times"


def pool_unchanged(case: Case) -> str:
    """The pool is only read."""
    pool = case.given(case.partial())
    every = (pool.has, pool.group, pool.source, pool.vectors, pool.lengths)
    parts = [part for part in every if part is not None]
    for part in parts:
        part.setflags(write=False)
    before = [part.copy() for part in parts]
    case.draw(pool)
    same = all((a == b).all() for a, b in zip(before, parts, strict=True))
    hold(same, "the pool was changed")
    return "arrays were read-only"


def short_pool_is_refused(case: Case) -> str:
    """A pool with too few groups for a batch ends in a ``StrategyError``, not in a short or endless batch."""
    pool = case.parallel(40)
    pool = dataclasses.replace(pool, group=np.arange(40) // 4)
    try:
        drawn = case.draw(pool, size=SIZE)
    except StrategyError as error:
        return str(error)
    except Exception as error:  # a plugin may raise anything
        seen = f"{type(error).__name__}: {error}"
        raise Broken(f"{SIZE} rows of 10 groups are refused with a StrategyError; got {seen}") from None
    hold(case.strategy.repeats_groups, f"{SIZE} rows of different groups were drawn from a pool of 10 groups")
    hold(all(len(batch.item) == SIZE for batch in drawn), "a batch is short")
    return "groups are repeated"


def resumed_at_a_refresh(case: Case) -> str:
    """Begun at a refresh, with the vectors and counts of then, the rest is drawn as without a break."""
    pool, every = case.partial(), case.strategy.refresh_every
    whole = case.draw(pool, every + STEPS)
    before = np.bincount(np.concatenate([b.item for b in whole[:every]]), minlength=pool.n_items)
    hold(equal(whole[every:], case.draw(pool, every + STEPS, first=1, drawn=before)), "the rest was another one")
    return f"{STEPS} batches behind step {every}"


CHEAP: tuple[Callable[[Case], str], ...] = (
    declarations,
    exact_number_of_batches,
    exact_batch_size,
    determinism,
    global_random_state_untouched,
    label_invariance,
    pool_unchanged,
)
"""What a run holds every strategy to before it trains: fractions of a second."""


CHECKS: tuple[Callable[[Case], str], ...] = (
    declarations,
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
    try:
        case = case_of(strategy)
    except Exception as error:  # a plugin may raise anything
        return [Result("declarations", False, f"{type(error).__name__}: {error}")]
    checks = [*CHECKS, *([resumed_at_a_refresh] if _refreshes(case) else [])]
    return [*(_checked(check, case) for check in checks), *_claims(case)]


def require_sound(strategy: Strategy, langs: tuple[str, ...], sources: tuple[str, ...]) -> None:
    """Hold a strategy to the cheap part of the contract, on made-up pools with the names of a real one.

    Raises:
        StrategyError: a property does not hold.
    """
    case = case_of(strategy, langs, sources)
    for check in CHEAP:
        result = _checked(check, case)
        if not result.passed:
            raise StrategyError(
                f"{strategy!r} breaks the contract of a strategy, so it is not trained: {result.name}: "
                f"{result.detail}. 'python -m bench check strategy' holds it to every property"
            )


def _refreshes(case: Case) -> bool:
    every = case.strategy.refresh_every
    return type(every) is int and 0 < every <= LONGEST


def _checked(check: Callable[[Case], str], case: Case) -> Result:
    result = _result(check.__name__.replace("_", " "), partial(check, case))
    return result if result.passed else result._replace(detail=told(result.detail, case))


def _claims(case: Case) -> Iterator[Result]:
    claims = tuple(case.strategy.claims)
    pool = case.parallel()
    batches: list[Batch] = []

    def drawn() -> str:
        batches.extend(case.draw(pool, 400))
        return ""

    if claims and not (result := _result("claims", drawn)).passed:
        yield result
        return
    for name in claims:
        check = CLAIMS.get(name)
        if check is None:
            yield Result(f"claim {name}", False, f"there is no such claim; there are {', '.join(CLAIMS)}")
            continue

        def held(check: Callable[..., None] = check) -> str:
            check(case, pool, batches)
            return (check.__doc__ or "").strip()

        yield _result(f"claim {name}", held)


def _result(name: str, check: Callable[[], str]) -> Result:
    try:
        return Result(name, True, check())
    except Broken as broken:
        return Result(name, False, str(broken))
    except Exception as error:  # a plugin may raise anything
        return Result(name, False, f"{type(error).__name__}: {error}")
