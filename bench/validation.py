"""The held-out items of the training sources, scored while a cell trains: learning curves, and the best weights.

The rule is the same for all strategies: the mean over sources of the mean AP over the settings that a source has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from bench.protocol import setting_of
from bench.score import score
from tasks.contract import EvalSet

if TYPE_CHECKING:
    from bench.encoder import Encoder

GROUPS = 32
"""Groups of a source that are scored: enough to tell a learning curve, few enough to be scored often."""


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


def few_groups(evalset: EvalSet, languages: Sequence[str], groups: int = GROUPS) -> EvalSet | None:
    """At most so many groups of a set in some languages, chosen by a hash of their names; None where none is left."""
    of = evalset.group or {}
    kept = {lang: evalset.queries[lang] for lang in languages if lang in evalset.queries}
    names = {of[q] for part in kept.values() for q in part}
    chosen = set(sorted(names, key=lambda g: hashlib.blake2b(g.encode()).digest())[:groups])
    queries = {lang: few for lang, part in kept.items() if (few := {q: t for q, t in part.items() if of[q] in chosen})}
    asked = {q for part in queries.values() for q in part}
    wanted = {d for q in asked for d in evalset.relevant[q]}
    passages = {
        lang: few for lang in queries if (few := {d: t for d, t in evalset.passages[lang].items() if d in wanted})
    }
    there = {d for part in passages.values() for d in part}
    relevant = {q: {d: g for d, g in evalset.relevant[q].items() if d in there} for q in sorted(asked)}
    if not queries:
        return None
    return EvalSet(evalset.name, queries, passages, relevant, {q: of[q] for q in sorted(asked)}, evalset.main)
