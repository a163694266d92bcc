from pathlib import Path

import numpy as np
import pytest

from bench.data.corpus import build_corpus
from bench.data.words import units
from bench.errors import BenchError
from bench.models.lexical import BM25, CharTfidf, words

PASSAGES = {
    "en": {
        "a": "The cats of London sleep in the old houses of London",
        "b": "A dog barked at the sleeping cat",
        "c": "Houses are built of brick",
    },
    "zh": {"d": "伦敦的猫睡觉", "e": "北京的老房子"},
}


def test_words_of_scripts_with_and_without_blanks() -> None:
    assert units("Straße, CO₂ & naïve!") == ["strasse", "co2", "naïve"]
    assert units("हिन्दी में") == ["हिन्दी", "में"]
    assert units("A猫b") == ["a", "猫", "b"]
    assert words("伦敦的猫 sat") == ["伦敦", "敦的", "的猫", "sat"]
    assert words("猫!") == ["猫"]


def test_bm25_scores_as_bm25s_does_language_by_language() -> None:
    import bm25s
    import Stemmer

    queries = ["sleeping cats in houses", "London London", "nothing else there"]
    corpus = build_corpus({"en": PASSAGES["en"]})
    ranker = BM25()
    passages, place = ranker.passages(corpus)
    ours = (ranker.queries(queries, ["en"] * 3) @ passages.T).toarray()[:, place]
    stemmer = Stemmer.Stemmer("porter")
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index([stemmer.stemWords(units(text)) for text in PASSAGES["en"].values()], show_progress=False)
    for query, scores in zip(queries, ours, strict=True):
        known = [stem for stem in stemmer.stemWords(units(query)) if stem in index.vocab_dict]
        theirs = index.get_scores(known) if known else np.zeros(3)
        np.testing.assert_allclose(scores, theirs, rtol=1e-6)
    assert ours[0].argmax() == 0
    assert not ours[2].any()


def test_bm25_finds_words_of_another_language_only_where_they_are_spelt_alike() -> None:
    corpus = build_corpus(PASSAGES)
    ranker = BM25()
    passages, place = ranker.passages(corpus)
    scores = (ranker.queries(["伦敦的猫", "London"], ["zh", "en"]) @ passages.T).toarray()[:, place]
    assert [corpus.doc_id[i] for i in np.flatnonzero(scores[0])] == ["d"]
    assert [corpus.doc_id[i] for i in np.flatnonzero(scores[1])] == ["a"]


def test_ngrams_of_distinct_words_weigh_what_scikit_learn_gives_whole_texts_to_the_bit() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    queries = ["Cats of LONDON", "the the θάλασσα ΟΔΟΣ", "", "伦敦\x1c猫"]
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    corpus, ranker = build_corpus(PASSAGES), CharTfidf()
    fitted, asked = theirs.fit_transform(list(corpus.texts())), theirs.transform(queries)
    for a, b in ((ranker.passages(corpus)[0], fitted), (ranker.queries(queries, ["en"] * 4), asked)):
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part), strict=True)


@pytest.mark.parametrize("baseline", [BM25, CharTfidf])
def test_passages_without_words_are_found_by_none(baseline: type[BM25] | type[CharTfidf]) -> None:
    ranker = baseline()
    passages, place = ranker.passages(build_corpus({"de": {"a": "", "b": " "}, "en": {"c": "a cat", "d": ""}}))
    scores = (ranker.queries(["cat", "", "hund"], ["en", "en", "de"]) @ passages.T).toarray()[:, place]
    assert np.argwhere(scores).tolist() == [[0, 2]]
    with pytest.raises(BenchError, match="no passage has a word, so none can be found by its words"):
        ranker.passages(build_corpus({"de": {"a": ""}, "en": {"b": " "}}))


def test_char_tfidf_is_cosine_of_sklearns_vectors() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    corpus = build_corpus({"en": PASSAGES["en"]})
    ranker = CharTfidf()
    passages, place = ranker.passages(corpus)
    ours = (ranker.queries(["sleeping cats"], ["en"]) @ passages.T).toarray()[:, place]
    model = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    known = model.fit_transform(PASSAGES["en"].values())
    theirs = cosine_similarity(model.transform(["sleeping cats"]), known)
    assert ours.argmax() == theirs.argmax()


def test_scifact_as_anserini_scores_it(data_root: Path) -> None:
    from bench.evaluation.score import score
    from tasks import named

    if not (data_root / "scifact").is_dir():
        pytest.skip("no scifact below the data root")
    (evalset,) = named.beir("scifact").load(data_root)
    (rows,) = score(evalset, BM25())
    assert rows.values["nDCG@10"].mean() == pytest.approx(0.679, abs=0.005)
