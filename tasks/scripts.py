"""Whether texts are in the script of the language that they are said to be in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from tasks.contract import EvalSet, Noticed, TrainSet
from tasks.languages import note_code, script_of
from tasks.notes import Notes

LETTERS = {
    "Arab": ("ARABIC",), "Armn": ("ARMENIAN",), "Beng": ("BENGALI",), "Cyrl": ("CYRILLIC",), "Deva": ("DEVANAGARI",),
    "Ethi": ("ETHIOPIC",), "Geor": ("GEORGIAN",), "Grek": ("GREEK",), "Gujr": ("GUJARATI",), "Guru": ("GURMUKHI",),
    "Hans": ("CJK",), "Hant": ("CJK",), "Hebr": ("HEBREW",),
    "Jpan": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"), "Khmr": ("KHMER",), "Knda": ("KANNADA",),
    "Kore": ("HANGUL", "CJK"), "Laoo": ("LAO",), "Latn": ("LATIN",), "Mlym": ("MALAYALAM",), "Mymr": ("MYANMAR",),
    "Orya": ("ORIYA",), "Sinh": ("SINHALA",), "Taml": ("TAMIL",), "Telu": ("TELUGU",), "Thaa": ("THAANA",),
    "Thai": ("THAI",), "Tibt": ("TIBETAN",),
}  # fmt: skip
"""How the Unicode names of a script's letters begin."""

ENOUGH = 2000
"""Letters that are looked at."""

MISFIT = 0.25
"""Share of letters in its own script below which a language is doubted: Korean headings on software have half of it."""


def share_in_script(texts: Iterable[str], lang: str) -> float | None:
    """Share of the first letters that belong to the language's script; None where that is unknown or none is there."""
    expected = LETTERS.get(script_of(lang) or "")
    if expected is None:
        return None
    letters = islice((sign for text in texts for sign in text if sign.isalpha()), ENOUGH)
    names = [unicodedata.name(sign, "").partition(" ")[0] for sign in letters]
    return sum(name in expected for name in names) / len(names) if names else None


def misfits(part: EvalSet | TrainSet) -> Iterator[str]:
    """A line for each language whose first texts have few letters of its script."""
    for what, lang, texts in _texts(part):
        share = share_in_script(texts, lang)
        if share is not None and share <= MISFIT:
            yield f"{share:.0%} of the letters of the first {what} in {lang!r} are in its script"


def noticed_languages(part: EvalSet | TrainSet) -> tuple[Noticed, ...]:
    """What a code says wrongly of the texts below it: unknown ones, other spellings, other scripts."""
    notes = Notes()
    for lang in dict.fromkeys(lang for _, lang, _ in _texts(part)):
        note_code(lang, "as read", notes)
    for line in misfits(part):
        notes.repaired("languages whose texts are in another script", line)
    return notes.found()


def _texts(part: EvalSet | TrainSet) -> Iterator[tuple[str, str, Iterator[str]]]:
    """(what, language, texts) of the queries and passages of each language."""
    if isinstance(part, EvalSet):
        for what, side in (("queries", part.queries), ("passages", part.passages)):
            for lang, by_id in side.items():
                yield what, lang, (str(text) for _, text in by_id.items())
    else:
        for what, columns in (("queries", part.query), ("passages", part.passage)):
            for lang, column in columns.items():
                yield what, lang, (text for text in column if text is not None)
