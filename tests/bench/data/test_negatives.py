"""Hard negatives: which are drawn, in which language, what they do to the loss, and that training pairs and resumes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.data.batches import Audit, schedule
from bench.data.negatives import Negatives
from bench.data.overlap import find_overlaps
from bench.data.train_data import TrainData, combine, without
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training.loop import Hooks, Step, train
from bench.training.loss import info_nce
from strategies import STRATEGIES, Batch
from tasks import EvalSet, TaskError
from tasks.check import check_source
from tasks.parallel_jsonl import from_path

LANGS = ("en", "de")


def record(i: int) -> dict[str, object]:
    texts = {lang: f"passage {i} {lang}" for lang in LANGS}
    wrong = {"en": [f"wrong {i} en {k}" for k in range(i % 4)], "de": [f"wrong {i} de", f"passage {(i + 1) % 30} de"]}
    return {"id": str(i), "query": {lang: f"query {i} {lang}" for lang in LANGS}, "passage": texts, "negatives": wrong}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("negatives") / "train.jsonl"
    file.write_text("".join(json.dumps(record(i)) + "\n" for i in range(30)))
    return file


@pytest.fixture(scope="module")
def data(path: Path) -> TrainData:
    return combine([from_path(path).load(None)], LANGS)


def batch(items: list[int], q: int, d: int) -> Batch:
    return Batch(np.array(items), np.full(len(items), q), np.full(len(items), d))


@pytest.mark.parametrize(("language", "expected"), [("same", "de"), ("query", "en")])
def test_they_are_in_the_language_of_the_passage_or_of_the_query(data: TrainData, language: str, expected: str) -> None:
    drawn = Negatives(data, 3, language, 0).draw(0, batch([3, 4, 5], q=0, d=1))
    for item, texts in zip((3, 4, 5), drawn.texts, strict=True):
        assert set(texts) == set(data.negative[expected][item])
    assert [len(t) for t in drawn.texts] == ([3, 0, 1] if expected == "en" else [2, 2, 2])


def test_a_random_language_is_one_that_the_item_has_and_all_come_up(data: TrainData) -> None:
    chooser = Negatives(data, 1, "random", 0)
    seen = {
        text.split()[2] for step in range(40) for row in chooser.draw(step, batch([3, 4], 0, 0)).texts for text in row
    }
    assert seen == {"en", "de"}
    assert all(row for step in range(40) for row in chooser.draw(step, batch([4], 0, 0)).texts)  # 4 has none in en


def test_the_same_step_draws_the_same_and_other_steps_and_seeds_others(data: TrainData) -> None:
    one = batch(list(range(30)), 0, 1)
    first = Negatives(data, 1, "random", 0)
    assert first.draw(5, one).texts == Negatives(data, 1, "random", 0).draw(5, one).texts
    assert first.draw(5, one).texts != first.draw(6, one).texts
    assert first.draw(5, one).texts != Negatives(data, 1, "random", 1).draw(5, one).texts


def test_the_passage_of_another_row_is_no_negative_of_it(data: TrainData) -> None:
    drawn = Negatives(data, 2, "same", 0).draw(0, batch([3, 4, 9], q=0, d=1))
    flat = [text for row in drawn.texts for text in row]
    expected = [[text == f"passage {item} de" for text in flat] for item in (3, 4, 9)]
    assert drawn.positive.tolist() == expected
    assert drawn.positive.sum() == 1  # row 3 has the passage of row 4


def test_the_loss_is_the_cross_entropy_with_them_as_further_classes() -> None:
    torch.manual_seed(0)
    q, p, n = (functional.normalize(torch.randn(k, 6), dim=-1) for k in (3, 3, 2))
    positive = torch.tensor([[False, False], [True, False], [False, False]])
    found = info_nce(q, torch.cat([p, n]), 0.1, torch.arange(3), positive)
    terms = []
    for i in range(3):
        logits = [q[i] @ other / 0.1 for other in p] + [q[i] @ n[k] / 0.1 for k in range(2) if not positive[i, k]]
        terms.append(-logits[i] + torch.logsumexp(torch.stack(logits), 0))
    torch.testing.assert_close(found, torch.stack(terms).mean())
    torch.testing.assert_close(
        info_nce(q, p, 0.1, torch.arange(3)), info_nce(q, p, 0.1, torch.arange(3), positive[:, :0])
    )


@pytest.mark.parametrize("micro_batch", [0, 4])
def test_training_with_them_differs_and_logs_how_many(data: TrainData, micro_batch: int) -> None:
    settings = Settings(model="demo-transformer", steps=3, batch_size=8, learning_rate=3e-3, micro_batch=micro_batch)
    losses = {}
    for count in (0, 2):
        own, steps = dataclasses.replace(settings, negatives=count), list[Step]()
        batches = schedule(STRATEGIES["mono"](), data.pool, 8, 3, 0, Audit(data.pool.langs))
        train(load_encoder(own, 0), data, batches, own, 0, Hooks(steps.append))
        losses[count] = [s.loss for s in steps]
        assert all((s.negatives > 0) == (count > 0) for s in steps)
    assert losses[2][0] > losses[0][0]  # the same weights, more classes


def test_they_are_asked_for_where_there_are_none() -> None:
    from tasks.demo import DemoSource

    without_any = combine([DemoSource().load(None)], LANGS)
    with pytest.raises(BenchError, match="no training source has hard negatives"):
        Negatives(without_any, 1, "same", 0)
    assert Negatives(without_any, 0, "same", 0).draw(0, batch([1, 2], 0, 1)).positive.shape == (2, 0)


def test_they_stay_with_their_items(path: Path) -> None:
    train_set = from_path(path).load(None)
    fewer = without(train_set, {0, 2})
    assert fewer.negative["de"][:2] == [train_set.negative["de"][1], train_set.negative["de"][3]]
    both = combine([without(train_set, set(range(1, 30))), fewer], LANGS)
    assert both.negatives_of(1, "de") == train_set.negative["de"][1]
    assert both.negatives_of(1, "fr") == ()


def test_the_guard_against_test_data_reads_them(path: Path) -> None:
    train_set = from_path(path).load(None)
    long = " ".join(f"word{i}" for i in range(20))
    train_set.negative["en"][7] = (long,)
    tested = EvalSet("tested", {"en": {"q": "?"}}, {"en": {"d": f"so {long} end"}}, {"q": {"d": 1}})
    (found,) = find_overlaps([("train", train_set)], [tested])
    assert found.items == {7}


def test_the_contract_suite_reads_them(path: Path) -> None:
    results = {r[0]: r for r in check_source(from_path(path), None)}
    assert results["negatives are no positives"][1]
    own = path.with_name("own.jsonl")
    own.write_text(json.dumps(record(1) | {"negatives": {"de": ["passage 1 en"]}}) + "\n")
    broken = {r[0]: r for r in check_source(from_path(own), None)}["negatives are no positives"]
    assert not broken[1]
    assert "its own passage as a negative" in broken[2]


@pytest.mark.parametrize(
    ("negatives", "said"),
    [
        (["a"], "'negatives' is an object of language: \\[texts\\]"),
        ({"en": "a"}, "'negatives' is an object of language: \\[texts\\]"),
        ({"en": [1]}, "'negatives' in 'en' are texts"),
        ({"English": ["a"]}, "'English' in 'negatives' is not a language code"),
    ],
)
def test_what_are_no_negatives_is_refused(tmp_path: Path, negatives: object, said: str) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps(record(1) | {"negatives": negatives}) + "\n")
    with pytest.raises(TaskError, match=said):
        from_path(tmp_path / "bad.jsonl").load(None)
