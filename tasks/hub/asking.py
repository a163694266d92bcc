"""The one policy of asking the Hub: what is tried again and when, and that a lost way is remembered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from tasks.hub.modes import offline, tell
from tasks.hub.names import Name
from tasks.hub.words import HubError, endpoint, understood

T = TypeVar("T")

WAITS: dict[str, tuple[float, ...]] = {"network": (0.5,), "down": (1, 2, 4), "rate": (5, 10, 20)}
"""Seconds before each further try, by what went wrong; all else is not tried again."""

PATIENCE = 300.0
"""Seconds that the Hub may ask for (Retry-After); where it asks for more, the user is told when to come back."""

REMEMBERED = 60.0
"""Seconds for which a lost network, or a portal, is not knocked at again."""

TIMEOUT = 10.0
"""Seconds without an answer."""

sleep: Callable[[float], None] = time.sleep


class _Lost:
    kind, said, until = "", "", 0.0


class Portal(Exception):
    """A page where data were expected."""


def asked(call: Callable[[], T], name: Name, file: str = "") -> T:
    """What a call gives that uses the network for a repository; tried again where that may help.

    Raises:
        HubError: it failed for good.
    """
    if offline():
        raise HubError("offline", f"{name}: the network is switched off (--offline, HF_HUB_OFFLINE)")
    if _Lost.kind and time.monotonic() < _Lost.until:
        raise HubError(_Lost.kind, f"{name}: {_Lost.said}")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it tells of every try; what counts is said here
    try:
        found = tried(call, lambda error: understood(error, name, file))
    except HubError as trouble:
        if trouble.kind in ("network", "portal"):
            _Lost.kind, _Lost.said = trouble.kind, str(trouble).removeprefix(f"{name}: ")
            _Lost.until = time.monotonic() + REMEMBERED
        raise
    forget_lost()
    return found


def tried(call: Callable[[], T], understand: Callable[[Exception], HubError]) -> T:
    """What a call gives that uses the network, tried again as ``WAITS`` and the server (Retry-After) say.

    Raises:
        HubError: as ``understand`` made it of the last error.
    """
    tries = 0
    while True:
        try:
            return call()
        except Exception as error:  # each library has errors of its own
            trouble = understand(error)
            wait = _wait(trouble, tries)
            if wait is None:
                raise trouble from error
        if wait > 1:
            tell(f"{trouble}: trying again in {wait:.0f} s")
        sleep(wait)
        tries += 1


def forget_lost() -> None:
    """Knock again, even if the way was lost a moment ago."""
    _Lost.kind = ""


def _wait(trouble: HubError, tries: int) -> float | None:
    waits = WAITS.get(trouble.kind, ())
    if tries >= len(waits) or (trouble.wait or 0) > PATIENCE:
        return None
    return trouble.wait if trouble.wait is not None else waits[tries]


def api(name: Name, path: str) -> Iterator[Any]:
    """The JSON that the Hub's API answers about a repository: one value, or one for each page of a list."""
    url: str | None = f"{endpoint()}/api/{name.kind}s/{name.repo}/{path}"
    while url is not None:
        value, url = asked(lambda at=url: _page(at), name)  # type: ignore[misc]
        yield value


def _page(url: str) -> tuple[Any, str | None]:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    answer = get_session().get(url, headers=build_hf_headers(), timeout=TIMEOUT, follow_redirects=True)
    hf_raise_for_status(answer)
    if "json" not in answer.headers.get("Content-Type", "json"):
        raise Portal(url)
    following = answer.links.get("next", {}).get("url")
    return answer.json(), str(following) if following else None


def in_path(revision: str) -> str:
    """A revision as a part of a path."""
    return quote(revision, safe="")
