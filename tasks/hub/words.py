"""What went wrong with the Hub, in a sentence, from the whole chain of causes."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from tasks.contract import TaskError, first_line
from tasks.hub.names import Name

AWAY = frozenset({"offline", "network", "portal", "rate", "down"})
"""Kinds of trouble in which the Hub cannot be asked now: what is here already may be used."""


NETWORK = ("ConnectError", "ConnectTimeout", "ReadTimeout", "ReadError", "RemoteProtocolError", "NetworkError",
           "PoolTimeout", "URLError")  # fmt: skip
"""Errors of libraries when the way to the Hub is lost."""


class HubError(TaskError):
    """The Hub, or the way there.

    Attributes:
        kind: ``network``, ``portal``, ``rate``, ``down``, ``offline`` (``AWAY``); ``gated``, ``missing``, ``revision``,
            ``file``, ``denied``, ``disk``, ``damaged``, ``other``.
        wait: seconds that the Hub asks to wait for; None where it says nothing.
    """

    def __init__(self, kind: str, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.kind, self.wait = kind, wait


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        at = left.pop(0)
        if at is None or id(at) in seen:
            continue
        seen.add(id(at))
        yield at
        left += [at.__cause__, at.__context__, *(part for part in at.args if isinstance(part, BaseException))]


def understood(error: BaseException, name: Name, file: str = "") -> HubError:
    """The trouble behind an error that a library raised about a repository, or about a file of it."""
    errors = list(chain(error))
    for at in errors:
        if isinstance(at, HubError):
            return at
    for look in (_of_disk, _of_answer, _of_way):
        for at in errors:
            found = look(at, name, file)
            if found is not None:
                return found
    return HubError("other", f"{name}: {type(errors[-1]).__name__}: {first_line(errors[-1])}")


def _of_disk(error: BaseException, name: Name, file: str) -> HubError | None:
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError) and (error.errno in full or "No space left" in str(error)):
        how = "make room there, or let HF_HOME name a larger one"
        return HubError("disk", f"{name}: the disk is full where the Hub's files are kept ({place()}); {how}")
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError) or (
        isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES)
    ):
        return HubError("disk", f"{name}: {getattr(error, 'filename', None) or place()} cannot be written "
                        f"({error.strerror or first_line(error)}); let HF_HOME name a folder that can")  # fmt: skip
    return None


def _of_answer(error: BaseException, name: Name, file: str) -> HubError | None:
    """What the Hub itself answered."""
    logged_in = _logged_in()
    terms = "; your token has no access yet" if logged_in else ", then log in with 'hf auth login', or set HF_TOKEN"
    private = "your token cannot see it" if logged_in else "it is private: 'hf auth login', or HF_TOKEN"
    said = {
        "GatedRepoError": ("gated", f"{name.repo} is gated: accept its terms at {name.url}{terms}"),
        "RepositoryNotFoundError": ("missing", f"the Hub has no {name.word} {name.repo!r}, or {private}"),
        "RevisionNotFoundError": ("revision", f"{name.repo} has no revision {name.revision!r}; {name.url}/commits/main "
                                  "lists its commits, of which all 40 digits are given"),
        "RemoteEntryNotFoundError": ("file", f"{name} has no file {file or 'of that name'!r}"),
        "EntryNotFoundError": ("file", f"{name} has no file {file or 'of that name'!r}"),
        "DisabledRepoError": ("denied", f"{name.repo}: the Hub has disabled this {name.word}"),
        "HFValidationError": ("missing", f"{name}: no name of the Hub ({first_line(error)})"),
    }.get(type(error).__name__)  # fmt: skip
    return HubError(*said) if said is not None else _of_status(error, name)


def _of_status(error: BaseException, name: Name) -> HubError | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if not isinstance(status, int) or status < 400:
        return None
    wait = _seconds(response)
    if status == 429:
        when = f" in {wait:.0f} s" if wait is not None else " later"
        more = "" if _logged_in() else "; who is logged in ('hf auth login') may ask more often"
        return HubError("rate", f"{name}: the Hub was asked too often (429): try again{when}{more}", wait)
    if status in (401, 403):
        return HubError("denied", f"{name}: the Hub refuses the token ({status}); 'hf auth login' sets another one")
    if status >= 500:
        return HubError("down", f"{name}: the Hub is out of order ({status})", wait)
    return HubError("other", f"{name}: the Hub refuses ({status}: {first_line(error)})")


def _of_way(error: BaseException, name: Name, file: str) -> HubError | None:
    """What went wrong between here and there."""
    kind, text = type(error).__name__, first_line(error)
    if kind == "OfflineModeIsEnabled":
        return HubError("offline", f"{name}: the network is switched off (--offline, HF_HUB_OFFLINE)")
    if isinstance(error, ssl.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return HubError("network", f"{name}: the certificate of {endpoint()} cannot be verified ({text}); where a "
                        "proxy reads along, let SSL_CERT_FILE name its certificate")  # fmt: skip
    if kind == "ProxyError":
        return HubError("network", f"{name}: the proxy refuses ({text}); see https_proxy")
    if kind in ("FileMetadataError", "JSONDecodeError", "Portal"):
        return HubError("portal", f"{name}: what answers at {endpoint()} is not the Hub: a page of a portal that wants "
                        "you to sign in, or HF_ENDPOINT names another server")  # fmt: skip
    network = (socket.gaierror, ConnectionError, TimeoutError)
    if isinstance(error, network) or kind in NETWORK:
        return HubError("network", f"{name}: {endpoint()} cannot be reached ({text or kind}); is there a network?")
    return None


def place() -> str:
    """Where the library keeps the Hub's files."""
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """Where the Hub is asked."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _logged_in() -> bool:
    from huggingface_hub.utils import get_token

    return bool(os.environ.get("HF_TOKEN") or get_token())


def _seconds(response: object) -> float | None:
    given = getattr(response, "headers", {}).get("Retry-After", "")
    return float(given) if given.strip().isdecimal() else None
