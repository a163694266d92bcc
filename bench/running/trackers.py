"""Trackers of trainings, through accelerate's: TensorBoard, Weights & Biases, MLflow. Off unless asked for.

They write below one folder, and to a server only where the user's environment names one: ``WANDB_MODE=online``,
``MLFLOW_TRACKING_URI``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, require_known

if TYPE_CHECKING:
    from bench.training.loop import Step

TRACKERS = ("tensorboard", "wandb", "mlflow")


Log = Callable[["Step"], None]


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are unknown or not installed.

    Raises:
        BenchError: the message says which.
    """
    for name in names:
        require_known("a tracker of --log-with", name, TRACKERS)
        if find_spec(name) is None:
            raise BenchError(f"--log-with {name} needs the package {name}: pip install {name}")


@contextmanager
def tracking(
    names: Sequence[str], folder: Path, experiment: str, cell: str, settings: Mapping[str, object]
) -> Iterator[Log]:
    """What takes the steps of one cell; closed at the end, also after an error.

    Args:
        names: some of ``TRACKERS``.
        folder: they write here.
        experiment: the project's name.
        cell: the run's name.
        settings: stored once.
    """
    opened = [_opened(name, folder, experiment, cell) for name in names]
    for tracker in opened:
        tracker.start()
        tracker.store_init_configuration({name: _plain(value) for name, value in settings.items()})

    def log(step: Step) -> None:
        values = {name: value for name, value in step._asdict().items() if isinstance(value, float)}
        for tracker in opened:
            tracker.log(values, step=step.step)

    try:
        yield log
    finally:
        for tracker in opened:
            tracker.finish()


def _opened(name: str, folder: Path, experiment: str, cell: str) -> Any:
    from accelerate import PartialState
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    PartialState()  # accelerate's trackers ask which process this is
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        return TensorBoardTracker(cell, own)
    if name == "wandb":
        mode = os.environ.get("WANDB_MODE", "offline")
        return WandBTracker(experiment, name=cell, dir=str(own), mode=mode)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{own.absolute() / 'mlflow.db'}")
    return MLflowTracker(experiment, logging_dir=own.absolute().as_uri(), run_name=cell)


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
