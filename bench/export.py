"""What others read: TREC run and qrels files, and mteb's result files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.means import Means, means_of
from bench.analysis.set_scores import SetScores, read_sets
from bench.errors import BenchError
from bench.plan import resolve
from bench.store.cells import Cell, Done, read_cells
from bench.store.json_files import file_name
from bench.store.scores import POOL
from bench.store.writing import written_aside
from tasks import EvalSet, facts
from tasks.named import mteb_name

if TYPE_CHECKING:
    from bench.data.corpus import Corpus, Ranker

MTEB_NAMES = {"AP": "map", "nDCG@10": "ndcg_at_10", "R@1": "recall_at_1", "R@10": "recall_at_10",
              "R@100": "recall_at_100", "RR@10": "mrr_at_10"}  # fmt: skip


def find_cell(experiment: Path, name: str) -> Cell:
    """The finished cell whose folder is ``name``, or begins with it."""
    cells = [c for c in read_cells(experiment) if c.done is not None]
    found = [c for c in cells if c.path.name == name] or [c for c in cells if c.path.name.startswith(name)]
    if len(found) != 1:
        there = ", ".join(c.path.name for c in found or cells) or "none"
        raise BenchError(f"a cell is named by its folder, or how that begins; got {name!r}, finished are {there}")
    return found[0]


def export_trec(
    cell: Cell, task: str, root: Path | None, out: Path, depth: int, trust_remote_code: bool = False
) -> list[Path]:
    """Rank anew with the cell's model and write ``<set>.<q_lang>-<d_lang>.run`` and ``.qrels``; ``all`` is the pool.

    Scores are written so that readers order them as they were ranked: equal ones by doc_id descending, as trec_eval.
    ``trust_remote_code`` is the user's consent to run the model's own code, where the cell was made with it.
    """
    ranker = _as_scored(cell, trust_remote_code)
    written: list[Path] = []
    for evalset in resolve.task(task).load(root):
        for name, lines, qrels in _runs(evalset, ranker, cell.path.name, depth):
            for suffix, text in (("run", lines), ("qrels", qrels)):
                path = out / file_name(f"{evalset.name}.{name}.{suffix}", "a set with its languages")
                with written_aside(path) as aside:
                    aside.write_text("".join(text), encoding="utf-8")
                written.append(path)
    return written


def _as_scored(cell: Cell, trust_remote_code: bool) -> Ranker:
    """What ranks in a cell.

    Raises:
        BenchError: its weights are others than when it was scored.
    """
    from bench.running.stored import ranker_of

    ranker, weights = ranker_of(cell.path, trust_remote_code)
    if cell.done is None or weights != cell.done.weights_sha256:
        raise BenchError(f"{cell.path}: the model is not the one that was scored (another hash of its weights)")
    return ranker


def _runs(evalset: EvalSet, ranker: Ranker, tag: str, depth: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, run lines and qrels lines of every language pair with relevant passages, and of the pool."""
    from bench.data.corpus import build_corpus
    from bench.evaluation import ranks

    corpus = build_corpus(evalset.passages)
    _require_no_blank(chain(corpus.doc_id, *evalset.queries.values()))
    passages, place = ranker.passages(corpus)
    segments = {lang: slice(int(corpus.segment[i]), int(corpus.segment[i + 1])) for i, lang in enumerate(corpus.langs)}
    if len(segments) > 1:
        segments[POOL] = slice(0, len(corpus.doc_id))
    for lang, asked in evalset.queries.items():
        ids = [q for q in asked if evalset.relevant.get(q)]
        queries = ranker.queries([asked[q] for q in ids], [lang] * len(ids))
        for d_lang, part in segments.items():
            inside = set(corpus.doc_id[part])
            qrels = [f"{q} 0 {d} {grade}\n" for q in ids for d, grade in evalset.relevant[q].items() if d in inside]
            if not qrels:
                continue
            answered = {line.split(" ", 1)[0] for line in qrels}
            lines: list[str] = []
            cut = _cut(corpus, part)
            for rows, block in ranks.similarity_blocks(queries, passages[place[part]]):
                best = ranks.top_columns(block, depth, cut)
                for i, columns in zip(range(rows.start, rows.stop), best, strict=True):
                    if ids[i] in answered:
                        lines += [
                            f"{ids[i]} Q0 {cut.doc_id[c]} {rank} {float(block[i - rows.start, c])!r} {tag}\n"
                            for rank, c in enumerate(columns, start=1)
                        ]
            yield f"{lang}-{'all' if d_lang == POOL else d_lang}", lines, qrels


def _require_no_blank(ids: Iterable[str]) -> None:
    wrong = next((x for x in ids if len(x.split()) != 1), None)
    if wrong is not None:
        raise BenchError(f"TREC's files are columns separated by blanks; the id {wrong!r:.80} has one, or is empty")


def _cut(corpus: Corpus, part: slice) -> Corpus:
    return corpus._replace(doc_id=corpus.doc_id[part], tie=np.asarray(corpus.tie[part]))


def export_mteb(experiment: Path, out: Path) -> list[Path]:
    """One ``<model>/<revision>/<task>.json`` per finished cell and set, as mteb's results repository has them."""
    import mteb
    from mteb.results import TaskResult

    from tasks.mteb_task import script_codes

    written = []
    scored = [(of, means) for of in read_sets(read_cells(experiment)) for means in means_of(of)]
    for of_set, means in scored:
        done = means.cell.done or Done("", {})
        known = mteb_name(means.set_name) if _is_official(of_set) else None
        subsets: list[Mapping[str, Any]] = [
            _subset(pair, means, script_codes) for pair in means.pairs if pair[1] != POOL
        ]
        if known is not None and len(subsets) == 1:
            subsets[0] = {**subsets[0], "hf_subset": "default"}
        metadata = _metadata(known)
        result = TaskResult(
            dataset_revision=str(metadata.revision) if metadata else "bench",
            task_name=known if known and metadata else means.set_name,
            mteb_version=mteb.__version__,
            scores={metadata.eval_splits[0] if metadata else "test": subsets},
            evaluation_time=sum(v for k, v in done.seconds.items() if k.startswith("score")),
        )
        model = re.sub(r"[^A-Za-z0-9._-]+", "-", means.cell.path.name)
        named = file_name(result.task_name, "a set")
        path = out / f"bench__{model}" / done.weights_sha256[:12] / f"{named}.json"
        with written_aside(path) as aside:
            aside.write_text(json.dumps(result.to_dict(), indent=2, sort_keys=True), encoding="utf-8")
        written.append(path)
    return written


def _is_official(of: SetScores) -> bool:
    """Whether a set is what its name says elsewhere: read from the Hub, or of the files whose checksums are known."""
    if not of.files:
        return True
    known = facts.stored(of.task)
    return known is not None and known["files"] == of.files


def _metadata(known: str | None) -> Any:
    """Mteb's description of a set that was read from there; None for others, and where this mteb has it not."""
    import mteb

    try:
        return mteb.get_task(known).metadata if known else None
    except Exception:  # of a name that mteb does not know
        return None


def _subset(pair: tuple[str, str], means: Means, codes: Callable[[str], str]) -> dict[str, Any]:
    q_lang, d_lang = pair
    values = means.pairs[pair]
    found: dict[str, Any] = {theirs: values[ours] for ours, theirs in MTEB_NAMES.items()}
    languages = list(dict.fromkeys([codes(q_lang), codes(d_lang)]))
    named = q_lang if q_lang == d_lang else f"{q_lang}-{d_lang}"
    return found | {"main_score": values[means.main], "hf_subset": named, "languages": languages}
