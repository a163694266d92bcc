"""mteb tasks from small folders in the Hub's layout, through the real loading code of datasets and mteb."""

from pathlib import Path

import pytest

from tasks import TaskError, named
from tasks.check import check_task
from tasks.mteb_task import MtebTask
from tests.tasks.conftest import Rows, write_hub_folder

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def corpus(prefix: str, n: int) -> Rows:
    return [
        {"_id": f"d{i}", "title": f"{prefix} title {i}" if i else "", "text": f"{prefix} text {i}"} for i in range(n)
    ]


def queries(prefix: str, n: int) -> Rows:
    return [{"_id": f"q{i}", "text": f"{prefix} question {i}"} for i in range(n)]


def qrels(n: int) -> Rows:
    return [
        *({"query-id": f"q{i}", "corpus-id": f"d{i}", "score": 1 + i % 2} for i in range(n)),
        {"query-id": "q0", "corpus-id": "d1", "score": 0},
    ]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.gz"])
def test_a_data_set_of_one_language(tmp_path: Path, ending: str) -> None:
    parts = {
        "corpus": ("corpus", corpus("en", 6)),
        "queries": ("queries", queries("en", 4)),
        "default": ("test", qrels(3)),
    }
    write_hub_folder(tmp_path / "hub" / "mteb" / "scifact", parts, ending)
    (found,) = MtebTask("SciFact", called="scifact").load(tmp_path)
    assert (found.name, found.main) == ("scifact", "nDCG@10")
    assert found.queries == {"en": {f"q{i}": f"en question {i}" for i in range(3)}}
    assert dict(found.passages["en"].items())["d2"] == "en title 2 en text 2"
    assert found.passages["en"]["d0"] == "en text 0"
    assert found.relevant == {"q0": {"d0": 1, "d1": 0}, "q1": {"d1": 2}, "q2": {"d2": 1}}
    assert [r for r in check_task(MtebTask("SciFact"), tmp_path) if not r.passed] == []


@pytest.mark.parametrize("how", ["changed copy", "another data root"])
def test_what_is_read_is_what_lies_there_now(tmp_path: Path, how: str) -> None:
    def write(root: Path, text: str) -> dict[str, str]:
        parts = {
            "corpus": ("corpus", corpus(text, 6)),
            "queries": ("queries", queries("en", 4)),
            "default": ("test", qrels(3)),
        }
        write_hub_folder(root / "hub" / "mteb" / "scifact", parts, "jsonl")
        (found,) = MtebTask("SciFact").load(root)
        return dict(found.passages["en"].items())

    first = tmp_path / "first"
    assert write(first, "cats")["d0"] == "cats text 0"
    before = MtebTask("SciFact").files(first)
    other = first if how == "changed copy" else tmp_path / "other"
    assert write(other, "dogs")["d0"] == "dogs text 0"
    assert [p.name for p in before] == [p.name for p in MtebTask("SciFact").files(other)]
    assert len(before) >= 3


def test_the_query_itself_leaves_its_ranking_where_mteb_says_so(tmp_path: Path) -> None:
    arguments = [{"_id": f"a{i}", "title": "", "text": f"argument {i}"} for i in range(4)]
    rows = [{"query-id": f"a{i}", "corpus-id": f"a{i + 1}", "score": 1} for i in (0, 2)]
    parts = {"corpus": ("corpus", arguments), "queries": ("queries", arguments[:3]), "default": ("test", rows)}
    write_hub_folder(tmp_path / "hub" / "mteb" / "arguana", parts, "jsonl")
    for task in (MtebTask("ArguAna"), named.beir("arguana")):
        (found,) = task.load(tmp_path)
        assert found.itself == {"a0": "a0", "a2": "a2"}
        assert "the passage with a query's own id leaves its ranking" in found.note
        assert task.version.endswith("-no-self")
    assert not MtebTask("SciFact").version.endswith("-no-self")


@pytest.mark.parametrize(("text", "expected"), [
    ("plain", "plain"), (["one", "two"], "one; two"),
    ([{"role": "user", "content": "who?"}, {"role": "assistant", "content": "she"}], "user: who?; assistant: she"),
])  # fmt: skip
def test_turns_are_joined_as_mteb_joins_them(text: object, expected: str) -> None:
    import mteb._create_dataloaders as theirs
    from datasets import Dataset
    from mteb.types import PromptType

    from tasks.mteb_task import query_text

    assert query_text({"id": "q", "text": text}, "here") == expected
    data = Dataset.from_list([{"id": "q", "text": text}])
    assert theirs._retrieval_texts(data, PromptType.query) == [expected]
    for instruction in ("find it", None):
        row = {"id": "q", "text": text, "instruction": instruction}
        if instruction is not None:
            assert theirs._retrieval_texts(Dataset.from_list([row]), PromptType.query) == [query_text(row, "here")]


