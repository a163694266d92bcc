"""Training data as JSON lines: one record per item, languages as keys.

``{"id": "a1", "group": "page 7", "query": {"en": "...", "de": "..."}, "passage": {"en": "...", "de": "..."}}``

Hard negatives are a further field, ``"negatives": {"en": ["...", "..."]}``, in any of the languages or in others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import below, is_file, listed, read_jsonl
from tasks.groups import linked

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""The shape of a BCP-47 code as data sets write it."""


class _Item(NamedTuple):
    """The texts of one record in the languages in which it has both; its group is (number of the file, name)."""

    query: dict[str, str]
    passage: dict[str, str]
    group: tuple[int, str] | None
    negatives: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ParallelJsonl(Source):
    """Records of one folder (all its .jsonl and .jsonl.gz files), or of the files that are given.

    An item exists in a language where its query and its passage both have text. Records share a group where their
    field ``group`` says so (within a file), or where a query or a passage is the same text in some language: either
    would be a false negative of the other.

    Attributes:
        name: of the source; also the folder below the data root, unless ``paths`` are given.
        version: of the data.
        licence: of the data.
        citation: of the data.
        paths: these files instead, wherever they are.
        about: what it is.
    """

    name: str
    version: str = "1"
    licence: str = "unknown"
    citation: str = "unknown"
    paths: tuple[Path, ...] = ()
    about: str = ""

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The files: those given, or those of the folder, sorted by name."""
        if self.paths:
            return self.paths
        folder = below(root, self.name, f"source {self.name}")
        found = [p for p in listed(folder, "*.jsonl*") if p.name.endswith((".jsonl", ".jsonl.gz"))]
        if not found:
            raise TaskError(f"{folder}: no .jsonl or .jsonl.gz file there; check --data-root")
        return tuple(found)

    def load(self, root: Path | None) -> TrainSet:
        """Read all records."""
        items = [item for number, path in enumerate(self.files(root)) for item in _read(number, path)]
        langs = tuple(sorted({lang for item in items for lang in item.query}))
        return TrainSet(
            langs=langs,
            query={lang: [item.query.get(lang) for item in items] for lang in langs},
            passage={lang: [item.passage.get(lang) for item in items] for lang in langs},
            group=linked(map(_keys, items)),
            negative=_columns(items),
        )


def _columns(items: list[_Item]) -> dict[str, list[tuple[str, ...]]]:
    langs = sorted({lang for item in items for lang in item.negatives})
    return {lang: [item.negatives.get(lang, ()) for item in items] for lang in langs}


def from_path(path: Path) -> ParallelJsonl:
    """Records of your own, ``{"id", "query": {lang: text}, "passage": {lang: text}}``; named with the file's folder."""
    if not is_file(path):
        raise TaskError(f"{path}: no such file; a source is a name or the path of a .jsonl or .jsonl.gz file")
    return ParallelJsonl(name="/".join(path.absolute().parts[-2:]), paths=(path,))


def _read(number: int, path: Path) -> Iterator[_Item]:
    first: dict[str, int] = {}
    for line, record in read_jsonl(path):
        where = f"{path}, line {line}"
        identity = record.get("id")
        if not isinstance(identity, str) or not identity:
            raise TaskError(f"{where}: a record has an 'id' that is text; got {identity!r:.40}")
        if identity in first:
            raise TaskError(
                f"{where}: id {identity!r} comes up twice (line {first[identity]}); ids are unique in a file"
            )
        first[identity] = line
        group = record.get("group")
        if group is not None and not isinstance(group, str):
            raise TaskError(f"{where}: 'group' is text; got {type(group).__name__}")
        query, passage = _texts(record, "query", where), _texts(record, "passage", where)
        both = [lang for lang in query if lang in passage]
        if not both:
            raise TaskError(f"{where}: id {identity!r} has no language with both a query and a passage; remove it")
        yield _Item(
            {k: query[k] for k in both}, {k: passage[k] for k in both}, None if group is None else (number, group),
            _negatives(record, where),
        )  # fmt: skip
    if not first:
        raise TaskError(f"{path}: holds no record; fetch the file again")


def _negatives(record: dict[str, object], where: str) -> dict[str, tuple[str, ...]]:
    value = record.get("negatives")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(texts, list) for texts in value.values()):
        raise TaskError(f"{where}: 'negatives' is an object of language: [texts]; got {value!r:.60}")
    for lang, texts in value.items():
        _require_language(lang, "negatives", where)
        if not all(isinstance(text, str) for text in texts):
            raise TaskError(f"{where}: 'negatives' in {lang!r} are texts; got {texts!r:.60}")
    kept = {lang: tuple(text for text in texts if text.strip()) for lang, texts in value.items()}
    return {lang: texts for lang, texts in kept.items() if texts}


def _require_language(lang: str, field: str, where: str) -> None:
    if not LANGUAGE.fullmatch(lang):
        raise TaskError(f"{where}: {lang!r:.40} in {field!r} is not a language code such as 'en' or 'zh-hant'")


def _texts(record: dict[str, object], field: str, where: str) -> dict[str, str]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a record has {field!r} as an object of language: text; got {type(value).__name__}")
    for lang, text in value.items():
        _require_language(lang, field, where)
        if not isinstance(text, str):
            raise TaskError(f"{where}: {field!r} in {lang!r} is text; got {type(text).__name__}")
    return {lang: text for lang, text in value.items() if text.strip()}


def _keys(item: _Item) -> Iterator[tuple[object, ...]]:
    """What makes another item a false negative of this one: its group, the text of a query, the text of a passage."""
    if item.group is not None:
        yield item.group
    for lang, text in item.query.items():
        yield "query", lang, text.strip()
    for lang, text in item.passage.items():
        yield "passage", lang, text.strip()


LO_HELP = ParallelJsonl(
    "lo-help",
    licence="MPL-2.0",
    citation="LibreOffice Help 7.4, human translations",
    about="Headings and passages of LibreOffice's help, parallel in 14 languages, translated by people.",
)
DOCS_QA = ParallelJsonl(
    "docs-qa",
    licence="CC0-1.0, MIT, CC BY 4.0, CC BY-SA 3.0 (by file)",
    citation="microsoft/*-for-beginners (machine-translated), opensource.guide, bitcoin.org, GNOME Help",
    about="Headings or questions and sections of courses, guides and help pages, parallel, mostly machine-translated.",
)
NTREX = ParallelJsonl(
    "ntrex",
    licence="CC BY-SA 4.0",
    citation="Federmann et al. 2022, NTREX-128",
    about="Sentences of news and the rest of their paragraph, parallel in 17 languages, translated by people.",
)
NATIVE_QA = ParallelJsonl(
    "native-qa",
    licence="MIT, CC BY-SA 3.0 (by file)",
    citation="ARCD (arXiv 1906.05394), iapp-wiki-qa, DRCD (arXiv 1806.00920)",
    about="Questions asked in Arabic, Thai and Chinese about Wikipedia's passages: not parallel, one language an item.",
)
