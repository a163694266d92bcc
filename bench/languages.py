"""Facts about languages that the harness needs: who was trained on in the paper, and who writes in which script."""

TRAINED_IN_PAPER = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
"""Training languages of arXiv 2408.10536; XQuAD-R's other two, Greek and Vietnamese, are its zero-shot languages."""

SCRIPT = {
    "ar": "Arab", "bn": "Beng", "de": "Latn", "el": "Grek", "en": "Latn", "es": "Latn", "fa": "Arab", "fi": "Latn",
    "fr": "Latn", "hi": "Deva", "id": "Latn", "it": "Latn", "ja": "Jpan", "ko": "Kore", "pl": "Latn", "pt": "Latn",
    "ru": "Cyrl", "sw": "Latn", "te": "Telu", "th": "Thai", "tr": "Latn", "vi": "Latn", "yo": "Latn", "zh": "Hans",
}  # fmt: skip
"""ISO 15924 script in which the data sets of this project write a language."""


def same_script(a: str, b: str) -> bool:
    """Whether two languages are known to be written in one script."""
    return a in SCRIPT and SCRIPT.get(a) == SCRIPT.get(b)
