import gzip
from pathlib import Path

import pytest

from tasks import TaskError
from tasks.files import below, read_json, read_jsonl


def test_plain_and_gzip_read_the_same_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n\n{"x": "é"}\n', encoding="utf-8")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    expected = [(1, {"x": 1}), (3, {"x": "é"})]
    assert list(read_jsonl(tmp_path / "a.jsonl")) == expected
    assert list(read_jsonl(tmp_path / "a.jsonl.gz")) == expected


@pytest.mark.parametrize(("content", "message"), [
    (b'{"x": 1}\n{"x": \n', r"a\.jsonl, line 2: invalid JSON"),
    (b'{"x": 1}\n[1]\n', r"a\.jsonl, line 2: a JSON object is expected; got list"),
    (b'{"x": "\xff"}\n', r"a\.jsonl, line 1: not UTF-8 \(byte 7\)"),
    (b'{"x": "\\ud800"}\n', r"a\.jsonl, line 1: holds half of a surrogate pair"),
    (b'{"x": ' + b"9" * 5000 + b"}\n", r"a\.jsonl, line 1: invalid JSON \(Exceeds the limit"),
    (b"[" * 100_000 + b"\n", r"a\.jsonl, line 1: (JSON nested too deeply|invalid JSON)"),
    (b"{" + b" " * 10_000_001 + b"}\n", r"a\.jsonl, line 1: longer than any data set here"),
])  # fmt: skip
def test_broken_lines_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=message):
        list(read_jsonl(path))


def test_a_truncated_gzip_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b"".join(b'{"x": %d}\n' % i for i in range(100_000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TaskError, match=r"a\.jsonl\.gz, after line \d+: broken gzip"):
        list(read_jsonl(path))
    path.write_bytes(b"no gzip at all")
    with pytest.raises(TaskError, match="after line 0: broken gzip"):
        list(read_jsonl(path))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"none\.json: no such file; check --data-root"):
        read_json(tmp_path / "none.json")
    with pytest.raises(TaskError, match="cannot be read"):
        read_json(tmp_path)
    with pytest.raises(TaskError, match="give it with --data-root"):
        below(None, "x", "xquad-r")
    with pytest.raises(TaskError, match="no such folder"):
        below(tmp_path / "none", "x", "xquad-r")
    for name in ("../x", "/etc/passwd", "a/../../b"):
        with pytest.raises(TaskError, match="leaves the data root"):
            below(tmp_path, name, "xquad-r")
