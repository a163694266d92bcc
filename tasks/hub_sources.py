"""Training sources in SQuAD's layout: folders, and translated sets of the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import find, listed, read_json
from tasks.groups import linked
from tasks.hub.commits import resolve
from tasks.hub.names import Name, parsed
from tasks.hub.reading import kept_apart, reading, turns_joined, written
from tasks.hub.view import View, configurations, mirror, view
from tasks.hub.words import AWAY, HubError
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
    """A question-answering set on the Hub: a configuration per language, SQuAD's columns.

    Attributes:
        repo: ``owner/name`` on the Hub; a copy below ``<data root>/hub`` is read before it.
        langs: language -> configuration, as 'de' or 'de=xquad.de'.
        revision: commit, branch or tag, of which the commit counts: a branch is asked for once in a run, and the commit
            is part of what is recorded.
        split: of the data set.
        called: name in results; None takes the repository's.
    """

    repo: str
    langs: tuple[str, ...] = ()
    revision: str = "main"
    split: str = "train"
    called: str | None = None

    licence = "see the data set's card"

    def __post_init__(self) -> None:
        named = (*self.langs, self.revision, self.split)
        if isinstance(self.langs, str) or not self.langs or not all(isinstance(x, str) and x for x in named):
            raise TaskError(
                f"hub-qa:{self.repo}: give langs, as ('de', 'en=config-of-en'); revision and split are text"
            )
        if self.called is not None and not (isinstance(self.called, str) and self.called):
            raise TaskError(f"hub-qa:{self.repo}: called is text; got {self.called!r:.60}")
        name = parsed(self.repo, "dataset", self.revision)
        if self.revision not in ("main", name.revision):
            raise TaskError(f"hub-qa:{self.repo}: the name gives a revision, and revision={self.revision!r} another")
        object.__setattr__(self, "repo", name.repo)
        object.__setattr__(self, "revision", name.revision)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The repository's name, with a split that is not for training."""
        return self.called or self.repo.replace("/", "-") + ("" if self.split == "train" else f"-{self.split}")

    @property
    def version(self) -> str:  # type: ignore[override]
        """The commit; the revision's name where it is not known and a copy is read."""
        return self._commit()[:12]

    @property
    def citation(self) -> str:  # type: ignore[override]
        """Where it is."""
        return f"huggingface.co/datasets/{self.repo}"

    def parameters(self) -> dict[str, object]:
        """With the commit in place of the revision's name."""
        return super().parameters() | {"revision": self._commit()}

    def origin(self, root: Path | None) -> dict[str, str]:
        """The commit."""
        return {} if mirror(root, self.repo) is not None else {self.repo: self._commit()}

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Those of the configurations and the split, of the commit or of a copy below the data root."""
        with self._reading():
            return self._view(root, self._configs(Notes())).files

    def load(self, root: Path | None) -> TrainSet:
        """Read the configurations and join them by id; questions without an answer (SQuAD 2) are left out."""
        notes = Notes()
        configs = self._configs(notes)
        found = {}
        with self._reading():
            seen = self._view(root, configs)
            with kept_apart(seen.read()):
                for lang, config in configs.items():
                    found[lang] = list(self._rows(config, seen.folder, notes))
        return _joined(found, self.name, notes)

    def _configs(self, notes: Notes) -> dict[str, str]:
        """Language -> configuration."""
        given = dict(entry.partition("=")[::2] for entry in self.langs)
        found = by_canonical(given, f"hub-qa:{self.repo}", notes)
        return {lang: given[spelt] or spelt for lang, spelt in found.items()}

    def _commit(self) -> str:
        try:
            return resolve(Name("dataset", self.repo, self.revision))
        except HubError as error:
            if error.kind not in AWAY:
                raise
            return self.revision

    def _reading(self) -> AbstractContextManager[None]:
        revision = None if self.revision == "main" else self.revision
        split = None if self.split == "train" else self.split
        asked = written(f"hub-qa:{self.repo}", {"langs": self.langs, "revision": revision, "split": split})
        return reading(asked, Name("dataset", self.repo, self.revision))

    def _view(self, root: Path | None, configs: Mapping[str, str]) -> View:
        name = Name("dataset", self.repo, self.revision)
        name = name if mirror(root, self.repo) is not None else name.at(resolve(name))
        there = configurations(root, name)
        for config in configs.values():
            if there and config not in there:
                raise TaskError(f"{name} has no configuration {config!r}; it has {', '.join(there)}: langs says which "
                                "one is of a language, as 'de=qa.de'")  # fmt: skip
            if there and there[config] and self.split not in there[config]:
                raise TaskError(f"{name} ({config}) has no split {self.split!r}; it has {', '.join(there[config])}")
        return view(root, name, lambda _: list(configs.values()), self.split)

    def _rows(self, config: str, folder: Path, notes: Notes) -> Iterator[_Question]:
        from datasets import load_dataset

        data = load_dataset(str(folder), config, split=self.split)
        absent = {"id", "question", "context"} - set(data.column_names)
        if absent:
            raise TaskError(f"{self.repo} ({config}): no column {', '.join(sorted(absent))}; it has "
                            f"{', '.join(data.column_names)}")  # fmt: skip
        for row in data:
            where = f"{self.repo} ({config}), {row['id']!r:.80}"
            yield from _answerable(row, _Question(str(row["id"]), row["question"], row["context"], where), notes)


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
