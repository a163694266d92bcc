"""Ways to part a pool, for ``within``: by source, by script, by what items are about."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from strategies.contract import Ints, Pool, StrategyError
from strategies.near import kmeans


class Cut(NamedTuple):
    """A part of a pool: some items, in some languages (both as indices, int64)."""

    name: str
    items: Ints
    langs: Ints


class Part(ABC):
    """How a pool is parted. A frozen dataclass, as a strategy is; the parts' order may not hang on numbers or names."""

    positional: ClassVar[tuple[str, ...]] = ()

    @property
    def claims(self) -> tuple[str, ...]:
        """What batches within a part have in common."""
        return ()

    @property
    def needs(self) -> tuple[str, ...]:
        """As a strategy's."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """As a strategy's."""
        return ()

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        given = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields)
        return type(self).__name__.lower() + (f"({given})" if given else "")

    @abstractmethod
    def cuts(self, pool: Pool, batch_size: int) -> list[Cut]:
        """The parts; every batch of ``batch_size`` rows lies in one."""


@dataclass(frozen=True, repr=False)
class Source(Part):
    """By data set: GTE (arXiv 2308.03281, section 3.3) and Nomic Embed (arXiv 2402.01613, section 3.1)."""

    @property
    def claims(self) -> tuple[str, ...]:
        """Rows of one source."""
        return ("one_source",)

    def cuts(self, pool: Pool, batch_size: int) -> list[Cut]:
        """One for each source, in the order of their first items."""
        numbers, first = np.unique(pool.source, return_index=True)
        names = pool.source_names or [f"source {s}" for s in range(int(numbers.max(initial=-1)) + 1)]
        every = np.arange(len(pool.langs))
        return [Cut(names[s], np.flatnonzero(pool.source == s), every) for s in numbers[np.argsort(first)].tolist()]


@dataclass(frozen=True, repr=False)
class Script(Part):
    """By the script that languages are written in, so that no row is told from another one by its letters."""

    @property
    def claims(self) -> tuple[str, ...]:
        """Languages of one script."""
        return ("one_script",)

    @property
    def reads(self) -> tuple[str, ...]:
        """The table below knows languages by their codes."""
        return ("langs",)

    def cuts(self, pool: Pool, batch_size: int) -> list[Cut]:
        """One for each script, with the items that exist in one of its languages."""
        of = [script_of(lang) for lang in pool.langs]
        found = []
        for script in dict.fromkeys(of):
            langs = np.array([i for i, s in enumerate(of) if s == script])
            found.append(Cut(script, np.flatnonzero(pool.has[:, langs].any(axis=1)), langs))
        return found


@dataclass(frozen=True, repr=False)
class Cluster(Part):
    """By topic: k-means of the items' vectors (arXiv 2407.18887, section 3; TAS-B, arXiv 2104.06967, clusters queries).

    Clusters are a function of the vectors alone, the same for every seed. One that has too few groups for a batch is
    joined with the nearest.

    Attributes:
        k: clusters.
    """

    positional: ClassVar[tuple[str, ...]] = ("k",)

    k: int = 16

    def __post_init__(self) -> None:
        if type(self.k) is not int or self.k < 1:
            raise StrategyError(f"k is a whole number of at least 1; got {self.k!r}")

    @property
    def claims(self) -> tuple[str, ...]:
        """Similar rows."""
        return ("near",) if self.k > 1 else ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Vectors."""
        return ("vectors",)

    def cuts(self, pool: Pool, batch_size: int) -> list[Cut]:
        """One for each cluster, in the order of their first items."""
        if pool.vectors is None:
            raise StrategyError(f"{self!r} needs the items' vectors; the pool has none")
        of, centres = kmeans(pool.vectors, self.k)
        of = _joined(of, centres, pool, batch_size)
        numbers, first = np.unique(of, return_index=True)
        every = np.arange(len(pool.langs))
        order = numbers[np.argsort(first)].tolist()
        return [Cut(f"cluster {i}", np.flatnonzero(of == c), every) for i, c in enumerate(order)]


def _joined(of: Ints, centres: np.ndarray, pool: Pool, batch_size: int) -> Ints:
    """The cluster of each item, (n,), where those that cannot fill a batch are joined with the nearest one."""
    of = of.copy()
    short = dict.fromkeys(np.unique(of).tolist(), True)
    while len(short) > 1:
        short = {c: s and not _fills(np.flatnonzero(of == c), pool, batch_size) for c, s in short.items()}
        wanting = [c for c, s in short.items() if s]
        if not wanting:
            break
        here = min(wanting, key=lambda c: int((of == c).sum()))
        others = np.array([c for c in short if c != here])
        there = int(others[int((centres[others] @ centres[here]).argmax())])
        of[of == here] = there
        del short[here]
        short[there] = True
    return of


def _fills(items: Ints, pool: Pool, batch_size: int) -> bool:
    """Whether some items fill a batch in a language, and across languages where they exist in several."""
    has, group = pool.has[items], pool.group[items]
    enough = np.array([len(np.unique(group[column])) >= batch_size for column in has.T])
    if has.any(axis=0).sum() < 2:
        return bool(enough.any())
    several = has[:, enough].sum(axis=1) >= 2
    return len(np.unique(group[several])) >= batch_size


PARTS: dict[str, type[Part]] = {"source": Source, "script": Script, "cluster": Cluster}


SCRIPTS = {
    "Arab": "ar fa ur ps ug sd ckb", "Armn": "hy", "Beng": "bn as", "Cyrl": "ru uk bg sr mk be kk ky mn tg tt ba cv",
    "Deva": "hi mr ne sa bho mai", "Ethi": "am ti", "Geor": "ka", "Grek": "el", "Gujr": "gu", "Guru": "pa",
    "Hani": "zh yue", "Hebr": "he yi", "Jpan": "ja", "Khmr": "km", "Knda": "kn", "Kore": "ko", "Laoo": "lo",
    "Mlym": "ml", "Mymr": "my", "Orya": "or", "Sinh": "si", "Taml": "ta", "Telu": "te", "Thai": "th", "Tibt": "bo dz",
}  # fmt: skip
"""Scripts by their ISO 15924 codes, with the languages that are usually written in them; all others are Latin.

Source: CLDR's likely subtags.
"""


_SCRIPT = {lang: script for script, langs in SCRIPTS.items() for lang in langs.split()}


def script_of(lang: str) -> str:
    """The script of a language: that of its code (``sr-Latn``), else the usual one."""
    tags = lang.split("-")
    said = next((tag for tag in tags[1:] if len(tag) == 4 and tag.isalpha()), "")
    return "Hani" if said in ("Hans", "Hant") else said or _SCRIPT.get(tags[0], "Latn")
