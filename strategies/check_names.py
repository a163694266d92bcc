"""What a strategy knows by name: held to what the class declares, with what to declare where it does not."""

from __future__ import annotations

from strategies.check_claims import hold
from strategies.check_pools import Case, equal
from strategies.contract import LABELS, Batch, Pool


def label_invariance(case: Case) -> str:
    """Other names and numbers change no batch; names stay that a parameter or the class says it reads."""
    pool = case.partial()
    drawn = case.draw(pool)
    seen = _changes(case, drawn, case.renamed(pool))
    if seen:
        read = [kind for kind in LABELS if _changes(case, drawn, case.renamed(pool, (kind,), numbers=False))]
        also = f"reads = {(*case.strategy.reads, *read)}"
        names = f"other names of {' and '.join(KINDS[kind] for kind in read)} {seen}; what a strategy knows by name it "
        names += f"says: declare {also}, or take the names as a parameter"
        numbers = f"renumbered groups or sources {seen}; do not compute with the numbers of groups or sources"
        hold(False, names if read else numbers)
    return f"{sum(lang in case.named for lang in pool.langs)} language(s) named by parameters kept"


KINDS = {"langs": "languages", "source_names": "sources", "ids": "items"}
"""Whose names the fields of a pool are."""


def _changes(case: Case, drawn: list[Batch], pool: Pool) -> str:
    """What is seen where a pool gives other batches than those drawn; empty where it gives the same."""
    try:
        return "" if equal(drawn, case.draw(pool)) else "gave other batches"
    except Exception as error:  # a plugin may raise anything
        return f"ended in {type(error).__name__}: {error}"


def told(detail: str, case: Case) -> str:
    """What was seen; where a class without declared names may have looked for one in vain, also how it says them."""
    if case.named or case.strategy.reads or not detail.startswith(("ValueError", "KeyError")):
        return detail
    return (
        f"{detail}; the pool has the languages {', '.join(case.langs)} and the sources "
        f"{', '.join(case.sources)}: a class that knows others by name declares them, as reads = ('sw',)"
    )
