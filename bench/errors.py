"""The errors that a user meets: one line that states the rule, the value received and what to do. Exit code 2."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from strategies.contract import StrategyError
from tasks.contract import TaskError


class BenchError(ValueError):
    """The request cannot be carried out; the message is complete in itself."""


EXPECTED = (BenchError, StrategyError, TaskError)


LONGEST_MESSAGE = 2000
"""Characters of a message."""


TOLD = 700
"""Characters that are told of an error of a library."""


def told(error: BaseException) -> str:
    """What an error of a library says, whole, and the errors that caused it, each with its name."""
    chain: list[str] = []
    at: BaseException | None = error
    while at is not None and len(chain) < 4:
        text = " ".join(str(at).split())
        named = f"{type(at).__name__}: {text}" if text else type(at).__name__
        if not any(text and text in before for before in chain):
            chain.append(named)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    whole = "; because of ".join(chain)
    return whole if len(whole) <= TOLD else f"{whole[:TOLD]} ..."


KEPT_BY_THE_HUB = re.compile(r"\S*?(?:models|datasets)--([^/\s]+?)--([^/\s]+)/snapshots/([0-9a-f]{40})")
"""Where the Hub's library keeps a commit of a repository: owner, name, commit."""


def one_line(error: Exception) -> str:
    """A message with what would move a terminal's cursor or change its colours written out.

    A place in the Hub's cache is told as what the user asked for: owner/name@commit.
    """
    text = KEPT_BY_THE_HUB.sub(r"\1/\2@\3", " ".join(str(error).split()))
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= LONGEST_MESSAGE else f"{shown[:LONGEST_MESSAGE]} ..."


def require_known(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is none of those that are known, with the one that was likely meant.

    Raises:
        BenchError: it is none of them.
    """
    if name not in known:
        raise BenchError(f"{what} is one of {', '.join(known)}; got {name!r:.200}{did_you_mean(name, known)}")


def did_you_mean(name: str, known: Iterable[str], sign: str = "") -> str:
    """The end of a message about an unknown name: the known one that it is close to, behind a sign, or nothing."""
    close = difflib.get_close_matches(name[:80], list(known), n=1)
    return f". Did you mean {sign + close[0]!r}?" if close else ""
