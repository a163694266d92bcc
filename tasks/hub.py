"""The Hub, or a copy of it on disk: pinned revisions, an offline switch, and errors that say which command fetches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.checksums import checksums
from tasks.contract import TaskError, first_line
from tasks.files import cache, is_file, is_folder


def go_offline() -> None:
    """Forbid the network to every library that could use it, from now on in this process."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"


def offline() -> bool:
    """Whether the network must not be touched."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def mirror(root: Path | None, repo: str) -> Path | None:
    """A copy of a data set's repository below the data root, ``<root>/hub/<owner>/<name>``, where there is one."""
    if ".." in Path(repo).parts or Path(repo).is_absolute():
        raise TaskError(f"a data set of the Hub is called owner/name; got {repo!r:.80}")
    folder = root / "hub" / repo if root is not None else None
    return folder if folder is not None and is_folder(folder) else None


def mirrored(root: Path | None, repo: str) -> tuple[Path, ...]:
    """The files of such a copy, for their checksums; none where there is no copy."""
    folder = mirror(root, repo)
    found = sorted(folder.rglob("*")) if folder is not None else []
    return tuple(
        p for p in found if is_file(p) and not any(x.startswith(".") for x in p.relative_to(folder or p).parts)
    )


@contextmanager
def kept_apart(files: Iterable[Path]) -> Iterator[None]:
    """Let the library ``datasets`` keep what it converts of a copy under the content of the copy's files.

    Its own cache knows a local folder by its path: a changed copy, or another data root's, would be read as the first.
    """
    import datasets

    hashes = "".join(f"{name} {digest}\n" for name, digest in sorted(checksums(files).items()))
    before = datasets.config.HF_DATASETS_CACHE
    if hashes:
        datasets.config.HF_DATASETS_CACHE = cache() / "copies" / hashlib.sha256(hashes.encode()).hexdigest()[:16]
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before


@contextmanager
def reading(what: str, where: str) -> Iterator[None]:
    """Turn whatever a data library raises into one line that names the data and the command that fetches them."""
    try:
        yield
    except TaskError:
        raise
    except Exception as error:  # network, cache, schema, conversion: every library raises its own
        how = "the network is switched off" if offline() else "is there a network?"
        raise TaskError(
            f"{what} ({where}) cannot be read: {type(error).__name__}: {first_line(error)}; {how} "
            f"'python -m bench data fetch {what}' fetches it, and <data root>/hub/{where} may hold a copy"
        ) from None


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