@pytest.mark.parametrize("text", [None, [], [None], [{"role": "user"}], 3, ["a", {"role": "user", "content": "b"}]])
def test_queries_that_are_no_text_are_refused(text: object) -> None:
    from tasks.mteb_task import query_text

    with pytest.raises(TaskError, match="here, query 'q': text or a list of turns is expected; got"):
        query_text({"id": "q", "text": text}, "here")


def miracl_parts(langs: tuple[str, ...]) -> dict[str, tuple[str, Rows]]:
    parts: dict[str, tuple[str, Rows]] = {}
    for lang in langs:
        parts[f"{lang}-corpus"] = ("dev", corpus(lang, 5))
        parts[f"{lang}-queries"] = ("dev", queries(lang, 3))
        parts[f"{lang}-qrels"] = ("dev", qrels(3))
    return parts


def test_miracl_has_one_set_with_a_pool_of_the_chosen_languages(tmp_path: Path) -> None:
    write_hub_folder(
        tmp_path / "hub" / "mteb" / "MIRACLRetrievalHardNegatives", miracl_parts(("ar", "de", "sw")), "parquet"
    )
    task = named.miracl_hard(langs=("sw", "ar"))
    (found,) = task.load(tmp_path)
    assert task.name == found.name == "miracl-hard-sw-ar"
    assert {lang: len(p) for lang, p in found.passages.items()} == {"ar": 5, "sw": 5}
    assert found.relevant["sw/q1"] == {"sw/d1": 2}
    assert task.version == "d7d94fa4b946"


def belebele_rows(lang: str) -> Rows:
    return [
        {"link": f"page {i // 2}", "flores_passage": f"{lang} passage {i // 2}", "question": f"{lang} question {i}"}
        for i in range(6)
    ]


def test_language_pairs_are_cells_of_one_table_with_their_corpora_compared(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "mteb" / "belebele"
    write_hub_folder(folder, {f"{x}_Latn": ("test", belebele_rows(x)) for x in ("deu", "eng")}, "jsonl")
    sets = list(MtebTask("BelebeleRetrieval", langs=("de", "en")).load(tmp_path))
    assert {s.name for s in sets} == {"mteb-BelebeleRetrieval-de-en"}
    pairs = [(*s.queries, *s.passages) for s in sets]
    assert sorted(pairs) == [("de", "de"), ("de", "en"), ("en", "de"), ("en", "en")]
    for found in sets:
        (q_lang,), (d_lang,) = found.queries, found.passages
        three = {"de": "deu", "en": "eng"}
        assert set(found.queries[q_lang].values()) == {f"{three[q_lang]} question {i}" for i in range(6)}
        assert set(dict(found.passages[d_lang].items()).values()) == {f"{three[d_lang]} passage {i}" for i in range(3)}
        assert "equal corpora: every language pair searches 3 passages" in found.note
    same = [s.passages["en"] for s in sets if "en" in s.passages]
    assert same[0] is same[1]


def test_corpora_that_differ_are_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "mteb" / "MLQARetrieval"
    parts: dict[str, tuple[str, Rows]] = {}
    for d_lang, q_lang, n in (("deu", "deu", 3), ("deu", "eng", 5), ("eng", "eng", 4), ("eng", "deu", 4)):
        parts[f"{d_lang}-{q_lang}-corpus"] = ("test", corpus(d_lang, n))
        parts[f"{d_lang}-{q_lang}-queries"] = ("test", queries(q_lang, 2))
        parts[f"{d_lang}-{q_lang}-qrels"] = ("test", qrels(2))
    write_hub_folder(folder, parts, "parquet")
    sets = list(MtebTask("MLQARetrieval", langs=("de", "en"), split="test").load(tmp_path))
    assert len(sets) == 4
    assert all("corpora differ between language pairs (3 to 5 passages)" in s.note for s in sets)
    german_questions = [s for s in sets if list(s.queries) == ["de"] and list(s.passages) == ["en"]]
    assert next(iter(german_questions[0].queries["de"].values())).startswith("deu question")


def test_what_is_not_here_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(
        TaskError, match=r"mteb:NFCorpus cannot be read: mteb/nfcorpus@.*switched off.* data fetch mteb:NFCorpus$"
    ):
        list(MtebTask("NFCorpus").load(tmp_path))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TaskError, match="mteb has no task 'SciFct'"):
        _ = MtebTask("SciFct").version
    with pytest.raises(TaskError, match="is of type STS"):
        _ = MtebTask("STS12").version
    with pytest.raises(TaskError, match=r"has no subset in \('xx',\); its languages are ar, bn, de"):
        list(named.miracl(langs=("xx",)).load(None))
    with pytest.raises(TaskError, match="Did you mean 'scifact'"):
        named.beir("scifakt")
