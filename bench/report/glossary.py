"""What every number of a report means, taken from the docstrings of the functions that compute it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from bench.analysis import compare, power, statistics
from bench.evaluation import bias, measures
from bench.pages.document import Block, Fold, Text
from bench.uncertainty import multiple

TERMS: dict[str, Callable[..., object]] = {
    "AP": measures.average_precision,
    "nDCG@10": measures.ndcg_at,
    "R@k": measures.recall_at,
    "RR@10": measures.reciprocal_rank_at,
    "rank distance": bias.rank_distance,
    "log2 rank distance": bias.rank_distance_log2,
    "same-language@10": bias.same_language_share,
    "same-language@10, non-relevant": bias.same_language_nonrelevant,
    "TLR@10": bias.other_language_recall,
    "own language first": bias.own_language_first,
    "MRC@10": bias.mean_rank_correlation,
    "H1 - H2": bias.alone_in_pool,
    "PEER": bias.peer,
    "95 % interval": statistics.effect,
    "spread of trainings": statistics.pooled,
    "against 0, at the margin": compare.facts,
    "p": multiple.holm,
    "shrinks": power.shrinks,
    "find": power.detectable,
}


SETTINGS_SAID = (
    "*Within a language*: query and passage language are the same, mean over languages. *Across languages*: they "
    "differ, mean over all ordered pairs. *Pool of all languages*: every query against the passages of all languages, "
    "every parallel answer relevant, mean over query languages. (On the command line: `mono`, `cross`, `multi`, which "
    "are settings there where a setting is asked for, and strategies where a strategy is.) All means are macro: over "
    "queries, then language pairs, then seeds; ± is the standard deviation over "
    "seeds."
)


JUDGED = (
    "Queries are those that are judged: one without judgements is not asked, one whose judgements are all 0 or below "
    "counts as 0 in every measure, and so does one that nothing is retrieved for. A relevant passage that the corpus "
    "lacks, or that is not retrieved (lexical baselines retrieve nothing without a term of the query), counts as never "
    "found. Both as in trec_eval (with its option -c) and mteb. *Read with* under a table says how many there are, and "
    "what was repaired in the files."
)


def glossary() -> list[Block]:
    """The report's last section for readers."""
    lines = [f"- **{name}**: {_said(function)}" for name, function in TERMS.items()]
    return [Fold("Glossary", [Text(SETTINGS_SAID), Text(JUDGED), Text("\n".join(lines))])]


def _said(function: Callable[..., object]) -> str:
    """A docstring without its arguments, on one line, without the marks of code."""
    text = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:"):
        text = text.split(f"\n{section}")[0]
    return " ".join(text.replace("``", "`").split())
