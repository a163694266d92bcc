"""How long a plan will take, from a few steps of training and a sample of each task's texts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.batches import Audit, Refresh, schedule
from bench.data.corpus import Kind, build_corpus
from bench.data.loading import LoadedTask, load_task, load_training
from bench.data.train_data import TrainData
from bench.encoding.encoder import Encoder
from bench.encoding.handed import item_lengths, item_vectors, lacking
from bench.errors import BenchError, one_line
from bench.evaluation.exact_search import exact
from bench.evaluation.tiles import WIDE
from bench.models.loading import load_encoder, load_to_train
from bench.plan.settings import Settings
from bench.running.grid import Grid, describe, explain
from bench.running.jobs import Job
from bench.running.recorded import computed_with
from bench.running.run import set_up
from bench.store.cells import MODEL
from bench.training.loop import Hooks, Step, train
from strategies import Batch, Strategy
from strategies.check_pools import case_of, drawn_vectors
from tasks import Task, hub
from tasks.contract import TaskError, Texts
from tasks.hub.snapshot import told_size

TIMED_STEPS = 3
"""Steps that are timed at least, behind one that warms up; more where they are short."""

SAMPLED_TEXTS = 256
"""Texts of a kind that are timed at least; more where they are short."""

ENOUGH_SECONDS = 2.0
"""Seconds after which no more is timed."""

MOST_STEPS = 100
"""Steps that are timed at most, and how many times ``SAMPLED_TEXTS`` texts."""

RANKED_QUERIES = 100
"""Queries whose ranking is timed."""


class NotHere(BenchError):
    """What is timed has to be fetched first, or there is nothing to time."""


class Rates(NamedTuple):
    """What was measured, in seconds; of any cells of the same settings.

    Attributes:
        opening: the model, once a cell.
        load: reading data, once.
        lengths: those that strategies need, once; 0 where they are kept, or nobody asks.
        vectors: encoding all items, each time that strategies need it.
        kept: whether the vectors of the untrained model are there.
        step: one step of training.
        score: task -> scoring one trained cell on it.
        notes: what there was to decide of the model.
    """

    opening: float
    load: float
    lengths: float
    vectors: float
    kept: bool
    step: float
    score: dict[str, float]
    notes: list[str]

    def hand(self, jobs: Sequence[Job]) -> float:
        """What strategies need: once for all cells, and again at each refresh of each."""
        again = sum(ceil(steps / s.refresh_every) - 1 for s, steps in _trained(jobs) if s.refresh_every)
        return self.lengths + self.vectors * (again + (not self.kept))


class Estimate(NamedTuple):
    """Seconds.

    Attributes:
        rates: what was measured.
        hand: the vectors and lengths that strategies need, once, and new vectors at each refresh.
        total: of the whole plan, as far as it is not finished.
    """

    rates: Rates
    hand: float
    total: float

    def lines(self) -> list[str]:
        """For people."""
        rates = self.rates
        tasks = ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in rates.score.items())
        return [
            *rates.notes,
            f"estimated from a few steps and a sample of texts: {rates.step:.3f} s a step; scoring a cell: {tasks}; "
            f"reading data {rates.load:.1f} s"
            + (f"; vectors and lengths that strategies need {self.hand:,.1f} s" if self.hand else ""),
            f"in all: {_clock(self.total)} (without the report)",
        ]


def estimate(grid: Grid, rates: Rates | None = None) -> Estimate:
    """How long what is not finished takes, by rates that are measured here unless they are given; raises as they do."""
    rates = measured(grid) if rates is None else rates
    todo = grid.unfinished()
    trains = _to_train(grid, todo)
    hand = rates.hand(trains)
    steps = sum(job.steps for job in trains)
    scored = sum(rates.score[t.name] for _, left in todo for t in left)
    return Estimate(rates, hand, rates.load + hand + rates.opening * len(todo) + rates.step * steps + scored)


def measured(grid: Grid) -> Rates:
    """Read the plan's data, train a few steps in memory, time the rest on samples; nothing is written.

    Raises:
        NotHere: the model.
        TaskError: data.
        BenchError: a run would end with it.
    """
    if any(job.model and job.model["files"] is None for job in grid.jobs):
        raise NotHere(f"model {grid.plan.settings.model!r} is not here yet")
    if not any(job.model for job in grid.jobs):
        raise NotHere("no encoder takes part")
    set_up(grid.plan)
    trains = _to_train(grid, grid.unfinished())
    start = time.perf_counter()
    encoder = (load_to_train if trains else load_encoder)(grid.plan.settings, 0)
    opening = time.perf_counter() - start
    start = time.perf_counter()
    tasks = [load_task(t, grid.root, grid.plan.strict, lambda text: None) for t in grid.tasks]
    data = load_training(grid.plan, grid.sources, grid.root, tasks, lambda text: None) if trains else None
    load = time.perf_counter() - start
    hand = (0.0, 0.0, True) if data is None else _hand(encoder, trains, data)  # before steps move the weights
    step = _step(encoder, grid.plan.settings, trains, data) if data is not None else 0.0
    score = {t.task.name: _score(encoder, t) for t in tasks}
    return Rates(opening, load, *hand, step, score, encoder.notes)


def _to_train(grid: Grid, todo: Sequence[tuple[Job, Sequence[Task]]]) -> list[Job]:
    """Of what is unfinished, the cells whose weights are not there."""
    return [job for job, _ in todo if job.steps and not (grid.folder / job.name / MODEL).is_dir()]


def _trained(jobs: Sequence[Job]) -> list[tuple[Strategy, int]]:
    """The strategies that are trained for cells, also those that they are made of, and the steps of each."""
    return [(s, j.settings.steps) for job in jobs for j in (job, *job.parents) if (s := j.strategy) is not None]


def _hand(encoder: Encoder, jobs: Sequence[Job], data: TrainData) -> tuple[float, float, bool]:
    """Seconds of the lengths and of the vectors that strategies need, on a sample; whether the vectors are kept."""
    trained = _trained(jobs)
    absent = lacking(encoder, data, [name for s, _ in trained for name in s.needs], computed_with())
    size = data.pool.n_items

    def some(wanted: int) -> NDArray[np.int64]:
        return np.arange(0, size, max(1, size // wanted))

    lengths = vectors = 0.0
    if "lengths" in absent:
        lengths = _timed(size, lambda wanted: (item_lengths(encoder, data, some(wanted)), len(some(wanted)))[1])
    if "vectors" in absent or any(s.refresh_every for s, _ in trained):
        vectors = _timed(size, lambda wanted: len(item_vectors(encoder, data, some(wanted))))
    return lengths, vectors, "vectors" not in absent


def _step(encoder: Encoder, settings: Settings, jobs: Sequence[Job], data: TrainData) -> float:
    """Median seconds of a step of the first strategy."""
    strategy = next(s for job in jobs for s in (job.strategy, *(p.strategy for p in job.parents)) if s is not None)
    few = dataclasses.replace(settings, steps=MOST_STEPS + 1)
    pool = case_of(strategy).given(data.pool)  # made-up vectors: real ones take as long to make as to draw from them
    refresh = Refresh()
    refresh.follow(lambda: drawn_vectors(pool, 1))
    batches = schedule(strategy, pool, few.batch_size, few.steps, 0, Audit(pool.langs), refresh=refresh)
    seen: list[Step] = []
    train(encoder, data, _until_enough(batches), few, 0, Hooks(seen.append))
    return float(np.mean([settings.batch_size / s.rows_per_s for s in seen[1:]]))


def _until_enough(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The first batches, ``TIMED_STEPS`` and one at least, for about ``ENOUGH_SECONDS`` seconds."""
    start = time.perf_counter()
    for done, batch in enumerate(batches):
        if done > TIMED_STEPS and time.perf_counter() - start > ENOUGH_SECONDS:
            return
        yield batch


