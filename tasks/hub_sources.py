"""Training sources beyond parallel JSON lines: translated SQuAD-style sets, and mMARCO's triples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import find, is_file, listed, read_json, read_lines
from tasks.groups import joined, linked
from tasks.hub import kept_apart, mirror, mirrored, reading, turns_joined
from tasks.languages import by_canonical, canonical, note_code
from tasks.notes import Notes


class _Question(NamedTuple):
    """One question of one language; ``where`` names it in messages."""

    identity: str
    question: object
    paragraph: object
    where: str


@dataclass(frozen=True)
class SquadFolder(Source):
    """A folder of <lang>.json in SQuAD's layout, translations of each other: questions are joined by their id.

    Query: the question. Passage: its paragraph. Items that share a paragraph or a question share a group.

    Attributes:
        folder: below the data root, or an absolute path.
    """

    folder: str

    version = "1"
    licence = "unknown"
    citation = "unknown; a folder in SQuAD's layout"

    @property
    def name(self) -> str:  # type: ignore[override]
        """The folder's name."""
        return f"squad-{Path(self.folder).name}"

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """One JSON file per language."""
        folder = Path(self.folder) if Path(self.folder).is_absolute() else find(root, self.folder, self.name)
        files = tuple(listed(folder, "*.json"))
        if not files:
            raise TaskError(f"{folder}: holds no <lang>.json; a source in SQuAD's layout has one file per language")
        return files

    def load(self, root: Path | None) -> TrainSet:
        """Read all languages; questions that their paragraph does not answer (SQuAD 2) are left out."""
        files = self.files(root)
        notes = Notes(files[0].parent.parent)
        by_lang: dict[str, Path] = {}
        for path in files:
            lang = _language_of(path)
            note_code(path.stem.rpartition(".")[2], path.name, notes)
            if lang in by_lang:
                raise TaskError(f"{path} and {by_lang[lang].name} are of one language ({lang}); keep one of them")
            by_lang[lang] = path
        return _joined({lang: _squad(path, notes) for lang, path in by_lang.items()}, self.name, notes)


