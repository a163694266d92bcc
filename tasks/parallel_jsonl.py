"""Training data as JSON lines: one record per item, languages as keys.

``{"id": "a1", "group": "page 7", "query": {"en": "...", "de": "..."}, "passage": {"en": "...", "de": "..."}}``

Hard negatives are a further field, ``"negatives": {"en": ["...", "..."]}``, in any of the languages or in others.

Records of one language have a short form, ``{"lang": "de", "query": "...", "passage": "...", "negatives": ["..."]}``,
or ``{"anchor": "...", "positive": "...", "negative": "..."}`` as sentence-transformers has it; without ``lang`` they
are in the language that the source is given, ``my.jsonl(lang='de')``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import below, is_file, listed, read_jsonl
from tasks.groups import linked
from tasks.languages import canonical, note_code
from tasks.notes import Notes

SHORT = {"query": ("query", "anchor"), "passage": ("passage", "positive"), "negatives": ("negatives", "negative")}
"""What the texts of a record of one language are called."""


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
        lang: language of records that are of one and do not say which.
        made_from: what files that nobody publishes were prepared from, by hand.
    """

    name: str
    version: str = "1"
    licence: str = "unknown"
    citation: str = "unknown"
    paths: tuple[Path, ...] = ()
    about: str = ""
    lang: str = ""
    made_from: str = ""

    def parameters(self) -> dict[str, object]:
        """The language, where it is given."""
        return {"lang": canonical(self.lang)} if self.lang else {}

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The files: those given, or those of the folder, sorted by name."""
        if self.paths:
            return self.paths
        try:
            folder = below(root, self.name, f"source {self.name}")
        except TaskError as error:
            raise TaskError(f"{error}{self.elsewhere()}") from None
        found = [p for p in listed(folder, "*.jsonl*") if p.name.endswith((".jsonl", ".jsonl.gz"))]
        if not found:
            raise TaskError(f"{folder}: no .jsonl or .jsonl.gz file there; check --data-root{self.elsewhere()}")
        return tuple(found)

    def elsewhere(self) -> str:
        """The end of a message about files that are not here."""
        if not self.made_from:
            return ""
        return (
            f". It was prepared by hand from {self.made_from}, and is not published; tasks/README.md says how. Without "
            "it: --train 'mmarco(limit=20000)', from the Hub, or a .jsonl file of your own"
        )

    def load(self, root: Path | None) -> TrainSet:
        """Read all records."""
        files = self.files(root)
        notes = Notes(files[0].parent.parent)
        lang = canonical(self.lang) if self.lang else ""
        items = [item for number, path in enumerate(files) for item in _read(number, path, lang, notes)]
        langs = tuple(sorted({lang for item in items for lang in item.query}))
        return TrainSet(
            langs=langs,
            query={lang: [item.query.get(lang) for item in items] for lang in langs},
            passage={lang: [item.passage.get(lang) for item in items] for lang in langs},
            group=linked(map(_keys, items)),
            negative=_columns(items),
            noticed=notes.found(),
        )


def _columns(items: list[_Item]) -> dict[str, list[tuple[str, ...]]]:
    langs = sorted({lang for item in items for lang in item.negatives})
    return {lang: [item.negatives.get(lang, ()) for item in items] for lang in langs}


def from_path(path: Path, lang: str = "") -> ParallelJsonl:
    """Records of your own, ``{"id", "query": {lang: text}, "passage": {lang: text}}``; named with the file's folder."""
    if not is_file(path):
        raise TaskError(f"{path}: no such file; a source is a name or the path of a .jsonl or .jsonl.gz file")
    return ParallelJsonl(name="/".join(path.absolute().parts[-2:]), paths=(path,), lang=lang)


def _read(number: int, path: Path, lang: str, notes: Notes) -> Iterator[_Item]:
    first: dict[str, tuple[int, _Item]] = {}
    line = 0
    for line, record in read_jsonl(path, notes):
        where = f"{path}, line {line}"
        short = isinstance(record.get("query", record.get("anchor")), str)
        identity = _identity(record, short, where, notes)
        item = _item(number, _long(record, lang, where) if short else record, where, notes)
        if identity is not None:
            before, same = first.setdefault(identity, (line, item))
            if item != same:
                raise TaskError(f"{where}: id {identity!r} comes up twice, with other texts than in line {before}; ids "
                                "are unique in a file")  # fmt: skip
            if before != line:
                notes.repaired("records that come up again, equal", f"{where}: id {identity!r:.80}")
                continue
        yield item
    if not line:
        raise TaskError(f"{path}: holds no record; fetch the file again")


def _identity(record: dict[str, object], short: bool, where: str, notes: Notes) -> str | None:
    """The id of a record; one of one language need have none."""
    identity = record.get("id")
    if type(identity) is int:
        notes.repaired("ids that are numbers", where)
        return str(identity)
    if identity is None and short:
        return None
    if not isinstance(identity, str) or not identity:
        raise TaskError(f"{where}: a record has an 'id' that is text; got {identity!r:.40}")
    return identity


