"""Training data as JSON lines: one record per item, languages as keys.

``{"id": "a1", "group": "page 7", "query": {"en": "...", "de": "..."}, "passage": {"en": "...", "de": "..."}}``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import below, read_jsonl

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""The shape of a BCP-47 code as data sets write it."""


class _Item(NamedTuple):
    query: dict[str, str]
    passage: dict[str, str]
    group: str


@dataclass(frozen=True)
class ParallelJsonl(Source):
    """Records of one folder (all its .jsonl and .jsonl.gz files) or of one file.

    An item exists in a language where its query and its passage both have text. Records share a group where their
    field ``group`` says so (within a file), or where a query or a passage is the same text in some language: either
    would be a false negative of the other.

    Attributes:
        name: of the source; also the folder below the data root, unless ``path`` is given.
        version: of the data.
        licence: of the data.
        citation: of the data.
        path: a single file instead, wherever it is.
    """

    name: str
    version: str = "1"
    licence: str = "unknown"
    citation: str = ""
    path: Path | None = None

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The files, sorted by name."""
        if self.path is not None:
            return (self.path,)
        folder = below(root, self.name, f"source {self.name}")
        found = sorted(p for p in folder.glob("*.jsonl*") if p.name.endswith((".jsonl", ".jsonl.gz")))
        if not found:
            raise TaskError(f"{folder}: no .jsonl or .jsonl.gz file there; check --data-root")
        return tuple(found)

    def load(self, root: Path | None) -> TrainSet:
        """Read all records."""
        items = [item for path in self.files(root) for item in _read(path)]
        langs = tuple(sorted({lang for item in items for lang in item.query}))
        return TrainSet(
            langs=langs,
            query={lang: [item.query.get(lang) for item in items] for lang in langs},
            passage={lang: [item.passage.get(lang) for item in items] for lang in langs},
            group=_groups(items),
        )


def from_path(path: Path) -> ParallelJsonl:
    """The source that one file is."""
    if not path.is_file():
        raise TaskError(f"{path}: no such file; a source is a name or the path of a .jsonl or .jsonl.gz file")
    return ParallelJsonl(name=path.name, path=path)


def _read(path: Path) -> list[_Item]:
    items: list[_Item] = []
    seen: set[str] = set()
    for number, record in read_jsonl(path):
        where = f"{path}, line {number}"
        identity = record.get("id")
        if not isinstance(identity, str) or not identity:
            raise TaskError(f"{where}: a record has an 'id' that is text; got {identity!r}")
        if identity in seen:
            raise TaskError(f"{where}: id {identity!r} comes up twice; ids are unique within a file")
        seen.add(identity)
        query, passage = _texts(record, "query", where), _texts(record, "passage", where)
        both = [lang for lang in query if lang in passage]
        group = record.get("group", identity)
        kind = "group" if "group" in record else "id"
        items.append(_Item({k: query[k] for k in both}, {k: passage[k] for k in both}, f"{path.name}/{kind}/{group}"))
    if not items:
        raise TaskError(f"{path}: holds no record; fetch the file again")
    return items


def _texts(record: dict[str, object], field: str, where: str) -> dict[str, str]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a record has {field!r} as an object of language: text; got {type(value).__name__}")
    for lang, text in value.items():
        if not LANGUAGE.fullmatch(lang):
            raise TaskError(f"{where}: {lang!r} in {field!r} is not a language code such as 'en' or 'zh-hant'")
        if not isinstance(text, str):
            raise TaskError(f"{where}: {field!r} in {lang!r} is text; got {type(text).__name__}")
    return {lang: text for lang, text in value.items() if text.strip()}


def _groups(items: list[_Item]) -> list[int]:
    """Numbers from 0: items that share a group, a query text or a passage text share a number (also through others)."""
    parent = list(range(len(items)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str, str], int] = {}
    for i, item in enumerate(items):
        keys = [("group", "", item.group)]
        keys += [("query", lang, text.strip()) for lang, text in item.query.items()]
        keys += [("passage", lang, text.strip()) for lang, text in item.passage.items()]
        for key in keys:
            parent[root(i)] = root(first.setdefault(key, i))
    number: dict[int, int] = {}
    return [number.setdefault(root(i), len(number)) for i in range(len(items))]


LO_HELP = ParallelJsonl("lo-help", licence="MPL-2.0", citation="LibreOffice Help 7.4, human translations")
DOCS_QA = ParallelJsonl(
    "docs-qa",
    licence="CC0-1.0, MIT, CC BY 4.0, CC BY-SA 3.0 (by file)",
    citation="microsoft/*-for-beginners (machine-translated), opensource.guide, bitcoin.org, GNOME Help",
)
NTREX = ParallelJsonl("ntrex", licence="CC BY-SA 4.0", citation="Federmann et al. 2022, NTREX-128")
NATIVE_QA = ParallelJsonl(
    "native-qa",
    licence="MIT, CC BY-SA 3.0 (by file)",
    citation="ARCD (arXiv 1906.05394), iapp-wiki-qa, DRCD (arXiv 1806.00920)",
)