def _score(encoder: Encoder, loaded: LoadedTask) -> float:
    """Seconds of encoding all distinct texts of a task and of ranking all queries."""
    seconds = 0.0
    corpora: set[int] = set()
    for evalset in loaded.sets:
        new = {lang: p for lang, p in evalset.passages.items() if id(p) not in corpora}
        corpora |= {id(p) for p in new.values()}
        asked = [text for part in evalset.queries.values() for text in part.values()]
        seconds += _encode(encoder, asked, len(asked), "query")
        if new:
            size = sum(len(p) for p in new.values())
            every = max(1, size // (MOST_STEPS * SAMPLED_TEXTS))
            texts = [text for p in new.values() for _, text in islice(p.items(), 0, None, every)]
            seconds += _encode(encoder, texts, size, "passage")
        seconds += _rank(evalset.passages, len(asked))
    return seconds


def _encode(encoder: Encoder, texts: Sequence[str], size: int, kind: Kind) -> float:
    """Seconds of encoding ``size`` texts like these."""
    if not texts:
        return 0.0
    encoder.encode(texts[:8], kind)

    def some(wanted: int) -> int:
        sample = list(texts[:: max(1, len(texts) // wanted)])
        encoder.encode(sample, kind)
        return len(set(sample))

    return _timed(len(texts), some) * size / len(texts)


def _timed(size: int, some: Callable[[int], int]) -> float:
    """Seconds that all ``size`` take, from ``some`` of them: it does about as many as it is told, and says how many."""
    wanted = SAMPLED_TEXTS
    while True:
        start = time.perf_counter()
        done = some(wanted)
        seconds = time.perf_counter() - start
        if 4 * seconds > ENOUGH_SECONDS or wanted >= min(size, MOST_STEPS * SAMPLED_TEXTS):
            return seconds / done * size
        wanted *= 4


def _rank(passages: Texts, asked: int) -> float:
    """Seconds of ranking: measured on vectors of 64 random numbers, the counting costs more than the products."""
    share = min(1.0, WIDE / sum(len(p) for p in passages.values()))
    if share < 1:  # a part of a large corpus: its vectors are not held, and time grows in proportion
        passages = {lang: dict.fromkeys(islice(p, ceil(share * len(p))), "") for lang, p in passages.items()}
    corpus = build_corpus(passages)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(corpus.doc_id), 64), np.float32)
    queries = rng.standard_normal((RANKED_QUERIES, 64), np.float32)
    relevant = rng.integers(0, len(corpus.doc_id), (RANKED_QUERIES, len(corpus.langs)))
    start = time.perf_counter()
    exact(vectors, np.arange(len(corpus.doc_id)), corpus).rank(queries, relevant, 20)
    return (time.perf_counter() - start) / RANKED_QUERIES * asked / share


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"


def planned(grid: Grid, whole: Grid | None = None) -> Iterator[str]:
    """What a run would do, in paragraphs; nothing is kept or written.

    Args:
        grid: the plan.
        whole: what it may grow to, with the same settings; how long that takes is said too, by the same rates.

    Raises:
        BenchError: a run would end with it.
    """
    from tabulate import tabulate

    header, s = ["cell", "strategy", "seed", "steps", "rows", "tasks to score", "state"], grid.plan.settings
    yield tabulate(describe(grid), header, tablefmt="pipe", disable_numparse=True)
    yield from (f"\n{line}" for line in explain(grid))
    yield f"\nmodel {s.model}; sources {', '.join(x.name for x in grid.sources) or 'none'}; batch size {s.batch_size}"
    yield f"to download: {'; '.join(_to_download(grid)) or 'nothing'}"
    try:
        found = estimate(grid, measured(whole or grid))
        yield from found.lines()
        if whole is not None:
            yield f"all that it may come to, {len(whole.jobs):,} cells: {_clock(estimate(whole, found.rates).total)}"
    except (NotHere, TaskError) as error:
        yield f"time not estimated: {one_line(error)}"
    yield f"results would go to {grid.folder}; nothing was kept or written."


def _to_download(grid: Grid) -> Iterator[str]:
    """What is not here, with its size where the Hub could be asked."""
    known = hub.lacking()
    absent = any(job.model and job.model["files"] is None for job in grid.jobs)
    if absent and not any(name.kind == "model" for name in known):
        yield f"model {grid.plan.settings.model} from the Hub"
    for name, (files, size) in known.items():
        yield f"{name.word} {name} from the Hub ({files:,} files, {told_size(size)})"
