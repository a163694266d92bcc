"""How strategies are called in tables."""

import re


def short(label: str) -> str:
    """A signature without the parameters that are None: ``mono(language_temperature=None)`` reads ``mono``."""
    kept = re.sub(r"(, )?\b\w+=None\b", "", label).replace("(, ", "(")
    return re.sub(r"(?<=\w)\(\)", "", kept)


def many(n: int, noun: str) -> str:
    """A count with its noun: ``1 seed``, ``3 seeds``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
