"""``owner/name`` and ``owner/name@revision``, of models and data sets of the Hub."""

from __future__ import annotations

import re
from typing import NamedTuple

from tasks.contract import TaskError

COMMIT = re.compile(r"[0-9a-f]{40}")

REPO = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)

REVISION = re.compile(r"[\w][\w./-]{0,199}", re.ASCII)


class Name(NamedTuple):
    """A repository of the Hub: of kind ``model`` or ``dataset``, at a branch, tag or commit."""

    kind: str
    repo: str
    revision: str = "main"

    @property
    def url(self) -> str:
        """Where a person looks at it."""
        return f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"

    @property
    def word(self) -> str:
        """What it is, for messages."""
        return "data set" if self.kind == "dataset" else "model"

    def at(self, commit: str) -> Name:
        """The same repository at a commit."""
        return self._replace(revision=commit)

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


def parsed(text: str, kind: str, revision: str = "main") -> Name:
    """The name that a text is, with ``revision`` where it says none.

    Raises:
        TaskError: it is none, or leads out of a folder.
    """
    repo, at, given = text.partition("@")
    name = Name(kind, repo, given if at else revision)
    if not REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise TaskError(f"a {name.word} of the Hub is called owner/name, or owner/name@revision; got {text!r:.80}")
    if not REVISION.fullmatch(name.revision) or ".." in name.revision:
        raise TaskError(f"{repo}: a revision is a commit, branch or tag; got {name.revision!r:.80}")
    return name
