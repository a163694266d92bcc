"""Which script a language is written in, and whether texts are in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SCRIPT = {
    "ar": "Arab", "bn": "Beng", "de": "Latn", "el": "Grek", "en": "Latn", "es": "Latn", "fa": "Arab", "fi": "Latn",
    "fr": "Latn", "hi": "Deva", "id": "Latn", "it": "Latn", "ja": "Jpan", "ko": "Kore", "nl": "Latn", "pl": "Latn",
    "pt": "Latn", "ru": "Cyrl", "sw": "Latn", "te": "Telu", "th": "Thai", "tr": "Latn", "vi": "Latn", "yo": "Latn",
    "zh": "Hans", "zh-hant": "Hant",
}  # fmt: skip
"""ISO 15924 script in which the data sets of this project write a language."""

LETTERS = {
    "Arab": ("ARABIC",), "Beng": ("BENGALI",), "Latn": ("LATIN",), "Grek": ("GREEK",), "Deva": ("DEVANAGARI",),
    "Jpan": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"), "Kore": ("HANGUL", "CJK"), "Cyrl": ("CYRILLIC",),
    "Telu": ("TELUGU",), "Thai": ("THAI",), "Hans": ("CJK",), "Hant": ("CJK",),
}  # fmt: skip
"""How the Unicode names of a script's letters begin."""


def share_in_script(texts: Iterable[str], lang: str) -> float | None:
    """Share of the letters that belong to the language's script; None where that is unknown or none is there."""
    script = SCRIPT.get(lang)
    if script is None:
        return None
    names = [unicodedata.name(c, "").partition(" ")[0] for text in texts for c in text if c.isalpha()]
    return sum(name in LETTERS[script] for name in names) / len(names) if names else None
