"""What ranks in a cell, by its config and what lies beside that."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.models.folder import FLAG
from bench.models.lexical import LEXICAL
from bench.plan.settings import Settings
from bench.running.jobs import Job
from bench.running.recorded import describe_model
from bench.store import cells
from bench.store.cells import CONFIG, MODEL, OFFSETS, Config, Derivation, Parent
from bench.store.json_files import file_name, typed
from tasks.files import is_folder

if TYPE_CHECKING:
    from bench.data.corpus import Ranker
    from bench.encoding.encoder import Encoder
    from bench.models.derived import Removal

Floats = NDArray[np.float32]


def ranker_of(path: Path, trust_remote_code: bool) -> tuple[Ranker, str]:
    """The ranker of a cell on disk, and the hash of its weights; cells that it is made of stand beside it.

    Args:
        path: of the cell.
        trust_remote_code: whether the user consents to run the model's own code; what is stored cannot consent.
    """
    return described(cells.read_config(path), path, trust_remote_code)


def encoder_of(path: Path, trust_remote_code: bool) -> Encoder:
    """The encoder of a cell on disk that has weights of its own, or those of the base model."""
    return _encoder(cells.read_config(path), path, trust_remote_code)


def described(
    config: Config, path: Path, trust_remote_code: bool, above: frozenset[str] = frozenset()
) -> tuple[Ranker, str]:
    """What ranks in the cell ``path`` by its ``config``, and the hash of its weights (of a removal: of its parent's).

    ``above`` names the cells that are made of this one.
    """
    if config.derived is not None and config.derived.kind != "merge":
        return _removed(config.derived, config.parents, path, trust_remote_code, above)
    if not config.trained and not config.model:
        return _lexical(config.strategy, path), "none"
    encoder = _encoder(config, path, trust_remote_code)
    return encoder, encoder.weights_hash()


def _lexical(label: str, path: Path) -> Ranker:
    if label not in LEXICAL:
        raise BenchError(f"{path / CONFIG}: no model in it, and {label!r:.80} is none of {', '.join(LEXICAL)}")
    return LEXICAL[label]()


def _removed(
    how: Derivation, parents: Sequence[Parent], path: Path, trust_remote_code: bool, above: frozenset[str]
) -> tuple[Ranker, str]:
    """The ranker of the one parent, with something removed from its vectors."""
    from bench.models.derived import Removed

    if len(parents) != 1 or path.name in above:
        raise BenchError(f"{path / CONFIG}: such a cell is made of one other, and not of itself")
    parent = path.parent / file_name(parents[0].cell, f"{path / CONFIG}: a parent")
    inner, weights = described(cells.read_config(parent), parent, trust_remote_code, above | {path.name})
    return Removed(inner, _removal(how, path)), weights


def _removal(how: Derivation, path: Path) -> Removal:
    from bench.models import derived

    kind, rank = how.kind, how.parameters.get("rank")
    if kind == "shift":
        return derived.shift(offsets_of(path))
    if kind == "lir" and type(rank) is int and rank >= 1:
        return derived.lir(rank)
    if kind == "centering":
        return derived.centering
    raise BenchError(f"{path / CONFIG}: derived in no known way ({kind!r:.80}, rank {rank!r:.80})")


def offsets_of(path: Path) -> dict[str, Floats]:
    """Language -> what a stored cell subtracts from its passages, float32, (dim,).

    Raises:
        BenchError: not readable.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path / OFFSETS)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"{path / OFFSETS}: not readable ({error}); run the cell again with --overwrite") from None


def _encoder(config: Config, path: Path, trust_remote_code: bool) -> Encoder:
    """A cell's own model where it is trained, else the one that its settings name."""
    from bench.models.loading import load_encoder

    settings = typed(Settings, config.settings, str(path / CONFIG), "settings")
    if settings.trust_remote_code and not trust_remote_code:
        raise BenchError(f"{path}: its model runs code of its own; {FLAG} consents to that")
    if config.trained:
        settings = dataclasses.replace(settings, model=str(path / MODEL))
    return load_encoder(settings, config.seed)


def require_same_model(job: Job) -> None:
    """Refuse what was loaded for a cell if the base model is a folder whose files are not those that name the cell.

    Raises:
        BenchError: they changed.
    """
    name, code = job.settings.model, job.settings.trust_remote_code
    if job.model and is_folder(Path(name)) and describe_model(name, False, code)["files"] != job.model["files"]:
        raise BenchError(f"{name}: its files changed since the run began, and cells are named after them; run again")
