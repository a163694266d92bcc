"""A task's sets as the table that is stored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.sparse import issparse

from bench.data.content import Content
from bench.data.corpus import Corpus, Ints, Passages, Ranker, Vectors
from bench.data.loading import LoadedTask
from bench.evaluation.measures import ABSENT, LOST, Observed
from bench.plan.settings import Plan
from bench.store import scores
from bench.store.shards import Shards
from tasks import EvalSet, Task
from tasks.notes import together

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

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
    return scores.score_path(cell, task.name, task.version + suffix(plan))


def is_scored(scores_file: Path, content: Content | None) -> bool:
    """Whether there are scores of this content, or of whatever it was if that cannot be known any more."""
    return scores_file.is_file() and (content is None or not content.changes_since(scores.read_about(scores_file)))


def suffix(plan: Plan) -> str:
    """What the names of sets and versions end in, where they are scored otherwise than exactly."""
    index = "" if plan.index == "exact" else f"+{plan.index}-{plan.depth}"
    return index if plan.vectors == "float32" else f"{index}+{plan.vectors}"


def score_table(loaded: LoadedTask, ranker: Ranker, weights: str, plan: Plan) -> pa.Table:
    """What is observed of a model on every set of a task, as ``bench.store.scores`` describes it."""
    import pyarrow as pa

    from bench.evaluation.exact_search import exact
    from bench.evaluation.faiss_search import Faiss
    from bench.evaluation.score import observe

    remembering = Remembering(ranker)
    faiss = None if plan.index == "exact" else Faiss(plan.index, plan.depth)
    used = set[str]()
    search_with: Search = faiss or partial(exact, used=used)
    parts, matching = [], set[int]()
    for pool, evalset in enumerate(loaded.sets):
        group = evalset.group or {}
        for query_id, of in observe(evalset, remembering, search_with):
            n = len(query_id)
            matching |= {pool} if of.matching else set()
            texts = {"set": [evalset.name + suffix(plan)] * n, "q_lang": [of.q_lang] * n, "query_id": query_id}
            parts.append(texts | {"group": [group.get(q, q) for q in query_id], "pool": [pool] * n} | _columns(of))
    about = (
        {
            "schema": scores.SCHEMA,
            "task": loaded.task.name,
            "version": loaded.task.version,
            "files": dict(loaded.content.files),
            "content": loaded.content.stored(),
            "weights_sha256": weights,
            "sets": _about_sets(loaded.sets, suffix(plan), _rounded_note(plan), _cut_note(faiss)),
            "pools": [{lang: len(passages) for lang, passages in s.passages.items()} for s in loaded.sets],
        }
        | ({"matching": sorted(matching)} if matching else {})
        | ({"ranked_on": "cuda"} if "cuda" in used else {})
    )
    schema = scores.observed_schema().with_metadata({"bench": json.dumps(about, sort_keys=True)})
    return pa.concat_tables([schema.empty_table(), *(pa.table(part, schema) for part in parts)]).combine_chunks()


def _columns(of: Observed) -> dict[str, pa.Array]:
    """What was observed of the queries of one language, as columns."""
    import numpy as np
    import pyarrow as pa

    there, top = of.lang >= 0, of.top if of.pooled else of.top[:, :0]
    langs = np.array([*of.passages, None], object)
    return {
        "d_lang": _lists(pa.array(langs[of.lang[there]], pa.string()), there),
        "relevance": _lists(of.relevance[there], there),
        "in_corpus": _lists(((of.rank < ABSENT) & (of.rank != LOST))[there], there),
        "rank": _lists(_ranks(of.rank[there]), there),
        "rank_in_pool": _lists(_ranks(of.rank_in_pool[there]), there),
        "top": _lists(pa.array(top.ravel(), pa.int32(), mask=top.ravel() < 0), np.ones_like(top, np.bool_)),
        "nonrelevant": pa.array(of.nonrelevant, pa.int32()),
        "nonrelevant_own": pa.array(of.nonrelevant_own, pa.int32()),
    }


def _ranks(ranks: Ints) -> pa.Array:
    """32-bit numbers, null where there is no rank."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.where(ranks < LOST, ranks, 0), pa.int32(), mask=ranks >= LOST)


def _lists(values: pa.Array | NDArray[np.generic], places: NDArray[np.bool_]) -> pa.ListArray:
    """Lists of ``values``, as many in a row as are true in ``places`` (n, R)."""
    import numpy as np
    import pyarrow as pa

    offsets = np.cumsum([0, *places.sum(axis=1)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))


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
