"""Words of a text in any script; where a script puts no blanks between words, its single characters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and Han."""


THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer."""


_WORDLESS = re.compile(f"[{HAN}{THAI}]")


_APART = re.compile(f"[{HAN}{THAI}]|[^{HAN}{THAI}]+")


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
    if not _WORDLESS.search(folded):
        return words
    return [unit for word in words for unit in _APART.findall(word)]


def is_character(unit: str) -> bool:
    """Whether a unit is a character of a script without blanks."""
    return bool(_WORDLESS.match(unit))
