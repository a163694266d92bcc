"""Settings and Plan: every value with its rule and its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_origin, get_type_hints

from bench.errors import BenchError
from bench.plan.lora import Lora
from bench.plan.protocol import Protocol
from tasks.languages import canonical

TRAINED_IN_PAPER = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
"""Training languages of arXiv 2408.10536; XQuAD-R's other two, Greek and Vietnamese, are its zero-shot languages."""


PRECISIONS = ("auto", "float32", "bf16", "fp16")


BUILT_IN = {
    "demo-static": "built in: mean of token vectors, pre-trained on parallel CLDR names alone",
    "demo-transformer": "built in: two transformer layers over the same tokenizer, randomly initialised",
}
"""Models that ship with the package, and what they are."""


LARGEST = 2**31 - 1
"""Largest whole number that a setting takes."""


INDEXES = ("exact", "flat", "hnsw", "ivf")


VECTORS = ("float32", "float16")


COMPARED, DATA, MODEL, TRAINING = "what to compare", "data", "model", "training"
SCORING, MACHINE, OUTPUT = "scoring", "where it runs", "output"


class Asked(NamedTuple):
    """What a field means, and how the command line asks for it (``bench.plan.options``).

    Attributes:
        group: the part of the help that it stands in.
        meaning: in words, with its source.
        said: the default in words, where the value says too little.
        choices: all that it can be, where it is one of a few words.
        flag: the option, where it is not called as the field is.
        metavar: what stands for the value in the help, where the type says too little.
        none: whether "none" stands for an empty list, where the default is another one.
    """

    group: str
    meaning: str
    said: str = ""
    choices: tuple[str, ...] = ()
    flag: str = ""
    metavar: str = ""
    none: bool = False

    def option(self, name: str) -> str:
        """What a field of this name is called on the command line."""
        return self.flag or f"--{name.replace('_', '-')}"


