"""What ranks in a cell: trained, merged, moved, or as it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import accelerator, processes
from bench.data.batches import Audit, Refresh, schedule, stacked
from bench.data.train_data import TrainData
from bench.encoding.handed import Handed, hand
from bench.errors import BenchError
from bench.plan.derived import Merge, Shift
from bench.running.jobs import Job
from bench.running.recorded import Request, computed_with, config_of
from bench.running.stored import described, encoder_of, offsets_of, ranker_of, require_same_model
from bench.store import cells, checkpoints, json_files
from bench.store.cells import BATCHES, CONFIG, COST, MODEL, OFFSETS, PARENTS, SCHEDULE, STEPS, VALIDATION
from bench.store.checkpoints import Checkpoint
from bench.store.writing import written_aside
from bench.training.cost import Clock
from strategies import Batch, Strategy

if TYPE_CHECKING:
    from bench.data.corpus import Ranker
    from bench.encoding.encoder import Encoder
    from bench.training.loop import Step


def make(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str] | None:
    """What ranks in a cell, and the hash of its weights (of a removal: those of its parent); stores what it takes.

    Of several processes all train, and the first one does the rest; None in one that does not help to encode either.
    """
    if job.derived is None:
        return _made(job, path, data, request)
    if isinstance(job.derived, Merge):
        return _merged(job, job.derived, path, data, request)
    if not processes.is_first():
        return None
    parent = path.parent / job.parents[0].name
    moved = _offsets(job.derived, path, parent, data, request) if isinstance(job.derived, Shift) else None
    config = config_of(job, request, data, moved)
    if job.derived.trained:
        of_parent = cells.read_config(parent)
        config |= {name: getattr(of_parent, name) for name in ("languages", "items", "overlap")}
    if not (path / CONFIG).is_file():
        json_files.write_json(path / CONFIG, config)
    return ranker_of(path, job.settings.trust_remote_code)


def _made(job: Job, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str] | None:
    """What ranks in a cell that is not derived; stores config.json and, where there is training, the model."""
    if job.strategy is not None and not processes.agreed((path / MODEL).is_dir):
        return _trained(job, job.strategy, path, data, request)
    if not processes.is_first() and not request.plan.shards:
        return None
    trust_remote_code = job.settings.trust_remote_code
    if job.strategy is not None:
        if processes.is_first():
            checkpoints.discard(checkpoints.folder_of(path))
        return ranker_of(path, trust_remote_code)
    config = config_of(job, request, data)
    found = described(cells.config_from(config, path), path, trust_remote_code)
    require_same_model(job)
    _tell(found[0], job, request)
    if processes.is_first():
        json_files.write_json(path / CONFIG, config)
    return found


def _tell(ranker: Ranker, job: Job, request: Request) -> None:
    """What there was to decide when a model was opened."""
    for note in getattr(ranker, "notes", ()):
        request.say(f"{job.name}: {note}")


def _trained(job: Job, strategy: Strategy, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str]:
    """The cell's encoder, trained now, and the hash of its weights; stores config.json, the log and the model."""
    if data is None:
        raise BenchError(f"{path}: neither a trained model nor training data; run the cell again with --overwrite")
    from bench.models.loading import load_to_train

    clock = Clock()
    with clock.running("load"):
        encoder = load_to_train(job.settings, job.seed)
        require_same_model(job)
    if processes.is_first():
        _tell(encoder, job, request)
    handed = None
    if needs := {*strategy.needs, *request.needs}:
        with clock.running("hand"):
            handed = hand(encoder, data, tuple(needs), computed_with())
        data = dataclasses.replace(data, pool=handed.pool)
    of = Training(encoder, job, strategy, data, request, handed)
    kept = checkpoints.folder_of(path)
    found = processes.agreed(lambda: _found(of, kept))
    with _written_by_first(path, request) as folder:
        _train(of, folder, found, clock)
    if processes.is_first():
        checkpoints.discard(kept)
    return encoder, encoder.weights_hash()