@dataclass(frozen=True)
class HubQA(Source):
    """A question-answering set on the Hub: a configuration per language, SQuAD's columns, a pinned revision.

    Attributes:
        repo: ``owner/name`` on the Hub; a copy below ``<data root>/hub`` is read before it.
        langs: language -> configuration, as 'de' or 'de=xquad.de'.
        revision: commit; required, so that the data cannot change.
        split: of the data set.
    """

    repo: str
    langs: tuple[str, ...] = ()
    revision: str = ""
    split: str = "train"

    licence = "see the data set's card"

    def __post_init__(self) -> None:
        named = (*self.langs, self.revision, self.split)
        if isinstance(self.langs, str) or not self.langs or not all(isinstance(x, str) and x for x in named):
            raise TaskError(
                f"hub-qa:{self.repo}: give langs, as ('de', 'en=config-of-en'), and revision, a commit of the data set"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """The repository's name."""
        return self.repo.replace("/", "-")

    @property
    def version(self) -> str:  # type: ignore[override]
        """The commit."""
        return self.revision[:12]

    @property
    def citation(self) -> str:  # type: ignore[override]
        """Where it is."""
        return f"huggingface.co/datasets/{self.repo}"

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Those of a copy below the data root, none of the Hub's."""
        return mirrored(root, self.repo)

    def load(self, root: Path | None) -> TrainSet:
        """Read the configurations and join them by id; questions without an answer (SQuAD 2) are left out."""
        notes = Notes()
        configs = dict(entry.partition("=")[::2] for entry in self.langs)
        found = {}
        for lang, written in by_canonical(configs, f"hub-qa:{self.repo}", notes).items():
            with reading(f"hub-qa:{self.repo}", self.repo), kept_apart(self.files(root)):
                found[lang] = list(self._rows(configs[written] or written, mirror(root, self.repo), notes))
        return _joined(found, self.name, notes)

    def _rows(self, config: str, folder: Path | None, notes: Notes) -> Iterator[_Question]:
        from datasets import load_dataset

        where: Any = str(folder) if folder else self.repo
        data = load_dataset(where, config, split=self.split, revision=None if folder else self.revision)
        absent = {"id", "question", "context"} - set(data.column_names)
        if absent:
            raise TaskError(f"{self.repo} ({config}): no column {', '.join(sorted(absent))}; it has "
                            f"{', '.join(data.column_names)}")  # fmt: skip
        for row in data:
            where = f"{self.repo} ({config}), {row['id']!r:.80}"
            yield from _answerable(row, _Question(str(row["id"]), row["question"], row["context"], where), notes)


MMARCO_LANGUAGES = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "fr": "french", "hi": "hindi",
    "id": "indonesian", "it": "italian", "ja": "japanese", "nl": "dutch", "pt": "portuguese", "ru": "russian",
    "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip


@dataclass(frozen=True)
class MMarco(Source):
    """mMARCO (arXiv 2108.13897): MS MARCO's training pairs, machine-translated, parallel in all languages.

    Items are the distinct (query, positive passage) pairs of the training triples, in their order. Trains on the
    translations of MS MARCO, whose licence forbids commercial use.

    Attributes:
        langs: two-letter codes.
        limit: number of pairs; None takes all (about half a million).
    """

    langs: tuple[str, ...] = ("ar", "de", "en", "es", "hi", "ru", "zh")
    limit: int | None = None

    version = "2-linked"
    licence = "MS MARCO's terms: non-commercial research"
    citation = "Bonifacio et al. 2021, mMARCO, arXiv 2108.13897"
    repo = "unicamp-dl/mmarco"
    revision = "1f7f99e04de0635cb61b073b359d474a3c252b84"

    def __post_init__(self) -> None:
        langs = () if isinstance(self.langs, str) else tuple(dict.fromkeys(map(canonical, self.langs)))
        object.__setattr__(self, "langs", langs or self.langs)
        unknown = [lang for lang in self.langs if lang not in MMARCO_LANGUAGES]
        if isinstance(self.langs, str) or unknown or not self.langs:
            raise TaskError(f"mmarco: langs is a tuple of {', '.join(MMARCO_LANGUAGES)}; got {self.langs!r}")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise TaskError(f"mmarco: limit is a whole number of at least 1; got {self.limit!r:.40}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """With its limit, which makes another source."""
        return "mmarco" if self.limit is None else f"mmarco-{self.limit}"

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Those of a copy below the data root, none of the Hub's."""
        return mirrored(root, self.repo)

    def load(self, root: Path | None) -> TrainSet:
        """Read the triples, then the queries and passages that they name, in every language."""
        notes = Notes(root)
        pairs = self._pairs(self._file("data/triples.train.ids.small.tsv", root), notes)
        wanted_q, wanted_d = {q for q, _ in pairs}, {d for _, d in pairs}
        query: dict[str, list[str | None]] = {}
        passage: dict[str, list[str | None]] = {}
        for lang in self.langs:
            word = MMARCO_LANGUAGES[lang]
            asked = self._texts(f"data/v2/queries/train/{word}_queries.train.tsv", root, wanted_q, notes)
            told = self._texts(f"data/v2/collections/{word}_collection.tsv", root, wanted_d, notes)
            both = [(asked.get(q), told.get(d)) for q, d in pairs]
            query[lang] = [q if d is not None else None for q, d in both]
            passage[lang] = [d if q is not None else None for q, d in both]
            lost = [pair for pair, texts in zip(pairs, both, strict=True) if None in texts]
            notes.left_out("pairs without a text in a language", f"{lang}: {lost[0] if lost else ''}", len(lost))
        group = joined(linked((("q", q), ("d", d)) for q, d in pairs), [*query.values(), *passage.values()])
        return TrainSet(self.langs, query, passage, group, noticed=notes.found())

    def _pairs(self, path: Path, notes: Notes) -> list[tuple[str, str]]:
        pairs: dict[tuple[str, str], None] = {}
        for line, text in read_lines(path, notes):
            ids = text.split("\t")
            if len(ids) != 3:
                raise TaskError(f"{path}, line {line}: a triple is three ids separated by tabs; got {text!r:.60}")
            pairs[ids[0], ids[1]] = None
            if self.limit is not None and len(pairs) == self.limit:
                break
        return list(pairs)

    def _texts(self, name: str, root: Path | None, wanted: set[str], notes: Notes) -> dict[str, str]:
        path = self._file(name, root)
        found = {}
        for line, row in read_lines(path, notes):
            identity, tab, text = row.partition("\t")
            if not tab:
                raise TaskError(f"{path}, line {line}: an id, a tab and a text are expected; got {row!r:.60}")
            if identity in wanted and text.strip():
                found[identity] = text.strip()
        return found

    def _file(self, name: str, root: Path | None) -> Path:
        copy = mirror(root, self.repo)
        if copy is not None and is_file(copy / name):
            return copy / name
        from huggingface_hub import hf_hub_download

        with reading("mmarco", self.repo):
            return Path(hf_hub_download(self.repo, name, repo_type="dataset", revision=self.revision))


def _squad(path: Path, notes: Notes) -> Iterator[_Question]:
    """The questions of a file that its paragraphs answer."""
    articles = read_json(path, notes).get("data")
    try:
        for article in articles:  # type: ignore[attr-defined]
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    where = f"{path}, {asked['id']!r}"
                    question = _Question(str(asked["id"]), asked["question"], paragraph["context"], where)
                    yield from _answerable(asked, question, notes)
    except (TypeError, KeyError, IndexError) as error:
        raise TaskError(f"{path}: not in SQuAD's layout ({type(error).__name__}: {error}); correct it") from None


UNANSWERABLE = "questions that their paragraph does not answer"


def _answerable(record: Mapping[str, object], question: _Question, notes: Notes) -> Iterator[_Question]:
    """The question, unless SQuAD 2 says that it has none: by ``is_impossible``, or by an empty list of answers."""
    answers = record.get("answers", [True])
    texts = answers.get("text") if isinstance(answers, Mapping) else answers
    if record.get("is_impossible") is not True and texts is not None and len(texts) > 0:  # type: ignore[arg-type]
        yield question
    else:
        notes.left_out(UNANSWERABLE, question.where)


def _language_of(path: Path) -> str:
    """``de.json`` and ``xquad.de.json`` are German."""
    try:
        return canonical(path.stem.rpartition(".")[2])
    except TaskError:
        raise TaskError(f"{path}: a file in SQuAD's layout is called after its language, as de.json") from None


Texts = tuple[str, str]
"""Question and paragraph."""


def _joined(by_lang: Mapping[str, Iterable[_Question]], name: str, notes: Notes) -> TrainSet:
    """One item per id that comes up in any language with two texts.

    Where an id comes up several times, each is an item, and all are one group; the first of one language is joined with
    the first of another where all languages have as many, else they stay apart.
    """
    kept = {lang: _by_id(rows, notes) for lang, rows in by_lang.items()}
    items: list[tuple[str, dict[str, Texts]]] = []
    for identity in dict.fromkeys(i for rows in kept.values() for i in rows):
        there = {lang: rows[identity] for lang, rows in kept.items() if identity in rows}
        if len({len(texts) for texts in there.values()}) == 1:
            items += [
                (identity, dict(zip(there, several, strict=True))) for several in zip(*there.values(), strict=True)
            ]
        else:
            items += [(identity, {lang: pair}) for lang, texts in there.items() for pair in texts]
    langs = tuple(sorted(lang for lang, rows in kept.items() if rows))
    if not items:
        raise TaskError(f"{name}: no question with a text and a paragraph")
    return TrainSet(
        langs=langs,
        query={lang: [texts[lang][0] if lang in texts else None for _, texts in items] for lang in langs},
        passage={lang: [texts[lang][1] if lang in texts else None for _, texts in items] for lang in langs},
        group=linked(_keys(identity, texts) for identity, texts in items),
        noticed=notes.found(),
    )


def _by_id(rows: Iterable[_Question], notes: Notes) -> dict[str, list[Texts]]:
    """The texts of each id, in their order; what comes up again with the same texts once."""
    found: dict[str, list[Texts]] = {}
    for row in rows:
        question, paragraph = ("" if t is None else turns_joined(t, row.where) for t in (row.question, row.paragraph))
        if not (question.strip() and paragraph.strip()):
            notes.repaired("questions or paragraphs without text, left out", row.where)
            continue
        before = found.setdefault(row.identity, [])
        if (question, paragraph) in before:
            notes.repaired("questions that come up again, equal", row.where)
            continue
        if before:
            notes.repaired("questions under an id that another has, in one group with it", row.where)
        before.append((question, paragraph))
    return found


def _keys(identity: str, texts: Mapping[str, Texts]) -> Iterator[tuple[str, ...]]:
    yield "id", identity
    for lang, (question, paragraph) in texts.items():
        yield "query", lang, question.strip()
        yield "passage", lang, paragraph.strip()
