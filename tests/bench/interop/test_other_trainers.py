"""Other trainers get the batches whole in every process; sentence-transformers has the losses of our loop."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import DataLoader

from bench.data.batches import Audit
from bench.errors import BenchError
from bench.interop import sentence_transformers as adapter
from bench.interop.rows import Rows, rows
from bench.interop.torch_rows import BatchRows
from bench.models.loading import load_to_train
from bench.plan.settings import Settings
from bench.training.loop import Hooks, train
from strategies import STRATEGIES
from strategies.mono import Mono

STEPS, SIZE = 20, 32


@pytest.fixture(scope="module")
def drawn() -> Rows:
    return rows("hybrid", batch_size=SIZE, steps=STEPS, languages=("ar", "de", "en", "th"))


def own_losses(of: Rows) -> list[float]:
    settings = Settings(model="demo-static", steps=STEPS, batch_size=SIZE, learning_rate=5e-3, warmup=0.0)
    settings = dataclasses.replace(settings, temperature=0.05, precision="float32")
    losses: list[float] = []
    encoder = load_to_train(settings, 0)
    train(encoder, of.data, of.batches(), settings, 0, Hooks(lambda step: losses.append(step.loss)))
    return losses


def test_sentence_transformers_has_the_losses_of_our_loop(drawn: Rows, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = load_to_train(Settings(model="demo-static", precision="float32"), 0).model
    given = SentenceTransformerTrainingArguments(
        str(tmp_path), **adapter.arguments(drawn), learning_rate=5e-3, weight_decay=0.01, warmup_steps=0, use_cpu=True,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    loss = MultipleNegativesRankingLoss(model, scale=1 / 0.05)
    trainer = SentenceTransformerTrainer(model=model, args=given, train_dataset=adapter.dataset(drawn), loss=loss)
    trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(theirs, own_losses(drawn), atol=2e-4)


def test_two_processes_hold_halves_of_the_same_batch(drawn: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    given, data = adapter.arguments(drawn), adapter.dataset(drawn)
    assert given["per_device_train_batch_size"] == SIZE // 2
    sampler = given["batch_sampler"](data, SIZE // 2, True)
    shards = [list(BatchSamplerShard(sampler, 2, rank, even_batches=False)) for rank in range(2)]
    assert [len(shard) for shard in shards] == [STEPS, STEPS]
    for step, batch in enumerate(drawn.batches()):
        held = [data[i] for shard in shards for i in shard[step]]
        assert [row["anchor"] for row in held] == drawn.data.queries(batch)
        assert [row["positive"] for row in held] == drawn.data.passages(batch)
    with pytest.raises(BenchError, match="got per_device_train_batch_size 32 and a data set of 640 rows"):
        given["batch_sampler"](data, SIZE, True)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_plain_data_set_gives_every_process_its_rows_of_each_batch(drawn: Rows, workers: int) -> None:
    few = dataclasses.replace(drawn, steps=5)
    half = SIZE // 2
    loaders = [DataLoader(BatchRows(few, rank, 2), half, num_workers=workers) for rank in range(2)]
    seen = 0
    for number, (batch, *parts) in enumerate(zip(few.batches(), *loaders, strict=True)):
        assert [text for part in parts for text in part["query"]] == few.data.queries(batch)
        assert [text for part in parts for text in part["passage"]] == few.data.passages(batch)
        assert {int(n) for part in parts for n in part["batch"]} == {number}
        seen += 1
    assert seen == 5


def test_the_rows_are_those_of_a_cell(drawn: Rows) -> None:
    audit, again = Audit(drawn.data.pool.langs), Audit(drawn.data.pool.langs)
    list(drawn.batches(audit))
    list(rows(STRATEGIES["hybrid"](), batch_size=SIZE, steps=STEPS, languages=("ar", "de", "en", "th")).batches(again))
    assert audit.summary() == again.summary()


class Meeting(Mono):
    repeats_groups = True


def test_what_other_trainers_cannot_do_is_refused(drawn: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match="follows the model that this harness trains"):
        rows("neighbours(4, mono(), refresh_every=10)", batch_size=SIZE, steps=STEPS)
    with pytest.raises(BenchError, match="losses of sentence-transformers take them for negatives"):
        adapter.dataset(dataclasses.replace(drawn, strategy=Meeting()))
    monkeypatch.setenv("WORLD_SIZE", "3")
    for refused in (lambda: adapter.arguments(drawn), lambda: BatchRows(drawn)):
        with pytest.raises(BenchError, match="hold equally many rows of a batch; got 32 for 3 processes"):
            refused()
