"""Lines of a large file of the Hub, read from its beginning as far as they are wanted; nothing of it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from tasks.hub.asking import TIMEOUT, asked
from tasks.hub.commits import folder
from tasks.hub.listing import Entry, entry_of
from tasks.hub.modes import looking, offline
from tasks.hub.names import Name
from tasks.hub.snapshot import NotHere, have, why_not
from tasks.hub.words import HubError, endpoint, understood

TRIES = 3
"""How often a connection may break without a byte in between."""


def lines(name: Name, path: str) -> Iterator[bytes]:
    """The lines of a file of a commit, in order; who has enough of them stops, and no more is sent.

    A connection that breaks is taken up again where it broke. What is read to its end is held against the recorded
    checksum; of what is not, the Hub's word is that it is of the commit.

    Raises:
        NotHere: nothing may be fetched.
        HubError: it cannot be had.
    """
    entry = entry_of(name, path)
    if (folder(name) / "snapshots" / name.revision / path).is_file():
        with (have(name, lambda p: p == path) / path).open("rb") as file:
            yield from file
        return
    if looking() or offline():
        raise NotHere(name, 1, entry.size, why_not())
    digest, left = hashlib.sha256(), b""
    for chunk in _chunks(name, entry):
        digest.update(chunk)
        *whole, left = (left + chunk).split(b"\n")
        yield from whole
    if len(entry.checksum) == 64 and digest.hexdigest() != entry.checksum:
        raise HubError("damaged", f"{name}: {path} arrives damaged ({digest.hexdigest()[:12]}, the Hub records "
                       f"{entry.checksum[:12]}); try again later, or from another network")  # fmt: skip
    if left:
        yield left


def _chunks(name: Name, entry: Entry) -> Iterator[bytes]:
    at = broken = 0
    while at < entry.size:
        answer, skip = asked(lambda start=at: _opened(name, entry, start), name, entry.path)  # type: ignore[misc]
        before = at
        try:
            for chunk in answer.iter_bytes():
                fresh = chunk[skip:]
                skip = max(0, skip - len(chunk))
                at += len(fresh)
                yield fresh
        except Exception as error:  # the connection broke
            trouble = understood(error, name, entry.path)
            broken = 0 if at > before else broken + 1
            if trouble.kind != "network" or broken >= TRIES:
                raise trouble from None
        else:
            if at < entry.size:
                raise HubError("damaged", f"{name}: {entry.path} ends after {at:,} of {entry.size:,} bytes; try again")
        finally:
            answer.close()


def _opened(name: Name, entry: Entry, start: int) -> tuple[Any, int]:
    """An answer whose body is still to be read, and how many bytes of it are known already."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(name.repo, entry.path, repo_type=name.kind, revision=name.revision, endpoint=endpoint())
    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    client = get_session()
    request = client.build_request("GET", url, headers=headers, timeout=TIMEOUT)
    answer = client.send(request, stream=True, follow_redirects=True)
    try:
        hf_raise_for_status(answer)
        said = {a.headers["X-Repo-Commit"] for a in (*answer.history, answer) if "X-Repo-Commit" in a.headers}
        if said != {name.revision}:
            raise HubError(
                "portal", f"{name}: what answers at {endpoint()} does not say that {entry.path} is of this commit"
            )
    except BaseException:
        answer.close()
        raise
    return answer, 0 if answer.status_code == 206 else start
