"""What a task (to score on) and a source (to train on) must give.

Both are frozen dataclasses that read files below a data root (or files of their own package) and return plain
dictionaries and lists. They know nothing of models, measures or training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

Texts = Mapping[str, Mapping[str, str]]
"""language -> id -> text. Large corpora are not in memory: walk ``items()``, do not look up."""


class TaskError(ValueError):
    """Data is missing or broken: the message names file, line or id and what to do, in one line."""


def first_line(error: BaseException) -> str:
    """The first line of what a library's error says, at most 200 characters; its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@dataclass(frozen=True)
class Noticed:
    """What a reader repaired in the data, or left out, of one kind.

    Attributes:
        what: names the kind, in the plural.
        count: how many there are.
        example: where the first is.
        dirty: whether ``--strict`` refuses it; else data sets have it by design, as queries without judgements.
    """

    what: str
    count: int
    example: str
    dirty: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,} ({self.example})"


@dataclass(frozen=True, eq=False)
class EvalSet:
    """Queries, passages and relevance of one retrieval test, per language.

    Attributes:
        name: shown in tables.
        queries: language -> query_id -> text. A query_id belongs to one query in one language.
        passages: language -> doc_id -> text. The pool of the multilingual setting is the union of all languages.
        relevant: query_id -> doc_id -> grade, over the passages of every language. Above 0 is relevant; 0 and below
            are judged and not relevant: they are exported, and a query that has no others counts as 0, as in trec_eval.
        group: query_id -> id shared by the translations of one question (the unit of analysis); None where every
            query stands alone.
        main: the measure that tables lead with, in ir_measures' spelling.
        note: what a reader of its tables must know, e.g. that corpora of language pairs differ.
        itself: query_id -> doc_id of the passage that is the query itself, where such passages leave the ranking.
        absent: doc_id -> language of passages that are judged and that the corpus lacks: relevant ones count as never
            found, as in trec_eval.
        noticed: what was repaired or left out in reading.
    """

    name: str
    queries: Texts
    passages: Texts
    relevant: dict[str, dict[str, int]]
    group: dict[str, str] | None = None
    main: str = "AP"
    note: str = ""
    itself: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    noticed: tuple[Noticed, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainSet:
    """Parallel query-passage pairs.

    Attributes:
        langs: language codes (BCP-47).
        query: language -> one text per item, None where the item does not exist in that language.
        passage: the same for passages; None exactly where the query is.
        group: one number per item; items of one group share a passage or are translations of each other.
        negative: hard negatives, language -> one tuple of passages per item; languages without any may be missing.
        noticed: what was repaired or left out in reading.
        number: of each item among those that the source gave; [] where all of them are here, in that order.
    """

    langs: tuple[str, ...]
    query: dict[str, list[str | None]]
    passage: dict[str, list[str | None]]
    group: list[int]
    negative: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    noticed: tuple[Noticed, ...] = ()
    number: list[int] = field(default_factory=list)


PLACES = ("name", "folder", "paths", "called", "main", "note", "about", "version", "licence", "citation")
"""Fields of tasks that say where data lie and how they are shown, not what is read of them."""


class Read:
    """What decides the numbers that come of what is read: a task's decides scores, a source's cells."""

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The files that ``load`` reads, for their checksums."""
        return ()

    def origin(self, root: Path | None) -> dict[str, str]:
        """Repository of the Hub -> the commit that is read of it; empty where local files are read."""
        return {}

    def parameters(self) -> dict[str, object]:
        """What else decides what is read: by default the fields of a dataclass or what was set, but for ``PLACES``."""
        known: list[str] = [f.name for f in fields(self)] if is_dataclass(self) else sorted(vars(self))
        return {name: plain(getattr(self, name)) for name in known if name not in PLACES}


class Task(Read, ABC):
    """Something to score a model on. ``name`` and ``version`` name the stored scores: changed data is a new version."""

    name: str
    version: str
    licence: str
    citation: str

    def published(self, root: Path | None) -> tuple[int, int] | None:
        """Passages and queries, as whoever published the data counts them: each set's, added up. None: not known."""
        return None

    @abstractmethod
    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Read the task's evaluation sets below ``root`` (the data root; None where the user gave none).

        Raises:
            TaskError: a file is missing or broken.
        """


class Source(Read, ABC):
    """Something to train on.

    Attributes:
        about: what it is, in a line for ``list sources``; empty leaves that to the first line of the docstring.
        apart_from: names of tasks that share wording with the source by construction, but no item: not compared.
    """

    name: str
    version: str
    licence: str
    citation: str
    about: str = ""
    apart_from: tuple[str, ...] = ()

    @abstractmethod
    def load(self, root: Path | None) -> TrainSet:
        """Read the training items below ``root``.

        Raises:
            TaskError: a file is missing or broken.
        """


def plain(value: object) -> object:
    """As JSON keeps it, so that a stored value equals one that is made anew."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)
