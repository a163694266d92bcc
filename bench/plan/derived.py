"""Rivals of batch composition that draw no batches of their own: models derived from trained ones, or the base model.

They are written as strategies are, with what they are made of in brackets: ``merge(mono, cross)``,
``centering(untrained)``, ``lir(mono, rank=2)``. This module says what each is; ``bench.average`` and ``bench.posthoc``
compute it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from bench.errors import BenchError
from bench.store.cells import Derivation, Parent
from strategies import Strategy

PARALLEL_TEXTS = 2000
"""Parallel texts per language, at most, that offsets are estimated on."""


LEAST = 10
"""Texts of a language, at least, for each direction that is removed from it; below, the language is left as it is."""


@dataclass(frozen=True, repr=False)
class Untrained:
    """The base model as it is."""

    def __repr__(self) -> str:
        return "untrained"


@dataclass(frozen=True, repr=False)
class Derived:
    """A model made of others: ``parents`` in the order of the expression; the other fields are its parameters."""

    parents: tuple[Recipe, ...]

    def __post_init__(self) -> None:
        if len(self.parents) != 1:
            raise BenchError(f"{self.kind} takes one strategy (or untrained) in brackets; got {len(self.parents)}")

    def __repr__(self) -> str:
        given = [repr(p) for p in self.parents] + [f"{k}={v!r}" for k, v in self.parameters().items()]
        return f"{self.kind}({', '.join(given)})"

    @property
    def kind(self) -> str:
        """Its name in expressions."""
        return type(self).__name__.lower()

    @property
    def trained(self) -> bool:
        """Whether something was trained for it."""
        return any(p.trained if isinstance(p, Derived) else isinstance(p, Strategy) for p in self.parents)

    @property
    def what(self) -> str:
        """What was done, in words for the report."""
        raise NotImplementedError

    def parameters(self) -> dict[str, object]:
        """Name and value of each."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "parents"}

    def fixed(self) -> dict[str, object]:
        """What else decides its numbers."""
        return {}


@dataclass(frozen=True, repr=False)
class Merge(Derived):
    """Average of the weights of strategies that share the steps equally.

    w = sum_i share_i * w_i over k parents of one seed, share_i = 1/k, or ``share`` and 1 - share for two. Each parent
    trains 1/k of the plan's steps, with a learning rate that rises and falls within them, so that all parents together
    take as many steps as any other strategy. Parents of one seed start from the same weights; on a fully parallel
    pool they see the same items, those of the first 1/k of the steps. Parents that are not trained with batches, or
    named twice, are refused.

    Source: weight-averaged retrievers, arXiv 2507.08480, as its abstract describes them; the plain mean of fine-tuned
    weights is arXiv 2203.05482's. Sharing the steps is decided here.
    """

    share: float | None = None

    def __post_init__(self) -> None:
        if len(self.parents) < 2:
            raise BenchError(
                f"merge averages at least two strategies, as in merge(mono, cross); got {len(self.parents)}"
            )
        wrong = [repr(p) for p in self.parents if not isinstance(p, Strategy)]
        if wrong:
            raise BenchError(f"merge averages the weights of trained strategies; got {wrong[0]}")
        if len({repr(p) for p in self.parents}) < len(self.parents):
            raise BenchError(f"merge averages different strategies; got {self.parents[0]!r} more than once")
        if self.share is not None and len(self.parents) != 2:
            raise BenchError(f"share is the weight of the first of two strategies; merge has {len(self.parents)} here")
        if self.share is not None and (type(self.share) is not float or not 0 < self.share < 1):
            raise BenchError(f"share is a number between 0 and 1, neither included; got {self.share!r}")

    @property
    def what(self) -> str:
        """What was done, in words for the report."""
        return "weights averaged" + ("" if self.share is None else f", {self.share:g} of the first")

    def steps_each(self, steps: int) -> int:
        """Steps of every parent where all together take ``steps``."""
        k = len(self.parents)
        if steps % k:
            raise BenchError(f"merge shares the steps equally: --steps is divisible by {k}; got {steps}")
        return steps // k

    def shares(self) -> tuple[float, ...] | None:
        """Weight of each parent; None where all are equal."""
        return None if self.share is None else (self.share, 1 - self.share)


