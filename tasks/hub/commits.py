"""One resolution of a name to a commit per run, for models, code and data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tasks.hub.asking import api, in_path
from tasks.hub.modes import offline, tell
from tasks.hub.names import COMMIT, Name
from tasks.hub.words import AWAY, HubError, place

_TAKEN: dict[str, str] = {}


def resolve(name: Name) -> str:
    """The commit of a name, 40 hexadecimal digits: asked for once in this process, then the same to its end.

    Where the Hub cannot be asked, the commit that a branch had when it was last asked is taken, and that is said.

    Raises:
        HubError: there is none, or it cannot be asked for and is not known.
    """
    if COMMIT.fullmatch(name.revision):
        return name.revision
    key = _key(name)
    if key not in _TAKEN:
        _TAKEN[key] = _asked(name)
    return _TAKEN[key]


def taken() -> dict[str, str]:
    """What was resolved so far, for other processes of the run."""
    return dict(_TAKEN)


def take(known: Mapping[str, str]) -> None:
    """Take over what another process of the run has resolved."""
    _TAKEN.update(known)


def forget() -> None:
    """A new run begins: names are resolved anew."""
    _TAKEN.clear()


def _key(name: Name) -> str:
    return f"{name.kind} {name.repo}@{name.revision}"


def _asked(name: Name) -> str:
    try:
        (about,) = api(name, f"revision/{in_path(name.revision)}")
    except HubError as error:
        known = _remembered(name) if error.kind in AWAY else None
        if known is None:
            raise
        if not offline():
            tell(f"{error}; {name.word} {name} is taken at {known}, its commit when the Hub was last asked")
        return known
    commit, called = str(about.get("sha")), str(about.get("id", name.repo))
    if not COMMIT.fullmatch(commit):
        raise HubError("portal", f"{name}: the Hub names no commit; does HF_ENDPOINT name another server?")
    if called.lower() != name.repo.lower():
        tell(f"{name.word} {name.repo} is called {called} on the Hub now")
    _remember(name, commit)
    return commit


def folder(name: Name) -> Path:
    """Where the library keeps a repository: ``refs/<branch>``, ``snapshots/<commit>/<files>``, ``blobs``."""
    return Path(place()) / f"{name.kind}s--{name.repo.replace('/', '--')}"


def _remembered(name: Name) -> str | None:
    try:
        known = (folder(name) / "refs" / name.revision).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return known if COMMIT.fullmatch(known) else None


def _remember(name: Name, commit: str) -> None:
    """As the library does it, so that it and other programs find the same."""
    ref = folder(name) / "refs" / name.revision
    if _remembered(name) != commit:
        with suppress(OSError):
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit, encoding="ascii")
