"""Runs and judgements are what was scored, by ir_measures as by us; what is not is seen."""

from collections.abc import Sequence
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.corpus import Corpus
from bench.errors import BenchError
from bench.evaluation.measures import MEASURES
from bench.evaluation.score import score
from bench.interop import trec
from bench.interop.trec import Agreement, Listing, Values
from tests.bench import oracles
from tests.bench.evaluation.test_score import CASES

SLACK = 1e-3


class Rounded:
    """A case whose vectors are a little off."""

    def __init__(self, case: oracles.Case, off: float) -> None:
        self._case, self._off, self._draw = case, off, np.random.default_rng(0)

    def passages(self, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
        vectors, place = self._case.passages(corpus)
        return self._moved(vectors), place

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> np.ndarray:
        return self._moved(self._case.queries(texts, langs))

    def _moved(self, vectors: np.ndarray) -> np.ndarray:
        return (vectors + self._off * self._draw.uniform(-1, 1, vectors.shape)).astype(np.float32)


def stored(case: oracles.Case) -> dict[tuple[str, str], Values]:
    return {
        (r.q_lang, r.d_lang): {m: dict(zip(r.query_id, r.values[m].tolist(), strict=True)) for m in MEASURES}
        for r in score(case.evalset, case)
    }


def files(folder: Path, one: Listing) -> tuple[Path, Path]:
    run, qrels = folder / "run", folder / "qrels"
    run.write_text("".join(one.run), encoding="utf-8")
    qrels.write_text("".join(one.qrels), encoding="utf-8")
    return run, qrels


def agreement(folder: Path, one: Listing, values: Values, depth: int) -> Agreement:
    return trec.require_agreement("a.run", *files(folder, one), values, depth, SLACK)


each = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@each
@given(CASES, st.integers(1, 60))
def test_the_files_have_the_values_that_were_scored(tmp_path: Path, case: oracles.Case, depth: int) -> None:
    """With many ties, wrong and lost passages, languages without passages."""
    values = stored(case)
    found = list(trec.listings(case.evalset, case, "tag", depth))
    assert {(one.q_lang, one.d_lang) for one in found} == values.keys()
    for one in found:
        told = agreement(tmp_path, one, values[one.q_lang, one.d_lang], depth)
        assert told.near_ties == 0
        queries = len(values[one.q_lang, one.d_lang]["AP"])
        assert queries <= told.values <= queries * len(MEASURES) or depth == 1
    whole = [one for one in trec.listings(case.evalset, case, "tag", 1000)]
    counted = [agreement(tmp_path, one, values[one.q_lang, one.d_lang], 1000).values for one in whole]
    assert counted == [len(values[one.q_lang, one.d_lang]["AP"]) * len(MEASURES) for one in whole]


@each
@given(CASES.filter(lambda case: not case.lexical))
def test_vectors_that_are_rounded_anew_agree(tmp_path: Path, case: oracles.Case) -> None:
    values = stored(case)
    for one in trec.listings(case.evalset, Rounded(case, 1e-5), "tag", 1000):
        agreement(tmp_path, one, values[one.q_lang, one.d_lang], 1000)


def test_near_ties_are_counted_and_what_is_more_is_refused(tmp_path: Path) -> None:
    case = oracles.draw_case(3, {"de": 40, "en": 40}, {"en": 8}, 2, True)
    values = stored(case)

    def ties(off: float) -> int:
        found = trec.listings(case.evalset, Rounded(case, off), "tag", 1000)
        return sum(agreement(tmp_path, one, values[one.q_lang, one.d_lang], 1000).near_ties for one in found)

    assert ties(0) == 0
    assert ties(1e-5) > 10
    with pytest.raises(BenchError, match=r"^a\.run: \S+ of query 'en/\d' is 0\.\d+ by ir_measures, and 0\.\d+ is"):
        ties(1)


@pytest.mark.parametrize("measure", MEASURES)
def test_every_stored_value_is_looked_at(tmp_path: Path, measure: str) -> None:
    case = oracles.draw_case(5, {"de": 30, "en": 30}, {"en": 6}, 40, True)
    one = next(iter(trec.listings(case.evalset, case, "tag", 1000)))
    values = {m: dict(of) for m, of in stored(case)[one.q_lang, one.d_lang].items()}
    agreement(tmp_path, one, values, 1000)
    values[measure]["en/4"] += 2e-3
    with pytest.raises(BenchError, match=rf"a\.run: {measure} of query 'en/4' is "):
        agreement(tmp_path, one, values, 1000)


def test_lines_that_are_lost_or_moved_are_seen(tmp_path: Path) -> None:
    case = oracles.draw_case(5, {"de": 30, "en": 30}, {"en": 6}, 40, True)
    one = next(iter(trec.listings(case.evalset, case, "tag", 1000)))
    values = stored(case)[one.q_lang, one.d_lang]
    (first, second), rest = [line.split() for line in one.run[:2]], one.run[2:]
    first[2], second[2] = second[2], first[2]
    answer = one.qrels[0].split()[2]
    for changed in (
        one._replace(run=[line for line in one.run if f" {answer} " not in line]),
        one._replace(run=[line.replace(f" {answer} ", " another ") for line in one.run]),
        one._replace(qrels=one.qrels[1:]),
        one._replace(qrels=[*one.qrels, f"en/4 0 {first[2]} 1\n", f"en/4 0 {second[2]} 1\n"]),
        one._replace(run=[line for line in one.run if not line.startswith("en/4 ")]),
        one._replace(run=[" ".join(first) + "\n", " ".join(second) + "\n", *rest], qrels=[
            f"en/0 0 {first[2]} 1\n", *(line for line in one.qrels if not line.startswith("en/0 "))]),
    ):  # fmt: skip
        with pytest.raises(BenchError, match=r"a\.run: "):
            agreement(tmp_path, changed, values, 1000)


def test_others_read_the_files(tmp_path: Path) -> None:
    case = oracles.draw_case(7, {"de": 30, "en": 30}, {"en": 6}, 1, True)
    for one in trec.listings(case.evalset, case, "tag", 1000):
        run, qrels = files(tmp_path, one)
        read = (list(ir_measures.read_trec_qrels(str(qrels))), list(ir_measures.read_trec_run(str(run))))
        named = [ir_measures.AP, ir_measures.nDCG @ 10, ir_measures.R @ 100]
        theirs = ir_measures.pytrec_eval.calc_aggregate(named, *read)
        for measure, value in theirs.items():
            ours = stored(case)[one.q_lang, one.d_lang][str(measure)]
            assert value == pytest.approx(np.mean(list(ours.values())), abs=1e-6)
