"""Files of observations: what is read from them is what was scored, to the bit; what cannot be is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.analysis.leaderboard import leaderboard
from bench.analysis.rows import KEYS, measured
from bench.analysis.set_scores import read_sets
from bench.data.content import Content
from bench.data.corpus import Corpus, Vectors
from bench.data.loading import LoadedTask
from bench.errors import BenchError
from bench.evaluation.exact_search import Exact
from bench.evaluation.faiss_search import Faiss
from bench.evaluation.ranks import Search
from bench.evaluation.score import COLUMNS, score
from bench.evaluation.score_table import score_table
from bench.plan.settings import Plan
from bench.store.cells import read_cells
from bench.store.scores import OBSERVED, POOL, read_about, read_scores, write_scores
from tasks.demo import Demo
from tests.bench import oracles
from tests.bench.evaluation.test_score import CASES
from tests.bench.made_up import make_cell

CUT = Plan(index="flat", depth=100)
object.__setattr__(CUT, "depth", 3)  # less than a user may ask for: the pools here are small


PLANS: dict[str, tuple[Plan, Search]] = {
    "exact": (Plan(), Exact),
    "cut": (CUT, Faiss("flat", 3)),
}


class Several:
    """A ranker of the passages and queries of several cases."""

    def __init__(self, cases: Sequence[oracles.Case]) -> None:
        self._of = {id(texts): case for case in cases for texts in case.evalset.passages.values()}
        self._searched = cases[0]

    def passages(self, corpus: Corpus) -> tuple[Vectors, np.ndarray]:
        self._searched = self._of[id(corpus.passages[corpus.langs[0]])]
        return self._searched.passages(corpus)

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Vectors:
        return self._searched.queries(texts, langs)


def write(path: Path, cases: Sequence[oracles.Case], plan: Plan) -> Path:
    """The scores of a task whose sets are these cases, all of one name."""
    loaded = LoadedTask(Demo(), [case.evalset for case in cases], Content({}, None, {"made up": "0"}))
    write_scores(path, score_table(loaded, Several(cases), "0", plan))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@pytest.fixture
def case() -> oracles.Case:
    sizes = dict.fromkeys(("ar", "de", "en"), 30)
    return oracles.draw_case(5, sizes, {"ar": 6, "de": 6, "en": 6}, 2, parallel=False)


@pytest.mark.parametrize("how", PLANS)
@settings(max_examples=60, deadline=None)
@given(st.lists(CASES, min_size=1, max_size=3))
def test_what_is_read_is_what_was_scored_to_the_bit(folder: Path, how: str, cases: list[oracles.Case]) -> None:
    plan, search = PLANS[how]
    cases = [case for case in cases if how == "exact" or not case.lexical]  # faiss ranks no sparse vectors
    assume(cases)
    expected = [rows for case in cases for rows in score(case.evalset, case, search)]
    path = write(folder / f"{how}.parquet", cases, plan)
    if not expected:
        with pytest.raises(BenchError, match="no row of the set"):
            measured(path)
        return
    table = measured(path)
    about = [(r.q_lang, r.d_lang, q, q.split("/")[1]) for r in expected for q in r.query_id]
    assert list(zip(*(table[name].to_pylist() for name in KEYS), strict=True)) == about
    for name in COLUMNS:
        np.testing.assert_array_equal(table[name], np.concatenate([r.values[name] for r in expected]), err_msg=name)


def test_a_cut_run_and_an_absent_passage_have_no_rank(tmp_path: Path, case: oracles.Case) -> None:
    frame = pd.read_parquet(write(tmp_path / "f.parquet", [case], CUT))
    places = frame.explode(["d_lang", "relevance", "in_corpus", "rank", "rank_in_pool"])
    without = places[places["rank"].isna()]
    assert {bool(there) for there in without.loc[without.relevance > 0, "in_corpus"]} == {True, False}
    assert (without.relevance == 0).any()
    ranked = places[places["rank"].notna()]
    assert ranked["rank"].max() == 3
    assert (ranked.relevance > 0).all()
    assert (ranked.rank_in_pool.dropna() >= ranked["rank"][ranked.rank_in_pool.notna()]).all()


def test_a_measure_in_a_line_of_pandas(tmp_path: Path, case: oracles.Case) -> None:
    path = write(tmp_path / "f.parquet", [case], Plan())
    places = pd.read_parquet(path).explode(["d_lang", "relevance", "in_corpus", "rank", "rank_in_pool"])
    places = places[places.relevance > 0]
    recall = (places["rank"].astype(float) <= 10).groupby([places.q_lang, places.d_lang, places.query_id]).mean()
    stored = measured(path).to_pandas().set_index(["q_lang", "d_lang", "query_id"])["R@10"]
    judged = stored[stored.index.isin(recall.index)].sort_index()
    assert len(judged) > 20
    np.testing.assert_allclose(recall.reindex(judged.index), judged)
    assert (stored.drop(judged.index).drop(POOL, level="d_lang") == 0).all()


def test_the_top_is_the_ranking(tmp_path: Path, case: oracles.Case) -> None:
    docs = [d for lang in sorted(case.evalset.passages) for d in case.evalset.passages[lang]]
    table = read_scores(write(tmp_path / "f.parquet", [case], Plan())).to_pylist()
    for row in table:
        assert [docs[i] for i in row["top"]] == case.order(row["query_id"])[:10]


def test_the_bytes_depend_on_the_values_alone(tmp_path: Path, case: oracles.Case) -> None:
    first, second = (write(tmp_path / name, [case], Plan()).read_bytes() for name in ("a", "b"))
    assert first == second
    assert {name: str(pq.read_schema(tmp_path / "a").field(name).type) for name in OBSERVED} == {
        name: kind.replace("<", "<element: ") for name, kind in OBSERVED.items()
    }


def test_files_of_version_0_1_stand_beside_new_ones(tmp_path: Path, case: oracles.Case) -> None:
    paths = []
    for seed in (0, 1):
        cell = make_cell(tmp_path / "made", "mono()", seed, 0.1)
        (cell / "scores" / "toy@1.parquet").unlink()
        paths.append(write(cell / "scores" / "demo@1.parquet", [case], Plan()))
    (new,) = read_sets(read_cells(tmp_path / "made"))
    board = leaderboard(new, "nDCG@10")
    write_scores(paths[0], measured(paths[0]))
    assert read_scores(paths[0], {"AP": "double"}).num_rows == len(new.layout.pair)
    (mixed,) = read_sets(read_cells(tmp_path / "made"))
    assert mixed.layout.pairs == new.layout.pairs
    np.testing.assert_array_equal(mixed.layout.cluster, new.layout.cluster)
    assert repr(leaderboard(mixed, "nDCG@10")) == repr(board)  # NaN is not equal to itself
    for name in COLUMNS:
        old, derived = (mixed.values(c, name) for c in mixed.cells)
        np.testing.assert_array_equal(old, derived, err_msg=name)


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    """The first value of a column becomes another, all else stays."""

    def apply(table: pa.Table) -> pa.Table:
        first, *others = table[name].to_pylist()
        column = pa.array([change(first), *others], table.schema.field(name).type)
        return table.set_column(table.column_names.index(name), name, column)

    return apply


@pytest.mark.parametrize(("change", "message"), [
    (changed("pool", lambda x: 1), "no observations of the set 'drawn' (pool cannot be)"),
    (changed("pool", lambda x: None), "(pool cannot be)"),
    (changed("d_lang", lambda x: ["fr", *x[1:]]), "(d_lang cannot be)"),
    (changed("d_lang", lambda x: x[1:]), "(d_lang cannot be)"),
    (changed("d_lang", lambda x: []), "(d_lang cannot be)"),
    (changed("d_lang", lambda x: None), "without q_lang, d_lang, query_id, group"),
    (changed("relevance", lambda x: [-1, *x[1:]]), "(relevance cannot be)"),
    (changed("relevance", lambda x: [None, *x[1:]]), "(relevance cannot be)"),
    (changed("in_corpus", lambda x: [*x, True]), "(relevance cannot be)"),
    (changed("in_corpus", lambda x: [False] * len(x)), "(rank cannot be)"),
    (changed("rank", lambda x: [-1, *x[1:]]), "(rank cannot be)"),
    (changed("rank", lambda x: [*x, 1]), "(rank cannot be)"),
    (changed("rank_in_pool", lambda x: None), "(rank_in_pool cannot be)"),
    (changed("top", lambda x: [90, *x[1:]]), "(top cannot be)"),
    (changed("top", lambda x: [*x, 1]), "(top cannot be)"),
    (changed("nonrelevant_own", lambda x: -1), "(nonrelevant_own cannot be)"),
    (changed("query_id", lambda x: None), "without q_lang, d_lang, query_id, group"),
    (lambda t: t.drop_columns(["top"]), "no column top"),
    (lambda t: t.set_column(t.column_names.index("rank"), "rank", t["relevance"]), "rank of another type"),
    (lambda t: t.replace_schema_metadata(said(t, schema=3)), "written by another version (schema 3)"),
    (lambda t: t.replace_schema_metadata(said(t, schema=None)), "schema is a whole number; got None"),
    (lambda t: t.replace_schema_metadata(said(t, sets={})), "scores of no set"),
    (lambda t: t.replace_schema_metadata({"bench": said(t)["bench"].replace("schema", "x")}), "d_lang of another type"),
    (lambda t: t.replace_schema_metadata(said(t, pools=[])), "(pool cannot be)"),
    (lambda t: t.replace_schema_metadata(said(t, pools=[{"ar": -1}])), "(pools cannot be)"),
    (lambda t: t.replace_schema_metadata(said(t, pools={"ar": 1})), "pools is a list; got"),
])  # fmt: skip
def test_what_cannot_be_is_refused(
    tmp_path: Path, case: oracles.Case, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = write(tmp_path / "f.parquet", [case], Plan())
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(BenchError) as raised:
        measured(path)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def said(table: pa.Table, **about: object) -> dict[str, str]:
    """The metadata of a file that says something else of itself."""
    import json

    return {"bench": json.dumps(json.loads(table.schema.metadata[b"bench"]) | about)}


def test_a_file_says_what_it_is_of(tmp_path: Path, case: oracles.Case) -> None:
    about = read_about(write(tmp_path / "f.parquet", [case, case], Plan()))
    assert about.schema == 2
    assert about.pools == (dict.fromkeys(("ar", "de", "en"), 30),) * 2
    assert about.sets["drawn"].passages == about.pools[0]
