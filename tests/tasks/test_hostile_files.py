"""What a file may hold that is made to break its reader: refused in one line, in bounded time and memory."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tasks import TaskError
from tasks.beir import BeirFolder, climate_fever, miracl_lite
from tasks.files import find, is_file, read_json, read_jsonl, read_lines, sha256
from tasks.hub import mirror
from tasks.hub_sources import HubQA
from tasks.mmarco import MMarco
from tasks.named import beir
from tasks.parallel_jsonl import from_path


@pytest.mark.parametrize(("content", "message"), [
    (b'{"a": 1, "b": 2, "a": 3}', r"invalid JSON \(the key 'a' comes up twice in an object\); correct it"),
    (b'{"a": {"b": 1, "b": 1}}', r"the key 'b' comes up twice"),
    (b'{"a": NaN}', r"invalid JSON \(NaN is no number of JSON\); correct it"),
    (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
    (b'{"a": ' + b"9" * 5000 + b"}", "invalid JSON"),
    (b'{"a": ' + b"[" * 100_000, "JSON nested too deeply; is this the right file"),
    (b'{"a": "\\ud800"}', "holds half of a surrogate pair"),
    (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
    (b'\xef\xbb\xbf{"a": 1}', "begins with a byte order mark; write the file as UTF-8 without one"),
    (b'\xff\xfe{\x00}\x00', "not UTF-8"),
    (b'{"a": "\x00"}', "invalid JSON"),
])  # fmt: skip
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    for read in (read_json, lambda path: list(read_jsonl(path))):
        with pytest.raises(TaskError, match=message) as raised:
            read(tmp_path / "a.json")
        assert len(str(raised.value)) < 400


def test_line_ends_of_windows_change_nothing(tmp_path: Path) -> None:
    values = [{"a": 1}, {"b": "x\r\ny"}]
    for end in ("\n", "\r\n"):
        (tmp_path / "a.jsonl").write_bytes(end.join(map(json.dumps, values)).encode())
        assert [value for _, value in read_jsonl(tmp_path / "a.jsonl")] == values
    (tmp_path / "q.tsv").write_bytes(b"a\tb\r\nc\td\r\n")
    assert list(read_lines(tmp_path / "q.tsv")) == [(1, "a\tb"), (2, "c\td")]


@pytest.mark.parametrize("line", [b"\n", b'{"id": 1}\n'])
def test_a_gzip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.files.UNPACK_FREE", 1 << 20)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(line * ((1 << 24) // len(line)), 6))
    assert 100 * path.stat().st_size < 1 << 23
    with pytest.raises(TaskError, match=r"unpacks to more than [0-9,]+ bytes, the limit for its size \(a gzip bomb"):
        sum(1 for _ in read_jsonl(path))


def test_what_packs_as_text_does_is_no_bomb_and_the_limit_can_be_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 2000
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": 1}\n' * lines, 9))
    monkeypatch.setattr("tasks.files.UNPACK_FREE", 1000)
    with pytest.raises(TaskError, match=r"line \d+: unpacks to more than"):
        list(read_jsonl(path))
    monkeypatch.setenv("BENCH_UNPACK_RATIO", "1000")
    assert len(list(read_jsonl(path))) == lines
    monkeypatch.setenv("BENCH_UNPACK_RATIO", "much")
    with pytest.raises(TaskError, match="BENCH_UNPACK_RATIO is a whole number above 0; got 'much'"):
        list(read_jsonl(path))
    monkeypatch.delenv("BENCH_UNPACK_RATIO")
    words = b" ".join(b"%d" % (i * 7919 % 5003) for i in range(20_000))
    path.write_bytes(gzip.compress(b'{"text": "' + words + b'"}\n', 9))
    assert len(list(read_jsonl(path))) == 1


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    for read in (lambda path: list(read_jsonl(path)), sha256):
        with pytest.raises(TaskError, match=r"a\.jsonl: cannot be read \(not an ordinary file\)"):
            read(tmp_path / "a.jsonl")
    with pytest.raises(TaskError, match="no such file"):
        from_path(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["x" * 300, "a\x00b", "x/" * 3000])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    assert not is_file(tmp_path / name)
    with pytest.raises(TaskError):
        list(BeirFolder("x", name).load(tmp_path))
    with pytest.raises(TaskError):
        from_path(Path(f"{name}.jsonl"))
    with pytest.raises(TaskError):
        beir(f"./{name}")
    assert find(tmp_path, name, "x") == tmp_path / name


@pytest.mark.parametrize("split", ["../../test", "a/b", "", ".", "a\nb", "x" * 200])
def test_splits_and_languages_are_parts_of_paths(tmp_path: Path, split: Any) -> None:
    (tmp_path / "set").mkdir()
    for make in (climate_fever, lambda s: miracl_lite(("de",), s), lambda s: beir(f"{tmp_path}/set", s),
                 lambda s: beir(f"{tmp_path}/set", lang=s)):  # fmt: skip
        with pytest.raises(TaskError, match="letters, digits"):
            make(split)


def test_names_on_the_hub_stay_below_the_data_root(tmp_path: Path) -> None:
    (tmp_path / "data" / "hub").mkdir(parents=True)
    for name in ("../..", "/etc", "a/../../.."):
        with pytest.raises(TaskError, match="a data set of the Hub is called owner/name"):
            mirror(tmp_path / "data", name)


def test_parameters_of_another_type() -> None:
    with pytest.raises(TaskError, match="give langs"):
        HubQA("a/b", (1,), "x")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="limit is a whole number"):
        MMarco(limit=2.5)  # type: ignore[arg-type]


def test_the_root_folder_is_no_data_set() -> None:
    with pytest.raises(TaskError, match="a task is named after its folder"):
        beir("/")
