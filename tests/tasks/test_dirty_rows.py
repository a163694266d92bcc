"""Public files as they are: what can mean one thing alone is read as that and counted; contradictions are refused."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import EvalSet, TaskError, named
from tasks.check import check_task

CORPUS: list[dict[str, Any]] = [
    {"_id": "7", "title": "Lakes", "text": "The lake lies below the mill."},
    {"_id": "8", "title": "", "text": "Mills grind flour between two stones."},
    {"_id": "9", "title": "Salt", "text": "Salt is won from the sea."},
]
QUERIES: list[dict[str, Any]] = [{"_id": "1", "text": "where is the lake"}, {"_id": "2", "text": "what grinds flour"}]
QRELS = [["1", "7", "2"], ["1", "8", "0"], ["2", "8", "1"], ["2", "9", "-1"]]
HEADER = ["query-id", "corpus-id", "score"]


class Files:
    """The three files as bytes of lines, to be changed before they are written."""

    def __init__(self) -> None:
        self.corpus = [json.dumps(row).encode() for row in CORPUS]
        self.queries = [json.dumps(row).encode() for row in QUERIES]
        self.qrels = ["\t".join(row).encode() for row in [HEADER, *QRELS]]

    def write(self, folder: Path) -> Path:
        (folder / "qrels").mkdir(parents=True, exist_ok=True)
        for name, lines in (
            ("corpus.jsonl", self.corpus),
            ("queries.jsonl", self.queries),
            ("qrels/test.tsv", self.qrels),
        ):
            (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))
        return folder


def load(folder: Path, **parameters: Any) -> EvalSet:
    (found,) = named.beir(str(folder), **parameters).load(None)
    return found


def plain(found: EvalSet) -> tuple[object, ...]:
    passages = {lang: dict(part.items()) for lang, part in found.passages.items()}
    return dict(found.queries), passages, found.relevant, found.absent


def with_json(lines: list[bytes], at: int, **change: Any) -> None:
    lines[at] = json.dumps(json.loads(lines[at]) | change).encode()


def renumbered(files: Files) -> None:
    for lines in (files.corpus, files.queries):
        for i, line in enumerate(lines):
            with_json(lines, i, _id=int(json.loads(line)["_id"]))


def of_rows(change: Callable[[list[str]], list[str]], sign: str = "\t", header: bool = True) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        rows = [sign.join(change(list(row))).encode() for row in QRELS]
        files.qrels = ["\t".join(HEADER).encode(), *rows] if header else rows

    return apply


def header(*words: str, order: tuple[int, ...] = (0, 1, 2)) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        files.qrels = ["\t".join([words, *QRELS][k][i] for i in order).encode() for k in range(len(QRELS) + 1)]

    return apply


def ends(part: str, end: bytes) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        setattr(files, part, [line + end for line in getattr(files, part)])

    return apply


def begins(part: str, at: int = 0) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        getattr(files, part)[at] = b"\xef\xbb\xbf" + getattr(files, part)[at]

    return apply


def more(part: str, line: bytes) -> Callable[[Files], None]:
    return lambda files: getattr(files, part).append(line)


def nan_beside(files: Files) -> None:
    files.corpus[1] = files.corpus[1][:-1] + b', "metadata": {"year": NaN, "span": [-Infinity]}}'


def id_for__id(files: Files) -> None:
    files.corpus = [line.replace(b'"_id"', b'"id"') for line in files.corpus]


SAME: dict[str, tuple[Callable[[Files], None], str, int]] = {
    "mark, corpus": (begins("corpus"), "byte order marks", 1),
    "mark, queries": (begins("queries"), "byte order marks", 1),
    "mark, qrels": (begins("qrels"), "byte order marks", 1),
    "mark, joined files": (begins("corpus", 2), "byte order marks", 1),
    "Windows, corpus": (ends("corpus", b"\r"), "lines that end as on Windows", 3),
    "Windows, qrels": (ends("qrels", b"\r"), "lines that end as on Windows", 5),
    "equal judgement": (more("qrels", b"1\t7\t2"), "judgements that come up again, equal", 1),
    "equal query": (more("queries", json.dumps(QUERIES[1]).encode()), "queries that come up again, equal", 1),
    "equal passage": (more("corpus", json.dumps(CORPUS[0]).encode()), "passages that come up again, equal", 1),
    "floats": (of_rows(lambda r: [r[0], r[1], f"{r[2]}.0"]), "grades written as 1.0", 4),
    "floats of numpy": (of_rows(lambda r: [r[0], r[1], f"{float(r[2]):.18e}"]), "grades written as 1.0", 4),
    "TREC": (of_rows(lambda r: [r[0], "0", *r[1:]], " ", False), "judgements in TREC's four columns", 4),
    "TREC, tabs": (of_rows(lambda r: [r[0], "Q0", *r[1:]], "\t", False), "judgements in TREC's four columns", 4),
    "blanks": (of_rows(list, "  "), "judgements separated by blanks", 4),
    "blanks at the end": (ends("qrels", b" \t"), "judgements with blanks at their end", 5),
    "quotes": (of_rows(lambda r: [f'"{r[0]}"', f'"{r[1]}"', r[2]]), "judgements with quoted columns", 4),
    "no header": (of_rows(list, "\t", False), "files of judgements without a header", 1),
    "header, case": (header("Query-ID", "Corpus-ID", "Score"), "headers of judgements in other words", 1),
    "header, pandas": (header("query_id", "doc_id", "relevance"), "headers of judgements in other words", 1),
    "header, unknown": (header("frage", "antwort", "note"), "headers of judgements in other words", 1),
    "header, order": (header(*HEADER, order=(1, 2, 0)), "headers of judgements in other words", 1),
    "numbers as ids": (renumbered, "ids that are numbers", 5),
    "id": (id_for__id, "records with 'id' for '_id'", 3),
    "NaN": (nan_beside, "records with NaN or infinity", 1),
    "null title": (lambda files: with_json(files.corpus, 1, title=None), "titles that are null", 1),
    "title of another kind": (lambda f: with_json(f.corpus, 1, title={"en": "x"}), "titles that are no text", 1),
    "empty query": (more("queries", b'{"_id": "3", "text": " "}'), "queries without text and judgements, not asked", 1),
    "null query": (more("queries", b'{"_id": "3", "text": null}'), "queries without text and judgements, not asked", 1),
    "unknown query": (more("qrels", b"77\t7\t1"), "judgements of queries that are not there", 1),
}  # fmt: skip
"""How a file differs from a clean one without meaning anything else: what is said of it, and how often."""


@pytest.mark.parametrize("name", SAME)
def test_what_means_the_same_is_read_the_same_and_counted(tmp_path: Path, name: str) -> None:
    clean = load(Files().write(tmp_path / "clean"))
    assert clean.noticed == ()
    change, what, count = SAME[name]
    files = Files()
    change(files)
    found = load(files.write(tmp_path / "set"))
    assert plain(found) == plain(clean)
    said = {n.what: n for n in found.noticed}
    assert said[what].count == count
    assert said[what].dirty
    assert said[what].example.startswith("set/")
    results = {r.name: r for r in check_task(named.beir(str(tmp_path / "set")), None, strict=True)}
    assert not results["set: noticed"].passed
    assert what in results["set: noticed"].detail
    assert [r.name for r in results.values() if not r.passed] == ["set: noticed"]


COMBINED = [name for name, (change, _, _) in SAME.items() if "qrels" not in name and name not in (
    "floats", "floats of numpy", "TREC", "TREC, tabs", "blanks", "quotes", "no header", "numbers as ids"
) and not name.startswith("header") and name != "id"]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(COMBINED), unique=True, max_size=8))
def test_all_of_it_together_still_reads_the_same(tmp_path: Path, names: list[str]) -> None:
    files = Files()
    for name in sorted(names, key=lambda n: n.startswith(("Windows", "blanks", "mark"))):
        SAME[name][0](files)
    assert plain(load(files.write(tmp_path / "set"))) == plain(load(Files().write(tmp_path / "clean")))


def test_a_passage_that_the_corpus_lacks_counts_and_is_never_found(tmp_path: Path) -> None:
    files = Files()
    files.qrels += [b"1\t77\t1", b"2\t77\t0"]
    found = load(files.write(tmp_path / "set"))
    assert found.relevant["1"] == {"7": 2, "8": 0, "77": 1}
    assert found.absent == {"77": "en"}
    (said,) = found.noticed
    what = "judgements of passages that are not there (relevant ones count as never found)"
    assert str(said) == f"{what}: 2 (set/qrels/test.tsv, line 6: '1' and '77')"


def test_what_is_left_out_by_design_is_said_and_not_refused(tmp_path: Path) -> None:
    files = Files()
    files.queries += [b'{"_id": "3", "text": "unjudged"}', b'{"_id": "4", "text": "all wrong"}']
    files.qrels += [b"4\t7\t0", b"4\t9\t-2"]
    found = load(files.write(tmp_path / "set"))
    assert list(found.queries["en"]) == ["1", "2", "4"]
    assert found.relevant["4"] == {"7": 0, "9": -2}
    assert [(n.what, n.count, n.dirty) for n in found.noticed] == [
        ("queries without judgements, not asked", 1, False),
        ("queries without a relevant passage, counted as 0", 1, False),
    ]
    results = check_task(named.beir(str(tmp_path / "set")), None, strict=True)
    assert [r for r in results if not r.passed] == []


@pytest.mark.parametrize("text", [b'"text": null', b'"text": NaN', b'"other": 1'])
@pytest.mark.parametrize("title", ["A title", ""])
def test_a_passage_without_text_is_its_title(tmp_path: Path, text: bytes, title: str) -> None:
    files = Files()
    files.corpus.append(b'{"_id": "5", "title": "%s", %s}' % (title.encode(), text))
    found = load(files.write(tmp_path / "set"))
    assert found.passages["en"]["5"] == title
    assert ("passages without text" in {n.what for n in found.noticed}) == (not title)
    assert {n.what: n.count for n in found.noticed}["texts that are null or missing"] == 1


def test_blanks_in_ids_and_signs_that_end_lines_elsewhere_are_text(tmp_path: Path) -> None:
    files = Files()
    text = "a\u2028b\x85c\u00a0d\x0be\x1cf"
    files.corpus.append(json.dumps({"_id": "d 1\u00a0x", "text": text}, ensure_ascii=False).replace("\x0b", "\\u000b")
                        .replace("\x1c", "\\u001c").encode())  # fmt: skip
    files.queries.append(json.dumps({"_id": "q 1", "text": text}).encode())
    files.qrels.append("q 1\td 1\u00a0x\t1".encode())
    found = load(files.write(tmp_path / "set"))
    assert found.relevant["q 1"] == {"d 1\u00a0x": 1}
    assert found.queries["en"]["q 1"] == found.passages["en"]["d 1\u00a0x"] == text


def test_packed_judgements_are_read(tmp_path: Path) -> None:
    folder = Files().write(tmp_path / "set")
    clean = plain(load(folder))
    path = folder / "qrels" / "test.tsv"
    (folder / "qrels" / "test.tsv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert plain(load(folder)) == clean
    assert named.beir(str(folder)).files(None)[2].name == "test.tsv.gz"


@pytest.mark.parametrize(("part", "line", "message"), [
    ("qrels", b"1\t7\t1", r"test\.tsv, line 6: '1' and '7' are judged twice, as 2 and as 1; keep one line"),
    ("qrels", b"1\t9\t0.5", r"test\.tsv, line 6: a judgement is query-id, corpus-id and a whole number"),
    ("qrels", b"1\t9\t1e2", "line 6: a judgement is"),
    ("qrels", b"1\t9\tTrue", "line 6: a judgement is"),
    ("qrels", b"1\t9\t12345678", "line 6: a judgement is"),
    ("qrels", b"1\t9", "line 6: a judgement is"),
    ("qrels", b"\t9\t1", "line 6: a judgement is"),
    ("qrels", b"1\t0\t9\t1", "line 6: a judgement is"),
    ("qrels", b"1,9,1", "line 6: a judgement is"),
    ("corpus", b'{"_id": "7", "text": "else"}',
     r"corpus\.jsonl, line 4: id '7' comes up twice, with another text than in line 1"),
    ("queries", b'{"_id": "1", "text": "else"}', r"queries\.jsonl, line 3: id '1' comes up twice, with another text"),
    ("corpus", b'{"_id": 7, "text": "else"}', "line 4: id '7' comes up twice, with another text"),
    ("corpus", b'{"_id": 7.0, "text": "else"}', "line 4: a record has an '_id' that is text or a whole number; got 7"),
    ("corpus", b'{"_id": true, "text": "else"}', "whole number; got True"),
    ("corpus", b'{"_id": null, "text": "else"}', "whole number; got None"),
    ("corpus", b'{"_id": NaN, "text": "else"}', "whole number; got nan"),
    ("corpus", b'{"_id": "", "text": "else"}', "whole number; got ''"),
    ("corpus", b'{"text": "else"}', "whole number; got None"),
    ("corpus", b'{"_id": "5", "text": ["a", "b"]}', r"line 4: a record has a 'text' that is text; got \['a', 'b'\]"),
    ("queries", b'{"_id": "5", "text": {"en": "a"}}', "line 3: a record has a 'text' that is text"),
    ("corpus", b'{"_id": "5", "text": "a\x00b"}', r"corpus\.jsonl, line 4: invalid JSON"),
])  # fmt: skip
def test_contradictions_and_other_things_stay_refused_with_file_and_line(
    tmp_path: Path, part: str, line: bytes, message: str
) -> None:
    files = Files()
    getattr(files, part).append(line)
    with pytest.raises(TaskError, match=message):
        load(files.write(tmp_path / "set"))


@pytest.mark.parametrize(("qrels", "message"), [
    ([b"1\t7\tyes", b"2\t8\t1"], r"test\.tsv, line 1: a grade is a whole number; got '1 7 yes'"),
    ([b"1\t7\t0.5"], r"test\.tsv, line 1: a judgement is"),
    ([b"q\tc\ts", b"x\ty\t1"], "no passage is relevant to any query; are its ids those of corpus.jsonl and"),
    ([b"q\tc\ts", b"1\ty\t1"], "no passage is relevant to any query"),
    ([b"q\tc\ts", b"1\t7\t0"], "no passage is relevant to any query"),
    ([b"query-id\tcorpus-id\tscore"], "no passage is relevant to any query"),
    ([b"1 0 7 1 extra"], r"line 1: a judgement is .* \(or TREC's four columns\)"),
    ([b"\xff\xfe1\x00"], "not UTF-8 .*looks like UTF-16: convert the file"),
])  # fmt: skip
def test_files_that_are_no_judgements(tmp_path: Path, qrels: list[bytes], message: str) -> None:
    files = Files()
    files.qrels = qrels
    with pytest.raises(TaskError, match=message):
        load(files.write(tmp_path / "set"))


def test_an_empty_query_that_is_judged_and_an_empty_corpus_are_refused(tmp_path: Path) -> None:
    files = Files()
    with_json(files.queries, 0, text="\u00a0")
    with pytest.raises(TaskError, match=r"queries\.jsonl, line 1: the text of the query '1' is empty"):
        load(files.write(tmp_path / "set"))
    files = Files()
    files.corpus = [b'{"_id": "7", "contents": "x"}', b'{"_id": "8", "text": " "}']
    with pytest.raises(TaskError, match=r"corpus\.jsonl: no passage has a text; is this the right file"):
        load(files.write(tmp_path / "set"))


def packed(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = gzip.compress((folder / name).read_bytes())
        (folder / name).write_bytes(data)

    return apply


def moved(name: str, to: str) -> Callable[[Path], None]:
    return lambda folder: (folder / to).write_bytes((folder / name).read_bytes()) and (folder / name).unlink()  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("change", "message"), [
    (packed("corpus.jsonl"), r"corpus\.jsonl: its content is packed with gzip; call it corpus\.jsonl\.gz"),
    (packed("qrels/test.tsv"), r"test\.tsv: its content is packed with gzip; call it test\.tsv\.gz"),
    (moved("queries.jsonl", "queries.jsonl.gz"), r"broken gzip .*, or call it queries\.jsonl if it is plain text"),
    (moved("qrels/test.tsv", "qrels.tsv"), r"judgements of a split are a file .*: move qrels\.tsv to qrels/test\.tsv"),
    (moved("qrels/test.tsv", "qrels/test.jsonl"), r"qrels has test\.jsonl, and no \.tsv"),
    (moved("qrels/test.tsv", "qrels/dev.tsv"), r"has the splits dev"),
    (moved("corpus.jsonl", "docs.jsonl"), r"corpus\.jsonl: no such file, nor corpus\.jsonl\.gz"),
    (lambda folder: (folder / "corpus.jsonl").write_bytes(b"PK\x03\x04zip"), "is packed with zip; unpack it"),
])  # fmt: skip
def test_what_lies_there_otherwise_is_named_with_what_to_do(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = Files().write(tmp_path / "set")
    change(folder)
    with pytest.raises(TaskError, match=message):
        load(folder)
