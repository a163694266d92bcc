"""The comparison that is run by hand on real data, on a small set."""

from dataclasses import replace
from pathlib import Path

import pytest
from evaluation import OURS_TO_MTEB, ir_measures_round, main, mteb_round
from planted import Planted

from bench.evaluation.score import score
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store.scores import POOL
from tasks import EvalSet
from tasks.demo import DemoDev

LANGS = ("de", "th")


@pytest.fixture
def demo() -> EvalSet:
    (whole,) = DemoDev().load(None)
    queries = {lang: whole.queries[lang] for lang in LANGS}
    passages = {lang: whole.passages[lang] for lang in LANGS}
    inside = {d for part in passages.values() for d in part}
    relevant = {
        q: {d: g for d, g in whole.relevant[q].items() if d in inside} for part in queries.values() for q in part
    }
    return replace(whole, queries=queries, passages=passages, relevant=relevant)


def test_ir_measures_gives_the_same_values_of_every_query(demo: EvalSet) -> None:
    ranker = Planted(demo)
    rows = score(demo, ranker)
    assert sum(r.d_lang != POOL for r in rows) == 4
    assert ir_measures_round(demo, ranker, rows)[2] <= 1e-12


def test_mteb_gives_the_same_means_of_every_pair(demo: EvalSet) -> None:
    encoder = load_encoder(Settings(model="demo-static"), 0)
    theirs = mteb_round(demo, encoder)[0]
    pairs = [r for r in score(demo, encoder) if r.d_lang != POOL]
    assert set(theirs) == {f"{r.q_lang}-{r.d_lang}" for r in pairs}
    for r in pairs:
        for ours, name in OURS_TO_MTEB.items():
            assert r.values[ours].mean() == pytest.approx(theirs[f"{r.q_lang}-{r.d_lang}"][name], abs=1e-5), (
                r[:2],
                ours,
            )


def test_missing_data_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--data-root", str(tmp_path), "--parts", "a"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
