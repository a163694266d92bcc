"""Words of a text in any script, and runs of them; where a script puts no blanks between words, single characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and Han."""


THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer."""


_WORDLESS = re.compile(f"[{HAN}{THAI}]")


_APART = re.compile(f"[{HAN}{THAI}]|[^ {HAN}{THAI}]+")


_ODD = 0x9E3779B97F4A7C15
"""Its powers tell the places in a run apart; it has an inverse modulo 2^64."""


@cache
def _pattern() -> re.Pattern[str]:
    r"""Words with their combining marks, which ``\w`` leaves out: without them Hindi falls to pieces.

    Marks of the basic plane alone, tried only where a run of ``\w`` ends: a class with more is searched one by one.
    """
    marks = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c)).startswith("M"))
    return re.compile(rf"\w+(?:[{marks}]+\w*)*")


def units(text: str) -> list[str]:
    """Case-folded words after NFKC, single characters of scripts without blanks; punctuation is dropped."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _pattern().findall(folded)
    if folded.isascii() or not _WORDLESS.search(folded):
        return words
    return _APART.findall(" ".join(words))


def is_character(unit: str) -> bool:
    """Whether a unit is a character of a script without blanks."""
    return bool(_WORDLESS.match(unit))


class RunNumbers:
    """Runs of words as 64-bit numbers: equal runs have equal ones, others never in practice."""

    def __init__(self) -> None:
        self._of_word = _Random()

    def of(self, texts: Sequence[Sequence[str]], lengths: Sequence[int]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """A number for each run in some texts, and which text it is of, in order.

        A run is the sum of its words' numbers times powers of an odd number by place, modulo 2^64 (Karp and Rabin,
        1987): a difference of two running sums, brought back to the first place.

        Args:
            texts: their words.
            lengths: words of a run, for each text; at most as many as it has.
        """
        count = np.array([len(words) for words in texts], np.int64)
        total = int(count.sum())
        words = np.fromiter(map(self._of_word.__getitem__, chain.from_iterable(texts)), np.uint64, total)
        length = np.array(lengths, np.int64)
        runs = count - length + 1
        of = np.repeat(np.arange(len(texts)), runs)
        first = np.arange(len(of)) + np.repeat(np.cumsum(count) - count - np.cumsum(runs) + runs, runs)
        up = np.cumprod(np.full(total, _ODD, np.uint64))
        down = np.cumprod(np.full(total, pow(_ODD, -1, 2**64), np.uint64)) * np.uint64(_ODD)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words * up)])
        return (sums[first + length[of]] - sums[first]) * down[first], of


class _Random(dict[str, int]):
    """Words to random numbers, the same in every process that sees them in one order."""

    def __init__(self) -> None:
        super().__init__()
        self._rng = np.random.default_rng(13)
        self._ahead: list[int] = []

    def __missing__(self, word: str) -> int:
        if not self._ahead:
            self._ahead = self._rng.integers(0, 2**64, 4096, np.uint64).tolist()[::-1]
        self[word] = number = self._ahead.pop()
        return number