def told(value: object) -> str:
    """A value as one writes it on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "no" if value is False else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Settings:
    """Everything that is equal for all strategies and moves a number; each field says beside it what it means.

    Defaults are those of arXiv 2408.10536 unless said otherwise.
    """

    model: Annotated[str, Asked(MODEL, "a built-in name ('list models'), a folder, or a Hub name", metavar="NAME")] = (
        "demo-static"
    )
    train: Annotated[tuple[str, ...], Asked(DATA, "training sources ('list sources'), or .jsonl[.gz] files")] = (
        "demo",
    )
    train_weights: Annotated[
        tuple[float, ...], Asked(DATA, "relative share of the items of each source", said="by size")
    ] = ()
    hold_out: Annotated[
        bool, Asked(DATA, "leave out one in twenty groups of each source, for the tasks held-out:<source>")
    ] = False
    languages: Annotated[
        tuple[str, ...],
        Asked(DATA, "languages to train on", said="the preset's, else all that the sources have"),
    ] = ()
    steps: Annotated[
        int, Asked(TRAINING, "optimiser updates: the same number for every strategy, no early stopping")
    ] = 1000
    batch_size: Annotated[int, Asked(TRAINING, "rows per step, over all devices")] = 100
    learning_rate: Annotated[float, Asked(TRAINING, "peak of a linear warm-up and a linear decay")] = 3e-5
    warmup: Annotated[float, Asked(TRAINING, "share of the steps that warm up (not given in the paper)")] = 0.1
    weight_decay: Annotated[float, Asked(TRAINING, "AdamW's")] = 1e-2
    max_grad_norm: Annotated[
        float, Asked(TRAINING, "gradients are clipped to this norm (not given in the paper; 1 as in BERT)")
    ] = 1.0
    temperature: Annotated[
        float,
        Asked(TRAINING, "of InfoNCE (not given in the paper; between E5's .01 and sentence-transformers' .05)"),
    ] = 0.02
    query_length: Annotated[int, Asked(MODEL, "tokens kept of a query (not given in the paper)")] = 64
    passage_length: Annotated[int, Asked(MODEL, "tokens kept of a passage (not given in the paper)")] = 256
    query_prompt: Annotated[str | None, Asked(MODEL, "text in front of every query", said="the model's own")] = None
    passage_prompt: Annotated[str | None, Asked(MODEL, "text in front of every passage", said="the model's own")] = None
    precision: Annotated[
        str,
        Asked(
            MODEL,
            "of the layers: float32, bf16 or fp16 (automatic mixed precision; fp16 on GPUs, with a scaled loss), or "
            "auto: float32, or bf16 where this machine is measured to be faster in it; cells are named after which",
            choices=PRECISIONS,
        ),
    ] = "auto"
    micro_batch: Annotated[
        int,
        Asked(
            TRAINING,
            "GradCache (arXiv 2101.06983): rows of a process that are in memory at once; without dropout equal to the "
            "whole batch up to rounding, with it a draw of other masks: another loss of one distribution, and its own "
            "gradients",
            said="0, the whole batch",
        ),
    ] = 0
    negatives: Annotated[int, Asked(DATA, "hard negatives per row, where a source has as many for an item")] = 0
    negative_language: Annotated[
        str,
        Asked(
            DATA,
            "of the hard negatives: the same as the passage's, the query's, or at random per row",
            choices=("same", "query", "random"),
        ),
    ] = "same"
    validate_every: Annotated[
        int, Asked(TRAINING, "steps between two scores of the held-out items (needs --hold-out)", said="0, none")
    ] = 0
    select: Annotated[
        str,
        Asked(
            TRAINING, "weights to keep: the last, or the best by those scores, for all alike", choices=("last", "best")
        ),
    ] = "last"
    lora: Annotated[
        str,
        Asked(
            TRAINING,
            "train adapters of low rank (LoRA, arXiv 2106.09685) in place of the transformer's weights, as r=16 or "
            "r=16,alpha=32,dropout=0.05,targets=query+value; needs the extra [peft]",
            said="none, all weights; alpha: twice r, dropout: 0, targets: all-linear",
            metavar="r=RANK",
        ),
    ] = ""
    trust_remote_code: Annotated[
        bool,
        Asked(
            MODEL,
            "run code that comes with the model or that it names; from the command line alone: no preset and no stored "
            "result can consent for the user",
            said="no, such models are refused",
        ),
    ] = False

    def __post_init__(self) -> None:
        _require_choices(self)
        for name in ("steps", "batch_size", "query_length", "passage_length"):
            rule = f"{name} is a whole number of at least 1 and at most {LARGEST}"
            _require(1 <= getattr(self, name) <= LARGEST, rule, getattr(self, name))
        for name in ("learning_rate", "temperature", "max_grad_norm"):
            _require(0 < getattr(self, name) < float("inf"), f"{name} is a positive number", getattr(self, name))
        _require(0 <= self.weight_decay < float("inf"), "weight_decay is not negative", self.weight_decay)
        _require(0 <= self.warmup <= 1, "warmup is a share of the steps between 0 and 1", self.warmup)
        _require(self.batch_size >= 2, "batch_size is at least 2: a lone row has no in-batch negative", self.batch_size)
        _require(0 <= self.micro_batch <= LARGEST, "micro_batch is a whole number of at least 0", self.micro_batch)
        _require(0 <= self.negatives <= LARGEST, "negatives is a whole number of at least 0", self.negatives)
        every = self.validate_every
        _require(0 <= every <= LARGEST, "validate_every is a whole number of at least 0", every)
        if self.validate_every and not self.hold_out:
            raise BenchError("validation scores items that are not trained on; add --hold-out to --validate-every")
        if self.lora:
            object.__setattr__(self, "lora", str(Lora.read(self.lora)))
        if self.select == "best" and not self.validate_every:
            raise BenchError("the best weights are chosen by validation; add --validate-every N to --select best")
        weighted = not self.train_weights or len(self.train_weights) == len(self.train)
        _require(
            weighted and all(0 < w < float("inf") for w in self.train_weights),
            f"train_weights are {len(self.train)} positive numbers, one per source",
            self.train_weights,
        )
        _require(len(self.train) > 0, "train names at least one source", self.train)
        object.__setattr__(self, "languages", tuple(map(canonical, self.languages)))
        _require(len(set(self.languages)) == len(self.languages), "languages are named once each", self.languages)


@dataclass(frozen=True)
class Plan:
    """What to run: strategies x seeds, scored on tasks, under one set of settings; most fields say what they mean.

    Attributes:
        note: a sentence that the report prints at its top.
        protocol: what the experiment is to decide; None takes what the experiment began with, or the default.
        settings: shared by all cells.
    """

    experiment: Annotated[
        str,
        Asked(
            OUTPUT,
            "folder below those of results and reports",
            said="the preset's, else 'default'; of evaluate: 'evaluate'",
            metavar="NAME",
        ),
    ] = "default"
    strategies: Annotated[
        tuple[str, ...],
        Asked(
            COMPARED,
            "strategies ('list strategies'), as mono,'hybrid(alpha=0.3)',my.py:Mine,'merge(mono, cross)'",
            said="the preset's; of demo: hybrid",
            flag="--strategy",
        ),
    ] = ()
    seeds: Annotated[
        tuple[int, ...], Asked(COMPARED, "one training of every strategy for each; pairs strategies, as 0,1,2 or 0-4")
    ] = (0,)
    tasks: Annotated[tuple[str, ...], Asked(SCORING, "tasks to score on ('list tasks')", flag="--task")] = ("demo",)
    baselines: Annotated[
        tuple[str, ...], Asked(COMPARED, "rows without training: untrained,char-tfidf,bm25, or none", none=True)
    ] = ("untrained",)
    note: str = ""
    overlap: Annotated[
        str,
        Asked(
            DATA,
            "training items that share a run of 13 words with a test set: refuse the run, drop or keep them; recorded",
            choices=("refuse", "drop", "keep"),
        ),
    ] = "refuse"
    strict: Annotated[
        bool,
        Asked(DATA, "refuse data that are read only with repair, as judgements of unknown passages", said="no"),
    ] = False
    index: Annotated[
        str,
        Asked(
            SCORING,
            "exact ranks all passages; flat (exact), hnsw and ivf (approximate, recall is recorded) the first by faiss",
            choices=INDEXES,
        ),
    ] = "exact"
    depth: Annotated[int, Asked(SCORING, "passages per query and language that a faiss index gives")] = 1000
    shards: Annotated[
        str,
        Asked(SCORING, "keep the vectors of passages there; moves no number", said="none, in memory", metavar="FOLDER"),
    ] = ""
    vectors: Annotated[str, Asked(SCORING, "in shards; float16 is an approximation, and recorded", choices=VECTORS)] = (
        "float32"
    )
    checkpoint_every: Annotated[
        int, Asked(TRAINING, "steps between two checkpoints of a cell; moves no number", said="0, none")
    ] = 0
    log_with: Annotated[
        tuple[str, ...], Asked(OUTPUT, "trackers told of every step: tensorboard,wandb,mlflow", said="none")
    ] = ()
    threads: Annotated[
        int, Asked(MACHINE, "CPU threads; recorded, not part of a cell's identity", said="0, torch's choice")
    ] = 0
    deterministic: Annotated[
        bool,
        Asked(MACHINE, "on a GPU too, the same bits at every run: slower; needed by --checkpoint-every", said="no"),
    ] = False
    protocol: Protocol | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)

    def __post_init__(self) -> None:
        _require_choices(self)
        rule = f"seeds are whole numbers of at least 0 and at most {LARGEST}"
        _require(all(0 <= s <= LARGEST for s in self.seeds), rule, self.seeds)
        _require(100 <= self.depth <= LARGEST, "depth is a whole number of at least 100: R@100 is reported", self.depth)
        _require(self.shards != "" or self.vectors == "float32",
                 "vectors are float32 unless they are kept on disk: add --shards FOLDER", self.vectors)  # fmt: skip
        every = self.checkpoint_every
        _require(0 <= every <= LARGEST, "checkpoint_every is a whole number of at least 0", every)
        _require(0 <= self.threads <= 4096, "threads is a whole number of at least 0 and at most 4096", self.threads)
        require_experiment_name(self.experiment)


def asked(cls: type) -> dict[str, tuple[Any, Asked]]:
    """Type and meaning of every field of a plan, or of settings, that the command line can ask for."""
    hints = get_type_hints(cls, include_extras=True).items()
    return {name: (hint.__origin__, hint.__metadata__[0]) for name, hint in hints if get_origin(hint) is Annotated}


def _require_choices(given: Plan | Settings) -> None:
    for name, (_, about) in asked(type(given)).items():
        value = getattr(given, name)
        _require(not about.choices or value in about.choices, f"{name} is one of {', '.join(about.choices)}", value)


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
