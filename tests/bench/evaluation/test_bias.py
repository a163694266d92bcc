"""Language bias against definitions written out with plain loops, and against scipy."""

import numpy as np
import pytest
from scipy import stats

from bench.evaluation import bias
from bench.evaluation.measures import ABSENT, MISSED
from bench.evaluation.score import COLUMNS, score
from bench.store.scores import POOL
from tasks import EvalSet
from tests.bench.evaluation.test_score import LANGS, Vectors, plain_ranking


def make_set(rng: np.random.Generator) -> tuple[EvalSet, dict[str, np.ndarray]]:
    """Parallel questions with two answers per language (some have one, some lack a language), a vector per text."""
    passages = {lang: {f"{lang}/{i}": f"{lang} text {i}" for i in range(12)} for lang in LANGS}
    queries = {lang: {f"{lang}/q{i}": f"{lang} question {i}" for i in range(6)} for lang in LANGS}
    relevant = {
        f"{lang}/q{i}": {
            f"{other}/{d}": 1
            for k, other in enumerate(LANGS) if not (i == 4 and k == 2)
            for d in ((i, i + 6) if i != 5 else (i,))
        }
        for lang in LANGS for i in range(6)
    }  # fmt: skip
    group = {f"{lang}/q{i}": f"q{i}" for lang in LANGS for i in range(6)}
    texts = {t for part in (*passages.values(), *queries.values()) for t in part.values()}
    vectors = {t: rng.standard_normal(8).astype(np.float32) for t in sorted(texts)}
    return EvalSet("toy", queries, passages, relevant, group), vectors


def lang_of(doc: str) -> str:
    return doc.split("/")[0]


def test_every_column_against_its_definition() -> None:
    evalset, vectors = make_set(np.random.default_rng(8))
    found = {(r.q_lang, r.d_lang): r for r in score(evalset, Vectors(vectors))}
    ranking = {
        q: plain_ranking(evalset, vectors, q, lang, LANGS) for lang in LANGS for q in evalset.queries[lang]
    }  # fmt: skip
    for q_lang in LANGS:
        pooled = found[q_lang, POOL]
        assert set(pooled.values) == set(COLUMNS)
        for i, query in enumerate(pooled.query_id):
            order, answers = ranking[query], evalset.relevant[query]
            ranks = {d: order.index(d) + 1 for d in answers}
            value = {name: float(pooled.values[name][i]) for name in COLUMNS}
            deepest, first = max(ranks.values()), min(ranks.values())
            assert value["rank_distance"] == deepest - first
            assert value["rank_distance_log2"] == pytest.approx(np.log2(deepest) - np.log2(first))
            assert value["same_language@10"] == pytest.approx(
                np.mean([lang_of(d) == q_lang for d in order[:10]]) - 1 / 3
            )
            wrong = [d for d in order if d not in answers]
            expected = np.mean([lang_of(d) == q_lang for d in wrong[:10]])
            expected -= np.mean([lang_of(d) == q_lang for d in wrong])
            assert value["same_language_nonrelevant@10"] == pytest.approx(expected)
            foreign = [d for d in answers if lang_of(d) != q_lang]
            assert value["TLR@10"] == pytest.approx(np.mean([ranks[d] <= 10 for d in foreign]))
            best = lang_of(min(ranks, key=ranks.__getitem__)) == q_lang
            has_own = any(lang_of(d) == q_lang for d in answers)
            np.testing.assert_equal(value["own_language_first"], float(best) if has_own else np.nan)
            per_lang = [[r for d, r in ranks.items() if lang_of(d) == lang] for lang in {lang_of(d) for d in ranks}]
            if min(len(r) for r in per_lang) >= 2:
                assert value["PEER"] == pytest.approx(stats.kruskal(*per_lang).pvalue)
            else:
                assert np.isnan(value["PEER"])
            assert value["MRC@10"] == pytest.approx(np.mean([
                union_spearman(order[:10], ranking[f"{other}/{query.split('/')[1]}"][:10])
                for other in LANGS if other != q_lang
            ]))  # fmt: skip
        for d_lang in LANGS:
            rows = found[q_lang, d_lang]
            for i, query in enumerate(rows.query_id):
                answers = evalset.relevant[query]
                kept = [d for d in ranking[query] if d not in answers or lang_of(d) == d_lang]
                ranks = [kept.index(d) + 1 for d in kept if d in answers]
                expected = np.mean([(k + 1) / r for k, r in enumerate(sorted(ranks))])
                assert rows.values[bias.IN_POOL][i] == pytest.approx(expected, abs=1e-12)
                assert rows.values[bias.IN_POOL][i] <= rows.values["AP"][i] + 1e-12


def union_spearman(a: list[str], b: list[str]) -> float:
    union = sorted(set(a) | set(b))
    place = [[part.index(d) if d in part else len(part) for d in union] for part in (a, b)]
    return float(stats.spearmanr(*place).statistic)


def test_nothing_is_said_where_a_measure_is_not_defined() -> None:
    one = np.array([[3, ABSENT]])
    missed = np.array([[3, MISSED]])
    for ranks in (one, missed):
        assert np.isnan(bias.rank_distance(ranks)).all()
        assert np.isnan(bias.rank_distance_log2(ranks)).all()
    assert np.isnan(bias.other_language_recall(one, np.array([[False, True]])))
    assert np.isnan(bias.own_language_first(one, np.array([[True, False]])))
    assert np.isnan(bias.peer(np.array([[1, 2, 3]]), np.array([[0, 1, 2]])))
    assert np.isnan(bias.mean_rank_correlation(np.zeros((1, 1, 10), np.int64))).all()


def test_equal_and_opposite_rankings() -> None:
    a = np.arange(10)
    tops = np.stack([a, a, a[::-1], a + 10])[None]
    found = bias.mean_rank_correlation(tops)[0]
    apart = union_spearman([str(x) for x in a], [str(x) for x in a + 10])
    np.testing.assert_allclose(found[0], (1 - 1 + apart) / 3)


def test_lists_without_a_common_passage_do_not_give_zero() -> None:
    apart = bias.mean_rank_correlation(np.arange(20).reshape(1, 2, 10))
    assert apart == pytest.approx(-0.858, abs=0.0005)
    assert "-.858" in (bias.mean_rank_correlation.__doc__ or "")


def test_a_query_language_without_passages_has_no_bias_to_its_own() -> None:
    rng = np.random.default_rng(1)
    passages = {lang: {f"{lang}/{i}": f"{lang} {i}" for i in range(15)} for lang in ("de", "en")}
    evalset = EvalSet("toy", {"el": {"q": "question"}}, passages, {"q": {"de/1": 1, "en/1": 1}})
    texts = ["question", *(t for part in passages.values() for t in part.values())]
    vectors = {t: rng.standard_normal(4).astype(np.float32) for t in texts}
    (pooled,) = (r for r in score(evalset, Vectors(vectors)) if r.d_lang == POOL)
    assert pooled.values["same_language@10"][0] == 0
    assert np.isnan(pooled.values["own_language_first"][0])
