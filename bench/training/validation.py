"""Held-out items scored while training; the best weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from bench.evaluation.score import score
from bench.store.scores import setting_of
from tasks.contract import EvalSet

if TYPE_CHECKING:
    from bench.encoding.encoder import Encoder


class Score(NamedTuple):
    """What is written of one validation (a line of validation.jsonl): after how many updates, and the mean AP."""

    step: int
    mean: float
    sets: dict[str, dict[str, float]]


class Validator:
    """Scores every few steps, writes a line each time, and keeps the weights that were best if they are asked for.

    Args:
        sets: what is scored.
        every: steps between two scores; the last step is always scored.
        keep_best: whether training ends with the best weights rather than the last.
        path: validation.jsonl.
    """

    def __init__(self, sets: Sequence[EvalSet], every: int, keep_best: bool, path: Path) -> None:
        self._sets, self._every, self._keep_best, self._path = sets, every, keep_best, path
        self.scores: list[Score] = []
        self._best: dict[str, Tensor] = {}

    @property
    def best(self) -> Score:
        """The first of the highest scores."""
        return max(self.scores, key=lambda s: (s.mean, -s.step))

    def after(self, done: int, steps: int, encoder: Encoder, settle: Callable[[], None]) -> None:
        """Called after ``done`` of ``steps`` updates; ``settle`` brings all weights up to date."""
        if done % self._every and done != steps:
            return
        if self._keep_best:
            settle()
        found = {s.name: mean_ap(s, encoder) for s in self._sets}
        encoder.model.train()
        self._add(Score(done, float(np.mean([np.mean(list(of.values())) for of in found.values()])), found))
        if self._keep_best and self.best.step == done:
            self._best = {name: t.detach().cpu().clone() for name, t in encoder.model.state_dict().items()}

    def _add(self, new: Score) -> None:
        self.scores.append(new)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(new._asdict()) + "\n")

    def finish(self, encoder: Encoder) -> None:
        """Leave the best weights in the encoder, if they are asked for."""
        if self._keep_best:
            encoder.model.load_state_dict(self._best)

    def state(self) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
        """Plain JSON and tensors that ``restore`` takes."""
        return [s._asdict() for s in self.scores], self._best

    def restore(self, scores: Sequence[dict[str, Any]], best: dict[str, Tensor]) -> None:
        """Go on as if the scores had been made here."""
        for values in scores:
            self._add(Score(**values))
        self._best = best


def mean_ap(evalset: EvalSet, encoder: Encoder) -> dict[str, float]:
    """Setting -> mean AP, macro over language pairs."""
    of: dict[str, list[float]] = {}
    for rows in score(evalset, encoder):
        of.setdefault(setting_of(rows.q_lang, rows.d_lang), []).append(float(rows.values["AP"].mean()))
    return {setting: float(np.mean(values)) for setting, values in sorted(of.items())}
