"""A task's sets as the table that is stored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.sparse import issparse

from bench.data.content import Content
from bench.data.corpus import Corpus, Ints, Passages, Ranker, Vectors
from bench.data.loading import LoadedTask
from bench.plan.settings import Plan
from bench.store import scores
from bench.store.shards import Shards
from tasks import EvalSet, Task
from tasks.notes import together

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from bench.evaluation.faiss_search import Faiss
    from bench.evaluation.ranks import Search


class Remembering:
    """A ranker that keeps what it computed for the last few corpora: language pairs share passages and queries.

    Args:
        ranker: does the work.
        limit: bytes of vectors that are kept.
    """

    def __init__(self, ranker: Ranker, limit: int = 1 << 28) -> None:
        self._ranker = ranker
        self._limit = limit
        self._kept: dict[tuple[int, ...], tuple[Corpus, tuple[Passages, Ints]]] = {}

    def passages(self, corpus: Corpus) -> tuple[Passages, Ints]:
        """As the ranker's; the same passage objects are encoded once."""
        key = tuple(id(corpus.passages[lang]) for lang in corpus.langs)
        if key not in self._kept:
            found = self._ranker.passages(corpus)
            if issparse(found[0]):
                self._kept.clear()  # words' weights are of a corpus: queries are read by those of the last one
            self._kept[key] = (corpus, found)
            while len(self._kept) > 1 and sum(_bytes(v) for _, (v, _) in self._kept.values()) > self._limit:
                del self._kept[next(iter(self._kept))]
        return self._kept[key][1]

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Vectors:
        """As the ranker's."""
        return self._ranker.queries(texts, langs)


def _bytes(vectors: Passages) -> int:
    return 0 if isinstance(vectors, Shards) else int(vectors.data.nbytes)


def scores_of(cell: Path, task: Task, plan: Plan) -> Path:
    """Where they are kept; those of a cut run, or of rounded vectors, stand apart from the exact ones."""
    return scores.score_path(cell, task.name, task.version + _suffix(plan))


def is_scored(scores_file: Path, content: Content | None) -> bool:
    """Whether there are scores of this content, or of whatever it was if that cannot be known any more."""
    return scores_file.is_file() and (content is None or not content.changes_since(scores.read_about(scores_file)))


def _suffix(plan: Plan) -> str:
    index = "" if plan.index == "exact" else f"+{plan.index}-{plan.depth}"
    return index if plan.vectors == "float32" else f"{index}+{plan.vectors}"


def score_table(loaded: LoadedTask, ranker: Ranker, weights: str, plan: Plan) -> pa.Table:
    """Score a model on every set of a task."""
    import numpy as np
    import pyarrow as pa

    from bench.evaluation.exact_search import Exact
    from bench.evaluation.faiss_search import Faiss
    from bench.evaluation.score import COLUMNS, score

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
        "files": dict(loaded.content.files),
        "content": loaded.content.stored(),
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
    for name, found in about.items():
        noticed = together(s.noticed for s in sets if s.name + suffix == name)
        if noticed:
            found["noticed"] = [dataclasses.asdict(n) for n in noticed]
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
