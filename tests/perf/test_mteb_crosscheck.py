"""The cross-check that is run by hand on large sets, on a small one with the built-in model."""

import dataclasses

import pytest
from mteb_crosscheck import Once, mteb_scores, our_scores

from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from tasks import EvalSet
from tasks.demo import DemoDev


def english() -> EvalSet:
    (demo,) = DemoDev().load(None)
    relevant = {q: {d: g for d, g in demo.relevant[q].items() if d in demo.passages["en"]} for q in demo.queries["en"]}
    return EvalSet("english", {"en": demo.queries["en"]}, {"en": demo.passages["en"]}, relevant)


def where_queries_are_passages() -> EvalSet:
    """Every query is a passage under its own id, as in ArguAna, and not an answer to itself."""
    plain = english()
    texts = {f"asked/{q}": text for q, text in plain.queries["en"].items()}  # the demo's answers have the bare ids
    relevant = {f"asked/{q}": found for q, found in plain.relevant.items()}
    both = {**plain.passages["en"], **texts}
    return EvalSet("itself", {"en": texts}, {"en": both}, relevant, itself={q: q for q in texts})


def agree(of: EvalSet) -> dict[str, float]:
    once = Once(load_encoder(Settings(model="demo-static"), 0))
    ours, theirs = our_scores(of, once), mteb_scores(of, once)
    assert set(theirs) >= {"AP", "nDCG@10", "R@100"}
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-4), name
    return theirs


def test_bench_and_mteb_agree() -> None:
    agree(english())


def test_they_agree_where_the_query_itself_leaves_its_ranking_which_matters() -> None:
    of = where_queries_are_passages()
    left, kept = agree(of), agree(dataclasses.replace(of, itself={}))
    assert left["nDCG@10"] > kept["nDCG@10"] + 0.1