def _long(record: dict[str, object], lang: str, where: str) -> dict[str, object]:
    """A record of one language as one of several."""
    said = record.get("lang", record.get("language")) or lang
    if not isinstance(said, str) or not said:
        raise TaskError(f"{where}: a record of one language says which, as \"lang\": \"de\"; or name the source with "
                        f"it: {where.split(', line')[0]}(lang='de')")  # fmt: skip
    found: dict[str, object] = {"id": record.get("id"), "group": record.get("group")}
    for name, others in SHORT.items():
        texts = next((record[other] for other in others if record.get(other) is not None), None)
        if texts is not None:
            found[name] = {said: [texts] if name == "negatives" and isinstance(texts, str) else texts}
    return found


def _item(number: int, record: dict[str, object], where: str, notes: Notes) -> _Item:
    group = record.get("group")
    if group is not None and not isinstance(group, str):
        raise TaskError(f"{where}: 'group' is text; got {type(group).__name__}")
    query, passage = _texts(record, "query", where, notes), _texts(record, "passage", where, notes)
    both = [lang for lang in query if lang in passage]
    if not both:
        raise TaskError(f"{where}: id {record.get('id')!r} has no language with both a query and a passage; remove it")
    alone = len(query) + len(passage) - 2 * len(both)
    notes.left_out("queries or passages without the other in their language", where, alone)
    return _Item(
        {k: query[k] for k in both}, {k: passage[k] for k in both}, None if group is None else (number, group),
        _negatives(record, where, notes),
    )  # fmt: skip


def _negatives(record: dict[str, object], where: str, notes: Notes) -> dict[str, tuple[str, ...]]:
    value = record.get("negatives")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(texts, list) for texts in value.values()):
        raise TaskError(f"{where}: 'negatives' is an object of language: [texts]; got {value!r:.60}")
    found = {}
    for lang, texts in _spelt(value, "negatives", where, notes).items():
        assert isinstance(texts, list)
        if not all(isinstance(text, str) for text in texts):
            raise TaskError(f"{where}: 'negatives' in {lang!r} are texts; got {texts!r:.60}")
        kept = tuple(text for text in texts if text.strip())
        notes.repaired("negatives without text", where, len(texts) - len(kept))
        if kept:
            found[lang] = kept
    return found


def _texts(record: dict[str, object], field: str, where: str, notes: Notes) -> dict[str, str]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise TaskError(f"{where}: a record has {field!r} as an object of language: text; got {type(value).__name__}")
    found = {}
    for lang, text in _spelt(value, field, where, notes).items():
        if text is None:
            notes.repaired("texts that are null", where)
        elif not isinstance(text, str):
            raise TaskError(f"{where}: {field!r} in {lang!r} is text; got {type(text).__name__}")
        elif text.strip():
            found[lang] = text
    return found


def _spelt(value: dict[str, object], field: str, where: str, notes: Notes) -> dict[str, object]:
    """Texts by canonical codes of their languages."""
    found: dict[str, object] = {}
    for lang, text in value.items():
        try:
            name = canonical(lang)
        except TaskError:
            raise TaskError(
                f"{where}: {lang!r:.40} in {field!r} is not a language code such as 'en' or 'zh-hant'"
            ) from None
        if name in found:
            raise TaskError(f"{where}: two of the languages of {field!r} are one ({name}); keep one of them")
        if name != lang:
            note_code(lang, where, notes)
        found[name] = text
    return found


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
    made_from="LibreOffice's help (Debian's packages)",
)
DOCS_QA = ParallelJsonl(
    "docs-qa",
    licence="CC0-1.0, MIT, CC BY 4.0, CC BY-SA 3.0 (by file)",
    citation="microsoft/*-for-beginners (machine-translated), opensource.guide, bitcoin.org, GNOME Help",
    about="Headings or questions and sections of courses, guides and help pages, parallel, mostly machine-translated.",
    made_from="texts on GitHub and GNOME's help",
)
NTREX = ParallelJsonl(
    "ntrex",
    licence="CC BY-SA 4.0",
    citation="Federmann et al. 2022, NTREX-128",
    about="Sentences of news and the rest of their paragraph, parallel in 17 languages, translated by people.",
    made_from="github.com/MicrosoftTranslator/NTREX",
)
NATIVE_QA = ParallelJsonl(
    "native-qa",
    licence="MIT, CC BY-SA 3.0 (by file)",
    citation="ARCD (arXiv 1906.05394), iapp-wiki-qa, DRCD (arXiv 1806.00920)",
    about="Questions asked in Arabic, Thai and Chinese about Wikipedia's passages: not parallel, one language an item.",
    made_from="ARCD, iapp-wiki-qa and DRCD on GitHub",
)
