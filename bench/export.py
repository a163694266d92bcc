"""What others read: TREC run and qrels files, and mteb's result files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
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
    from bench.data.corpus import Corpus, Ints, Ranker, Vectors

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
    Judgements have the grades of the data, 0 and below too. Ids as ``trec_id`` writes them. The data are read, and the
    names of all files known, before the model is opened. ``trust_remote_code`` is the user's consent to run the
    model's own code, where the cell was made with it.
    """
    sets = list(resolve.task(task).load(root))
    stems = [[_stem(evalset, q, d) for q, d in _pairs(evalset)] for evalset in sets]
    ranker = _as_scored(cell, trust_remote_code)
    written: list[Path] = []
    for evalset, named in zip(sets, stems, strict=True):
        for stem, texts in zip(named, _runs(evalset, ranker, cell.path.name, depth), strict=True):
            for suffix, lines in zip(("run", "qrels"), texts, strict=True):
                path = out / f"{stem}.{suffix}"
                with written_aside(path) as aside:
                    aside.write_text("".join(lines), encoding="utf-8")
                written.append(path)
    return written


def trec_id(identity: str) -> str:
    """An id as a column of TREC's files: blanks of any kind percent-encoded, and '%' where it would be read as such.

    ``urllib.parse.unquote`` gives the id back; ids without blanks and '%' stay as they are.
    """
    blank = r"\s|[\x1c-\x1f]|%(?=[0-9A-Fa-f]{2})"
    return re.sub(blank, lambda sign: "".join(f"%{byte:02X}" for byte in sign[0].encode()), identity)


def _pairs(evalset: EvalSet) -> list[tuple[str, str]]:
    """(q_lang, d_lang) with judgements, d_lang ``POOL`` where there are several passage languages."""
    langs = [*sorted(evalset.passages), *([POOL] if len(evalset.passages) > 1 else [])]
    return [(q, d) for q in evalset.queries for d in langs if any(_judgements(evalset, q, d))]


def _judgements(evalset: EvalSet, q_lang: str, d_lang: str) -> Iterator[tuple[str, str, int]]:
    """Query, passage and grade, of the queries of one language and the passages of one, or of the pool."""
    there = evalset.passages[d_lang] if d_lang != POOL else None
    for q in evalset.queries[q_lang]:
        for d, grade in evalset.relevant.get(q, {}).items():
            if there is None or d in there or evalset.absent.get(d) == d_lang:
                yield q, d, grade


def _stem(evalset: EvalSet, q_lang: str, d_lang: str) -> str:
    named = f"{evalset.name}.{q_lang}-{'all' if d_lang == POOL else d_lang}"
    file_name(f"{named}.qrels", "a set with its languages")
    return named


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


def _runs(evalset: EvalSet, ranker: Ranker, tag: str, depth: int) -> Iterator[tuple[list[str], list[str]]]:
    """Run lines and qrels lines of ``_pairs``."""
    from bench.data.corpus import build_corpus

    corpus = build_corpus(evalset.passages)
    column = {d: i for i, d in enumerate(corpus.doc_id)} if evalset.itself else {}
    passages, place = ranker.passages(corpus)
    segments = {
        lang: slice(int(a), int(b))
        for lang, a, b in zip(corpus.langs, corpus.segment, corpus.segment[1:], strict=False)
    }
    segments[POOL] = slice(0, len(corpus.doc_id))
    for lang, pairs in groupby(_pairs(evalset), lambda pair: pair[0]):
        ids = [q for q in evalset.queries[lang] if evalset.relevant.get(q)]
        leaving = np.array([column.get(evalset.itself.get(q, ""), -1) for q in ids], np.int64)
        queries = ranker.queries([evalset.queries[lang][q] for q in ids], [lang] * len(ids))
        for _, d_lang in pairs:
            judged = list(_judgements(evalset, lang, d_lang))
            part = segments[d_lang]
            inside = (leaving >= part.start) & (leaving < part.stop)
            gone = np.where(inside, leaving - part.start, -1)
            found = _found(queries, passages[place[part]], _cut(corpus, part), gone, depth)
            asked = {q for q, _, _ in judged}
            lines = [
                f"{trec_id(q)} Q0 {trec_id(d)} {rank} {score!r} {tag}\n"
                for q, best in zip(ids, found, strict=True) if q in asked
                for rank, (d, score) in enumerate(best, start=1)
            ]  # fmt: skip
            yield lines, [f"{trec_id(q)} 0 {trec_id(d)} {grade}\n" for q, d, grade in judged]


def _found(
    queries: Vectors, passages: Vectors, corpus: Corpus, leaving: Ints, depth: int
) -> Iterator[list[tuple[str, float]]]:
    """The passages that are retrieved for each query, at most ``depth``, best first, with their scores."""
    from bench.evaluation import ranks

    for rows, block in ranks.similarity_blocks(queries, passages):
        ranks.leave(block, leaving[rows])
        for scores, columns in zip(block, ranks.top_columns(block, depth, corpus), strict=True):
            yield [(corpus.doc_id[c], float(scores[c])) for c in columns if c >= 0]


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
