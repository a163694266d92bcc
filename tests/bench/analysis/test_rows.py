"""Files of observations: what is read from them is what was scored, to the bit; what cannot be is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.data.corpus import Ranker
from bench.data.loading import LoadedTask
from bench.evaluation.score_table import score_table
from bench.plan.settings import Plan
from bench.store.scores import write_scores
from tasks import EvalSet
from tasks.demo import Demo
from tests.bench import oracles


class Both:
    """A ranker of several cases, by their texts."""

    def __init__(self, cases: Sequence[oracles.Case]) -> None:
        self._of = {id(case.evalset.passages[lang]): case for case in cases for lang in case.evalset.passages}
        self._now = cases[0]

    def passages(self, corpus: Any) -> Any:
        self._now = self._of[id(corpus.passages[corpus.langs[0]])]
        return self._now.passages(corpus)

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Any:
        return self._now.queries(texts, langs)


def written(path: Path, sets: Sequence[EvalSet], ranker: Ranker, plan: Plan) -> Path:
    """A scores file of a task with these sets."""
    write_scores(path, score_table(LoadedTask(Demo(), list(sets), {"made": "0"}), ranker, "0", plan))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")
