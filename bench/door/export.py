"""What others read: TREC run and qrels files, and mteb's result files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.analysis.means import Means, means_of
from bench.analysis.rows import rows_of
from bench.analysis.set_scores import SetScores, read_sets
from bench.errors import BenchError
from bench.evaluation.measures import MEASURES
from bench.plan import resolve
from bench.store.cells import Cell, Done, read_cells
from bench.store.json_files import file_name
from bench.store.scores import POOL, read_about, score_path
from bench.store.writing import written_aside
from tasks import EvalSet, Task, facts
from tasks.named import mteb_name

if TYPE_CHECKING:
    from bench.data.corpus import Ranker
    from bench.interop import trec

MTEB_NAMES = {"AP": "map", "nDCG@10": "ndcg_at_10", "R@1": "recall_at_1", "R@10": "recall_at_10",
              "R@100": "recall_at_100", "RR@10": "mrr_at_10"}  # fmt: skip


ROUNDED = 1e-5
"""How much scores may differ that are computed anew in float32, as a share of a query's best."""


SLACK = {"bf16": 0.02, "fp16": 0.005}
"""The same by the precision of the model's layers."""


def find_cell(experiment: Path, name: str) -> Cell:
    """The finished cell whose folder is ``name``, or begins with it."""
    cells = [c for c in read_cells(experiment) if c.done is not None]
    found = [c for c in cells if c.path.name == name] or [c for c in cells if c.path.name.startswith(name)]
    if len(found) != 1:
        there = ", ".join(c.path.name for c in found or cells) or "none"
        raise BenchError(f"a cell is named by its folder, or how that begins; got {name!r}, finished are {there}")
    return found[0]


class Exported(NamedTuple):
    """Files that were written, and how they compare with the stored scores, for people."""

    files: list[Path]
    compared: str


def export_trec(
    cell: Cell, task: str, root: Path | None, out: Path, depth: int, trust_remote_code: bool = False
) -> Exported:
    """Rank anew with the cell's model and write ``<set>.<q_lang>-<d_lang>.run`` and ``.qrels``; ``all`` is the pool.

    ir_measures scores what was written, and every query has to have the stored values (``trec.require_agreement``).
    The data are read, and the names of all files known, before the model is opened. ``trust_remote_code`` is the
    user's consent to run the model's own code, where the cell was made with it.

    Raises:
        BenchError: a query has other values, the cell cannot rank, or a file cannot be written.
    """
    from bench.interop import trec

    asked = resolve.task(task)
    sets = list(asked.load(root))
    names = [[_named(evalset, q, d) for q, d in trec.judged_pairs(evalset)] for evalset in sets]
    ranker, stored = _as_scored(cell, trust_remote_code), _stored(cell, asked)
    slack = SLACK.get(str(cell.settings.get("precision")), ROUNDED)
    files, found = list[Path](), list[trec.Agreement]()
    for evalset, named in zip(sets, names, strict=True):
        for name, one in zip(named, trec.listings(evalset, ranker, cell.path.name, depth), strict=True):
            run, qrels = out / f"{name}.run", out / f"{name}.qrels"
            with written_aside(run) as a, written_aside(qrels) as b:
                a.write_text("".join(one.run), encoding="utf-8")
                b.write_text("".join(one.qrels), encoding="utf-8")
                if stored is not None:
                    known = stored.get((evalset.name, one.q_lang, one.d_lang), {})
                    found.append(trec.require_agreement(run.name, a, b, known, depth, slack))
            files += [run, qrels]
    if stored is None:
        return Exported(files, f"not compared, the cell has no exact scores of {asked.name}@{asked.version}")
    values, ties = (sum(part) for part in zip(*found, strict=True)) if found else (0, 0)
    turned = f", but for {ties:,} in which rounding turns near ties around" if ties else ""
    return Exported(files, f"scored by ir_measures, all {values:,} values of queries are those stored{turned}")


def _named(evalset: EvalSet, q_lang: str, d_lang: str) -> str:
    name = f"{evalset.name}.{q_lang}-{'all' if d_lang == POOL else d_lang}"
    file_name(f"{name}.qrels", "a set with its languages")
    return name


def _stored(cell: Cell, task: Task) -> dict[tuple[str, str, str], trec.Values] | None:
    """Of every set, query language and passage language: measure -> query in the files -> value; None: not scored."""
    from bench.interop.trec import trec_id

    path = score_path(cell.path, task.name, task.version)
    if not path.is_file():
        return None
    about = read_about(path)
    found: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for name in about.sets:
        rows = rows_of(path, about, name)
        keys, values = rows.keys(), {m: column.tolist() for m, column in rows.values(MEASURES).items()}
        both = zip(*(keys[key].to_pylist() for key in ("q_lang", "d_lang", "query_id")), strict=True)
        for i, (q_lang, d_lang, query) in enumerate(both):
            of = found.setdefault((name, q_lang, d_lang), {m: {} for m in MEASURES})
            for measure, column in values.items():
                of[measure][trec_id(query)] = column[i]
    return dict(found)


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
        pinned = str(metadata.revision) if metadata else "bench"
        result = TaskResult(
            dataset_revision=_revision(of_set, pinned),
            task_name=known if known and metadata else means.set_name,
            mteb_version=mteb.__version__,
            scores={of_set.split or (metadata.eval_splits[0] if metadata else "test"): subsets},
            evaluation_time=sum(v for k, v in done.seconds.items() if k.startswith("score")),
        )
        model = re.sub(r"[^A-Za-z0-9._-]+", "-", means.cell.path.name)
        named = file_name(result.task_name, "a set")
        path = out / f"bench__{model}" / done.weights_sha256[:12] / f"{named}.json"
        with written_aside(path) as aside:
            aside.write_text(json.dumps(result.to_dict(), indent=2, sort_keys=True), encoding="utf-8")
        written.append(path)
    return written


def _revision(of: SetScores, pinned: str) -> str:
    """The commit that was scored, which may be another one than mteb pins today.

    Where none is recorded, the task's version says how the commit begins, or the files are known to be its.
    """
    if of.revision:
        return of.revision
    version = of.data.rpartition(" ")[0].rpartition("@")[2].removesuffix("-no-self")
    digits = len(version) == 12 and all(sign in "0123456789abcdef" for sign in version)
    return version if digits and not pinned.startswith(version) else pinned


def _is_official(of: SetScores) -> bool:
    """Whether a set is what its name says elsewhere: read from the Hub, or of the files whose checksums are known."""
    if not of.files or of.revision:
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
