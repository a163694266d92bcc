"""Against a server of this process: no network is touched."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tasks import TaskError
from tasks.download import fetch
from tests.hub.stand_in import Hub

DATA = bytes(range(256)) * 1000
SUM = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Handler.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.path == "/gone":
            self.send_error(404)
            return
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start:])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    Handler.asked = []
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server: str, tmp_path: Path) -> None:
    target = tmp_path / "a" / "file"
    assert fetch(f"{server}/file", target, SUM, "again")
    assert target.read_bytes() == DATA
    assert not fetch(f"{server}/file", target, SUM, "again")
    assert Handler.asked == [None]


@pytest.mark.parametrize("have", [1, 70_000, len(DATA)])
def test_a_download_continues_where_it_broke_off(server: str, tmp_path: Path, have: int) -> None:
    (tmp_path / "file.part").write_bytes(DATA[:have])
    assert fetch(f"{server}/file", tmp_path / "file", SUM, "again")
    assert (tmp_path / "file").read_bytes() == DATA
    assert Handler.asked == [f"bytes={have}-"]


def test_another_file_is_set_aside_and_not_used(server: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=rf"sha256 {SUM[:12]}, expected 000000000000; kept as .*wrong-{SUM[:8]}"):
        fetch(f"{server}/file", tmp_path / "file", "0" * 64, "again")
    assert [p.name for p in tmp_path.iterdir()] == [f"file.wrong-{SUM[:8]}"]


def test_what_cannot_be_had_is_said_in_one_line(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaskError, match=r"/gone: cannot be fetched \(404 Not Found\); 'again' continues"):
        fetch(f"{server}/gone", tmp_path / "file", SUM, "again")
    with pytest.raises(TaskError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", SUM, "again")
    monkeypatch.setattr(
        "tasks.download._download", lambda url, part: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(TaskError, match=r"cannot be written or fetched \(No space left\); 'again'"):
        fetch(f"{server}/file", tmp_path / "file", SUM, "again")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TaskError, match="the network is switched off; 'again' fetches it"):
        fetch(f"{server}/file", tmp_path / "file", SUM, "again")


@pytest.mark.parametrize("fault", [
    {"match": "GET", "cut": 100_000, "times": 1}, {"match": "GET", "status": 503, "times": 2},
    {"match": "GET", "status": 429, "headers": {"Retry-After": "7"}, "times": 1},
])  # fmt: skip
def test_what_passes_is_waited_for(
    hub: Hub, tmp_path: Path, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("tasks.hub.asking.sleep", waited.append)
    (hub.root / "raw").mkdir(parents=True)
    (hub.root / "raw" / "file").write_bytes(DATA)
    hub.faults = [fault]
    assert fetch(f"{hub.url}/_cdn/raw/file", tmp_path / "file", SUM, "again")
    assert (tmp_path / "file").read_bytes() == DATA
    assert waited == ([7.0] if fault.get("status") == 429 else [1, 2] if "status" in fault else [0.5])
    if "cut" in fault:
        assert [line["range"] for line in hub.log] == [None, "bytes=100000-"]


def test_a_portal_is_no_file_and_leaves_the_part(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    hub.faults = [{"match": ".", "status": 200, "html": "<html>", "headers": {"Content-Type": "text/html"}}]
    with pytest.raises(TaskError, match=r"a page came in its place; a portal wants you to sign in"):
        fetch(f"{hub.url}/_cdn/raw/file", tmp_path / "file", SUM, "again")
    assert (tmp_path / "file.part").read_bytes() == DATA[:1000]
    assert [p.name for p in tmp_path.glob("file*")] == ["file.part"]
