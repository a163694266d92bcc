"""Seconds and peak memory of scoring XQuAD-R and MLQA-R, beside ir_measures and mteb on the same vectors or encoder.

python tests/perf/evaluation.py --data-root <folder> > tests/perf/evaluation.md
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

import numpy as np
import torch
from planted import DIM, Planted

from bench.data.corpus import build_corpus
from bench.encoding.encoder import Encoder
from bench.environment import peak_mb, restart_peak
from bench.errors import BenchError
from bench.evaluation.measures import MEASURES
from bench.evaluation.ranks import similarity_blocks
from bench.evaluation.score import Rows, score
from bench.plan.settings import Settings
from bench.store.scores import POOL
from tasks import EvalSet, TaskError
from tasks.lareqa import MLQAR, XQuADR

OURS_TO_MTEB = {"nDCG@10": "ndcg_at_10", "R@10": "recall_at_10", "R@100": "recall_at_100", "RR@10": "mrr_at_10"}


class Taken(NamedTuple):
    """Of one side in one round."""

    seconds: float
    peak: int


def timed(work: Callable[[], Any]) -> tuple[Any, Taken]:
    """What it gives, and what it took; the peak is that of the whole process."""
    restart_peak()
    start = time.perf_counter()
    found = work()
    return found, Taken(time.perf_counter() - start, peak_mb())


def own_alone(task: Any, root: Path, rounds: int) -> list[list[str]]:
    """Part a: every measure and bias column of all sets of a task."""
    sets = list(task.load(root))
    rankers = [Planted(s) for s in sets]
    runs = [timed(lambda: [score(s, r) for s, r in zip(sets, rankers, strict=True)])[1] for _ in range(rounds)]
    sizes = (
        f"{sum(map(len, sets[0].queries.values())):,} queries, {sum(map(len, sets[0].passages.values())):,} passages"
    )
    names = " and ".join(s.name for s in sets)
    return [[f"{names}: {sizes}", "bench", "all pairs, pool, bias", *_shown(runs), "", ""]]


def run_cells(
    evalset: EvalSet, ranker: Any, rows: Sequence[Rows]
) -> Iterator[tuple[Rows, dict[str, dict[str, float]]]]:
    """Each cell that ``rows`` holds, with its run for ir_measures: strictly decreasing scores in our order."""
    corpus = build_corpus(evalset.passages)
    passages, place = ranker.passages(corpus)
    for lang in evalset.queries:
        cells = [r for r in rows if r.q_lang == lang and r.d_lang != POOL]
        ids = list(dict.fromkeys(q for r in cells for q in r.query_id))
        queries = ranker.queries([evalset.queries[lang][q] for q in ids], [lang] * len(ids))
        block = np.concatenate([b for _, b in similarity_blocks(queries, passages)])[:, place]
        of_query = dict(zip(ids, block, strict=True))
        for r in cells:
            d = corpus.langs.index(r.d_lang)
            part = slice(int(corpus.segment[d]), int(corpus.segment[d + 1]))
            docs, tie = corpus.doc_id[part], corpus.tie[part]
            run = {}
            for q in r.query_id:
                order = np.lexsort((tie, -of_query[q][part])).tolist()
                run[q] = {docs[j]: float(len(order) - i) for i, j in enumerate(order)}
            yield r, run


def ir_measures_round(evalset: EvalSet, ranker: Any, rows: Sequence[Rows]) -> tuple[float, float, float]:
    """Seconds of evaluating and of building the runs of all cells, and the largest difference of a value of a query."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ir_measures
    wanted = [ir_measures.parse_measure(name) for name in MEASURES]
    evaluating, worst, start = 0.0, 0.0, time.perf_counter()
    for r, run in run_cells(evalset, ranker, rows):
        inside = evalset.passages[r.d_lang]
        qrels = {q: {d: grade for d, grade in evalset.relevant[q].items() if d in inside} for q in r.query_id}
        before = time.perf_counter()
        found = list(ir_measures.evaluator(wanted, qrels).iter_calc(run))
        evaluating += time.perf_counter() - before
        ours = {(name, q): float(x) for name in MEASURES for q, x in zip(r.query_id, r.values[name], strict=True)}
        worst = max(worst, *(abs(ours[str(v.measure), v.query_id] - v.value) for v in found))
        if len(found) != len(ours):
            raise SystemExit(f"ir_measures gave {len(found)} values, bench {len(ours)}")
    return evaluating, time.perf_counter() - start - evaluating, worst


