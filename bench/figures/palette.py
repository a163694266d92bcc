"""One colour and one mark per strategy in all figures, told apart by colour-blind readers; colours of heat maps."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

RGB = tuple[int, int, int]


class Look(NamedTuple):
    """How a name is drawn: colour, mark (matplotlib's letter), and whether the mark is filled."""

    colour: str
    mark: str
    filled: bool = True


LOOKS = {
    "mono": Look("#0072B2", "o"),
    "cross": Look("#D55E00", "s"),
    "hybrid": Look("#009E73", "D"),
    "mixed": Look("#CC79A7", "v"),
    "merge": Look("#E69F00", "P"),
    "within a language": Look("#000000", "^"),
    "across languages": Look("#56B4E9", "X"),
    "pool of all languages": Look("#882255", "p"),
}
"""Colours of Okabe and Ito, and one of Tol's for the third setting."""


GREY = "#666666"


OTHERS = {"untrained": "d", "bm25": ">", "char-tfidf": "1", "any_pair": "<", "english": "*", "round_robin": "h",
          "hybrid_rows": "8", "anneal": "H", "centering": "2", "lir": "3", "shift": "4"}  # fmt: skip
"""Marks of those in grey."""


MARKS = "x+|_"


def look_of(name: str) -> Look:
    """Of a strategy, a row without training, or a setting: others than those above are grey, with marks of their own.

    ``hybrid(alpha=0.25)`` looks as ``hybrid`` does, with a hollow mark.
    """
    first = name.split("(")[0].split(",")[0].strip()
    if first in LOOKS:
        whole = first == "merge" or re.fullmatch(rf"{first}(,.*| \(\d+\))?", name) is not None
        return LOOKS[first]._replace(filled=whole)
    return Look(GREY, OTHERS.get(first) or MARKS[zlib.crc32(first.encode()) % len(MARKS)], name == first)


LOW, HIGH, LEVEL = (230, 97, 1), (94, 60, 153), (0, 90, 140)
"""Ends of the diverging scale, orange and purple, and of the one from 0 up."""


STEPS = 40
"""Shades between white and an end."""


def shade(share: float, difference: bool) -> RGB:
    """The colour of a value that is ``share`` of the scale's end, from -1 to 1."""
    end = LOW if difference and share < 0 else HIGH if difference else LEVEL
    strength = round(min(1.0, abs(share)) * STEPS) / STEPS
    red, green, blue = (round(255 + (c - 255) * strength) for c in end)
    return red, green, blue


def ink(ground: RGB) -> str:
    """Black or white, whichever is read better on a colour: its contrast is 4.58 or more on any.

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in ground)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#fff"


def shown(value: float, difference: bool) -> str:
    """Two decimals without the leading 0: ``.57``, ``-.02``."""
    return (f"{value:+.2f}" if difference else f"{value:.2f}").replace("0.", ".")
