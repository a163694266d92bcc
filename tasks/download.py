"""Fetch a file once: resumed where it broke off, checked against its sha256, set aside where that differs."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from tasks.contract import TaskError
from tasks.files import sha256
from tasks.hub import HubError, offline
from tasks.hub.asking import tried

CHUNK = 1 << 16


def fetch(url: str, target: Path, checksum: str, command: str) -> bool:
    """Make ``target`` the file at ``url``; returns whether anything was downloaded.

    What arrives goes to ``<target>.part``, which a later call continues.

    Args:
        url: of the file.
        target: where to put it.
        checksum: sha256 it must have, 64 hexadecimal digits.
        command: what to run again, for messages.

    Raises:
        TaskError: unreachable, offline, no space left, or another file than expected.
    """
    if target.is_file() and sha256(target) == checksum:
        return False
    if offline():
        raise TaskError(
            f"{target} is not here and the network is switched off; '{command}' fetches it where there is one"
        )
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tried(lambda: _download(url, part), partial(_understood, url))
    except HubError as error:
        raise TaskError(f"{error}; '{command}' continues where it broke off") from None
    except OSError as error:
        raise TaskError(f"{part}: cannot be written ({error.strerror or error}); '{command}' tries again") from None
    found = sha256(part)
    if found != checksum:
        aside = target.with_name(f"{target.name}.wrong-{found[:8]}")
        os.replace(part, aside)
        raise TaskError(f"{url}: sha256 {found[:12]}, expected {checksum[:12]}; kept as {aside} and not used, "
                        f"'{command}' tries again")  # fmt: skip
    os.replace(part, target)
    return True


def _understood(url: str, error: Exception) -> HubError:
    """The trouble in the words and with the patience of the Hub's."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        asks = error.headers.get("Retry-After", "")
        kind = "rate" if error.code == 429 else "down" if error.code >= 500 else "file"
        return HubError(kind, f"{url}: cannot be fetched ({error.code} {error.reason})",
                        float(asks) if asks.isdecimal() else None)  # fmt: skip
    if isinstance(error, urllib.error.URLError):
        return HubError("network", f"{url}: cannot be fetched ({error.reason}); is there a network?")
    if isinstance(error, TimeoutError | ConnectionError | http.client.HTTPException):
        return HubError("network", f"{url}: the connection broke ({error or type(error).__name__})")
    where, why = getattr(error, "filename", None) or url, getattr(error, "strerror", None) or error
    return HubError("disk", f"{where}: cannot be written or fetched ({why})")


def _download(url: str, part: Path) -> None:
    """Fetch what is missing of a file; what came stays where the connection breaks."""
    from tqdm import tqdm

    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is left of the range: the part is whole, or longer than the file
            raise
        return
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise HubError("portal", f"{url}: a page came in its place; a portal wants you to sign in to the network")
        resumed = getattr(answer, "status", 200) == 206
        left = int(answer.headers.get("Content-Length") or 0)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                total=left or None, desc=part.name.removesuffix(".part"), unit="B", unit_scale=True, disable=None
            ) as bar,
        ):
            came = 0
            while data := answer.read(CHUNK):
                came += file.write(data)
                bar.update(len(data))
    if came < left:
        raise ConnectionError(f"after {came:,} of {left:,} bytes")
