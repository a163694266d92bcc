"""Facts about languages that the harness needs: who was trained on in the paper, and who writes in which script."""

from tasks.scripts import SCRIPT

TRAINED_IN_PAPER = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
"""Training languages of arXiv 2408.10536; XQuAD-R's other two, Greek and Vietnamese, are its zero-shot languages."""


def same_script(a: str, b: str) -> bool:
    """Whether two languages are known to be written in one script."""
    return a in SCRIPT and SCRIPT.get(a) == SCRIPT.get(b)