class Training(NamedTuple):
    """What is trained on what, and how cells are run."""

    encoder: Encoder
    job: Job
    strategy: Strategy
    data: TrainData
    request: Request
    handed: Handed | None = None

    def needed(self) -> dict[str, str]:
        """Digests of what the strategy was handed because it needs it."""
        digests = self.handed.digests if self.handed else {}
        return {name: digests[name] for name in sorted(self.strategy.needs)}


def _found(of: Training, kept: Path) -> Checkpoint | None:
    """The checkpoint to go on from; where none is asked for, what is there is discarded."""
    job, request = of.job, of.request
    if request.resume and accelerator.is_cuda() and not request.plan.deterministic:
        raise BenchError("--resume gives the same bits or nothing, and on a GPU that takes --deterministic; add it")
    if not request.resume:
        if kept.is_dir():
            request.say(f"{job.name}: the checkpoint of an unfinished run is discarded (--resume goes on from it)")
            checkpoints.discard(kept)
        return None
    found = checkpoints.find(kept, _owner(of))
    begin = (
        f"goes on after step {found.step} of {job.settings.steps}" if found else "no checkpoint, from the first step"
    )
    request.say(f"{job.name}: {begin}")
    return found


def _owner(of: Training) -> dict[str, object]:
    """What a checkpoint and the run that resumes it have in common, or the bits would differ."""
    identity = json_files.hash64([of.job.identity, of.job.seed])
    handed = {"handed": of.needed()} if of.strategy.needs else {}
    return {"cell": of.job.name, "identity": identity, "processes": processes.count(), **handed, **computed_with()}


@contextmanager
def _written_by_first(path: Path, request: Request) -> Iterator[Path]:
    """The folder that becomes ``path``; the other processes get one that is not there."""
    if processes.is_first():
        with _written_if_held(path, request) as aside:
            aside.mkdir()
            yield aside
    else:
        yield path


@contextmanager
def _written_if_held(path: Path, request: Request) -> Iterator[Path]:
    """Written aside, and put in place unless another process took the cell over meanwhile."""
    with written_aside(path) as aside:
        yield aside
        request.require_held()


def _train(of: Training, folder: Path, found: Checkpoint | None, clock: Clock) -> None:
    """Train an encoder from the first step, or from a checkpoint; all files of its cell but scores go to ``folder``."""
    from bench.models.loading import save
    from bench.training.cost import FORMULA
    from bench.training.loop import Hooks, train
    from bench.training.resume import Keeper
    from bench.training.validation import Validator

    job, settings, request, pool = of.job, of.job.settings, of.request, of.data.pool
    audit = Audit(pool.langs)
    kept, every = checkpoints.folder_of(folder.with_name(job.name)), request.plan.checkpoint_every
    refresh = Refresh() if of.strategy.refresh_every else None
    keeper = Keeper(kept, every, _owner(of), folder / STEPS, audit, found, request.require_held, refresh)
    validator = None
    if settings.validate_every:
        best = settings.select == "best"
        validator = Validator(of.data.held_out, settings.validate_every, best, folder / VALIDATION)
    if processes.is_first():
        made = {"resumed_at": keeper.resumed_at} | ({"handed": of.handed.digests} if of.handed else {})
        json_files.write_json(folder / CONFIG, config_of(job, request, of.data) | made)
    with _logged(job, request, folder, found) as log, clock.running("train"), _read_early(of) as early:
        batches = schedule(of.strategy, pool, settings.batch_size, settings.steps, job.seed, audit, early, refresh)
        train(of.encoder, of.data, batches, settings, job.seed, Hooks(log, keeper, validator, refresh))
    if processes.is_first():
        json_files.write_json(folder / BATCHES, audit.summary())
        if refresh:
            from safetensors.numpy import save_file

            save_file({"batches": stacked(refresh.batches)}, folder / SCHEDULE)
        with clock.running("save"):
            save(of.encoder, folder / MODEL, settings.trust_remote_code)
        made_in = {f"{name}, when made": s for name, s in (of.handed.seconds if of.handed else {}).items()}
        json_files.write_json(folder / COST, {"seconds": clock.seconds | made_in, "flops": FORMULA})


