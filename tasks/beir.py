"""Data sets in BEIR's layout (arXiv 2104.08663): corpus.jsonl[.gz], queries.jsonl[.gz], qrels/<split>.tsv."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tasks.contract import EvalSet, Task, TaskError
from tasks.files import find, first_existing, is_file, listed, read_jsonl, read_lines
from tasks.streamed import Streamed

HEADER = ["query-id", "corpus-id", "score"]

PLAIN = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""What splits and languages are called: they become parts of paths."""

ASCII_NUMBER = re.compile(r"-?[0-9]{1,6}")


class Layout(NamedTuple):
    """The files of one data set in one language, for one split."""

    corpus: Path
    queries: Path
    qrels: Path


class Read(NamedTuple):
    """What the files hold; ids carry the prefix. ``relevant`` has grades above 0 only."""

    queries: dict[str, str]
    passages: Mapping[str, str]
    relevant: dict[str, dict[str, int]]


def layout(folder: Path, split: str) -> Layout:
    """The three files below ``folder``, plain or gzipped.

    Raises:
        TaskError: one of them is missing.
    """
    qrels = folder / "qrels" / f"{split}.tsv"
    if not is_file(qrels):
        splits = ", ".join(path.stem for path in listed(folder, "qrels/*.tsv")) or "none"
        raise TaskError(f"{qrels}: no such file; {folder} has the splits {splits}")
    return Layout(first_existing(folder, "corpus.jsonl"), first_existing(folder, "queries.jsonl"), qrels)


def read(files: Layout, prefix: str = "") -> Read:
    """Queries with a relevant passage, all passages (streamed), and what is relevant.

    Raises:
        TaskError: a file is broken, or a qrel points nowhere.
    """
    relevant = dict(_qrels(files.qrels, prefix))
    passages = Streamed(partial(_corpus, files.corpus, prefix), str(files.corpus))
    queries = {q: text for q, text in _queries(files.queries, prefix) if q in relevant}
    for q, found in relevant.items():
        if q not in queries:
            raise TaskError(f"{files.qrels}: names the query {q.removeprefix(prefix)!r}, which {files.queries} lacks")
        for d in found:
            if d not in passages:
                raise TaskError(f"{files.qrels}: names the passage {d.removeprefix(prefix)!r}, "
                                f"which {files.corpus} lacks")  # fmt: skip
    return Read(queries, passages, relevant)


def passage_text(title: object, text: str) -> str:
    """Title and text as BEIR's own evaluation joins them: with one blank."""
    return f"{title} {text}".strip() if isinstance(title, str) and title else text.strip()


def _corpus(path: Path, prefix: str) -> Iterator[tuple[str, str]]:
    for line, record in read_jsonl(path):
        identity, text = _text(record, f"{path}, line {line}")
        yield prefix + identity, passage_text(record.get("title"), text)


