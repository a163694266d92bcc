"""What scores were computed on: the content of a task's files, its parameters, and its code where it is a plugin's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import tasks
from bench.errors import BenchError
from bench.plan.identity import changes, code_of
from bench.store.json_files import hash8
from bench.store.scores import About
from tasks import Source, Task, TaskError
from tasks.checksums import checksums
from tasks.held_out import HeldOut

READING = 2
"""Edition of the built-in readers: raised where the same files give other numbers. Scores that say none are taken."""


def edition_of(*files: str | None) -> list[str]:
    """The sha256 of these files of code and of all that reads data: what is kept of data is kept under it."""
    code = [*(Path(str(file)) for file in files), *sorted(Path(tasks.__file__).parent.rglob("*.py"))]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in code]


class Content(NamedTuple):
    """The identity of a task's scores, beside the model that was scored.

    Attributes:
        parameters: what the task was asked to read.
        code: of a plugin (``plan.identity.code_of``); None for what is built in.
        files: name -> sha256 of what it reads.
        origin: repository of the Hub -> commit that was read; recorded, while the files decide.
    """

    parameters: Mapping[str, object]
    code: Mapping[str, object] | None
    files: Mapping[str, str]
    origin: Mapping[str, str] = MappingProxyType({})

    def stored(self) -> dict[str, object]:
        """As it is written beside the scores."""
        code = self.code and dict(self.code)
        found = {"reading": READING, "parameters": dict(self.parameters), "code": code, "files": dict(self.files)}
        return found | ({"origin": dict(self.origin)} if self.origin else {})

    def deciding(self) -> dict[str, object]:
        """What scores depend on."""
        return _deciding(self.stored())

    def digest(self) -> str:
        """Eight hexadecimal digits that name it, as ``digest_of`` the scores."""
        return hash8(self.deciding())

    def changes_since(self, about: About) -> list[str]:
        """What differs from that of stored scores; empty where they are scores of this content.

        Scores of version 0.1 say their files alone.
        """
        before, now = _deciding(_content(about)), self.stored()
        return changes(before, {name: now[name] for name in before})


def content_of(task: Task, root: Path | None) -> Content:
    """The content of a task now.

    Raises:
        TaskError: its files are not here.
        BenchError: the task is a plugin whose code stands in no file.
    """
    code = code_of(task.source if isinstance(task, HeldOut) else task)
    return Content(task.parameters(), code, checksums(task.files(root)), task.origin(root))


def content_if_here(task: Task, root: Path | None) -> Content | None:
    """The same; None where its files are not here, so that finished scores of it can only be taken as they are."""
    try:
        return content_of(task, root)
    except TaskError:
        return None


def digest_of(about: About) -> str:
    """Eight hexadecimal digits that name the content of stored scores."""
    return hash8(_deciding(_content(about)))


def _deciding(content: Mapping[str, object]) -> dict[str, object]:
    """What scores depend on: where the files came from is beside it."""
    return {name: value for name, value in content.items() if name != "origin"}


def _content(about: About) -> dict[str, object]:
    return about.content if about.content is not None else {"files": about.files}


def require_same(sources: Sequence[Source], root: Path | None, recorded: Mapping[str, object]) -> None:
    """Refuse what was read of sources whose files are not those that cells are named after.

    Args:
        sources: that were read.
        root: the data root.
        recorded: what was recorded of each before; of what was not here then, nothing can be said.

    Raises:
        BenchError: files changed since; which.
    """
    for source in sources:
        about = recorded[source.name]
        before = about.get("files") if isinstance(about, Mapping) else None
        if isinstance(before, Mapping) and "not" not in before:
            found = changes(before, checksums(source.files(root)))
            if found:
                raise BenchError(
                    f"{source.name}: {found[0]} since the run began, and cells are named after it; run again"
                )
