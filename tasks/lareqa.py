"""XQuAD-R and MLQA-R: find the sentence that answers, among all sentences of all languages (arXiv 2004.05484)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

from tasks.contract import EvalSet, Task, TaskError
from tasks.files import find, is_file, read_json
from tasks.languages import canonical

T = TypeVar("T")

ORIGIN = "github.com/google-research-datasets/lareqa"
RAW = "https://raw.githubusercontent.com/google-research-datasets/lareqa"
COMMITS = {
    "xquad-r": "9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c",
    "mlqa-r": "354d67d1cd066854cdfbf5ad0e6105528976141d",
}
"""Where each set is byte for byte what is read here; MLQA-R was removed by the commit after."""


ASKED = "cc-by-nc-4.0"
"""The licence that MLQA-R's user has to accept."""


class _Part(NamedTuple):
    """One language's file: sentences by doc_id, questions by SQuAD id, and the doc_id that answers each."""

    sentences: dict[str, str]
    questions: dict[str, str]
    answer: dict[str, str]


@dataclass(frozen=True)
class _LAReQA(Task):
    """Both sets: a file per language in a folder of the set's name.

    Attributes:
        langs: codes to restrict queries and pool to; None takes all. A restricted task is another task, so its name
            says them: ``xquad-r-de-en``.
    """

    langs: tuple[str, ...] | None = None

    version = "1"
    folder: ClassVar[str]
    asks: ClassVar[bool] = False
    offered: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.langs is None:
            return
        if isinstance(self.langs, str) or not self.langs:
            raise TaskError(f"{self.folder}: langs is a tuple such as ('de', 'en'); got {self.langs!r}")
        asked = tuple(canonical(lang) if isinstance(lang, str) else lang for lang in self.langs)
        for lang in asked:
            if lang not in self.offered:
                raise TaskError(f"{self.folder}: the languages are {', '.join(self.offered)}; got {lang!r}")
        langs = tuple(lang for lang in self.offered if lang in asked)
        object.__setattr__(self, "langs", None if langs == self.offered else langs)
        if self.langs is not None:
            object.__setattr__(self, "name", "-".join((self.folder, *langs)))

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """One JSON file per language."""
        how = f"; or fetch it: {self._fetch()}"
        return tuple(find(root, f"{self.folder}/{lang}.json", self.folder, how) for lang in self.langs or self.offered)

    def _fetch(self) -> str:
        """The command that fetches the set; who runs it accepts its licence where that asks for it."""
        return f"python -m bench data fetch {self.folder}" + (f" --accept-licence {ASKED}" if self.asks else "")

    def _read(self, root: Path | None) -> dict[str, _Part]:
        files = self.files(root)
        for path in files:
            if not is_file(path):
                raise TaskError(
                    f"{path}: no such file; --data-root names the folder that holds {self.folder}, from {ORIGIN}; "
                    f"or fetch it: {self._fetch()}"
                )
        return {path.stem: _read_language(path) for path in files}


@dataclass(frozen=True)
class XQuADR(_LAReQA):
    """XQuAD-R: 1,190 questions, fully parallel over 11 languages, 13,014 candidate sentences.

    Attributes:
        langs: codes to restrict queries and pool to, e.g. ('de', 'en'); None takes all eleven.
    """

    name = folder = "xquad-r"
    licence = "CC BY-SA 4.0"
    citation = "Roy et al. 2020, LAReQA, arXiv 2004.05484; Artetxe et al. 2020, XQuAD, arXiv 1910.11856"
    offered = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one evaluation set."""
        yield _eval_set(self.name, self._read(root))


@dataclass(frozen=True)
class MLQAR(_LAReQA):
    """MLQA-R: partly parallel questions in 7 languages, 20,534 candidate sentences. Non-commercial, withdrawn.

    Every question exists in English and one to three more languages, none in all seven: cells of the full set hold
    different questions, and questions have two to four relevant sentences. The second set, ``mlqa-r-intersected``,
    keeps the questions that exist in as many languages as any does, over the same pool of sentences. On all seven
    languages that is four, so that every question has four relevant sentences, while its cells still differ in
    questions. On two languages, on English and two more, or on four that share a question, it is the true
    intersection, with the same questions in every cell: ``mlqa-r(langs=('ar', 'de', 'en'))`` has 207.

    Attributes:
        langs: codes to restrict queries and pool to, e.g. ('de', 'en'); None takes all seven.
    """

    name = folder = "mlqa-r"
    asks = True
    licence = "CC BY-NC 4.0 (non-commercial; withdrawn from the head of its repository)"
    citation = "Roy et al. 2020, LAReQA, arXiv 2004.05484; Lewis et al. 2020, MLQA, arXiv 1910.07475"
    offered = ("ar", "de", "en", "es", "hi", "vi", "zh")

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the full set, then its intersected subset."""
        parts = self._read(root)
        yield _eval_set(self.name, parts)
        yield _eval_set(f"{self.name}-intersected", _intersected(parts))


