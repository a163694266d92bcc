"""The stored scores of a cell on a task: one row per (set, q_lang, d_lang, query), with what they were made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import records
from bench.config import Plan
from tasks import EvalSet, Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from bench.nearest import Faiss
    from bench.ranking import Search
    from bench.search import Ranker


class LoadedTask(NamedTuple):
    """A task with its sets in memory and the checksums of what was read."""

    task: Task
    sets: list[EvalSet]
    files: dict[str, str]


def scores_of(cell: Path, task: Task, plan: Plan) -> Path:
    """Where they are kept; those of a cut run, or of rounded vectors, stand apart from the exact ones."""
    return records.score_path(cell, task.name, task.version + _suffix(plan))


def _suffix(plan: Plan) -> str:
    index = "" if plan.index == "exact" else f"+{plan.index}-{plan.depth}"
    return index if plan.vectors == "float32" else f"{index}+{plan.vectors}"


def score_table(loaded: LoadedTask, ranker: Ranker, weights: str, plan: Plan) -> pa.Table:
    """Score a model on every set of a task."""
    import numpy as np
    import pyarrow as pa

    from bench.nearest import Faiss
    from bench.ranking import Exact
    from bench.score import COLUMNS, score
    from bench.search import Remembering

    columns: dict[str, list[str]] = {name: [] for name in ("set", "q_lang", "d_lang", "query_id", "group")}
    values: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
    remembering = Remembering(ranker)
    faiss = None if plan.index == "exact" else Faiss(plan.index, plan.depth)
    search_with: Search = faiss or Exact
    for evalset in loaded.sets:
        group = evalset.group or {}
        for rows in score(evalset, remembering, search_with):
            n = len(rows.query_id)
            columns["set"] += [evalset.name + _suffix(plan)] * n
            columns["q_lang"] += [rows.q_lang] * n
            columns["d_lang"] += [rows.d_lang] * n
            columns["query_id"] += rows.query_id
            columns["group"] += [group.get(q, q) for q in rows.query_id]
            for name in COLUMNS:
                values[name].append(rows.values[name])
    texts = {name: pa.array(column).dictionary_encode() for name, column in columns.items()}
    numbers = {name: pa.array(np.concatenate(parts), pa.float64()) for name, parts in values.items()}
    about = {
        "task": loaded.task.name,
        "version": loaded.task.version,
        "files": loaded.files,
        "weights_sha256": weights,
        "sets": _about_sets(loaded.sets, _suffix(plan), _rounded_note(plan), _cut_note(faiss)),
    }
    return pa.table(texts | numbers).replace_schema_metadata({"bench": json.dumps(about, sort_keys=True)})


def _about_sets(sets: Sequence[EvalSet], suffix: str, *notes: str) -> dict[str, dict[str, object]]:
    """What is recorded of each set; several of one name are cells of one table."""
    about: dict[str, dict[str, object]] = {}
    for s in sets:
        sizes = {lang: len(passages) for lang, passages in s.passages.items()}
        note = "; ".join(filter(None, (s.note, *notes)))
        first = about.setdefault(s.name + suffix, {"main": s.main, "note": note, "passages": {}})
        first["passages"] = {**dict(first["passages"]), **sizes}  # type: ignore[call-overload]
    return about


def _cut_note(faiss: Faiss | None) -> str:
    if faiss is None:
        return ""
    note = f"runs are cut: AP is AP@{faiss.depth}, and rank distance is known only where no answer is behind that"
    if faiss.kind == "flat":
        return f"{note}; faiss flat, exact to that depth"
    found = sum(faiss.recalls) / max(1, len(faiss.recalls))
    name = faiss.kind.upper()
    return (
        f"{note}; faiss {name} finds {found:.2%} of the exact first {faiss.depth} ({len(faiss.recalls)} query samples)"
    )


def _rounded_note(plan: Plan) -> str:
    return "" if plan.vectors == "float32" else f"encoders' vectors of passages are kept as {plan.vectors}"
