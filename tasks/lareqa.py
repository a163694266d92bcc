"""XQuAD-R and MLQA-R: find the sentence that answers, among all sentences of all languages (arXiv 2004.05484)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tasks.contract import EvalSet, Task, TaskError
from tasks.files import below, read_json


class _Part(NamedTuple):
    """One language's file: sentences by doc_id, questions by SQuAD id, and the doc_id that answers each."""

    sentences: dict[str, str]
    questions: dict[str, str]
    answer: dict[str, str]


@dataclass(frozen=True)
class XQuADR(Task):
    """XQuAD-R: 1,190 questions, fully parallel over 11 languages, 13,014 candidate sentences.

    Attributes:
        languages: comma-separated codes to restrict the set to; None takes all eleven.
    """

    languages: str | None = None

    name = "xquad-r"
    version = "1"
    licence = "CC BY-SA 4.0"
    citation = "Roy et al. 2020, LAReQA, arXiv 2004.05484; Artetxe et al. 2020, XQuAD, arXiv 1910.11856"
    offered = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """One JSON file per language."""
        return _files(self.name, _chosen(self.languages, self.offered), root)

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one evaluation set."""
        yield _eval_set(self.name, _read(self.files(root)))


@dataclass(frozen=True)
class MLQAR(Task):
    """MLQA-R: partly parallel questions in 7 languages, 20,534 candidate sentences. Non-commercial, withdrawn.

    A question exists in two to four languages, so the cells of the full set hold different questions. The second set,
    ``mlqa-r-four``, keeps the questions that exist in four languages (over the same pool of sentences).

    Attributes:
        languages: comma-separated codes to restrict the set to; None takes all seven.
    """

    languages: str | None = None

    name = "mlqa-r"
    version = "1"
    licence = "CC BY-NC 4.0"
    citation = "Roy et al. 2020, LAReQA, arXiv 2004.05484; Lewis et al. 2020, MLQA, arXiv 1910.07475"
    offered = ("ar", "de", "en", "es", "hi", "vi", "zh")

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """One JSON file per language."""
        return _files(self.name, _chosen(self.languages, self.offered), root)

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the full set, then its subset of questions in four languages."""
        parts = _read(self.files(root))
        yield _eval_set(self.name, parts)
        count = Counter(q for part in parts.values() for q in part.questions)
        kept = {
            lang: part._replace(questions={q: t for q, t in part.questions.items() if count[q] == 4})
            for lang, part in parts.items()
        }
        if any(part.questions for part in kept.values()):
            yield _eval_set(f"{self.name}-four", kept)


def _chosen(languages: str | None, offered: tuple[str, ...]) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in languages.split(",")) if languages is not None else offered
    unknown = [lang for lang in chosen if lang not in offered]
    if unknown:
        raise TaskError(f"the languages are {', '.join(offered)}; got {unknown[0]!r}")
    return tuple(dict.fromkeys(chosen))


def _files(folder: str, languages: tuple[str, ...], root: Path | None) -> tuple[Path, ...]:
    return tuple(below(root, f"{folder}/{lang}.json", folder) for lang in languages)


def _read(files: tuple[Path, ...]) -> dict[str, _Part]:
    return {path.stem: _read_language(path) for path in files}


def _read_language(path: Path) -> _Part:
    part = _Part({}, {}, {})
    lang = path.stem
    try:
        articles = read_json(path)["data"]
        if not isinstance(articles, list):
            raise TypeError("'data' is not a list")
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        for number, paragraph in enumerate(paragraphs):
            ids = [f"{lang}/{number:04d}/{k:03d}" for k in range(len(paragraph["sentences"]))]
            part.sentences.update(zip(ids, paragraph["sentences"], strict=True))
            for question in paragraph["qas"]:
                _add_question(part, path, paragraph, ids, question)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, TaskError):
            raise
        seen = f"{type(error).__name__}: {error}"
        raise TaskError(f"{path}: not in the LAReQA layout ({seen}); see its README for the files") from None
    if not part.questions:
        raise TaskError(f"{path}: holds no question; fetch the file again")
    return part


def _add_question(
    part: _Part, path: Path, paragraph: dict[str, list[list[int]]], ids: list[str], asked: object
) -> None:
    assert isinstance(asked, dict)
    question, text = asked["id"], asked["question"]
    start = asked["answers"][0]["answer_start"]
    if question in part.questions:
        raise TaskError(f"{path}: question id {question!r} comes up twice; fetch the file again")
    holding = (doc for doc, (low, high) in zip(ids, paragraph["sentence_breaks"], strict=True) if low <= start < high)
    answer = list(islice(holding, 2))
    if len(answer) != 1:
        raise TaskError(f"{path}: {len(answer)} sentences hold the answer of {question!r} at {start}; exactly one does")
    part.questions[question] = text
    part.answer[question] = answer[0]


def _eval_set(name: str, parts: dict[str, _Part]) -> EvalSet:
    asked = {question for part in parts.values() for question in part.questions}
    found = {q: {part.answer[q]: 1 for part in parts.values() if q in part.questions} for q in asked}
    queries = {lang: {f"{lang}/{q}": text for q, text in part.questions.items()} for lang, part in parts.items()}
    return EvalSet(
        name=name,
        queries=queries,
        passages={lang: part.sentences for lang, part in parts.items()},
        relevant={f"{lang}/{q}": found[q] for lang, part in parts.items() for q in part.questions},
        group={f"{lang}/{q}": q for lang, part in parts.items() for q in part.questions},
    )
