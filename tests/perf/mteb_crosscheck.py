"""Our measures beside mteb's, for one encoder on one task of one language, with the same vectors in both.

python tests/perf/mteb_crosscheck.py --model <folder> --task scifact --data-root <folder>
python tests/perf/mteb_crosscheck.py --model <folder> --task "beir:./arguana(ignore_identical_ids=True)"

Where the task takes the query itself out of its ranking, so does mteb's, which is then marked ``ignore_identical_ids``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.corpus import Corpus, Ranker, build_corpus
from bench.evaluation.score import score
from tasks import EvalSet

OURS_TO_MTEB = {"nDCG@10": "ndcg_at_10", "R@100": "recall_at_100", "R@10": "recall_at_10", "RR@10": "mrr_at_10"}


def our_scores(evalset: EvalSet, ranker: Ranker) -> dict[str, float]:
    """Means over queries, as a cell stores them per query."""
    (rows,) = score(evalset, ranker)
    return {name: float(values.mean()) for name, values in rows.values.items()}


def mteb_scores(evalset: EvalSet, ranker: Ranker) -> dict[str, float]:
    """What ``mteb.evaluate`` gives for the same set and vectors; its AP is asked for over the whole pool."""
    import mteb
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.models.model_meta import ModelMeta

    ((lang, queries),) = evalset.queries.items()
    passages = dict(evalset.passages[lang].items())
    place = ranker.passages(build_corpus(evalset.passages))
    vectors = np.asarray(place[0])[place[1]]
    asked = ranker.queries(list(queries.values()), [lang] * len(queries))

    class Wrapped(AbsTaskRetrieval):
        metadata = mteb.get_task("SciFact").metadata.model_copy(update={"name": f"Local{evalset.name}"})
        ignore_identical_ids = bool(evalset.itself)

        def load_data(self, **kwargs: Any) -> None:
            corpus = [{"id": d, "title": "", "text": text} for d, text in passages.items()]
            split = {
                "corpus": Dataset.from_list(corpus),
                "queries": Dataset.from_list([{"id": q, "text": text} for q, text in queries.items()]),
                "relevant_docs": evalset.relevant,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    class Vectors:
        mteb_model_meta = ModelMeta.create_empty(overwrites={"name": "bench/vectors", "revision": "none"})

        def encode(self, inputs: Any, *, prompt_type: Any = None, **kwargs: Any) -> Any:
            texts = [text for batch in inputs for text in batch["text"]]
            known = asked if prompt_type == mteb.types.PromptType.query else vectors
            order = list(queries.values()) if prompt_type == mteb.types.PromptType.query else list(passages.values())
            place = {text.strip(): i for i, text in enumerate(order)}
            return np.stack([known[place[text.strip()]] for text in texts])

        def similarity(self, a: Any, b: Any) -> Any:
            import torch

            return torch.as_tensor(np.asarray(a)) @ torch.as_tensor(np.asarray(b)).T

        similarity_pairwise = similarity

    task = Wrapped()
    task._top_k = len(passages)
    task.k_values = (*task.k_values, len(passages))
    result = mteb.evaluate(Vectors(), task, cache=None, show_progress_bar=False)  # type: ignore[arg-type]
    (found,) = result.task_results[0].scores["test"]
    named = {ours: float(found[theirs]) for ours, theirs in OURS_TO_MTEB.items()}
    return {"AP": float(found.get(f"map_at_{len(passages)}", found["map_at_1000"])), **named}


class Once:
    """A ranker that is asked the same twice, and works once."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self._passages: Any = None
        self._queries: Any = None

    def passages(self, corpus: Corpus) -> Any:
        """As the ranker's."""
        if self._passages is None:
            self._passages = self._ranker.passages(corpus)
        return self._passages

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Any:
        """As the ranker's."""
        if self._queries is None:
            self._queries = list(texts), self._ranker.queries(texts, langs)
        assert self._queries[0] == list(texts)
        return self._queries[1]


def main() -> None:
    """Print both, digit by digit, and fail where they differ by more than 1e-4."""
    from tabulate import tabulate

    from bench.models.loading import load_encoder
    from bench.plan.resolve import task
    from bench.plan.settings import Settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", default="scifact")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    (evalset,) = task(options.task).load(options.data_root)
    encoder = load_encoder(Settings(model=options.model, precision=options.precision), 0)

    once = Once(encoder)
    ours, theirs = our_scores(evalset, once), mteb_scores(evalset, once)
    rows = [[name, f"{ours[name]:.6f}", f"{theirs[name]:.6f}", f"{ours[name] - theirs[name]:+.1e}"] for name in theirs]
    print(tabulate(rows, ["measure", "bench", "mteb", "difference"], tablefmt="pipe", disable_numparse=True))
    if any(abs(ours[name] - theirs[name]) > 1e-4 for name in theirs):
        raise SystemExit("bench and mteb differ by more than 1e-4")


if __name__ == "__main__":
    main()
