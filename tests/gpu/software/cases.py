"""What a user does with a GPU, in software or on the CPU: ``python -m tests.gpu.software.cases FOLDER cuda|cpu``.

Every case prints a line of JSON: its name, what came of it (or the first line of the error), seconds. Weights that
others are to be compared with lie in the folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file

from bench import processes
from bench.cli import main
from bench.data.batches import Audit, schedule
from bench.data.loading import few_groups
from bench.data.train_data import combine
from bench.encoding.encoder import Encoder
from bench.evaluation.score import score
from bench.models.loading import load_encoder, save
from bench.plan.settings import Settings
from bench.store import checkpoints
from bench.training import loop, optimizer
from bench.training.loop import Hooks, Step, train
from bench.training.optimizer import LossScale
from bench.training.resume import Keeper
from bench.training.validation import Validator
from strategies import STRATEGIES
from tasks.demo import DemoSource
from tasks.held_out import evalset_of
from tests.gpu.software import mixing, tiny
from tests.gpu.software.device import CARD
from tests.gpu.software.patches import install

STEPS, ROWS = 6, 8
LANGS = ("en", "de", "ar")
SETTINGS = Settings(steps=STEPS, batch_size=ROWS, learning_rate=3e-3, temperature=0.05, warmup=0.3, query_length=32,
                    passage_length=64, precision="float32")  # fmt: skip
DATA = combine([DemoSource().load(None)], LANGS)
EVALUATED = few_groups(evalset_of(DemoSource().load(None), "demo"), LANGS, 20)
OWNER: dict[str, object] = {"cell": "a"}


class Killed(Exception):
    """Stands for the end of the process."""


class Counts:
    """Launches and waits of every step, the loss, and in which thread the texts of a step were read."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.launches: list[int] = []
        self.waits: list[int] = []
        self.read: list[str] = []

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what an update does, and nothing of what is done between two."""
        inner = loop.Updates.step

        def step(updates: Any, *given: Any) -> Step:
            CARD.restart()
            found = inner(updates, *given)
            self.launches.append(CARD.launches.total())
            self.waits.append(CARD.waits.total())
            return found

        reads = loop.Updates._texts

        def texts(updates: Any, *given: Any) -> loop.Texts:
            here = threading.current_thread() is threading.main_thread()
            self.read.append("in its turn" if here else "ahead")
            return reads(updates, *given)

        with mock.patch.object(loop.Updates, "step", step), mock.patch.object(loop.Updates, "_texts", texts):
            yield


def trained(
    settings: Settings, keep: Keeper | None = None, validator: Validator | None = None, killed: int = -1,
    strategy: str = "hybrid", audit: Audit | None = None,
) -> tuple[Encoder, Counts]:  # fmt: skip
    """An encoder after training, and what was counted."""
    encoder, counts = load_encoder(settings, 0), Counts()
    batches = schedule(STRATEGIES[strategy](), DATA.pool, settings.batch_size, settings.steps, 0, audit or Audit(LANGS))

    def log(step: Step) -> None:
        counts.losses.append(step.loss)
        if step.step == killed:
            raise Killed

    with counts.counting():
        train(encoder, DATA, batches, settings, 0, Hooks(log, keep, validator))
    return encoder, counts


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """On the host."""
    return {name: tensor.detach().cpu().clone() for name, tensor in encoder.model.state_dict().items()}


class Cases:
    """The cases of one model; each gives plain values, and may store weights."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder

    def _store(self, encoder: Encoder, name: str) -> None:
        save_file(weights(encoder), self.folder / f"{name}.safetensors")

    def opens(self) -> object:
        """The weights before training."""
        encoder = load_encoder(self.settings, 0)
        self._store(encoder, "opens")
        return {"device": encoder.model.device.type, "parity": encoder.parity["opened"].distance}

    def trains(self) -> object:
        """Trained, counted, saved, opened again and compared by ``save``, scored as it was trained."""
        encoder, counts = trained(self.settings)
        self._store(encoder, "trains")
        save(encoder, self.folder / "saved")
        assert EVALUATED is not None
        found = {f"{rows.q_lang}>{rows.d_lang}": rows.values["AP"].tolist() for rows in score(EVALUATED, encoder)}
        return vars(counts) | {
            "parity": encoder.parity["saved"].distance,
            "AP": found,
            "device": encoder.model.device.type,
        }

    def resumes(self) -> object:
        """Killed after its fifth step, with a checkpoint after the fourth."""
        kept, lines = self.folder / "kept", self.folder / "steps.jsonl"
        lines.write_text("")

        def go_on(killed: int) -> Encoder:
            audit = Audit(LANGS)
            keeper = Keeper(kept, 2, OWNER, lines, audit, checkpoints.find(kept, OWNER))
            found = trained(self.settings, keeper, killed=killed, audit=audit)[0]
            assert keeper.resumed_at == [4]
            return found

        with suppress(Killed):
            go_on(4)
        self._store(go_on(-1), "resumes")
        return {}

    def gradcache(self) -> object:
        """In micro-batches."""
        encoder, counts = trained(dataclasses.replace(self.settings, micro_batch=3))
        self._store(encoder, "gradcache")
        return vars(counts)

    def validates(self) -> object:
        """While it trains; ends with the best weights."""
        assert EVALUATED is not None
        path = self.folder / "validation.jsonl"
        path.unlink(missing_ok=True)
        validator = Validator([EVALUATED], 2, True, path)
        encoder, _ = trained(self.settings, validator=validator)
        self._store(encoder, "validates")
        return {"best": validator.best.step, "means": [json.loads(x)["mean"] for x in path.read_text().splitlines()]}

    def fp16(self) -> object:
        """In half precision with a scaled loss; on a CPU in float32, which it follows."""
        precision = "fp16" if torch.cuda.is_available() else "float32"
        return self._calm(dataclasses.replace(self.settings, precision=precision))

    def _calm(self, settings: Settings) -> object:
        with mock.patch.object(optimizer, "FIRST", 2.0**8):  # which no gradient of these models overflows by
            return vars(trained(settings)[1])

    def overflows(self) -> object:
        """With a scale that is far too large: no update is made, and the scale halves."""
        scales: list[float] = []
        unscale = LossScale.unscale

        def noted(scale: LossScale, gradients: Sequence[torch.Tensor]) -> bool:
            scales.append(scale.value)
            return unscale(scale, gradients)

        half = dataclasses.replace(self.settings, precision="fp16", steps=3)
        with mock.patch.object(optimizer, "FIRST", 2.0**60), mock.patch.object(LossScale, "unscale", noted):
            encoder, _ = trained(half)
        self._store(encoder, "overflows")
        return {"scales": scales}

    def fills_memory(self) -> object:
        """Trains and encodes where no pass may be as large as a whole batch is."""
        said: list[str] = []
        with mock.patch.object(processes, "tell", said.append), mock.patch.dict(CARD.room, {"gelu": 15_000}):
            _, counts = trained(self.settings)
        return {"losses": counts.losses, "said": said}

    def one_text_too_many(self) -> object:
        """Where not even one text fits."""
        with mock.patch.dict(CARD.room, {"gelu": 1_000}):
            trained(self.settings)
        return {}

    def counts(self, precision: str) -> object:
        """Launches and waits of eleven steps."""
        return self._calm(dataclasses.replace(self.settings, steps=11, batch_size=4, precision=precision))


