"""What a checkpoint holds, and how training goes on from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, distributed
from torch.optim.lr_scheduler import LRScheduler

from bench import processes
from bench.data.batches import Audit, Refresh
from bench.errors import BenchError, told
from bench.randomness import random_states, set_random_states
from bench.store import checkpoints
from bench.store.checkpoints import Checkpoint
from bench.training.optimizer import Optimizers
from bench.training.validation import Validator
from strategies.contract import Batch


def flatten(value: object, tensors: dict[str, Tensor], path: str = "") -> object:
    """``value`` as plain JSON; its tensors are put into ``tensors`` under the path that leads to them.

    Raises:
        TypeError: a value is none of tensor, dict, list, tuple, text, number, bool, None.
    """
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, flatten(v, tensors, f"{path}.{key}".lstrip("."))] for key, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [flatten(v, tensors, f"{path}.{i}".lstrip(".")) for i, v in enumerate(value)]}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{path}: a {type(value).__name__} cannot be stored without pickle")


def unflatten(value: object, tensors: dict[str, Tensor]) -> object:
    """The inverse of ``flatten``."""
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "dict":
        return {key: unflatten(v, tensors) for key, v in inside}
    parts = [unflatten(v, tensors) for v in inside]
    return parts if kind == "list" else tuple(parts)


class Parts(NamedTuple):
    """What training changes."""

    model: torch.nn.Module
    optimizer: Optimizers
    scheduler: LRScheduler
    device: torch.device
    validator: Validator | None


class Keeper:
    """Stores a checkpoint after every ``every`` steps (0: never) and restores the one that was found.

    Args:
        folder: that of the cell's checkpoints.
        every: steps between two checkpoints.
        owner: what a checkpoint and the run that resumes it have in common.
        log: steps.jsonl, written up to the last step.
        audit: of the batches drawn so far.
        found: what to go on from.
        require_held: refuses to store one where another process took the cell over.
        refresh: of a strategy that follows the model.
    """

    def __init__(
        self, folder: Path, every: int, owner: dict[str, object], log: Path, audit: Audit, found: Checkpoint | None,
        require_held: Callable[[], None] = lambda: None, refresh: Refresh | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._every, self._owner, self._log, self._audit = folder, every, owner, log, audit
        self._found, self._require_held, self._refresh = found, require_held, refresh

    @property
    def needed(self) -> bool:
        """Whether anything is stored or restored."""
        return bool(self._every) or self._found is not None

    @property
    def resumed_at(self) -> list[int]:
        """Updates that were done whenever the cell was resumed, in order."""
        if self._found is None:
            return []
        return [*self._found.state.resumed_at, self._found.step]

    def restore(self, parts: Parts, batches: Iterator[Batch]) -> int:
        """Set ``parts``, the random states and the position in ``batches`` to the checkpoint's; returns its step.

        Raises:
            BenchError: the batches drawn until there are not those that the checkpoint was trained on.
        """
        if self._found is None:
            return 0
        state, path = self._found.state, self._found.path
        if self._refresh:
            with whole(self._found):
                self._refresh.restore({name: t.numpy() for name, t in self._found.tensors("refresh").items()})
        for _ in range(self._found.step):
            next(batches)
        if self._audit.summary()["sha256"] != state.batches_sha256:
            raise BenchError(
                f"{path}: a foreign checkpoint; it was trained on other batches than the strategy draws now, "
                f"whose code has changed; {checkpoints.WITHOUT_RESUME}"
            )
        with whole(self._found):
            parts.model.load_state_dict(self._found.tensors("model"))
            optimizer, scheduler = stored_states(self._found)
            parts.optimizer.load_state_dict(optimizer)  # type: ignore[arg-type]
            parts.scheduler.load_state_dict(scheduler)  # type: ignore[arg-type]
            if parts.validator:
                parts.validator.restore(state.validation, self._found.tensors("best"))
            own = f"{processes.number()}."
            states = self._found.tensors("random")
            set_random_states({k.removeprefix(own): v for k, v in states.items() if k.startswith(own)}, parts.device)
        return self._found.step

    def after(self, done: int, parts: Parts) -> None:
        """Called after ``done`` updates by every process; the first one stores a checkpoint if one is due."""
        if not self._every or done % self._every:
            return
        random = _of_all_processes(random_states(parts.device))
        if not processes.is_first():
            return
        tensors: dict[str, Tensor] = {}
        scalars = {
            "optimizer": flatten(parts.optimizer.state_dict(), tensors, "optimizer"),
            "scheduler": flatten(parts.scheduler.state_dict(), tensors, "scheduler"),
        }
        state = {
            "owner": self._owner,
            "batches_sha256": self._audit.summary()["sha256"],
            "resumed_at": self.resumed_at,
            "scalars": scalars,
        }
        tables = {"model": parts.model.state_dict(), "training": tensors, "random": random}
        if parts.validator:
            state["validation"], tables["best"] = parts.validator.state()
        if self._refresh:
            arrays = self._refresh.state().items()
            tables["refresh"] = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays}
        self._require_held()
        checkpoints.write(self._folder, done, state, tables, self._log)


def stored_states(found: Checkpoint) -> tuple[object, object]:
    """What the optimiser and the learning rate's schedule were when a checkpoint was written.

    Raises:
        BenchError: the checkpoint holds something else.
    """
    with whole(found):
        scalars, tensors = found.state.scalars, found.tensors("training")
        return unflatten(scalars.optimizer, tensors), unflatten(scalars.scheduler, tensors)


@contextmanager
def whole(found: Checkpoint) -> Iterator[None]:
    """What a checkpoint raises whose digests fit and whose content does not: a line instead of a traceback."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # a missing key, a tensor of another shape: every library raises its own
        raise BenchError(
            f"{found.path}: not what training stores ({told(error)}); {checkpoints.WITHOUT_RESUME}"
        ) from None


def _of_all_processes(own: dict[str, Tensor]) -> dict[str, Tensor]:
    held: list[dict[str, Tensor]] = [own]
    if processes.count() > 1:
        held = [{} for _ in range(processes.count())]
        distributed.all_gather_object(held, own)
    return {f"{number}.{name}": state for number, states in enumerate(held) for name, state in states.items()}
