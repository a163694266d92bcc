"""What derived models compute, against formulas written out; how their expressions are read."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from bench.analysis.strategies import short
from bench.data import train_data
from bench.data.corpus import Corpus, Floats, Ints, build_corpus
from bench.data.train_data import TrainData
from bench.errors import BenchError
from bench.models import derived as models
from bench.models.derived import average
from bench.plan import resolve
from bench.plan.derived import LEAST, Merge
from strategies import Pool

DIM = 6


class Hashed:
    """A ranker whose vectors depend on the text alone, with a large component that depends on its first letter."""

    def passages(self, corpus: Corpus) -> tuple[Floats, Ints]:
        texts = list(corpus.texts())
        distinct = list(dict.fromkeys(texts))
        return self.encode(distinct), np.array([distinct.index(t) for t in texts])

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Floats:
        return self.encode(texts)

    def encode(self, texts: Sequence[str]) -> Floats:
        def vector(text: str) -> Floats:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
            base = 2 * np.cos(np.arange(DIM) * (1 + ord(text[0])))
            return np.asarray(base + np.random.default_rng(seed).normal(size=DIM), np.float32)

        return models.unit(np.stack([vector(t) for t in texts]))


def corpus(n: int = 40, few: int = LEAST - 1) -> Corpus:
    """Two languages that share a text, each with a text twice, and one with few texts."""
    passages = {
        "de": {f"d{i}": f"d text {i}" for i in range(n)} | {"dx": "shared", "dy": "d text 0"},
        "en": {f"e{i}": f"e text {i}" for i in range(n)} | {"ex": "shared", "ey": "e text 0"},
        "fi": {f"f{i}": f"f text {i}" for i in range(few)},
    }
    return build_corpus(passages)


def by_language(pool: Corpus, vectors: Floats, place: Ints) -> dict[str, Floats]:
    """The vectors of the distinct texts of each language."""
    texts = list(pool.texts())
    found = {}
    for i, lang in enumerate(pool.langs):
        columns = range(int(pool.segment[i]), int(pool.segment[i + 1]))
        first = {texts[c]: c for c in reversed(columns)}
        found[lang] = vectors[place[sorted(first.values())]]
    return found


def test_the_average_is_torchs_to_the_bit() -> None:
    states = [{"w": torch.randn(5, 7), "ids": torch.arange(3)} for _ in range(3)]
    merged = average(states)
    assert torch.equal(merged["w"], torch.mean(torch.stack([s["w"] for s in states]), dim=0))
    assert torch.equal(merged["ids"], torch.arange(3))
    two = average(states[:2], (0.3, 0.7))
    torch.testing.assert_close(two["w"], torch.lerp(states[1]["w"], states[0]["w"], 0.3))
    same = average(states[:2], (0.5, 0.5))
    assert torch.equal(same["w"], average(states[:2])["w"])


def test_models_that_differ_in_kind_are_not_averaged() -> None:
    one = {"w": torch.zeros(2, 3)}
    with pytest.raises(BenchError, match="one architecture"):
        average([one, {"w": torch.zeros(3, 2)}])
    with pytest.raises(BenchError, match="ids is not, and differs"):
        average([{"ids": torch.arange(3)}, {"ids": torch.arange(1, 4)}])


def test_centering_leaves_no_mean_and_unit_length() -> None:
    pool, plain = corpus(), Hashed()
    before = by_language(pool, *plain.passages(pool))
    vectors, place = models.Removed(plain, models.centering).passages(pool)
    after = by_language(pool, vectors, place)
    for lang in ("de", "en"):
        moved = models.centering(before[lang], lang, "passage")
        np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-7)
        expected = before[lang] - before[lang].mean(axis=0)
        np.testing.assert_allclose(after[lang], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-6)
    np.testing.assert_allclose(after["fi"], before["fi"], atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_in_two_languages_has_a_row_for_each() -> None:
    pool = corpus()
    plain, place = Hashed().passages(pool)
    vectors, column = models.Removed(Hashed(), models.centering).passages(pool)
    at = {d: int(column[i]) for i, d in enumerate(pool.doc_id)}
    assert place[pool.doc_id.index("dx")] == place[pool.doc_id.index("ex")]
    assert not np.allclose(vectors[at["dx"]], vectors[at["ex"]])
    assert at["d0"] == at["dy"]
    assert len(vectors) == len(plain) + 1


def test_queries_are_centred_on_their_own_mean() -> None:
    texts = [f"{x} question {i}" for i in range(20) for x in "de"]
    langs = ["de" if t.startswith("d") else "en" for t in texts]
    found = models.Removed(Hashed(), models.centering).queries(texts, langs)
    plain = Hashed().encode(texts)
    for lang in ("de", "en"):
        rows = [i for i, x in enumerate(langs) if x == lang]
        expected = plain[rows] - plain[rows].mean(axis=0)
        np.testing.assert_allclose(found[rows], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-6)
    twice = models.Removed(Hashed(), models.centering).queries([*texts, *texts], [*langs, *langs])
    assert np.array_equal(twice, np.concatenate([found, found]))


@pytest.mark.parametrize("rank", [1, 3])
def test_lir_is_numpys_singular_vectors_projected_out(rank: int) -> None:
    pool = corpus()
    before = by_language(pool, *Hashed().passages(pool))
    after = by_language(pool, *models.Removed(Hashed(), models.lir(rank)).passages(pool))
    for lang in ("de", "en"):
        x = before[lang].astype(np.float64)
        _, _, vt = np.linalg.svd(x, full_matrices=False)
        expected = x.copy()
        for v in vt[:rank]:
            expected -= np.outer(x @ v, v)
        np.testing.assert_allclose(models.lir(rank)(before[lang], lang, "passage") @ vt[:rank].T, 0, atol=1e-6)
        np.testing.assert_allclose(after[lang], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-5)
    np.testing.assert_allclose(after["fi"], before["fi"], atol=1e-7)
    with pytest.raises(BenchError, match="less than the dimensions of the vectors, 6; got 6"):
        models.lir(DIM)(before["de"], "de", "passage")


def pool_of(has: np.ndarray) -> TrainData:
    """Items in de, en and fi; every second English passage is shared by two items."""
    langs, n = ("de", "en", "fi"), len(has)
    texts: dict[str, list[str | None]] = {
        lang: [f"{lang} {i // 2 if lang == 'en' else i}" if has[i, k] else None for i in range(n)]
        for k, lang in enumerate(langs)
    }
    return TrainData(Pool(langs, has, np.arange(n), np.zeros(n, np.int64)), texts, texts)


def test_shift_makes_the_means_of_parallel_passages_coincide() -> None:
    has = np.ones((60, 3), np.bool_)
    has[40:, 1] = False
    has[LEAST - 1 :, 2] = False
    pairs = train_data.parallel_passages(pool_of(has), "en")
    assert set(pairs) == {"de"}
    here, there = pairs["de"]
    assert sorted(there) == sorted({f"en {i // 2}" for i in range(40)})
    assert all(int(d.split()[1]) // 2 == int(e.split()[1]) for d, e in zip(here, there, strict=True))
    encode = Hashed().encode
    shift = models.shift(models.offsets(encode, pairs))
    moved = shift(encode(here), "de", "passage")
    np.testing.assert_allclose(moved.mean(axis=0), encode(there).mean(axis=0), atol=1e-6)
    assert not np.allclose(encode(here).mean(axis=0), encode(there).mean(axis=0), atol=1e-2)
    for lang, kind in (("de", "query"), ("en", "passage"), ("fi", "passage")):
        assert np.array_equal(shift(encode(here), lang, kind), encode(here))  # type: ignore[arg-type]


def test_shift_needs_parallel_texts() -> None:
    with pytest.raises(BenchError, match="one of de, en, fi; got 'xx'"):
        train_data.parallel_passages(pool_of(np.ones((20, 3), np.bool_)), "xx")
    alone = np.zeros((60, 3), np.bool_)
    alone[np.arange(60), np.arange(60) % 3] = True
    with pytest.raises(BenchError, match="shift needs 10 training items in en and another language"):
        train_data.parallel_passages(pool_of(alone), "en")


def test_expressions_read_back() -> None:
    made = resolve.recipe("merge( mono , hybrid(alpha=0.3), any_pair )")
    assert isinstance(made, Merge)
    assert made.steps_each(30) == 10
    assert "alpha=0.3" in repr(made)
    for text in (repr(made), "lir(merge(mono, cross, share=0.25), rank=3)", "centering(lir(untrained))"):
        assert resolve.recipe(repr(resolve.recipe(text))) == resolve.recipe(text)
    assert short(repr(resolve.recipe("centering(merge(mono, mixed))"))) == "centering(merge(mono, mixed))"


@pytest.mark.parametrize(("text", "message"), [
    ("merge(mono)", "merge averages at least two strategies, as in merge\\(mono, cross\\); got 1"),
    ("merge(mono, mono)", "different strategies; got mono.* more than once"),
    ("merge(mono, untrained)", "averages the weights of trained strategies; got untrained"),
    ("merge(mono, lir(cross))", "averages the weights of trained strategies; got lir"),
    ("merge(mono, cross, share=1.0)", "share is a number between 0 and 1, neither included; got 1.0"),
    ("merge(mono, cross, mixed, share=0.5)", "share is the weight of the first of two strategies; merge has 3 here"),
    ("merge(mono, cross, shares=0.5)", "merge has no parameter 'shares'; it has share. Did you mean 'share'?"),
    ("centering()", "centering takes one strategy \\(or untrained\\) in brackets; got 0"),
    ("centering", "centering takes one strategy"),
    ("centering(mono, cross)", "centering takes one strategy .*; got 2"),
    ("centering(hybird)", "Did you mean 'hybrid'?"),
    ("lir(mono, rank=0)", "rank is a whole number of at least 1; got 0"),
    ("lir(mono, rank=open('x'))", "parameters of a derived strategy are name=value"),
    ("shift(lir(mono))", "shift moves a strategy, merge\\(...\\) or untrained; got lir"),
    ("shift(mono, source=1)", "source is a language code, as in source='en'; got 1"),
])  # fmt: skip
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        resolve.recipe(text)