def beside_ir_measures(root: Path, rounds: int) -> list[list[str]]:
    """Part b: all language pairs of XQuAD-R."""
    (evalset,) = XQuADR().load(root)
    ranker = Planted(evalset)
    ours, theirs, building, worst = [], [], [], 0.0
    for _ in range(rounds):
        rows, taken = timed(lambda: score(evalset, ranker))
        ours.append(taken)
        (evaluating, built, difference), taken = timed(lambda rows=rows: ir_measures_round(evalset, ranker, rows))
        theirs.append(Taken(evaluating, taken.peak))
        building.append(Taken(built, taken.peak))
        worst = max(worst, difference)
    pairs = f"XQuAD-R, {len(evalset.queries) ** 2} pairs"
    return [
        [pairs, "bench", "product, all pairs, and pool and bias besides", *_shown(ours), "1", ""],
        [pairs, "ir_measures", "evaluating finished runs", *_shown(theirs), _ratio(theirs, ours), f"{worst:.1e}"],
        [pairs, "ir_measures", "product and building the runs", *_shown(building), "", ""],
    ]


def pair_task(evalset: EvalSet) -> Any:
    """A task of mteb with a subset for every language pair of the set; mteb's own settings otherwise."""
    import mteb
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    from tasks.mteb_task import script_codes

    pairs = {f"{q}-{d}": (q, d) for q in evalset.queries for d in evalset.passages}
    langs = {name: [script_codes(q), script_codes(d)] for name, (q, d) in pairs.items()}

    class Pairs(AbsTaskRetrieval):
        metadata = mteb.get_task("SciFact").metadata.model_copy(update={"name": "LocalPairs", "eval_langs": langs})
        ignore_identical_ids = False

        def load_data(self, **kwargs: Any) -> None:
            corpora = {
                d: Dataset.from_list([{"id": i, "title": "", "text": text} for i, text in part.items()])
                for d, part in evalset.passages.items()
            }
            self.dataset = {name: {"test": self._split(q, d, corpora[d])} for name, (q, d) in pairs.items()}
            self.data_loaded = True

        def _split(self, q_lang: str, d_lang: str, corpus: Any) -> Any:
            inside = evalset.passages[d_lang]
            asked = evalset.queries[q_lang]
            found = {q: {d: g for d, g in evalset.relevant.get(q, {}).items() if d in inside} for q in asked}
            return {
                "corpus": corpus,
                "queries": Dataset.from_list([{"id": q, "text": text} for q, text in asked.items()]),
                "relevant_docs": {q: answers for q, answers in found.items() if answers},
                "top_ranked": None,
            }

    task = Pairs()
    task.load_data()
    return task


def for_mteb(encoder: Encoder) -> Any:
    """The encoder as mteb asks for it."""
    import mteb
    from mteb.models.model_meta import ModelMeta

    class Wrapped:
        mteb_model_meta = ModelMeta.create_empty(overwrites={"name": "bench/encoder", "revision": "none"})

        def encode(self, inputs: Any, *, prompt_type: Any = None, **kwargs: Any) -> Any:
            texts = [text for batch in inputs for text in batch["text"]]
            return encoder.encode(texts, "query" if prompt_type == mteb.types.PromptType.query else "passage")

        def similarity(self, a: Any, b: Any) -> Any:
            return torch.as_tensor(np.asarray(a)) @ torch.as_tensor(np.asarray(b)).T

        similarity_pairwise = similarity

    return Wrapped()


def mteb_round(evalset: EvalSet, encoder: Encoder) -> tuple[dict[str, dict[str, float]], Taken]:
    """Means of each pair by ``mteb.evaluate``; reading the data is not timed."""
    import datasets
    import mteb

    datasets.disable_progress_bars()
    task = pair_task(evalset)
    result, taken = timed(lambda: mteb.evaluate(for_mteb(encoder), task, cache=None, show_progress_bar=False))
    return {found["hf_subset"]: found for found in result.task_results[0].scores["test"]}, taken


def stripped(evalset: EvalSet) -> EvalSet:
    """As mteb reads it: it strips passages, and some encoders see blanks."""
    passages = {lang: {d: text.strip() for d, text in part.items()} for lang, part in evalset.passages.items()}
    return replace(evalset, passages=passages)