def commanded(folder: Path, *more: str) -> tuple[int, list[str]]:
    """The exit code of ``bench run``, and the lines of its errors."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = main([
            "run", "--strategy", "hybrid", "--languages", "en,de,ar", "--steps", "6",
            "--batch-size", "8", "--task", "demo-dev", "--no-report", "--baselines", "none", "--experiment", "small",
            "--results", str(folder), *more,
        ])  # fmt: skip
    return code, [line for line in err.getvalue().splitlines() if line.startswith("bench:")]


def stored(folder: Path) -> dict[str, Any]:
    """What the command stored of its one cell."""
    (cell,) = (folder / "small").glob("hybrid-*")
    done, config = (json.loads((cell / name).read_text()) for name in ("done", "config.json"))
    return {
        "cell": cell.name, "resumed_at": config["resumed_at"], "device": config["environment"].get("device"),
        "peaks": list(done["peak_memory_mb"]), "weights": done["weights_sha256"],
        "losses": [json.loads(line)["loss"] for line in (cell / "steps.jsonl").read_text().splitlines()],
    }  # fmt: skip


def whole(folder: Path, *more: str) -> object:
    """Undisturbed."""
    assert commanded(folder, *more) == (0, [])
    return stored(folder)


def refused(folder: Path) -> object:
    """What cannot be promised of a GPU."""
    return [commanded(folder, "--checkpoint-every", "2"), commanded(folder, "--resume")]


def resumed(folder: Path) -> object:
    """Interrupted after five steps."""
    calls = itertools.count(1)

    def interrupted(*_: object) -> dict[str, int]:
        if next(calls) > 5:
            raise KeyboardInterrupt
        return {}

    with mock.patch.object(loop, "pair_counts", interrupted):
        assert commanded(folder, "--checkpoint-every", "2", "--deterministic")[0] == 130
    assert commanded(folder, "--resume", "--deterministic") == (0, [])
    return stored(folder)


BOTH = ("opens", "trains", "resumes", "gradcache", "validates", "fp16")
MODELS = ("demo-static", "demo-transformer", "xlm-roberta")


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name, and what does it."""
    gpu = torch.cuda.is_available()
    only = {"xlm-roberta": ("overflows", "fills_memory", "one_text_too_many")}
    for model in MODELS:
        where = folder / model
        where.mkdir(parents=True)
        path = str(tiny.xlm_roberta(where, layers=2)) if model == "xlm-roberta" else model
        rate = 5e-4 if model == "xlm-roberta" else 3e-3
        of = Cases(dataclasses.replace(SETTINGS, model=path, learning_rate=rate), where)
        for name in (*BOTH, *(only.get(model, ()) if gpu else ())):
            yield f"{model} {name}", getattr(of, name)
    if gpu:
        where = folder / "12 layers"
        deep = Cases(dataclasses.replace(SETTINGS, model=str(tiny.xlm_roberta(where, layers=12))), where)
        for precision in ("float32", "fp16"):
            yield f"12 layers {precision}", partial(deep.counts, precision)
        yield "rules", mixing.outcomes
        yield "command refused", partial(refused, folder / "refused")
        yield "command resumed", partial(resumed, folder / "resumed")
    yield "command", partial(whole, folder / "whole", *(["--deterministic"] if gpu else []))


def tell_all(folder: Path) -> None:
    """A line for every case."""
    for name, case in cases(folder):
        start = time.perf_counter()
        try:
            came: object = {"value": case()}
        except Exception as error:  # a case that fails is told, and the others go on
            came = {"error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
            traceback.print_exc()
        print(json.dumps({"case": name, "seconds": round(time.perf_counter() - start, 2)} | came), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[2] == "cuda":
        install()
    tell_all(Path(sys.argv[1]))
