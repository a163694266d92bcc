import json
from pathlib import Path

import pytest

from bench.cli import main
from bench.data.overlap import find_overlaps
from bench.data.train_data import without
from tasks import EvalSet, TrainSet

CHINESE = "国人民银行成立于一九四八年十二月一日总行设在北京市西城区"
LONG = "the quick brown fox jumps over the lazy dog while seven wizards brew a potent green potion"


def train(*passages: str | None) -> TrainSet:
    queries = [None if text is None else "what?" for text in passages]
    return TrainSet(("en",), {"en": queries}, {"en": list(passages)}, list(range(len(passages))))


def held_out(*passages: str) -> EvalSet:
    return EvalSet(
        "held-out", {"en": {"q": "who?"}}, {"en": {str(i): p for i, p in enumerate(passages)}}, {"q": {"0": 1}}
    )


@pytest.mark.parametrize(("text", "known", "found"), [
    (f"Before that: {LONG}!", LONG, True),
    (LONG.upper().replace(" ", ",  "), LONG, True),
    (" ".join(LONG.split()[:13]), LONG, True),
    (" ".join([*LONG.split()[:12], "and", "nothing", "else"]), LONG, False),
    ("eight words are compared as one whole text", "Eight words are compared as one whole text.", True),
    ("eight words are compared as one whole text", f"eight words are compared as one whole text {LONG}", False),
    ("seven words are a mere phrase here", "seven words are a mere phrase here", False),
    ("中" * 5 + CHINESE, CHINESE, True),
    ("中国人民银行成立于一九四八年", CHINESE, False),
])  # fmt: skip
def test_runs_of_13_words(text: str, known: str, found: bool) -> None:
    overlaps = find_overlaps([("mine", train("something else", text))], [held_out(known, "another passage of the set")])
    assert [(o.source, o.set_name, set(o.items), o.of) for o in overlaps] == [("mine", "held-out", {1}, 2)] * found


def test_queries_are_compared_too_and_missing_texts_are_not() -> None:
    source = TrainSet(("en",), {"en": [None, LONG]}, {"en": [None, "short"]}, [0, 1])
    (overlap,) = find_overlaps([("mine", source)], [held_out(LONG)])
    assert overlap.items == {1}
    assert overlap.example == LONG


def test_items_are_left_out_in_every_language() -> None:
    left = without(
        TrainSet(("de", "en"), {"de": ["a", "b"], "en": ["c", None]}, {"de": ["d", "e"], "en": ["f", None]}, [3, 4]),
        {0},
    )
    assert (left.query, left.passage, left.group) == ({"de": ["b"], "en": [None]}, {"de": ["e"], "en": [None]}, [4])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A source of 40 items, of which two are passages of the BEIR folder beside it."""
    texts = [
        f"passage number {i} speaks at length of thing {i} and of what came of it in year {1900 + i}" for i in range(44)
    ]
    rows = [{"id": str(i), "query": {"en": f"thing {i}?"}, "passage": {"en": texts[i]}} for i in range(40)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    beir = tmp_path / "held"
    (beir / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}", "text": texts[i]} for i in range(38, 44)]
    (beir / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus))
    (beir / "queries.jsonl").write_text('{"_id": "q", "text": "thing 41?"}\n')
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td41\t1\n")
    return tmp_path


def run(files: Path, *more: str) -> int:
    places = ("--results", str(files / "results"), "--reports", str(files / "reports"), "--experiment", "guarded")
    train = ("--train", str(files / "train.jsonl"), "--task", f"beir:{files / 'held'}", "--languages", "en")
    sizes = ("--steps", "2", "--batch-size", "4", "--no-report", "--baselines", "none")
    return main(["run", "--strategy", "english", *train, *sizes, *places, *more])


def test_a_run_that_would_train_on_test_passages_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("bench: never train on what is tested: 2 of 40 items of ")
    assert error.endswith("--overlap drop leaves them out, --overlap keep trains on them")
    assert not list((files / "results" / "guarded").glob("english*/done"))


@pytest.mark.parametrize(("choice", "items"), [("drop", 38), ("keep", 40)])
def test_overlap_is_recorded_in_each_case(
    files: Path, capsys: pytest.CaptureFixture[str], choice: str, items: int
) -> None:
    assert run(files, "--overlap", choice) == 0
    assert f"training items: {items}" in capsys.readouterr().err
    (config,) = (json.loads(p.read_text()) for p in (files / "results" / "guarded").glob("*/config.json"))
    assert config["items"] == items
    assert [(o["set"], o["items"], o["of"]) for o in config["overlap"]["found"]] == [("held", 2, 40)]