def _intersected(parts: dict[str, _Part]) -> dict[str, _Part]:
    count = Counter(q for part in parts.values() for q in part.questions)
    most = max(count.values())
    return {
        lang: part._replace(questions={q: text for q, text in part.questions.items() if count[q] == most})
        for lang, part in parts.items()
    }


def _read_language(path: Path) -> _Part:
    part = _Part({}, {}, {})
    paragraphs = [
        paragraph
        for article in _field(read_json(path), "data", list, str(path))
        for paragraph in _field(article, "paragraphs", list, str(path))
    ]
    for number, paragraph in enumerate(paragraphs):
        where = f"{path}, paragraph {number}"
        ids = _add_sentences(part, path.stem, number, paragraph, where)
        breaks = _breaks(paragraph, len(ids), where)
        for question in _field(paragraph, "qas", list, where):
            _add_question(part, ids, breaks, question, str(path))
    if not part.questions:
        raise TaskError(f"{path}: holds no question; fetch the file again")
    return part


def _add_sentences(part: _Part, lang: str, number: int, paragraph: object, where: str) -> list[str]:
    sentences = _field(paragraph, "sentences", list, where)
    for text in sentences:
        if not isinstance(text, str) or not text.strip():
            raise TaskError(f"{where}: sentences are texts that are not empty; got {text!r:.40}")
    ids = [f"{lang}/{number:04d}/{k:03d}" for k in range(len(sentences))]
    part.sentences.update(zip(ids, sentences, strict=True))
    return ids


def _breaks(paragraph: object, sentences: int, where: str) -> list[tuple[int, int]]:
    breaks = _field(paragraph, "sentence_breaks", list, where)
    if len(breaks) != sentences:
        raise TaskError(f"{where}: {sentences} sentences, but {len(breaks)} sentence_breaks; fetch the file again")
    for pair in breaks:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(offset, int) for offset in pair)):
            raise TaskError(f"{where}: sentence_breaks are pairs [start, end) of whole numbers; got {pair!r:.40}")
    return [(start, end) for start, end in breaks]


def _add_question(part: _Part, ids: list[str], breaks: list[tuple[int, int]], asked: object, path: str) -> None:
    question = _field(asked, "id", str, f"{path}, a question")
    where = f"{path}, question {question!r}"
    if question in part.questions:
        raise TaskError(f"{path}: question id {question!r} comes up twice; fetch the file again")
    text = _field(asked, "question", str, where)
    if not text.strip():
        raise TaskError(f"{where}: its text is empty")
    answers = _field(asked, "answers", list, where)
    if len(answers) != 1:
        raise TaskError(f"{where}: {len(answers)} answers; LAReQA has exactly one")
    at = _field(answers[0], "answer_start", int, where)
    holding = [doc for doc, (start, end) in zip(ids, breaks, strict=True) if start <= at < end]
    if len(holding) != 1:
        raise TaskError(f"{path}: {len(holding)} sentences hold the answer of {question!r} at {at}; exactly one does")
    part.questions[question] = text
    part.answer[question] = holding[0]


def _field(record: object, key: str, kind: type[T], where: str) -> T:
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        seen = f"{key!r} is {type(value).__name__}, not {kind.__name__}" if value is not None else f"no {key!r}"
        raise TaskError(f"{where}: not in the LAReQA layout ({seen}); the files are at {ORIGIN}")
    return value


def _eval_set(name: str, parts: dict[str, _Part]) -> EvalSet:
    found: dict[str, dict[str, int]] = {}
    for part in parts.values():
        for q in part.questions:
            found.setdefault(q, {})[part.answer[q]] = 1
    return EvalSet(
        name=name,
        queries={lang: {f"{lang}/{q}": text for q, text in part.questions.items()} for lang, part in parts.items()},
        passages={lang: part.sentences for lang, part in parts.items()},
        relevant={f"{lang}/{q}": found[q] for lang, part in parts.items() for q in part.questions},
        group={f"{lang}/{q}": q for lang, part in parts.items() for q in part.questions},
    )
