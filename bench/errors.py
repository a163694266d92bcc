"""The errors that a user meets: one line that states the rule, the value received and what to do. Exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from strategies.contract import StrategyError
from tasks.contract import TaskError


class BenchError(ValueError):
    """The request cannot be carried out; the message is complete in itself."""


EXPECTED = (BenchError, StrategyError, TaskError)


LONGEST = 2000
"""Characters of a message."""


def one_line(error: Exception) -> str:
    """A message with what would move a terminal's cursor or change its colours written out."""
    text = " ".join(str(error).split())
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one that it is close to; empty where none is."""
    close = difflib.get_close_matches(name[:80], list(known), n=1)
    return f". Did you mean {close[0]!r}?" if close else ""
