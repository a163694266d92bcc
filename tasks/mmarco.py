"""mMARCO (arXiv 2108.13897) from its repository on the Hub, or a copy: whole, or the part that ``limit`` asks for."""

from __future__ import annotations

import hashlib
import heapq
import math
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks.checksums import checksum
from tasks.contract import Source, TaskError, TrainSet
from tasks.files import cache, is_file, read_lines
from tasks.groups import joined, linked
from tasks.hub import looking, mirror, offline
from tasks.hub.listing import entry_of
from tasks.hub.modes import tell
from tasks.hub.names import Name
from tasks.hub.reading import reading, written
from tasks.hub.snapshot import NotHere, have, note_lacking, told_size, why_not
from tasks.hub.streaming import lines
from tasks.languages import canonical
from tasks.notes import Notes

LANGUAGES = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "fr": "french", "hi": "hindi",
    "id": "indonesian", "it": "italian", "ja": "japanese", "nl": "dutch", "pt": "portuguese", "ru": "russian",
    "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip

TRIPLES = "data/triples.train.ids.small.tsv"

LOOKED_AT = 100
"""Lines of the triples that are looked at for each pair of a limit: so many pairs, of which the lowest passages are
taken, that these stand within the first hundredth of a collection."""

PAIRS, LINE = 500_000, 23
"""About how many pairs there are, and bytes of a triple: for saying how much will be read."""

Read = Callable[[str], Iterator[bytes]]
"""Lines of a file of the repository."""


