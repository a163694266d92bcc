"""The rows of a strategy's batches with their texts: what another trainer takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.data.batches import Audit, schedule
from bench.data.loading import load_training
from bench.data.train_data import TrainData
from bench.errors import BenchError
from bench.plan import resolve
from bench.plan.identity import canonical_instance
from bench.plan.settings import Plan, Settings
from bench.running.recorded import computed_with
from strategies import Batch, Strategy


class Row(NamedTuple):
    """A row of a batch: texts as they are, without a prompt.

    Attributes:
        id: of the item, ``source/number``.
        group: rows of one group are never each other's negatives.
        query: its text, in the language ``q_lang``.
        passage: its text, in the language ``d_lang``.
    """

    id: str
    group: int
    query: str
    passage: str
    q_lang: str
    d_lang: str


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """The batches of one training: a pure function of strategy, data, batch size, steps and seed.

    Attributes:
        strategy: what draws.
        data: the items.
        batch_size: rows of a batch, over all processes.
        steps: batches.
        seed: of the training.
    """

    strategy: Strategy
    data: TrainData
    batch_size: int
    steps: int
    seed: int = 0

    def batches(self, audit: Audit | None = None) -> Iterator[Batch]:
        """The batches, those of a cell with this seed; each is checked, and counted by ``audit``."""
        counted = audit or Audit(self.data.pool.langs)
        return schedule(self.strategy, self.data.pool, self.batch_size, self.steps, self.seed, counted)

    def texts(self, batch: Batch) -> list[Row]:
        """The rows of a batch."""
        pool = self.data.pool
        items, pairs = batch.item.tolist(), zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True)
        named = zip(items, self.data.queries(batch), self.data.passages(batch), pairs, strict=True)
        return [
            Row(pool.ids[i], int(pool.group[i]), query, passage, pool.langs[q], pool.langs[d])
            for i, query, passage, (q, d) in named
        ]


def rows(
    strategy: str | Strategy, train: Sequence[str] = ("demo",), *, batch_size: int = 128, steps: int = 1000,
    seed: int = 0, languages: Sequence[str] = (), data_root: str | Path | None = None, model: str = "demo-static",
    say: Callable[[str], None] = lambda line: None,
) -> Rows:  # fmt: skip
    """The batches of a strategy on some sources.

    They are those of ``bench run`` with the same arguments: without test sets, nothing is left out of the sources.

    Args:
        strategy: as on the command line, ``hybrid(alpha=0.3)`` or ``my.py:Mine``, or an object.
        train: sources, as on the command line.
        batch_size: rows of a batch, over all processes.
        steps: batches.
        seed: of the batches.
        languages: to train on; all that the sources have, where none are given.
        data_root: folder of local data sets.
        model: whose vectors strategies get that need some, before training.
        say: is told of what was read.

    Raises:
        BenchError: a name means nothing, or the strategy follows the model.
        StrategyError: the sources do not fill such a batch.
    """
    made = resolve.strategy(strategy) if isinstance(strategy, str) else canonical_instance(strategy)
    settings = Settings(model=model, train=tuple(train), languages=tuple(languages), batch_size=batch_size, steps=steps)
    if made.refresh_every:
        raise BenchError(
            f"{made!r} follows the model that this harness trains; elsewhere, take it without a refresh, or export the "
            "batches of a finished cell"
        )
    root = Path(data_root) if data_root else None
    data = load_training(Plan(settings=settings), [resolve.source(text) for text in train], root, [], say)
    return Rows(made, with_needs(made, data, settings, seed), batch_size, steps, seed)


def with_needs(strategy: Strategy, data: TrainData, settings: Settings, seed: int) -> TrainData:
    """The items with what a strategy needs, by the settings' model before training."""
    if not strategy.needs:
        return data
    from bench.encoding.handed import hand
    from bench.models import precision
    from bench.models.loading import load_to_train
    from bench.plan.settings import BUILT_IN

    fixed = dataclasses.replace(settings, precision=precision.resolve(settings.precision, settings.model in BUILT_IN))
    pool = hand(load_to_train(fixed, seed), data, strategy.needs, computed_with()).pool
    return dataclasses.replace(data, pool=pool)
