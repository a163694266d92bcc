r"""A stand-in of the Hugging Face Hub on 127.0.0.1, for tests without a network. Standard library alone.

It serves what lies below a folder, one folder per commit (40 hexadecimal digits); all is read anew for every request:
    ROOT/models/<owner>/<name>/<commit>/<files>, and ROOT/datasets/...; ROOT/raw/<host>/<path> for other hosts (below)
    ROOT/<kind>/<owner>/<name>/repo.json   optional: {"refs": {"main": "<commit>"}, "gated": true, "private": true,
                                           "moved": "owner/new-name"}; without refs, main is the last commit by name

The token "good" opens what is gated or private. On the command line, with a fresh folder as HF_HOME:
    python hub.py ROOT 8765 [both.pem]
    HF_ENDPOINT=http://127.0.0.1:8765 HF_HOME=$(mktemp -d) python -m bench evaluate --model acme/tiny --task demo-dev

In a test; HF_ENDPOINT is read when huggingface_hub and datasets are imported, so give it to a process of its own:
    with Hub(root) as hub:
        commit = hub.add("models", "acme/tiny", folder)        # a copy; the commit is a hash of the files
        subprocess.run([...], env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)})
        assert all(r["status"] == 200 for r in hub.log)        # GET URL/_log gives the same, DELETE URL/_log forgets it

Faults: ``hub.faults``, or ``curl -X PUT --data '[...]' URL/_faults``: a list of objects; the first that fits is used.
``match`` is a regular expression, searched in "METHOD /path?query"; ``times`` is how often it holds (else always):
    {"match": "HEAD .*scifact", "status": 503, "headers": {"Retry-After": "1"}, "times": 2}   an answer of the server's
    {"match": "GET .*safetensors", "cut": 1000}       the connection closes after so many bytes of the body
    {"match": "GET .*parquet", "flip": 500}           one byte is another: a wrong checksum
    {"match": "GET .*parquet", "short": 500}          so many bytes fewer, and the headers say so: a truncated file
    {"match": "GET .*parquet", "rate": 10000}         bytes a second
    {"match": "api/models", "wait": 15}               seconds before the answer ("wait": 0, "times": 2 lets two pass)
    {"match": ".", "html": "<html>Sign in</html>"}    200 with this page: a hotel's portal

With a certificate and its key in one file it is a proxy for other hosts as well. Not here: uploads, Xet, search.
    openssl req -x509 -newkey rsa:2048 -nodes -days 9 -keyout k.pem -out c.pem -subj /CN=raw.githubusercontent.com \
        -addext subjectAltName=DNS:raw.githubusercontent.com && cat k.pem c.pem > both.pem
    https_proxy=http://127.0.0.1:8765 SSL_CERT_FILE=c.pem python -m bench data fetch xquad-r
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".parquet", ".arrow", ".gz", ".model", ".pt", ".tsv")
"""Files that the Hub keeps apart: their etag is a sha256, and GET is redirected to another host."""

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Refused(Exception):
    """An error as answer: status, X-Error-Code, X-Error-Message."""


class Hub:
    """The server. ``log`` and ``faults`` may be read and set while it runs; ``port`` 0 takes a free one."""

    def __init__(self, root: Path | str, port: int = 0, cert: str | None = None) -> None:
        self.root, self.cert, self.lock = Path(root), cert, threading.Lock()
        self.log: list[dict] = []
        self.faults: list[dict] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Answer,), {"hub": self}))
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that has enough hangs up
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, kind: str, name: str, folder: Path | str, commit: str | None = None, **repo: object) -> str:
        """Serve a copy of ``folder`` as ``main`` of a repository; ``repo`` goes into repo.json. Returns the commit."""
        files = sorted(p for p in Path(folder).rglob("*") if p.is_file())
        content = b"".join(f"{p.relative_to(folder)}".encode() + p.read_bytes() for p in files)
        commit = commit or hashlib.sha1(content).hexdigest()
        shutil.copytree(folder, self.root / kind / name / commit, dirs_exist_ok=True)
        about = self.repo(kind, name) | repo
        about["refs"] = about.get("refs", {}) | {"main": commit}
        (self.root / kind / name / "repo.json").write_text(json.dumps(about))
        return commit

    def repo(self, kind: str, name: str) -> dict:
        """What repo.json says."""
        path = self.root / kind / name / "repo.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def folder(self, kind: str, name: str, revision: str) -> Path:
        """The files of a commit, branch or tag."""
        commits = sorted(p.name for p in (self.root / kind / name).glob("*") if COMMIT.fullmatch(p.name))
        commit = ({"main": commits[-1]} | self.repo(kind, name).get("refs", {})).get(revision, revision)
        if commit not in commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.root / kind / name / commit

    def etag(self, path: Path) -> str:
        """As the Hub's: sha256 of large files, git's hash of others."""
        data = path.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(data) + data)
        return (hashlib.sha256(data) if path.suffix in LARGE else git).hexdigest()

    def entry(self, base: Path, path: Path) -> dict:
        """A file or folder as listings have it."""
        name, size = path.relative_to(base).as_posix(), path.stat().st_size
        if path.is_dir():
            return {"type": "directory", "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0, "path": name}
        lfs = {"lfs": {"oid": self.etag(path), "size": size, "pointerSize": 134}} if path.suffix in LARGE else {}
        return {"type": "file", "oid": self.etag(path)[:40], "size": size, "path": name} | lfs

    def fault(self, line: str) -> dict:
        """The first fault that fits a request; empty where none does."""
        with self.lock:
            for fault in self.faults:
                if fault.get("times", 1) > 0 and re.search(fault["match"], line):
                    fault.update({"times": fault["times"] - 1} if "times" in fault else {})
                    return fault
        return {}


class Answer(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version, host, noted = "HTTP/1.1", "", True
    log_message = staticmethod(lambda *_: None)  # nothing on stderr

    def do_GET(self) -> None:
        """Any method: a fault, or what the path names."""
        self.started, self.fault, at = time.time(), {}, urlsplit(self.path)
        self.posted = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.noted = at.path not in ("/_log", "/_faults")
        if not self.noted:
            self.hub.faults = json.loads(self.posted) if self.command == "PUT" else self.hub.faults
            self.hub.log = [] if self.command == "DELETE" else self.hub.log
            return self._json(self.hub.log if at.path == "/_log" else self.hub.faults)
        self.fault = self.hub.fault(f"{self.command} {self.path}")
        time.sleep(self.fault.get("wait", 0))
        if "status" in self.fault or "html" in self.fault:
            status, page = self.fault.get("status", 200), self.fault.get("html", "")
            return self._send(status, page.encode(), self.fault.get("headers", {}))
        try:
            self._route(unquote(at.path), parse_qs(at.query))
        except Refused as refused:
            status, code, said = refused.args
            self._send(status, said.encode(), {"X-Error-Code": code, "X-Error-Message": said})

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def do_CONNECT(self) -> None:
        """A proxy's: go on as the host that is asked for, where there is a certificate."""
        self.send_response(200 if self.hub.cert else 403)
        self.end_headers()
        self.close_connection = True
        if self.hub.cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.hub.cert)
            kind = type("Secured", (type(self),), {"host": self.path.rpartition(":")[0]})
            with context.wrap_socket(self.connection, server_side=True) as secured:
                kind(secured, self.client_address, self.server)

    def _route(self, path: str, query: dict) -> None:
        if self.host or path.startswith("/_cdn/"):
            return self._file(self.hub.root / (f"raw/{self.host}{path}" if self.host else path[6:]), {})
        api, file = API.fullmatch(path), FILE.fullmatch(path)
        if not (api or file):
            raise Refused(404, "NotFound", "not a page of this stand-in")
        kind, name = (api[1], api[2]) if api else ("datasets" if file[1] else "models", file[2])
        repo, token = self.hub.repo(kind, name), self.headers.get("Authorization", "").removeprefix("Bearer ")
        if "moved" in repo:
            return self._send(307, b"", {"Location": self.path.replace(name, repo["moved"])})
        if not (self.hub.root / kind / name).is_dir() or (repo.get("private") and token != "good"):
            said = "Repository not found" if token else "Invalid username or password."
            raise Refused(404 if token else 401, "RepoNotFound", said)  # the Hub's 401 has no code: clients infer it
        base = self.hub.folder(kind, name, (api[4] if api else file[3]) or "main")
        if file and repo.get("gated") and token != "good":
            said = "You must have access to it and be authenticated to access it. Please log in."
            raise Refused(403 if token else 401, "GatedRepo", f"Access to {kind[:-1]} {name} is restricted. {said}")
        if file:
            return self._resolve(base, base / file[4])
        if api[3] == "tree":
            if not (top := base / (api[5] or "")).is_dir():
                raise Refused(404, "EntryNotFound", f"{api[5]} does not exist")
            deep = query.get("recursive", [""])[0].lower() in ("true", "1")
            return self._json([self.hub.entry(base, p) for p in sorted(top.rglob("*") if deep else top.glob("*"))])
        if api[3] == "paths-info":
            asked = json.loads(self.posted)["paths"] if self.posted[:1] == "{" else parse_qs(self.posted)["paths"]
            return self._json([self.hub.entry(base, base / p) for p in asked if (base / p).exists()])
        files = [{"rfilename": p.relative_to(base).as_posix()} for p in sorted(base.rglob("*")) if p.is_file()]
        about = {"id": name, "sha": base.name, "siblings": files, "gated": repo.get("gated", False)}
        self._json(about | {"private": False, "tags": [], "lastModified": "2024-01-01T00:00:00.000Z"})

    def _resolve(self, base: Path, file: Path) -> None:
        commit = {"X-Repo-Commit": base.name}
        if not file.is_file():
            return self._send(404, b"Entry not found", commit | {"X-Error-Code": "EntryNotFound"})
        if file.suffix not in LARGE:
            return self._file(file, commit)
        linked = {"X-Linked-Etag": f'"{self.hub.etag(file)}"', "X-Linked-Size": str(file.stat().st_size)}
        other = self.hub.url.replace("127.0.0.1", "localhost")  # as the Hub's: clients do not follow HEAD there
        where = f"{other}/_cdn/{file.relative_to(self.hub.root).as_posix()}"
        self._send(302, b"", commit | linked | {"Location": where})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, file: Path, headers: dict) -> None:
        if not (file.is_file() and file.resolve().is_relative_to(self.hub.root.resolve())):
            return self._send(404, b"404: Not Found", {})
        body = bytearray(file.read_bytes())
        if "flip" in self.fault:
            body[self.fault["flip"]] ^= 1
        body = bytes(body[: len(body) - self.fault.get("short", 0)])
        headers = headers | {"ETag": f'"{self.hub.etag(file)}"', "Accept-Ranges": "bytes"}
        if not (wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))):
            return self._send(200, body, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        if first >= len(body):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        self._send(206, body[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(body)}"})

    def _send(self, status: int, body: bytes, headers: dict) -> None:
        path, asked = (self.host and f"https://{self.host}") + self.path, self.headers.get("Range")
        line = {"method": self.command, "path": path, "status": status, "range": asked, "bytes": 0, "seconds": 0.0}
        self.hub.log += [line] if self.noted else []  # before the answer: who has it may look at once
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        out, stop, rate = 0, self.fault.get("cut", len(body)), self.fault.get("rate")
        step = max(1, rate // 10) if rate else 1 << 20
        self.close_connection = self.close_connection or "cut" in self.fault
        try:
            for start in range(0, min(stop, len(body)) if self.command != "HEAD" else 0, step):
                out += self.wfile.write(body[start : min(start + step, stop)])
                time.sleep(0.1 if rate else 0)
        except OSError:  # the client went away
            self.close_connection = True
        line |= {"bytes": out, "seconds": round(time.time() - self.started, 3)}


if __name__ == "__main__":
    served = Hub(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
    print(f"HF_ENDPOINT={served.url}", flush=True)
    served.server.serve_forever()
