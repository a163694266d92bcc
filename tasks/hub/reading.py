"""Data sets of the Hub through the library ``datasets``: nothing but what was handed to it, and errors in one line."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.checksums import checksums
from tasks.contract import TaskError
from tasks.files import cache
from tasks.hub.modes import closed
from tasks.hub.names import Name
from tasks.hub.snapshot import NotHere
from tasks.hub.words import AWAY, HubError, understood


@contextmanager
def kept_apart(files: Iterable[Path]) -> Iterator[None]:
    """Let ``datasets`` read without the network, and keep what it converts under the content of the files.

    Its own cache knows a folder by its path: a changed copy, or another data root's, would be read as the first.
    """
    import datasets

    hashes = "".join(f"{name} {digest}\n" for name, digest in sorted(checksums(files).items()))
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = cache() / "copies" / hashlib.sha256(hashes.encode()).hexdigest()[:16]
    try:
        with closed():
            yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before


@contextmanager
def reading(asked: str, name: Name) -> Iterator[None]:
    """Turn whatever a data library raises into one line that names the data and the command that fetches them.

    Args:
        asked: the expression that names the data set on the command line.
        name: of the repository.
    """
    try:
        yield
    except HubError as error:
        raise _told(asked, name, error) from None
    except TaskError:
        raise
    except Exception as error:  # cache, schema, conversion: every library raises its own
        raise _told(asked, name, understood(error, name)) from None


def _told(asked: str, name: Name, error: HubError) -> HubError:
    hint = ""
    if error.kind in AWAY:
        hint = f"; <data root>/hub/{name.repo} may hold a copy; to fetch it: {fetch_command(asked)}"
    said = f"{asked} cannot be read: {error}{hint}"
    if isinstance(error, NotHere):
        told = NotHere(error.name, error.files, error.size, "")
        told.args = (said,)
        return told
    return HubError(error.kind, said, error.wait)


def fetch_command(asked: str) -> str:
    """The command that fetches a data set, as it can be run."""
    return f"python -m bench data fetch {quoted(asked)}"


def quoted(asked: str) -> str:
    """An expression as a shell takes it, in double quotes where these will do: it has single ones inside."""
    if any(sign in asked for sign in '"$`\\!'):
        return shlex.quote(asked)
    return f'"{asked}"' if shlex.quote(asked) != asked else asked


def written(name: str, parameters: dict[str, object]) -> str:
    """An expression of the command line: ``name(parameter=value)``, without what is None."""
    given = ", ".join(f"{key}={value!r}" for key, value in parameters.items() if value is not None)
    return f"{name}({given})" if given else name


def turns_joined(text: object, where: str) -> str:
    """A text, or the turns of a conversation as mteb joins them: with '; ', each behind its role where it has one.

    Raises:
        TaskError: neither.
    """
    if isinstance(text, str):
        return text
    if isinstance(text, list) and text and all(isinstance(turn, str) for turn in text):
        return "; ".join(text)
    if isinstance(text, list) and text and all(isinstance(t, dict) and {"role", "content"} <= set(t) for t in text):
        return "; ".join(f"{turn['role']}: {turn['content']}" for turn in text)
    raise TaskError(f"{where}: text or a list of turns is expected; got {text!r:.60}")