def beside_mteb(evalset: EvalSet, encoder: Encoder, rounds: int) -> list[list[str]]:
    """Part c: from texts to the measures of all pairs, each side with the same encoder."""
    ours, theirs, worst = [], [], 0.0
    encoder.encode(["warm up"], "query")
    for _ in range(rounds):
        rows, taken = timed(lambda: score(evalset, encoder))
        ours.append(taken)
        found, taken = mteb_round(evalset, encoder)
        theirs.append(taken)
        for r in (r for r in rows if r.d_lang != POOL):
            values = found[f"{r.q_lang}-{r.d_lang}"]
            worst = max(worst, *(abs(r.values[a].mean() - values[b]) for a, b in OURS_TO_MTEB.items()))
    pairs = f"{evalset.name}, {len(evalset.queries) * len(evalset.passages)} pairs of {', '.join(evalset.queries)}"
    return [
        [pairs, "bench", "encoding, all pairs, and pool and bias besides", *_shown(ours), "1", ""],
        [pairs, "mteb.evaluate", "encoding, all pairs", *_shown(theirs), _ratio(theirs, ours), f"{worst:.1e}"],
    ]


def _shown(runs: Sequence[Taken]) -> tuple[str, str, str]:
    return f"{np.median([r.seconds for r in runs]):.2f}", str(len(runs)), f"{max(r.peak for r in runs):,}"


def _ratio(theirs: Sequence[Taken], ours: Sequence[Taken]) -> str:
    return f"{np.median([t.seconds / o.seconds for t, o in zip(theirs, ours, strict=True)]):.1f}"


def table(options: argparse.Namespace) -> list[list[str]]:
    """All lines, in the order of the parts; what needs the least memory is measured first."""
    lines: list[list[str]] = []
    if "a" in options.parts:
        lines += own_alone(XQuADR(), options.data_root, options.rounds)
        lines += own_alone(MLQAR(), options.data_root, options.rounds)
    if "b" in options.parts:
        lines += beside_ir_measures(options.data_root, options.rounds)
    if "c" in options.parts:
        from bench.models.loading import load_encoder

        langs = tuple(options.langs.split(",")) if options.langs else None
        (evalset,) = XQuADR(langs=langs).load(options.data_root)
        lines += beside_mteb(stripped(evalset), load_encoder(Settings(model=options.model), 0), options.rounds)
    return lines


def _explained(options: argparse.Namespace) -> str:
    model = Path(options.model).name
    langs = f" --langs {options.langs}" if options.langs else ""
    packages = ("numpy", "torch", "ir_measures", "pytrec-eval-terrier", "mteb", "sentence-transformers")
    return f"""`OMP_NUM_THREADS={options.threads} python tests/perf/evaluation.py --data-root DATA \\
    --rounds {options.rounds} --parts {options.parts}{langs} --model {model}`

Medians of alternating rounds; a ratio is the median of the rounds' ratios to bench. Parts a and b: given vectors of
{DIM} dimensions with planted structure. Part c: texts through {model}. Difference: the largest of any measure; of a
query with ir_measures ({", ".join(MEASURES)}), of a mean with mteb, which rounds to five
digits ({", ".join(OURS_TO_MTEB)}). Memory is that of the whole process.

Python {python_version()}, {", ".join(f"{p} {version(p)}" for p in packages)}; {options.threads} thread(s).
"""


def main(argv: Sequence[str] | None = None) -> None:
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True, help="holds xquad-r and mlqa-r")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", default="abc", help="a: bench alone, b: beside ir_measures, c: beside mteb")
    parser.add_argument("--langs", help="languages of part c, e.g. ar,de,en; all eleven otherwise")
    parser.add_argument("--model", default="demo-static", help="encoder of part c")
    parser.add_argument("--threads", type=int, default=1, help="of torch; numpy's are OMP_NUM_THREADS")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    try:
        lines = table(options)
    except (TaskError, BenchError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    print("# Scoring beside ir_measures and mteb\n")
    print(_explained(options))
    header = ["what", "by", "work timed", "seconds", "rounds", "peak MB", "ratio", "difference"]
    align = ("left",) * 3 + ("right",) * 5
    print(tabulate(lines, header, tablefmt="pipe", disable_numparse=True, colalign=align))


if __name__ == "__main__":
    main()
