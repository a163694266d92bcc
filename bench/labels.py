"""How strategies are called in tables."""

import re


def short(label: str) -> str:
    """A signature without the parameters that are None: ``mono(language_temperature=None)`` reads ``mono``."""
    kept = re.sub(r"(, )?\b\w+=None\b", "", label).replace("(, ", "(")
    return re.sub(r"(?<=\w)\(\)", "", kept)
