"""The ranker of a cell that is on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.models.folder import FLAG
from bench.plan.settings import Settings
from bench.store import cells
from bench.store.cells import OFFSETS
from bench.store.json_files import file_name, typed

if TYPE_CHECKING:
    from bench.data.corpus import Ranker
    from bench.models.encoder import Encoder
    from bench.models.language_removal import Removal

Floats = NDArray[np.float32]


def stored(path: Path, code: bool, above: frozenset[str] = frozenset()) -> tuple[Ranker, str]:
    """The ranker of a stored cell with an encoder, and the hash of its weights; parents stand beside it.

    Args:
        path: of the cell.
        code: whether the user consents to run the model's own code; what is stored cannot consent.
        above: cells that are made of this one.
    """
    config = cells.read_config(path)
    about = config.get("derived")
    if not isinstance(about, dict) or about["kind"] == "merge":
        encoder = _encoder(path, code)
        return encoder, encoder.weights_hash()
    from bench.models.language_removal import Removed

    parents = config["parents"]
    assert isinstance(parents, list)
    if len(parents) != 1 or path.name in above:
        raise BenchError(f"{path / 'config.json'}: such a cell is made of one other, and not of itself")
    parent = path.parent / file_name(parents[0]["cell"], f"{path / 'config.json'}: a parent")
    inner, weights = stored(parent, code, above | {path.name})
    return Removed(inner, _removal(str(about["kind"]), about["parameters"], path)), weights


def _removal(kind: str, parameters: Mapping[str, object], path: Path) -> Removal:
    from bench.models import language_removal

    rank = parameters.get("rank")
    if kind == "shift":
        return language_removal.shift(_stored_offsets(path))
    if kind == "lir" and type(rank) is int and rank >= 1:
        return language_removal.lir(rank)
    if kind == "centering":
        return language_removal.centering
    raise BenchError(f"{path / 'config.json'}: derived in no known way ({kind!r:.80}, rank {rank!r:.80})")


def _stored_offsets(path: Path) -> dict[str, Floats]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path / OFFSETS)
    except (OSError, SafetensorError) as error:
        raise BenchError(f"{path / OFFSETS}: not readable ({error}); run the cell again with --overwrite") from None


def _encoder(path: Path, code: bool) -> Encoder:
    """The encoder of a cell: its own model where it has one, else the one that its settings name."""
    from bench.models.loading import load_encoder

    config = cells.read_config(path)
    settings = typed(Settings, config["settings"], str(path / "config.json"), "settings")
    if settings.trust_remote_code and not code:
        raise BenchError(f"{path}: its model runs code of its own; {FLAG} consents to that")
    if config["trained"]:
        settings = dataclasses.replace(settings, model=str(path / "model"))
    return load_encoder(settings, int(str(config["seed"])))