@dataclass(frozen=True, repr=False)
class Centering(Derived):
    """Each language's mean vector subtracted from its vectors, at evaluation.

    v' = (v - m) / |v - m|, m: mean of the vectors of one language, passages and queries each with their own. Means are
    over the distinct texts of the evaluated set itself: its corpus, and the queries that are asked. That is
    transductive, but sees neither relevance nor which texts are parallel. Training texts were not chosen because they
    do not exist in the languages that are only tested (Greek and Vietnamese of XQuAD-R). A language with fewer than
    ``LEAST`` such texts is left as it is.

    Source: unsupervised centering of arXiv 2004.05160.
    """

    @property
    def what(self) -> str:
        """What was done, in words for the report."""
        return f"each language's mean subtracted from its vectors; {TRANSDUCTIVE}"

    def fixed(self) -> dict[str, object]:
        """What else decides its numbers."""
        return {"least": LEAST}


@dataclass(frozen=True, repr=False)
class Lir(Derived):
    """Each language's leading singular vectors projected out of its vectors, at evaluation (LIR).

    v' = (v - C C^T v) / |v - C C^T v|, C (dim, rank): the first right singular vectors of the matrix of one language's
    vectors (n, dim), uncentred; passages and queries each with their own. Estimated on the same texts as ``Centering``,
    for the same reason; the paper takes 10,000 sentences per language of Wiki-40B instead. A language with fewer than
    ``LEAST`` x rank such texts is left as it is.

    Source: Language Information Removal, arXiv 2109.04727, section 2.
    """

    rank: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.rank) is not int or self.rank < 1:
            raise BenchError(f"rank is a whole number of at least 1; got {self.rank!r}")

    @property
    def what(self) -> str:
        """What was done, in words for the report."""
        named = "leading singular vector" if self.rank == 1 else f"{self.rank} leading singular vectors"
        return f"each language's {named} projected out of its vectors; {TRANSDUCTIVE}"

    def fixed(self) -> dict[str, object]:
        """What else decides its numbers."""
        return {"least": LEAST}


@dataclass(frozen=True, repr=False)
class Shift(Derived):
    """Passages moved by their language's mean difference to one source language, at indexing (after SHIFT).

    v' = (v - r) / |v - r| for passages of language l, r = mean over parallel passages of (v_l - v_source); queries and
    passages of the source language stay. Estimated on the training pool: for each language the passages, at most
    ``PARALLEL_TEXTS``, of items that exist in it and in the source language. Test texts are not used: their parallelism
    is their relevance. Languages without such items (those not trained on) are left as they are.

    Source: arXiv 2606.18801 as its abstract describes it (relative language vectors from parallel translation pairs,
    subtracted from document embeddings during indexing); texts, their number, and renormalising are decided here.
    """

    source: str = "en"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.parents[0], Centering | Lir | Shift):
            raise BenchError(f"shift moves a strategy, merge(...) or untrained; got {self.parents[0]!r}")
        if type(self.source) is not str:
            raise BenchError(f"source is a language code, as in source='en'; got {self.source!r}")

    @property
    def what(self) -> str:
        """What was done, in words for the report."""
        return f"passages moved by their language's mean difference to {self.source}, over parallel training passages"

    def fixed(self) -> dict[str, object]:
        """What else decides its numbers."""
        return {"texts": PARALLEL_TEXTS}


Recipe = Strategy | Derived | Untrained
"""What a cell is made by."""


TRANSDUCTIVE = "estimated on the evaluated passages and queries, without labels"


DERIVED: dict[str, type[Derived]] = {"merge": Merge, "centering": Centering, "lir": Lir, "shift": Shift}


def explained(how: Derivation, parents: Sequence[Parent]) -> str:
    """How a cell was derived, in one line."""
    made = " and ".join(f"{p.strategy} ({p.steps:,} steps)" for p in parents)
    moved = f" (in {', '.join(how.languages)})" if how.languages is not None else ""
    return f"{how.what}{moved}; from {made}"
