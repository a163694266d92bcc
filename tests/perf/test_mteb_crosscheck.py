"""The cross-check that is run by hand on large sets, on a small one with the built-in model."""

import pytest
from mteb_crosscheck import Once, mteb_scores, our_scores

from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from tasks import EvalSet
from tasks.demo import DemoDev


def test_bench_and_mteb_agree() -> None:
    (demo,) = DemoDev().load(None)
    relevant = {q: {d: g for d, g in demo.relevant[q].items() if d in demo.passages["en"]} for q in demo.queries["en"]}
    english = EvalSet("english", {"en": demo.queries["en"]}, {"en": demo.passages["en"]}, relevant)
    once = Once(load_encoder(Settings(model="demo-static"), 0))
    ours, theirs = our_scores(english, once), mteb_scores(english, once)
    assert set(theirs) >= {"AP", "nDCG@10", "R@100"}
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-4), name