def _queries(path: Path, prefix: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for line, record in read_jsonl(path):
        where = f"{path}, line {line}"
        identity, text = _text(record, where)
        if identity in seen:
            raise TaskError(f"{where}: id {identity!r} comes up twice; ids of queries are unique")
        if not text.strip():
            raise TaskError(f"{where}: the text of the query {identity!r} is empty; remove the query and its qrels")
        seen.add(identity)
        yield prefix + identity, text


def _text(record: dict[str, object], where: str) -> tuple[str, str]:
    identity, text = record.get("_id"), record.get("text")
    if not isinstance(identity, str) or not identity or not isinstance(text, str):
        raise TaskError(f"{where}: a record has '_id' and 'text', both text; got {identity!r:.40} and {text!r:.40}")
    return identity, text


def _qrels(path: Path, prefix: str) -> Iterator[tuple[str, dict[str, int]]]:
    found: dict[str, dict[str, int]] = {}
    for line, text in read_lines(path):
        row = text.split("\t")
        if line == 1 and row == HEADER:
            continue
        if len(row) != 3 or not ASCII_NUMBER.fullmatch(row[2]):
            raise TaskError(f"{path}, line {line}: a qrel is query-id, corpus-id and a whole number, separated by "
                            f"tabs; got {text!r:.60}")  # fmt: skip
        if prefix + row[1] in found.setdefault(prefix + row[0], {}):
            raise TaskError(f"{path}, line {line}: {row[0]!r} and {row[1]!r} are judged twice; keep one line")
        found[prefix + row[0]][prefix + row[1]] = int(row[2])
    graded = {q: {d: grade for d, grade in judged.items() if grade > 0} for q, judged in found.items()}
    kept = {q: judged for q, judged in graded.items() if judged}
    if not kept:
        raise TaskError(f"{path}: no passage is relevant to any query; fetch the file again")
    yield from kept.items()


@dataclass(frozen=True)
class BeirFolder(Task):
    """A folder in BEIR's layout, or one such folder per language.

    Attributes:
        name: of the task and its evaluation set.
        folder: below the data root, or an absolute path.
        split: which qrels.
        langs: the language of the one folder; or, where there are several, names of its subfolders.
        main: measure that tables lead with.
        note: what a reader must know of it.
        version: of the data.
        licence: of the data.
        citation: of the data.
    """

    name: str
    folder: str
    split: str = "test"
    langs: tuple[str, ...] = ("en",)
    main: str = "nDCG@10"
    note: str = ""
    version: str = "1"
    licence: str = "unknown"
    citation: str = "unknown"

    def __post_init__(self) -> None:
        for what, value in (("split", self.split), *(("language", lang) for lang in self.langs)):
            if not (isinstance(value, str) and PLAIN.fullmatch(value)):
                raise TaskError(f"{self.name}: a {what} is letters, digits, '-', '_' and '.'; got {value!r:.80}")

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Corpus, queries and qrels of every language."""
        return tuple(path for lang in self.langs for path in self._layout(root, lang))

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one evaluation set. Ids carry the language where there are several."""
        several = len(self.langs) > 1
        parts = {lang: read(self._layout(root, lang), f"{lang}/" if several else "") for lang in self.langs}
        yield EvalSet(
            name=self.name,
            queries={lang: part.queries for lang, part in parts.items()},
            passages={lang: part.passages for lang, part in parts.items()},
            relevant={q: found for part in parts.values() for q, found in part.relevant.items()},
            main=self.main,
            note=self.note,
        )

    def _layout(self, root: Path | None, lang: str) -> Layout:
        folder = Path(self.folder) if Path(self.folder).is_absolute() else find(root, self.folder, self.name)
        return layout(folder / lang if len(self.langs) > 1 else folder, self.split)


MIRACL_LITE = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "ko", "ru", "zh")


def scifact() -> Task:
    """SciFact as in BEIR: 5,183 abstracts, 300 claims."""
    return BeirFolder(
        "scifact", "scifact",
        licence="CC BY 4.0 (claims), ODC-By 1.0 (abstracts)",
        citation="Wadden et al. 2020, SciFact, arXiv 2004.14974; Thakur et al. 2021, BEIR, arXiv 2104.08663",
    )  # fmt: skip


def climate_fever(split: str = "test") -> Task:
    """Climate-FEVER's evidence sentences: 5,240 of them, 1,061 claims. Not BEIR's task of 5.4 million articles."""
    suffix = "" if split == "test" else f"-{split.replace('_', '-')}"
    return BeirFolder(
        f"climate-fever-evidence{suffix}", "climate-fever", split,
        note="evidence sentences of Climate-FEVER alone; not BEIR's task, which searches 5.4 million articles",
        licence="none stated (CC BY-SA 3.0 for the Wikipedia sentences)",
        citation="Diggelmann et al. 2020, CLIMATE-FEVER, arXiv 2012.00614",
    )  # fmt: skip


def miracl_lite(langs: tuple[str, ...] = MIRACL_LITE, split: str = "test") -> Task:
    """MIRACL's queries in 11 languages over pools of 3,200 to 4,900 passages each. Not MIRACL: scores are higher."""
    unknown = [lang for lang in langs if lang not in MIRACL_LITE]
    if isinstance(langs, str) or unknown or not langs:
        raise TaskError(f"miracl-lite: langs is a tuple of {', '.join(MIRACL_LITE)}; got {langs!r}")
    parts = ["miracl-lite", *(() if split == "test" else (split,)), *(() if langs == MIRACL_LITE else langs)]
    return BeirFolder(
        "-".join(parts), "miracl-lite" if len(langs) > 1 else f"miracl-lite/{langs[0]}", split, tuple(langs),
        note="not MIRACL: a pool of a few thousand passages per language, so scores are far above published ones; "
        "train queries are included, so it says nothing of models trained on MIRACL",
        licence="Apache-2.0 (annotations), CC BY-SA (passages of Wikipedia)",
        citation="Zhang et al. 2023, MIRACL, TACL 11; Thakur et al. 2024, NoMIRACL, arXiv 2312.11361",
    )  # fmt: skip


NAMED: dict[str, Callable[..., Task]] = {
    "scifact": scifact,
    "climate-fever": climate_fever,
    "miracl-lite": miracl_lite,
}
