"""Training sources beyond parallel JSON lines: translated SQuAD-style sets, and mMARCO's triples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.contract import Source, TaskError, TrainSet
from tasks.files import find, is_file, listed, read_json, read_lines
from tasks.groups import linked
from tasks.hub import kept_apart, mirror, mirrored, reading


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
        """Read all languages."""
        return _joined({path.stem: dict(_squad(path)) for path in self.files(root)}, self.name)


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
        """Read the configurations and join them by id."""
        found = {}
        for entry in self.langs:
            lang, _, config = entry.partition("=")
            with reading(f"hub-qa:{self.repo}", self.repo), kept_apart(self.files(root)):
                found[lang] = dict(self._rows(config or lang, mirror(root, self.repo)))
        return _joined(found, self.name)

    def _rows(self, config: str, folder: Path | None) -> Iterator[tuple[str, tuple[str, str]]]:
        from datasets import load_dataset

        where: Any = str(folder) if folder else self.repo
        data = load_dataset(where, config, split=self.split, revision=None if folder else self.revision)
        absent = {"id", "question", "context"} - set(data.column_names)
        if absent:
            raise TaskError(f"{self.repo} ({config}): no column {', '.join(sorted(absent))}; it has "
                            f"{', '.join(data.column_names)}")  # fmt: skip
        for row in data:
            yield str(row["id"]), (str(row["question"]), str(row["context"]))


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

    version = "2"
    licence = "MS MARCO's terms: non-commercial research"
    citation = "Bonifacio et al. 2021, mMARCO, arXiv 2108.13897"
    repo = "unicamp-dl/mmarco"
    revision = "1f7f99e04de0635cb61b073b359d474a3c252b84"

    def __post_init__(self) -> None:
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
        pairs = self._pairs(self._file("data/triples.train.ids.small.tsv", root))
        wanted_q, wanted_d = {q for q, _ in pairs}, {d for _, d in pairs}
        query: dict[str, list[str | None]] = {}
        passage: dict[str, list[str | None]] = {}
        for lang in self.langs:
            word = MMARCO_LANGUAGES[lang]
            asked = self._texts(f"data/v2/queries/train/{word}_queries.train.tsv", root, wanted_q)
            told = self._texts(f"data/v2/collections/{word}_collection.tsv", root, wanted_d)
            both = [(asked.get(q), told.get(d)) for q, d in pairs]
            query[lang] = [q if d is not None else None for q, d in both]
            passage[lang] = [d if q is not None else None for q, d in both]
        return TrainSet(self.langs, query, passage, linked((("q", q), ("d", d)) for q, d in pairs))

    def _pairs(self, path: Path) -> list[tuple[str, str]]:
        pairs: dict[tuple[str, str], None] = {}
        for line, text in read_lines(path):
            ids = text.split("\t")
            if len(ids) != 3:
                raise TaskError(f"{path}, line {line}: a triple is three ids separated by tabs; got {text!r:.60}")
            pairs[ids[0], ids[1]] = None
            if self.limit is not None and len(pairs) == self.limit:
                break
        return list(pairs)

    def _texts(self, name: str, root: Path | None, wanted: set[str]) -> dict[str, str]:
        path = self._file(name, root)
        found = {}
        for line, row in read_lines(path):
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


def _squad(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    articles = read_json(path).get("data")
    try:
        for article in articles:  # type: ignore[attr-defined]
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield str(question["id"]), (question["question"], paragraph["context"])
    except (TypeError, KeyError, IndexError) as error:
        raise TaskError(f"{path}: not in SQuAD's layout ({type(error).__name__}: {error}); correct it") from None


def _joined(by_lang: dict[str, dict[str, tuple[str, str]]], name: str) -> TrainSet:
    """One item per id that comes up in any language with two texts."""
    kept = {
        lang: {i: pair for i, pair in rows.items() if all(_is_text(t) for t in pair)} for lang, rows in by_lang.items()
    }
    ids = list(dict.fromkeys(i for rows in kept.values() for i in rows))
    langs = tuple(sorted(lang for lang, rows in kept.items() if rows))
    if not ids:
        raise TaskError(f"{name}: no question with a text and a paragraph")
    return TrainSet(
        langs=langs,
        query={lang: [kept[lang][i][0] if i in kept[lang] else None for i in ids] for lang in langs},
        passage={lang: [kept[lang][i][1] if i in kept[lang] else None for i in ids] for lang in langs},
        group=linked(_keys(i, kept) for i in ids),
    )


def _keys(identity: str, by_lang: dict[str, dict[str, tuple[str, str]]]) -> Iterable[tuple[str, str, str]]:
    for lang, rows in by_lang.items():
        if identity in rows:
            question, paragraph = rows[identity]
            yield "query", lang, question.strip()
            yield "passage", lang, paragraph.strip()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
