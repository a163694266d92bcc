"""Settings and Plan: every value with its rule and its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from bench.errors import BenchError
from bench.plan.protocol import Protocol

TRAINED_IN_PAPER = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
"""Training languages of arXiv 2408.10536; XQuAD-R's other two, Greek and Vietnamese, are its zero-shot languages."""


PRECISIONS = ("auto", "float32", "bf16", "fp16")


BUILT_IN = {
    "demo-static": "built in: mean of token vectors, pre-trained on parallel CLDR names alone",
    "demo-transformer": "built in: two transformer layers over the same tokenizer, randomly initialised",
}
"""Models that ship with the package, and what they are."""


MOST = 2**31 - 1
"""Largest whole number that a setting takes."""


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
        negatives: hard negatives per row, where a source has as many for an item.
        negative_language: of the hard negatives: ``same`` as the passage's, the ``query``'s, or ``random`` per row.
        validate_every: steps between two scores of the held-out items (needs ``hold_out``); 0 makes none.
        select: ``last`` weights, or the ``best`` by that score: of the same steps, and by the same rule, everywhere.
        micro_batch: rows of a process that pass the encoder together with a graph (GradCache, arXiv 2101.06983); 0
            passes the whole batch at once. Equal up to rounding, in bounded memory.
        trust_remote_code: whether code that comes with the model, or that it names, is run. From the command line
            alone: no preset and no stored result can consent for the user.
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
    negatives: int = 0
    negative_language: str = "same"
    validate_every: int = 0
    select: str = "last"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "query_length", "passage_length"):
            rule = f"{name} is a whole number of at least 1 and at most {MOST}"
            _require(1 <= getattr(self, name) <= MOST, rule, getattr(self, name))
        for name in ("learning_rate", "temperature", "max_grad_norm"):
            _require(0 < getattr(self, name) < float("inf"), f"{name} is a positive number", getattr(self, name))
        _require(0 <= self.weight_decay < float("inf"), "weight_decay is not negative", self.weight_decay)
        _require(0 <= self.warmup <= 1, "warmup is a share of the steps between 0 and 1", self.warmup)
        _require(self.batch_size >= 2, "batch_size is at least 2: a lone row has no in-batch negative", self.batch_size)
        _require(0 <= self.micro_batch <= MOST, "micro_batch is a whole number of at least 0", self.micro_batch)
        _require(0 <= self.negatives <= MOST, "negatives is a whole number of at least 0", self.negatives)
        rule = "negative_language is same, query or random"
        _require(self.negative_language in ("same", "query", "random"), rule, self.negative_language)
        every = self.validate_every
        _require(0 <= every <= MOST, "validate_every is a whole number of at least 0", every)
        _require(self.select in ("last", "best"), "select is last or best", self.select)
        if self.validate_every and not self.hold_out:
            raise BenchError("validation scores items that are not trained on; add --hold-out to --validate-every")
        if self.select == "best" and not self.validate_every:
            raise BenchError("the best weights are chosen by validation; add --validate-every N to --select best")
        _require(self.precision in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}", self.precision)
        weighted = not self.train_weights or len(self.train_weights) == len(self.train)
        _require(
            weighted and all(0 < w < float("inf") for w in self.train_weights),
            f"train_weights are {len(self.train)} positive numbers, one per source",
            self.train_weights,
        )
        _require(len(self.train) > 0, "train names at least one source", self.train)
        _require(len(set(self.languages)) == len(self.languages) > 0, "languages are named once each", self.languages)


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
        log_with: trackers that are told of every step: tensorboard, wandb, mlflow; none by default.
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
    log_with: tuple[str, ...] = ()
    threads: int = 0
    protocol: Protocol | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)

    def __post_init__(self) -> None:
        rule = f"seeds are whole numbers of at least 0 and at most {MOST}"
        _require(all(0 <= s <= MOST for s in self.seeds), rule, self.seeds)
        _require(self.overlap in ("refuse", "drop", "keep"), "overlap is refuse, drop or keep", self.overlap)
        _require(self.index in INDEXES, f"index is one of {', '.join(INDEXES)}", self.index)
        _require(100 <= self.depth <= MOST, "depth is a whole number of at least 100: R@100 is reported", self.depth)
        _require(self.vectors in VECTORS, f"vectors are one of {', '.join(VECTORS)}", self.vectors)
        _require(self.shards != "" or self.vectors == "float32",
                 "vectors are float32 unless they are kept on disk: add --shards FOLDER", self.vectors)  # fmt: skip
        every = self.checkpoint_every
        _require(0 <= every <= MOST, "checkpoint_every is a whole number of at least 0", every)
        _require(0 <= self.threads <= 4096, "threads is a whole number of at least 0 and at most 4096", self.threads)
        require_experiment_name(self.experiment)


def require_experiment_name(name: str) -> None:
    """Refuse a name that is not that of one folder.

    Raises:
        BenchError: signs that a folder's name should not have, or too many.
    """
    plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum() and not name.startswith((".", "-"))
    rule = "an experiment's name is letters, digits, '-', '_' and '.', at most 100, and starts with no '-' or '.'"
    _require(plain and len(name) <= 100, rule, name)


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise BenchError(f"{rule}; got {value!r:.200}")
