"""Adapters of low rank, as one asks for them: ``r=16`` or ``r=16,alpha=32,dropout=0.05,targets=query+value``."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import BenchError

ALL = "all-linear"
"""Every linear layer of the transformer: peft's word."""


@dataclass(frozen=True)
class Lora:
    """LoRA (arXiv 2106.09685): weights stay as they are, and B A alpha / r is added, of rank r, which is trained.

    Attributes:
        r: the rank.
        alpha: twice the rank, unless said otherwise.
        dropout: of what goes into A.
        targets: names of the layers that are adapted, or ``all-linear``.
    """

    r: int
    alpha: int
    dropout: float = 0.0
    targets: tuple[str, ...] = (ALL,)

    @classmethod
    def read(cls, text: str) -> Lora:
        """As the command line has it.

        Raises:
            BenchError: another name, or a value that is none.
        """
        given = dict(part.partition("=")[::2] for part in text.split(","))
        unknown = sorted(set(given) - {"r", "alpha", "dropout", "targets"})
        if unknown or "r" not in given:
            raise BenchError(f"lora is r=RANK, and alpha, dropout, targets=NAME+NAME as wanted; got {text!r:.200}")
        r = _number(given["r"], "r", 1, 4096)
        alpha = _number(given.get("alpha", str(2 * r)), "alpha", 1, 1 << 20)
        try:
            dropout = float(given.get("dropout", "0"))
        except ValueError:
            dropout = -1.0
        if not 0 <= dropout < 1:
            raise BenchError(f"dropout of lora is at least 0 and below 1; got {given['dropout']!r:.80}")
        targets = tuple(sorted(set(given.get("targets", ALL).split("+"))))
        if not all(targets):
            raise BenchError(f"targets of lora are names of layers, with + between them; got {given['targets']!r:.80}")
        return cls(r, alpha, dropout, targets)

    def __str__(self) -> str:
        """All of it, so that equal ones read alike."""
        return f"r={self.r},alpha={self.alpha},dropout={self.dropout:g},targets={'+'.join(self.targets)}"


def _number(text: str, name: str, least: int, most: int) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if not least <= value <= most:
        raise BenchError(f"{name} of lora is a whole number from {least} to {most}; got {text!r:.80}")
    return value
