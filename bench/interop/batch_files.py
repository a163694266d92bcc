"""The batches that a cell was trained on, as files that other trainers read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.batches import Audit
from bench.data.loading import load_task, load_training
from bench.data.negatives import Negatives
from bench.errors import BenchError
from bench.interop.rows import Row, Rows, with_needs
from bench.plan import resolve
from bench.plan.settings import Plan, Settings
from bench.running.jobs import LINKED
from bench.store import json_files
from bench.store.cells import BATCHES, CONFIG, SCHEDULE, Cell
from bench.store.json_files import typed
from bench.store.writing import written_aside
from strategies import Batch
from tasks import Task
from tasks.contract import TaskError

Line = dict[str, Any]


class Drawn(NamedTuple):
    """What is read of batches.json."""

    sha256: str


def _whole(number: int, rows: Sequence[Row], negatives: Sequence[Sequence[str]]) -> Iterator[Line]:
    """One batch a line."""
    more = ({"negatives": list(texts)} if texts else {} for texts in negatives)
    yield {"batch": number, "rows": [{**row._asdict(), **own} for row, own in zip(rows, more, strict=True)]}


def _tevatron(number: int, rows: Sequence[Row], negatives: Sequence[Sequence[str]]) -> Iterator[Line]:
    """One row a line, as Tevatron's training records."""
    for row, texts in zip(rows, negatives, strict=True):
        passage = {"docid": f"{row.id}:{row.d_lang}", "title": "", "text": row.passage}
        hard = [{"docid": f"{row.id}:{row.d_lang}:{i}", "title": "", "text": t} for i, t in enumerate(texts)]
        yield {
            "batch": number, "query_id": f"{row.id}:{row.q_lang}", "query": row.query, "positive_passages": [passage],
            "negative_passages": hard,
        }  # fmt: skip


def _flagembedding(number: int, rows: Sequence[Row], negatives: Sequence[Sequence[str]]) -> Iterator[Line]:
    """One row a line, as FlagEmbedding's training records."""
    for row, texts in zip(rows, negatives, strict=True):
        yield {"batch": number, "query": row.query, "pos": [row.passage], "neg": list(texts)}


FORMS: dict[str, Callable[[int, Sequence[Row], Sequence[Sequence[str]]], Iterator[Line]]] = {
    "jsonl": _whole,
    "tevatron": _tevatron,
    "flagembedding": _flagembedding,
}
"""How a batch is written."""


def export_batches(
    cell: Cell, root: Path | None, out: Path, form: str, say: Callable[[str], None], strategy: str | None = None,
    tasks: Sequence[str] | None = None,
) -> Path:  # fmt: skip
    """Write ``<cell>.jsonl``, or ``<cell>.<form>.jsonl``: the batches that a cell was trained on, drawn again.

    Args:
        cell: a trained one.
        root: folder of local data sets.
        out: folder.
        form: of ``FORMS``.
        say: is told of what was read.
        strategy: the cell's, as it was named, where it is a plugin: what is stored names no code that is run.
        tasks: that training items were held against, where ``--overlap drop`` left some out; None takes their names.

    Raises:
        BenchError: what is drawn now is not what was trained on, or cannot be drawn.
    """
    if not (cell.path / BATCHES).is_file():
        raise BenchError(f"{cell.path.name} was not trained on batches of its own; name a trained cell")
    rows, settings = rows_of(cell, root, say, strategy, tasks)
    audit = Audit(rows.data.pool.langs)
    negatives = Negatives(rows.data, settings.negatives, settings.negative_language, cell.seed)
    stored = json_files.read_as(Drawn, cell.path / BATCHES).sha256
    target = out / (f"{cell.path.name}.jsonl" if form == "jsonl" else f"{cell.path.name}.{form}.jsonl")
    with written_aside(target) as aside:
        with aside.open("w", encoding="utf-8") as file:
            for number, batch in enumerate(_batches(cell, rows, audit)):
                for line in FORMS[form](number, rows.texts(batch), negatives.draw(number, batch).texts):
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if audit.summary()["sha256"] != stored:
            raise BenchError(
                f"{cell.path.name}: the batches that are drawn now are not those that it was trained on; the data, the "
                "strategy's code or what computes its vectors has changed since"
            )
    return target


def _batches(cell: Cell, rows: Rows, audit: Audit) -> Iterator[Batch]:
    """Drawn again; those of a strategy that followed the model as they were kept."""
    if not (cell.path / SCHEDULE).is_file():
        yield from rows.batches(audit)
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(cell.path / SCHEDULE, framework="np") as file:
            kept = file.get_slice("batches")
            for step in range(kept.get_shape()[0]):
                batch = Batch(*kept[step : step + 1][0])
                audit.add(batch, rows.data.pool)
                yield batch
    except (SafetensorError, OSError, ValueError, TypeError, IndexError) as error:
        raise BenchError(f"{cell.path / SCHEDULE}: not readable ({error}); run the cell again") from None


def rows_of(
    cell: Cell, root: Path | None, say: Callable[[str], None], strategy: str | None = None,
    tasks: Sequence[str] | None = None,
) -> tuple[Rows, Settings]:  # fmt: skip
    """The batches of a stored cell, and its settings; data are read as they were for it.

    Raises:
        BenchError: a name means nothing here.
    """
    config = cell.config
    settings = typed(Settings, config.settings, str(cell.path / CONFIG), "settings")
    made = resolve.strategy(strategy or config.strategy, plugins=strategy is not None)
    if repr(made) != config.strategy:
        raise BenchError(f"{cell.path.name} was trained with {config.strategy}; got {made!r}")
    overlap = str(config.overlap.get("mode", "refuse"))
    plan = Plan(settings=settings, overlap=overlap)
    held = [load_task(task, root, False, say) for task in _held_against(cell, tasks)]
    sources = [resolve.source(text) for text in settings.train]
    data = load_training(plan, sources, root, held, say, linked=LINKED.items() <= _named_by(cell).items())
    kept = (cell.path / SCHEDULE).is_file()  # then nothing is drawn, so nothing is needed
    needed = data if kept else with_needs(made, data, settings, cell.seed)
    return Rows(made, needed, settings.batch_size, settings.steps, cell.seed), settings


def _held_against(cell: Cell, tasks: Sequence[str] | None) -> list[Task]:
    if tasks is not None:
        return [resolve.task(name) for name in tasks]
    dropped_for = _named_by(cell).get("dropped_for")
    named = sorted(dropped_for) if isinstance(dropped_for, dict) else []
    try:
        return [resolve.task(name) for name in named]
    except (BenchError, TaskError) as error:
        raise BenchError(
            f"{cell.path.name} was trained without what {', '.join(named)} have (--overlap drop), and not all are "
            f"tasks by these names ({error}); give --task as it was for the run"
        ) from None


def _named_by(cell: Cell) -> Mapping[str, object]:
    """The settings that the cell's name was made of."""
    settings = (cell.config.identity or {}).get("settings")
    return settings if isinstance(settings, dict) else {}
