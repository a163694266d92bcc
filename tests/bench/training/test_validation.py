"""Held-out items scored while training: what is scored, which weights are kept, and resuming in between."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from bench.cli import main
from bench.data.batches import Audit, schedule
from bench.data.loading import few_groups
from bench.data.train_data import TrainData, combine
from bench.encoding.encoder import Encoder
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training import validation
from bench.training.loop import Hooks, Step, train
from bench.training.resume import Keeper
from bench.training.validation import Validator, mean_ap
from strategies import STRATEGIES
from tasks import EvalSet
from tasks.demo import DemoSource
from tasks.held_out import evalset_of

STEPS = 6
SETTINGS = Settings(steps=STEPS, batch_size=16, learning_rate=5e-3, temperature=0.05)
LANGS = ("en", "de", "ar")


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def data() -> TrainData:
    return combine([DemoSource().load(None)], LANGS)


@pytest.fixture(scope="module")
def evalset() -> EvalSet:
    return evalset_of(DemoSource().load(None), "demo")


def trained(
    data: TrainData, settings: Settings, validator: Validator | None, keep: Path | None = None, killed: int = -1
) -> Encoder:
    encoder, audit = load_encoder(settings, 0), Audit(data.pool.langs)
    for module in encoder.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
    batches = schedule(STRATEGIES["hybrid"](), data.pool, 16, STEPS, 0, audit)
    keeper = None
    if keep is not None:
        lines = keep.with_name("steps.jsonl")
        lines.write_text("")
        keeper = Keeper(keep, 2, {}, lines, audit, checkpoints.find(keep, {}))

    def log(step: Step) -> None:
        if step.step == killed:
            raise Killed

    train(encoder, data, batches, settings, 0, Hooks(log, keeper, validator))
    return encoder


def test_a_few_whole_groups_in_the_languages_that_are_asked_for(evalset: EvalSet) -> None:
    few = few_groups(evalset, ("de", "en", "xx"), 5)
    assert few is not None
    assert few.group is not None
    assert set(few.queries) == set(few.passages) == {"de", "en"}
    assert len(set(few.group.values())) == 5
    assert few.group.keys() == few.relevant.keys() == {q for part in few.queries.values() for q in part}
    there = {d for part in few.passages.values() for d in part}
    assert {d for found in few.relevant.values() for d in found} == there
    for q in few.relevant:
        assert q in few.relevant[q]  # its own passage
    assert few_groups(evalset, ("xx",)) is None
    again = few_groups(evalset, ("de", "en"), 5)
    assert again is not None
    assert again.group == few.group


def test_the_mean_is_that_of_average_precision_written_out(evalset: EvalSet) -> None:
    few = few_groups(evalset, ("de", "en"), 9)
    assert few is not None
    encoder = load_encoder(Settings(), 0)
    found = mean_ap(few, encoder)
    vectors = {
        kind: {
            name: encoder.encode([text], kind)[0]
            for part in texts.values()
            for name, text in part.items()
        }
        for kind, texts in (("query", few.queries), ("passage", few.passages))
    }  # fmt: skip
    expected = []
    for lang in ("de", "en"):
        of_query = []
        for q in few.queries[lang]:
            scores = {d: float(vectors["query"][q] @ vectors["passage"][d]) for d in few.passages[lang]}
            ordered = sorted(scores, key=lambda d: (scores[d], d), reverse=True)
            hits = [i for i, d in enumerate(ordered, start=1) if d in few.relevant[q]]
            of_query.append(np.mean([(n + 1) / i for n, i in enumerate(hits)]))
        expected.append(np.mean(of_query))
    assert found["mono"] == pytest.approx(np.mean(expected), abs=1e-9)
    assert set(found) == {"mono", "cross", "multi"}


def test_training_ends_with_the_weights_that_were_best(
    data: TrainData, evalset: EvalSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes: list[str] = []

    def scripted(_: EvalSet, encoder: Encoder) -> dict[str, float]:
        hashes.append(encoder.weights_hash())
        return {"mono": [0.2, 0.7, 0.7][len(hashes) - 1]}

    monkeypatch.setattr(validation, "mean_ap", scripted)
    few = few_groups(evalset, LANGS, 3)
    assert few is not None
    validator = Validator([few], 2, True, tmp_path / "validation.jsonl")
    encoder = trained(data, SETTINGS, validator)
    assert [s.step for s in validator.scores] == [2, 4, 6]
    assert validator.best.step == 4  # the first of equals
    assert encoder.weights_hash() == hashes[1] != hashes[2]
    lines = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [line["mean"] for line in lines] == [0.2, 0.7, 0.7]


@pytest.mark.parametrize("model", ["demo-static", "demo-transformer"])
def test_looking_moves_no_bit_and_resumes_to_the_same(
    data: TrainData, evalset: EvalSet, tmp_path: Path, model: str
) -> None:
    settings = dataclasses.replace(SETTINGS, model=model)
    few = few_groups(evalset, LANGS, 3)
    assert few is not None
    without = trained(data, settings, None).weights_hash()
    looking = Validator([few], 2, False, tmp_path / "looking.jsonl")
    assert trained(data, settings, looking).weights_hash() == without
    whole = Validator([few], 2, True, tmp_path / "whole.jsonl")
    best = trained(data, settings, whole).weights_hash()
    for killed in (3, 5):
        keep = tmp_path / f"checkpoint-{killed}"
        with pytest.raises(Killed):
            trained(data, settings, Validator([few], 2, True, tmp_path / f"a-{killed}.jsonl"), keep, killed)
        again = Validator([few], 2, True, tmp_path / f"b-{killed}.jsonl")
        assert trained(data, settings, again, keep).weights_hash() == best
        assert again.scores == whole.scores
        assert (tmp_path / f"b-{killed}.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validate_every": 5}, "add --hold-out to --validate-every"),
        ({"select": "best"}, "add --validate-every N to --select best"),
        ({"select": "first"}, "select is one of last, best; got 'first'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]


def test_a_run_writes_its_learning_curve_into_cell_and_report(tmp_path: Path) -> None:
    code = main([
        "run", "--strategy", "mono", "--steps", "5", "--batch-size", "16", "--hold-out", "--validate-every", "2",
        "--select", "best", "--task", "demo-dev", "--baselines", "none", "--experiment", "curve",
        "--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"),
    ])  # fmt: skip
    assert code == 0
    (cell,) = (tmp_path / "results" / "curve").glob("mono-*")
    lines = [json.loads(line) for line in (cell / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert set(lines[0]["sets"]["held-out-demo"]) == {"mono", "cross", "multi"}
    assert json.loads((cell / "cost.json").read_text())["seconds"].keys() == {"load", "train", "save"}
    text = (tmp_path / "reports" / "curve" / "appendix.md").read_text()
    assert "](validation.svg)" in text
    assert "## Cost" in text
