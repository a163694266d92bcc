"""Language codes: one spelling for each language, whichever of those in use a data set has (BCP-47, through CLDR)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from tasks.contract import TaskError
from tasks.notes import Notes

if TYPE_CHECKING:
    from langcodes import Language

SCRIPT = {
    "ar": "Arab", "bn": "Beng", "de": "Latn", "el": "Grek", "en": "Latn", "es": "Latn", "fa": "Arab", "fi": "Latn",
    "fr": "Latn", "hi": "Deva", "id": "Latn", "it": "Latn", "ja": "Jpan", "ko": "Kore", "nl": "Latn", "pl": "Latn",
    "pt": "Latn", "ru": "Cyrl", "sw": "Latn", "te": "Telu", "th": "Thai", "tr": "Latn", "vi": "Latn", "yo": "Latn",
    "zh": "Hans", "zh-hant": "Hant",
}  # fmt: skip
"""ISO 15924 scripts of the languages of this project's own data, which need no library to be known."""

SHAPE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*", re.ASCII)

WITHIN = {"pbt": "ps"}
"""Languages of a macro-language that CLDR does not list as such."""


@cache
def canonical(code: str) -> str:
    """The one spelling of a language: ``EN``, ``eng``, ``en_US`` and ``eng-Latn`` are ``en``, ``zho_Hant`` ``zh-hant``.

    Two letters where there are two, the macro-language for its largest member (``cmn`` is ``zh``), in lower case;
    script and region only where they are not those that go without saying.

    Raises:
        TaskError: not a code by its shape.
    """
    if code in SCRIPT:
        return code
    if not SHAPE.fullmatch(code):
        raise TaskError(f"{code!r:.40} is not a language code such as 'en' or 'zh-hant': letters, digits and '-'")
    tag = _parsed(code)
    if tag.language is None:
        return "und"
    usual, full = _maximal(tag.language), tag.maximize()
    script = full.script if full.script != usual.script else None
    region = full.territory if full.territory != _maximal(tag.language, script).territory else None
    return "-".join(filter(None, (tag.language, script, region, *(tag.variants or ())))).lower()


def base(code: str) -> str:
    """The language without script and region, two letters where there are two; what is no code stays as it is."""
    return canonical(code).partition("-")[0] if is_code(code) else code


def is_code(text: str) -> bool:
    """Whether it is a code by its shape."""
    try:
        return bool(canonical(text))
    except TaskError:
        return False


def is_known(code: str) -> bool:
    """Whether the parts of a code are registered: ``xx`` and ``jp`` are not."""
    return code in SCRIPT or _parsed(code).is_valid()


@cache
def script_of(code: str) -> str | None:
    """ISO 15924 script that a language is written in; None where that is not known."""
    if code in SCRIPT or not is_code(code):
        return SCRIPT.get(code)
    from langcodes.data_dicts import LIKELY_SUBTAGS

    tag = _parsed(code)
    if tag.script is None and tag.language not in LIKELY_SUBTAGS:
        return None
    return tag.maximize().script


def three_letters(code: str) -> str:
    """The ISO 639-3 code."""
    return _parsed(code).to_alpha3()


def by_canonical(codes: Iterable[str], where: str, notes: Notes) -> dict[str, str]:
    """Canonical code -> code as it is written; other spellings and unknown codes are noted.

    Raises:
        TaskError: two of them are one language.
    """
    found: dict[str, str] = {}
    for code in codes:
        name = canonical(code)
        if name in found:
            raise TaskError(f"{where}: {found[name]!r} and {code!r} are one language ({name}); keep one of them")
        found[name] = code
        note_code(code, where, notes)
    return found


def note_code(code: str, where: str, notes: Notes) -> None:
    """Note a code in another spelling, or one that is not known."""
    if not is_code(code):
        notes.repaired("names of languages that are no codes", f"{where}: {code!r:.40}")
        return
    name = canonical(code)
    if name != code:
        notes.repaired("language codes in another spelling", f"{where}: {code!r} is read as {name!r}")
    if not is_known(code):
        notes.repaired("language codes that are not registered", f"{where}: {code!r}")


@cache
def _parsed(code: str) -> Language:
    from langcodes import Language, standardize_tag

    try:
        tag = Language.get(standardize_tag(code.replace("_", "-"), macro=True), normalize=False)
    except ValueError:
        raise TaskError(f"{code!r:.40} is not a language code such as 'en' or 'zh-hant'") from None
    return tag.update_dict({"language": WITHIN[tag.language]}) if tag.language in WITHIN else tag


@cache
def _maximal(language: str, script: str | None = None) -> Language:
    from langcodes import Language

    return Language.make(language=language, script=script).maximize()