@dataclass(frozen=True)
class MMarco(Source):
    """mMARCO (arXiv 2108.13897): MS MARCO's training pairs, machine-translated, parallel in all languages.

    Items are the distinct (query, positive passage) pairs of the training triples, in their order. With ``limit``, of
    the pairs that the first 100 * limit triples name those whose passages come first in the collection, so that about a
    hundredth of each collection has to be read. Trained on are translations of MS MARCO, whose licence forbids
    commercial use.

    Attributes:
        langs: two-letter codes.
        limit: number of pairs; None takes all (about half a million; gigabytes for each language).
    """

    langs: tuple[str, ...] = ("ar", "de", "en", "es", "hi", "ru", "zh")
    limit: int | None = None

    licence = "MS MARCO's terms: non-commercial research"
    citation = "Bonifacio et al. 2021, mMARCO, arXiv 2108.13897"
    repo = "unicamp-dl/mmarco"
    revision = "1f7f99e04de0635cb61b073b359d474a3c252b84"

    def __post_init__(self) -> None:
        langs = () if isinstance(self.langs, str) else tuple(dict.fromkeys(map(canonical, self.langs)))
        object.__setattr__(self, "langs", langs or self.langs)
        unknown = [lang for lang in self.langs if lang not in LANGUAGES]
        if isinstance(self.langs, str) or unknown or not self.langs:
            raise TaskError(f"mmarco: langs is a tuple of {', '.join(LANGUAGES)}; got {self.langs!r}")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise TaskError(f"mmarco: limit is a whole number of at least 1; got {self.limit!r:.40}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """With its limit, which makes another source."""
        return "mmarco" if self.limit is None else f"mmarco-{self.limit}"

    @property
    def version(self) -> str:  # type: ignore[override]
        """Of how pairs are chosen and grouped."""
        return "2-linked" if self.limit is None else "3-lowest"

    def origin(self, root: Path | None) -> dict[str, str]:
        """The commit."""
        return {} if mirror(root, self.repo) is not None else {self.repo: self.revision}

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The triples, then queries and passages of each language; with ``limit``, what was taken of them."""
        paths = [TRIPLES, *(path for lang in self.langs for path in _paths(lang))]
        with reading(self._asked(), self._hub()):
            if self.limit is not None:
                return tuple(self._parts(root, self.limit))
            copy = mirror(root, self.repo)
            if copy is None:
                wanted = {entry_of(self._hub(), path).path for path in paths}
                copy = have(self._hub(), wanted.__contains__)
            absent = next((path for path in paths if not is_file(copy / path)), None)
            if absent is not None:
                raise TaskError(f"{copy / absent}: no such file; a copy of {self.repo} has it")
            return tuple(copy / path for path in paths)

    def load(self, root: Path | None) -> TrainSet:
        """Read the pairs, then the queries and passages that they name, in every language."""
        triples, *rest = self.files(root)
        notes = Notes(root)
        pairs = list(dict.fromkeys(_pairs(triples, notes)))
        wanted_q, wanted_d = {q for q, _ in pairs}, {d for _, d in pairs}
        query: dict[str, list[str | None]] = {}
        passage: dict[str, list[str | None]] = {}
        for lang, asked_in, told_in in zip(self.langs, rest[::2], rest[1::2], strict=True):
            asked, told = _texts(asked_in, wanted_q, notes), _texts(told_in, wanted_d, notes)
            both = [(asked.get(q), told.get(d)) for q, d in pairs]
            query[lang] = [q if d is not None else None for q, d in both]
            passage[lang] = [d if q is not None else None for q, d in both]
            lost = [pair for pair, texts in zip(pairs, both, strict=True) if None in texts]
            notes.left_out("pairs without a text in a language", f"{lang}: {lost[0] if lost else ''}", len(lost))
        group = joined(linked((("q", q), ("d", d)) for q, d in pairs), [*query.values(), *passage.values()])
        return TrainSet(self.langs, query, passage, group, noticed=notes.found())

    def _asked(self) -> str:
        default = MMarco()
        langs = None if self.langs == default.langs else self.langs
        return written("mmarco", {"langs": langs, "limit": self.limit})

    def _hub(self) -> Name:
        return Name("dataset", self.repo, self.revision)

    def _parts(self, root: Path | None, limit: int) -> Iterator[Path]:
        """What is wanted of each file, in files of the cache that are called after the whole files' content."""
        copy, told = mirror(root, self.repo), False

        def read(path: str) -> Iterator[bytes]:
            nonlocal told
            if copy is None and not told:
                told = True
                self._say(limit)
            return _local(copy / path) if copy is not None else lines(self._hub(), path)

        def known(path: str) -> str:
            return checksum(copy / path) if copy is not None else entry_of(self._hub(), path).checksum

        of_triples = known(TRIPLES)
        triples = _part(TRIPLES, f"{of_triples} {limit}", lambda: _lowest(read(TRIPLES), limit, TRIPLES))
        yield triples
        pairs = list(_pairs(triples, Notes()))
        queries, passages = {q for q, _ in pairs}, {d for _, d in pairs}
        for lang in self.langs:
            asked, told_in = _paths(lang)
            for path, wanted, ascending in ((asked, queries, False), (told_in, passages, True)):
                make = partial(_kept, path, read, wanted, ascending)
                yield _part(path, f"{of_triples} {limit} {known(path)}", make)

    def _say(self, limit: int) -> None:
        """How much is about to be read, before it is."""
        size = min(entry_of(self._hub(), TRIPLES).size, LINE * LOOKED_AT * limit)
        seen = PAIRS * (1 - math.exp(-LOOKED_AT * limit / PAIRS))
        for lang in self.langs:
            asked, told_in = (entry_of(self._hub(), path).size for path in _paths(lang))
            size += asked + min(told_in, int(told_in * limit / seen))
        if looking() or offline():
            note_lacking(self._hub(), 1 + 2 * len(self.langs), size)
            raise NotHere(self._hub(), 1 + 2 * len(self.langs), size, why_not())
        tell(f"reading the beginnings of {1 + 2 * len(self.langs)} files of {self.repo}: about {told_size(size)}")


def _paths(lang: str) -> tuple[str, str]:
    """Queries and passages of a language."""
    word = LANGUAGES[lang]
    return f"data/v2/queries/train/{word}_queries.train.tsv", f"data/v2/collections/{word}_collection.tsv"


def _local(path: Path) -> Iterator[bytes]:
    return (text.encode() for _, text in read_lines(path, Notes()))


def _part(path: str, key: str, make: Callable[[], Iterable[bytes]]) -> Path:
    """A file of the cache that holds the lines of ``make``; made once."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    place = cache() / "hub" / "parts" / digest / "part" / Path(path).name
    if is_file(place):
        return place
    aside = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.writelines(line + b"\n" for line in make())
        aside.replace(place)
    except OSError as error:
        why = error.strerror or error
        raise TaskError(f"{place}: cannot be written ({why}); BENCH_CACHE names another folder") from None
    finally:
        aside.unlink(missing_ok=True)
    return place


def _lowest(triples: Iterable[bytes], limit: int, where: str) -> list[bytes]:
    """Of the pairs of the first triples those with the lowest passages, in the order of the triples."""
    pairs: dict[tuple[str, str], int] = {}
    for number, line in enumerate(triples, start=1):
        if line.strip():
            pairs.setdefault(_triple(line.decode("utf-8", "replace"), where, number), len(pairs))
        if number >= LOOKED_AT * limit and len(pairs) >= limit:
            break
    lowest = heapq.nsmallest(limit, pairs, key=lambda pair: (_number(pair[1]), pairs[pair]))
    return [f"{q}\t{d}\t-".encode() for q, d in sorted(lowest, key=pairs.__getitem__)]


def _kept(path: str, read: Read, wanted: set[str], ascending: bool) -> Iterator[bytes]:
    """The lines of wanted ids; of files whose ids ascend, no line is read beyond the last one.

    Others are read to their end, and so held against their checksum.
    """
    left, last = set(wanted), max(map(_number, wanted))
    for row in read(path):
        identity = row.partition(b"\t")[0].decode("utf-8", "replace")
        if identity in left:
            left.discard(identity)
            yield row
        if ascending and (not left or _number(identity) > last):
            return


def _number(identity: str) -> int:
    return int(identity) if identity.isascii() and identity.isdecimal() else -1


def _pairs(path: Path, notes: Notes) -> Iterator[tuple[str, str]]:
    return (_triple(text, str(path), line) for line, text in read_lines(path, notes))


def _triple(text: str, where: str, line: int) -> tuple[str, str]:
    ids = text.rstrip("\r\n").split("\t")
    if len(ids) != 3:
        raise TaskError(f"{where}, line {line}: a triple is three ids separated by tabs; got {text!r:.60}")
    return ids[0], ids[1]


def _texts(path: Path, wanted: set[str], notes: Notes) -> dict[str, str]:
    found = {}
    for line, row in read_lines(path, notes):
        identity, tab, text = row.partition("\t")
        if not tab:
            raise TaskError(f"{path}, line {line}: an id, a tab and a text are expected; got {row!r:.60}")
        if identity in wanted and text.strip():
            found[identity] = text.strip()
    return found