@contextmanager
def _read_early(of: Training) -> Iterator[Callable[[Batch], object] | None]:
    """What has the tokenizer read a batch while a GPU is at the one before; None where a CPU does both."""
    if of.encoder.model.device.type != "cuda" or processes.count() > 1:
        yield None
        return

    def read(batch: Batch) -> None:
        of.encoder.features(of.data.queries(batch), "query")
        of.encoder.features(of.data.passages(batch), "passage")

    with ThreadPoolExecutor(1) as reading:
        yield lambda batch: reading.submit(read, batch)


@contextmanager
def _logged(job: Job, request: Request, folder: Path, found: Checkpoint | None) -> Iterator[Callable[[Step], None]]:
    """What is called after each step: the first process writes a line, and tells trackers and the screen."""
    if not processes.is_first():
        yield lambda step: None
        return
    from bench.running.trackers import tracking

    before = (found.path / STEPS).read_text(encoding="utf-8") if found else ""
    plan, told = request.plan, dataclasses.asdict(job.settings) | {"strategy": job.label, "seed": job.seed}
    tracked = tracking(plan.log_with, folder.with_name(".trackers"), plan.experiment, job.name, told)
    steps, begun = job.settings.steps, found.step if found else 0
    shown = processes.Progress("train", steps, "step", begun, last=True, rows=job.settings.batch_size)
    with (folder / STEPS).open("w", encoding="utf-8", buffering=1) as file, tracked as track, shown:
        file.write(before)

        def log(step: Step) -> None:
            file.write(json.dumps(step._asdict()) + "\n")
            track(step)
            shown.update(1, f"loss {step.loss:.4f}")

        yield log


def _merged(job: Job, merge: Merge, path: Path, data: TrainData | None, request: Request) -> tuple[Ranker, str] | None:
    """Train the parents in ``parents/``, where finished ones are kept, and store their average as ``model``."""
    if not processes.agreed((path / MODEL).is_dir):
        for parent in job.parents:
            _made(parent, path / PARENTS / parent.name, data, request)
        config = config_of(job, request, data)
        processes.agreed(lambda: _store_average(merge, path, job.parents, config, request))
    if not processes.is_first() and not request.plan.shards:
        return None
    return ranker_of(path, job.settings.trust_remote_code)


def _store_average(
    merge: Merge, path: Path, parents: Sequence[Job], config: Mapping[str, object], request: Request
) -> None:
    from bench.models.derived import average
    from bench.models.loading import save

    trust_remote_code = request.plan.settings.trust_remote_code
    json_files.write_json(path / CONFIG, config)
    encoders = [encoder_of(path / PARENTS / parent.name, trust_remote_code) for parent in parents]
    states = [encoder.model.state_dict() for encoder in encoders]
    encoders[0].model.load_state_dict(average(states, merge.shares()))
    with _written_if_held(path / MODEL, request) as aside:
        save(encoders[0], aside, trust_remote_code)


def _offsets(shift: Shift, path: Path, parent: Path, data: TrainData | None, request: Request) -> list[str]:
    """The languages that have an offset; estimates and stores the offsets where they are not there."""
    from safetensors.numpy import save_file

    from bench.data.train_data import parallel_passages
    from bench.models.derived import offsets

    if (path / OFFSETS).is_file():
        return sorted(offsets_of(path))
    if data is None:
        raise BenchError(f"{path}: no offsets there and no training data; run the cell again with --overwrite")
    encoder = encoder_of(parent, request.plan.settings.trust_remote_code)
    found = offsets(lambda texts: encoder.encode(texts, "passage"), parallel_passages(data, shift.source))
    with _written_if_held(path / OFFSETS, request) as aside:
        save_file(found, aside)
    return sorted(found)
