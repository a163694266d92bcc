"""What a run is made of: the settings that every strategy shares, with their defaults and where they come from."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from bench.errors import BenchError
from bench.languages import TRAINED_IN_PAPER
from bench.precision import PRECISIONS
from bench.protocol import Protocol

PRESETS = Path(__file__).parent / "presets"

BUILT_IN = {
    "demo-static": "built in: mean of token vectors, pre-trained on parallel CLDR names alone",
    "demo-transformer": "built in: two transformer layers over the same tokenizer, randomly initialised",
}
"""Models that ship with the package, and what they are."""

INDEXES = ("exact", "flat", "hnsw", "ivf")

VECTORS = ("float32", "float16")


@dataclass(frozen=True)
class Settings:
    """Everything that is equal for all strategies and moves a number. Defaults: arXiv 2408.10536 unless said otherwise.

    Attributes:
        model: a built-in name, a folder, or a Hub name that sentence-transformers can load.
        train: names of training sources.
        train_weights: relative share of items of each source; empty mixes them by size.
        hold_out: whether one in twenty groups of each source is left out, for the tasks ``held-out:<source>``.
        languages: languages trained on; those that no source has are left out and said so.
        steps: optimiser updates; the same number for every strategy, no early stopping.
        batch_size: rows per step over all devices.
        learning_rate: peak of a linear warm-up and linear decay.
        warmup: share of the steps that warm up (not given in the paper).
        weight_decay: AdamW's.
        max_grad_norm: gradients are clipped to this norm (not given in the paper; 1.0 as in BERT).
        temperature: of InfoNCE (not given in the paper; between E5's 0.01 and sentence-transformers' 0.05).
        query_length: tokens kept of a query (not given in the paper).
        passage_length: tokens kept of a passage (not given in the paper).
        query_prompt: text in front of every query; None takes the model's own.
        passage_prompt: text in front of every passage; None takes the model's own.
        precision: of the layers: float32, bf16 or fp16 (automatic mixed precision; fp16 on GPUs, with a scaled loss),
            or auto, which a run resolves to float32 or bf16 by measuring this machine; cells are named after what was
            resolved. Unresolved, it is float32.
        micro_batch: rows of a process that pass the encoder together with a graph (GradCache, arXiv 2101.06983); 0
            passes the whole batch at once. Equal up to rounding, in bounded memory.
    """

    model: str = "demo-static"
    train: tuple[str, ...] = ("demo",)
    train_weights: tuple[float, ...] = ()
    hold_out: bool = False
    languages: tuple[str, ...] = TRAINED_IN_PAPER
    steps: int = 1000
    batch_size: int = 100
    learning_rate: float = 3e-5
    warmup: float = 0.1
    weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    temperature: float = 0.02
    query_length: int = 64
    passage_length: int = 256
    query_prompt: str | None = None
    passage_prompt: str | None = None
    precision: str = "auto"
    micro_batch: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "query_length", "passage_length"):
            _require(getattr(self, name) >= 1, f"{name} is a whole number of at least 1", getattr(self, name))
        for name in ("learning_rate", "temperature", "max_grad_norm"):
            _require(0 < getattr(self, name) < float("inf"), f"{name} is a positive number", getattr(self, name))
        _require(0 <= self.weight_decay < float("inf"), "weight_decay is not negative", self.weight_decay)
        _require(0 <= self.warmup <= 1, "warmup is a share of the steps between 0 and 1", self.warmup)
        _require(self.batch_size >= 2, "batch_size is at least 2: a lone row has no in-batch negative", self.batch_size)
        _require(self.micro_batch >= 0, "micro_batch is a whole number of at least 0", self.micro_batch)
        _require(self.precision in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}", self.precision)
        weighted = not self.train_weights or len(self.train_weights) == len(self.train)
        _require(
            weighted and all(0 < w < float("inf") for w in self.train_weights),
            f"train_weights are {len(self.train)} positive numbers, one per source",
            self.train_weights,
        )
        _require(len(self.train) > 0, "train names at least one source", self.train)
        _require(len(set(self.languages)) == len(self.languages) > 0, "languages are named once each", self.languages)

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Settings:
        """As ``config.json`` holds them: lists for tuples."""
        return cls(**_typed(cls, dict(values), None))


@dataclass(frozen=True)
class Plan:
    """What to run: strategies x seeds, scored on tasks, under one set of settings.

    Attributes:
        experiment: the folder's name below the results and reports folders.
        strategies: strategy expressions, as ``hybrid(alpha=0.3)``.
        seeds: one cell per strategy and seed; seeds are paired over strategies.
        tasks: names of tasks to score on.
        baselines: rows without training: ``untrained`` (the base model), ``char-tfidf``.
        note: a sentence that the report prints at its top.
        overlap: what is done with training items that share a long run of words with a test set: ``refuse`` the run,
            ``drop`` the items, or ``keep`` them; recorded in each case.
        index: how passages are ranked: ``exact`` (all of them), or the first ``depth`` by faiss, ``flat`` (exact to the
            depth), ``hnsw`` or ``ivf`` (approximate, their recall is recorded).
        depth: passages per query and language that a faiss index gives.
        shards: folder where encoders keep the vectors of passages, in shards; empty holds them in memory. Moves no
            number.
        vectors: how shards hold them: ``float32``, or ``float16``, which is an approximation and recorded.
        checkpoint_every: steps between two checkpoints of a cell in training; 0 stores none. Moves no number.
        threads: CPU threads; 0 leaves torch's own choice. Recorded, not part of a cell's identity.
        protocol: what the experiment is to decide; None takes what the experiment began with, or the default.
        settings: shared by all cells.
    """

    experiment: str = "default"
    strategies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    tasks: tuple[str, ...] = ("demo",)
    baselines: tuple[str, ...] = ()
    note: str = ""
    overlap: str = "refuse"
    index: str = "exact"
    depth: int = 1000
    shards: str = ""
    vectors: str = "float32"
    checkpoint_every: int = 0
    threads: int = 0
    protocol: Protocol | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)

    def __post_init__(self) -> None:
        _require(all(s >= 0 for s in self.seeds), "seeds are whole numbers of at least 0", self.seeds)
        _require(self.overlap in ("refuse", "drop", "keep"), "overlap is refuse, drop or keep", self.overlap)
        _require(self.index in INDEXES, f"index is one of {', '.join(INDEXES)}", self.index)
        _require(self.depth >= 100, "depth is a whole number of at least 100: R@100 is reported", self.depth)
        _require(self.vectors in VECTORS, f"vectors are one of {', '.join(VECTORS)}", self.vectors)
        _require(self.shards != "" or self.vectors == "float32",
                 "vectors are float32 unless they are kept on disk: add --shards FOLDER", self.vectors)  # fmt: skip
        _require(self.checkpoint_every >= 0, "checkpoint_every is a whole number of at least 0", self.checkpoint_every)
        _require(self.threads >= 0, "threads is a whole number of at least 0", self.threads)
        name = self.experiment
        plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum() and not name.startswith((".", "-"))
        _require(plain, "an experiment's name is letters, digits, '-', '_' and '.', and starts with no '-' or '.'",
                 name)  # fmt: skip


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise BenchError(f"{rule}; got {value!r}")


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def load_plan(preset: str | None, overrides: dict[str, object]) -> Plan:
    """The plan of a preset (a shipped name or a TOML file), changed by ``overrides`` (None means unchanged)."""
    values = _read_preset(preset) if preset else {}
    table, protocol = values.pop("settings", {}), values.pop("protocol", None)
    for name, part in (("settings", table), ("protocol", protocol or {})):
        if not isinstance(part, dict):
            raise BenchError(f"preset {preset!r}: [{name}] is a table; got {part!r}")
    assert isinstance(table, dict)
    given = {k: v for k, v in overrides.items() if v is not None}
    names = {f.name for f in dataclasses.fields(Settings)}
    table |= {k: v for k, v in given.items() if k in names}
    values |= {k: v for k, v in given.items() if k not in names}
    stated = None if protocol is None else Protocol.of(protocol)  # type: ignore[arg-type]
    return Plan(**_typed(Plan, values, preset), protocol=stated, settings=Settings(**_typed(Settings, table, preset)))


def _read_preset(preset: str) -> dict[str, object]:
    path = PRESETS / f"{preset}.toml" if preset in presets() else Path(preset)
    if path.suffix != ".toml" or not path.is_file():
        raise BenchError(f"a preset is one of {', '.join(presets())} or the path of a TOML file; got {preset!r}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BenchError(f"{path}: not a readable TOML file ({error})") from None


def _typed(cls: type[Plan] | type[Settings], values: dict[str, object], preset: str | None) -> dict[str, Any]:
    """``values`` with lists as tuples, refused by name where a field is unknown or of another type."""
    hints = get_type_hints(cls)
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints or name in ("settings", "protocol"):
            raise BenchError(f"preset {preset!r} sets {name!r}, which is none of {', '.join(sorted(hints))}")
        value = tuple(value) if isinstance(value, list) else value
        kinds = tuple(get_args(hints[name])) if type(None) in get_args(hints[name]) else (hints[name],)
        plain = tuple(tuple if getattr(k, "__origin__", None) is tuple else k for k in kinds)
        if float in plain and type(value) is int:
            value = float(value)
        if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
            wanted = " or ".join(getattr(k, "__name__", str(k)) for k in plain)
            raise BenchError(f"{name} is a {wanted}; got {value!r}")
        typed[name] = value
    return typed
