"""The files of one data set in BEIR's layout, in one language: read as BEIR, trec_eval and mteb mean them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tasks.contract import Noticed, TaskError
from tasks.files import first_existing, is_file, is_folder, listed, read_jsonl
from tasks.notes import Notes
from tasks.qrels import Judgements, answers, line_of, read_qrels
from tasks.streamed import Row, Streamed


class Layout(NamedTuple):
    """The files of one data set in one language, for one split."""

    corpus: Path
    queries: Path
    qrels: Path


class Read(NamedTuple):
    """What the files hold; ids carry the prefix.

    Attributes:
        queries: the judged ones.
        passages: all, streamed.
        relevant: query_id -> doc_id -> grade, also 0 and below.
        itself: query_id -> doc_id of the passage that has the same id.
        absent: doc_ids that are judged and that the corpus lacks.
        noticed: what was repaired or left out.
    """

    queries: dict[str, str]
    passages: Mapping[str, str]
    relevant: Judgements
    itself: dict[str, str]
    absent: tuple[str, ...]
    noticed: tuple[Noticed, ...]


def layout(folder: Path, split: str) -> Layout:
    """The three files below ``folder``, plain or gzipped.

    Raises:
        TaskError: one of them is missing.
    """
    if not is_folder(folder):
        raise TaskError(f"{folder}: no such folder; a data set in BEIR's layout is a folder with corpus.jsonl, "
                        "queries.jsonl and qrels/<split>.tsv")  # fmt: skip
    if not listed(folder, "corpus.jsonl*"):
        raise TaskError(
            f"{folder / 'corpus.jsonl'}: no such file, nor corpus.jsonl.gz, nor folders that are called after "
            "languages and have one"
        )
    names = (f"{split}.tsv", f"{split}.tsv.gz")
    qrels = next((path for name in names if is_file(path := folder / "qrels" / name)), None)
    if qrels is None:
        raise TaskError(f"{folder / 'qrels' / split}.tsv: no such file; {_instead(folder, split)}")
    return Layout(first_existing(folder, "corpus.jsonl"), first_existing(folder, "queries.jsonl"), qrels)


def _instead(folder: Path, split: str) -> str:
    """What judgements there are, and what to do."""
    splits = sorted({path.name.removesuffix(".gz").removesuffix(".tsv") for path in listed(folder, "qrels/*.tsv*")})
    if splits:
        return f"{folder} has the splits {', '.join(splits)}"
    beside = (path for pattern in ("*qrels*", "*.tsv*") for path in listed(folder, pattern) if is_file(path))
    lone = next(beside, None)
    if lone is not None:
        return f"judgements of a split are a file called after it: move {lone.name} to qrels/{split}.tsv"
    others = ", ".join(path.name for path in listed(folder, "qrels/*"))
    return f"{folder / 'qrels'} has {f'{others}, and no .tsv' if others else 'no judgements'}"


IDENTICAL = "queries with the id of a passage, which ignore_identical_ids=True takes out of their rankings"


def read(files: Layout, prefix: str = "", drop_identical: bool = False) -> Read:
    """Queries that are judged, all passages (streamed), and what is relevant.

    Passages with the id of a query are noted, unless they leave the ranking (``drop_identical``) anyway.

    Raises:
        TaskError: a file is broken or contradicts itself, or no judgement is of a query and a passage that are there.
    """
    notes = Notes(files.corpus.parent.parent)
    qrels = read_qrels(files.qrels, notes)
    asked = _queries(files.queries, qrels.judged, notes)
    alike: dict[str, str] = {}  # query_id -> text of the passage that has its id

    def look(row: Row) -> None:
        if (q := row.doc_id.removeprefix(prefix)) in qrels.judged and q in asked:
            alike[q] = row.text

    passages = Streamed(partial(_corpus, files.corpus, prefix), str(files.corpus), notes, look)
    if len(qrels.header) > 1 and qrels.header[0] in asked and prefix + qrels.header[1] in passages:
        raise TaskError(f"{files.qrels}, line 1: a grade is a whole number; got {' '.join(qrels.header)!r:.60}")
    found = answers(
        qrels.judged, asked, lambda d: prefix + d in passages, notes, lambda q, d: line_of(files.qrels, q, d)
    )
    if not any(grade > 0 and prefix + d in passages for of in found.judged.values() for d, grade in of.items()):
        raise TaskError(
            f"{files.qrels}: no passage is relevant to any query; are its ids those of {files.corpus.name} and "
            f"{files.queries.name}?"
        )
    if alike and not drop_identical:
        same = sum(asked[q].strip() in text for q, text in alike.items())
        notes.left_out(IDENTICAL, f"query {next(iter(alike))!r:.80}; {same} of them have its text", len(alike))
    return Read(
        {prefix + q: text for q, text in asked.items() if q in found.judged},
        passages,
        {prefix + q: {prefix + d: grade for d, grade in of.items()} for q, of in found.judged.items()},
        {prefix + q: prefix + q for q in alike},
        tuple(prefix + d for d in found.absent),
        notes.found(),
    )


def passage_text(title: object, text: str) -> str:
    """Title and text as BEIR's own evaluation joins them: with one blank."""
    return f"{title} {text}".strip() if isinstance(title, str) and title else text.strip()


def _corpus(path: Path, prefix: str, notes: Notes) -> Iterator[Row]:
    for line, record in read_jsonl(path, notes):
        where = f"{path}, line {line}"
        title = record.get("title", "")
        if not isinstance(title, str):
            kind = "null" if _is_null(title) else "no text"
            notes.repaired(f"titles that are {kind}", where)
        yield Row(prefix + _identity(record, where, notes), passage_text(title, _text(record, where, notes)), line)


def _queries(path: Path, judged: Judgements, notes: Notes) -> dict[str, str]:
    """Every query that has a text, judged or not."""
    found: dict[str, str] = {}
    first: dict[str, int] = {}
    for line, record in read_jsonl(path, notes):
        where = f"{path}, line {line}"
        identity, text = _identity(record, where, notes), _text(record, where, notes)
        if identity in first:
            if found.get(identity, text) != text:
                raise TaskError(f"{where}: id {identity!r} comes up twice, with another text than in line "
                                f"{first[identity]}; ids of queries are unique")  # fmt: skip
            notes.repaired("queries that come up again, equal", f"{where}: id {identity!r:.80}")
            continue
        first[identity] = line
        if text.strip():
            found[identity] = text
        elif identity in judged:
            raise TaskError(
                f"{where}: the text of the query {identity!r} is empty; remove the query and its judgements"
            )
        else:
            notes.repaired("queries without text and judgements, not asked", f"{where}: id {identity!r:.80}")
    return found


def _identity(record: dict[str, object], where: str, notes: Notes) -> str:
    value = record.get("_id")
    if value is None and "id" in record:
        value = record["id"]
        notes.repaired("records with 'id' for '_id'", where)
    if type(value) is int:
        notes.repaired("ids that are numbers", where)
        return str(value)
    if not isinstance(value, str) or not value:
        raise TaskError(f"{where}: a record has an '_id' that is text or a whole number; got {value!r:.40}")
    return value


def _text(record: dict[str, object], where: str, notes: Notes) -> str:
    text = record.get("text")
    if _is_null(text):
        notes.repaired("texts that are null or missing", where)
        return ""
    if not isinstance(text, str):
        raise TaskError(f"{where}: a record has a 'text' that is text; got {text!r:.40}")
    return text


def _is_null(value: object) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or value != value
