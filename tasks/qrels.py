"""Judgements as BEIR and TREC write them: query, passage and a whole number in a line.

Read where trec_eval, BEIR and mteb can mean one thing alone; what is repaired is noted, contradictions are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tasks.contract import TaskError
from tasks.files import read_lines
from tasks.notes import Notes

Judgements = dict[str, dict[str, int]]
"""query_id -> doc_id -> grade: above 0 is relevant, 0 and below is judged and not relevant."""

HEADER = ("query-id", "corpus-id", "score")

WORDS = {
    "query": ("queryid", "qid", "query", "topicid", "topic", "q"),
    "passage": ("corpusid", "docid", "docno", "did", "doc", "documentid", "document", "passageid", "passage", "pid",
                "d", "p"),
    "grade": ("score", "relevance", "relevancy", "rel", "label", "grade", "judgement", "judgment", "qrel"),
}  # fmt: skip
"""What headers call the columns: their letters alone, in lower case."""

WHOLE = re.compile(r"[+-]?[0-9]{1,6}")

WHOLE_FLOAT = re.compile(r"([+-]?[0-9]{1,6})\.0*([eE][+-]?0+)?")
"""A whole number as pandas and numpy write one; trec_eval reads it as the same."""


class Qrels(NamedTuple):
    """A file's judgements, and its first line where that is taken for a header whose words are not known."""

    judged: Judgements
    header: tuple[str, ...]


class Judgement(NamedTuple):
    """One line."""

    line: int
    query_id: str
    doc_id: str
    grade: int


class _Columns(NamedTuple):
    """Where the parts of a judgement stand, and how many columns there are."""

    query: int
    passage: int
    grade: int
    width: int


BEIR, TREC = _Columns(0, 1, 2, 3), _Columns(0, 2, 3, 4)


def read_qrels(path: Path, notes: Notes) -> Qrels:
    """All judgements of a file.

    Raises:
        TaskError: a line is no judgement, or a pair has two grades.
    """
    found: Judgements = {}
    header: list[str] = []
    for row in judgements(path, notes, header):
        of_query = found.setdefault(row.query_id, {})
        before = of_query.get(row.doc_id)
        if before is None:
            of_query[row.doc_id] = row.grade
            continue
        where = f"{path}, line {row.line}: {row.query_id!r} and {row.doc_id!r}"
        if before != row.grade:
            raise TaskError(f"{where} are judged twice, as {before} and as {row.grade}; keep one line")
        notes.repaired("judgements that come up again, equal", where)
    return Qrels(found, tuple(header))


def judgements(path: Path, notes: Notes, header: list[str]) -> Iterator[Judgement]:
    """Every line that is a judgement; ``header`` takes the fields of a header whose words are not known."""
    columns: _Columns | None = None
    for line, text in read_lines(path, notes):
        where = f"{path}, line {line}"
        row = _fields(text, where, notes)
        if columns is None:
            columns = _columns(row)
            if columns is not None and _is_header(row, columns):
                if tuple(row) != HEADER:
                    notes.repaired("headers of judgements in other words", f"{where}: {' '.join(row)!r:.60}")
                if _named(row) is None:
                    header += row
                continue
            if columns == BEIR:
                notes.repaired("files of judgements without a header", path.as_posix())
        grade = _grade(row[columns.grade], where, notes) if columns and len(row) == columns.width else None
        if columns is None or grade is None or not (row[columns.query] and row[columns.passage]):
            raise TaskError(f"{where}: a judgement is query-id, corpus-id and a whole number, separated by tabs (or "
                            f"TREC's four columns); got {text!r:.60}")  # fmt: skip
        if columns is TREC:
            notes.repaired("judgements in TREC's four columns", where)
        yield Judgement(line, row[columns.query], row[columns.passage], grade)


def _fields(text: str, where: str, notes: Notes) -> list[str]:
    """A line at its tabs, or at its blanks where it has too few tabs; quotes of a CSV writer go."""
    whole = text.rstrip()
    if whole != text:
        notes.repaired("judgements with blanks at their end", where)
    row = whole.split("\t")
    if len(row) < BEIR.width:
        row = whole.split()
        if len(row) == BEIR.width:
            notes.repaired("judgements separated by blanks", where)
    if '"' not in whole:
        return row
    plain = [x[1:-1].replace('""', '"') if len(x) > 1 and x[0] == x[-1] == '"' else x for x in row]
    if plain != row:
        notes.repaired("judgements with quoted columns", where)
    return plain


def _columns(row: list[str]) -> _Columns | None:
    """The columns that the first line has; by its words where it is a header that has them."""
    return _named(row) or {BEIR.width: BEIR, TREC.width: TREC}.get(len(row))


def _named(row: list[str]) -> _Columns | None:
    words = ["".join(sign for sign in field.lower() if sign.isalpha()) for field in row]
    at = [next((i for i, word in enumerate(words) if word in known), -1) for known in WORDS.values()]
    return _Columns(at[0], at[1], at[2], len(row)) if min(at) >= 0 else None


def _is_header(row: list[str], columns: _Columns) -> bool:
    try:
        float(row[columns.grade])
    except ValueError:
        return True
    return False


def _grade(text: str, where: str, notes: Notes) -> int | None:
    if WHOLE.fullmatch(text):
        return int(text)
    whole = WHOLE_FLOAT.fullmatch(text.strip())
    if whole is None:
        return None
    notes.repaired("grades written as 1.0", where)
    return int(whole[1])


class Answers(NamedTuple):
    """Judgements of the queries that are there, and the judged passages that are not, sorted."""

    judged: Judgements
    absent: list[str]


def answers(
    judged: Judgements,
    queries: Mapping[str, str],
    has: Callable[[str], bool],
    notes: Notes,
    place: Callable[[str, str], str],
) -> Answers:
    """What the judgements say of the queries and passages that are there, as trec_eval reads them; the rest is noted.

    Args:
        judged: all.
        queries: query_id -> text, of all queries.
        has: whether the corpus has a passage.
        notes: told of what is judged and not there, and of queries that no or only wrong passages are judged for.
        place: where a judgement stands.
    """
    kept = {q: found for q, found in judged.items() if q in queries}
    unknown = {q: found for q, found in judged.items() if q not in queries}
    if unknown:
        first = next(iter(unknown))
        count = sum(map(len, unknown.values()))
        notes.repaired("judgements of queries that are not there", place(first, next(iter(unknown[first]))), count)
    lost = [(q, d) for q, found in kept.items() for d in found if not has(d)]
    if lost:
        what = "judgements of passages that are not there (relevant ones count as never found)"
        notes.repaired(what, place(*lost[0]), len(lost))
    without = [q for q in queries if q not in kept]
    if without:
        notes.left_out("queries without judgements, not asked", f"query {without[0]!r:.80}", len(without))
    wrong = [q for q, found in kept.items() if max(found.values()) <= 0]
    if wrong:
        what = "queries without a relevant passage, counted as 0"
        notes.left_out(what, place(wrong[0], next(iter(kept[wrong[0]]))), len(wrong))
    return Answers(kept, sorted({d for _, d in lost}))


def line_of(path: Path, query_id: str, doc_id: str) -> str:
    """The line of a judgement."""
    rows = (row for row in judgements(path, Notes(), []) if (row.query_id, row.doc_id) == (query_id, doc_id))
    return f"{path}, line {next(rows).line}: {query_id!r:.80} and {doc_id!r:.80}"
