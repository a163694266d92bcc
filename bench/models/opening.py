"""A model's folder as sentence-transformers opens it; what the libraries warn of is read, not silenced.

Refused: weights that the folder lacks or that are no numbers, folders of other kinds of models, tokenizers that are
not there. What else was warned of is handed back, to be told.
"""

from __future__ import annotations

import copy
import gc
import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import nn

from bench import accelerator
from bench.environment import is_out_of_memory
from bench.errors import BenchError, told
from bench.models.folder import ADAPTER, FLAG, configuration, files_below, module_folders
from bench.models.hub_models import code_folders
from tasks.files import is_file, listed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LIBRARIES = ("transformers", "sentence_transformers", "peft")


REPORT = "LOAD REPORT"
"""Of transformers: a row for every weight that is not there, or of another shape."""


ROW = re.compile(
    r"^(?P<key>\S+(?: \S+)*?)\s*\|\s*(?P<status>MISSING|MISMATCH|CONVERSION)\s*\|(?P<rest>.*)$", re.MULTILINE
)


HINTS = re.compile(
    r"deprecat|default prompt name|LOAD REPORT|was loaded in torch\.|on CPU\. Depending|max_seq_lengths detected|"
    r"will be removed|README|Xet|unauthenticated",
    re.IGNORECASE,
)
"""Warnings that concern no number."""


VOCABULARY = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.spm", "*.tiktoken", "tokenizer_config.json",
              "tekken.json")  # fmt: skip
"""What a tokenizer is read from; those over bytes have a configuration alone."""


class Heard(logging.Handler):
    """What was warned of, a text each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(re.sub(r"\x1b\[[0-9;]*m", "", record.getMessage()))

    def notes(self) -> list[str]:
        """What a user has to know, a line each."""
        found = [" ".join(text.split()) for text in self.texts if not HINTS.search(text)]
        return list(dict.fromkeys(text if len(text) <= 300 else f"{text[:300]} ..." for text in found))

    def rows(self) -> list[tuple[str, str, str]]:
        """Key (with ``{0, 1}`` for the numbers of layers), status and details of weights that were not read."""
        reports = [text for text in self.texts if REPORT in text]
        return [(m["key"], m["status"], m["rest"].strip()) for text in reports for m in ROW.finditer(text)]


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear what the model libraries warn of in the block, in place of their output."""
    heard = Heard()
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(log.level, log.propagate, log.handlers) for log in loggers]
    for log in loggers:
        log.handlers, log.propagate = [heard], False
        log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield heard
        relevant = [
            w for w in warned if not issubclass(w.category, (DeprecationWarning, FutureWarning, ResourceWarning))
        ]
        heard.texts += [str(w.message) for w in relevant]
    finally:
        for log, (level, propagate, handlers) in zip(loggers, before, strict=True):
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage in the block: a tokenizer's JSON makes half a million lists, looked at again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def opened(folder: Path, trust_remote_code: bool) -> tuple[SentenceTransformer, list[str]]:
    """The model of a folder, in float32, and what is to be told of it.

    Raises:
        BenchError: it cannot be opened, or what would come out of it means nothing.
    """
    _require_dense(folder)
    _require_tokenizers(folder)
    if any(is_file(own / ADAPTER) for own in (folder, *module_folders(folder, "Transformer"))):
        require_peft()
    with listening() as heard, uncollected():
        model = _open(folder, trust_remote_code, heard).float()
    _require_weights(model, folder, heard)
    _require_numbers(folder)
    require_finite(model, str(folder))
    return model, [f"{folder.name}: {note}" for note in heard.notes()]


def _open(folder: Path, trust_remote_code: bool, heard: Heard) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    codes = [name.revision for name in code_folders(folder)] if trust_remote_code else []
    code = {"code_revision": codes[0]} if codes else {}
    try:
        return SentenceTransformer(
            str(folder), device=str(accelerator.device()), trust_remote_code=trust_remote_code, local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32, **code},
            config_kwargs=dict(code), processor_kwargs=dict(code),
        )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the tokenizers is no Exception
        if is_out_of_memory(error):
            raise
        reason = re.sub(r"\s*For details look at .*report!", "", told(error))  # which is told here
        if "trust_remote_code" in str(error):
            reason = f"it wants code of its own to be run, which {FLAG} allows"
        rows = "; ".join(f"{key}: {status.lower()} {rest}".strip() for key, status, rest in heard.rows()[:6])
        raise BenchError(
            f"{folder}: sentence-transformers cannot open this model ({reason}{f'; {rows}' if rows else ''})"
        ) from None


def require_peft() -> None:
    """Refuse adapters where what reads them is not installed.

    Raises:
        BenchError: peft is not there.
    """
    if importlib.util.find_spec("peft") is None:
        raise BenchError("adapters (LoRA) need a package more: pip install 'batch-strategy-bench[peft]'")


def adapted(model: SentenceTransformer) -> Iterator[Any]:
    """The transformers within a model that have adapters."""
    for part in model.modules():
        if getattr(part, "peft_config", None) and hasattr(part, "save_pretrained"):
            yield part


@contextmanager
def adapters_saved(model: SentenceTransformer) -> Iterator[None]:
    """Have sentence-transformers write adapters in the block, as peft does; whatever versions transformers asks for."""
    parts = list(adapted(model))
    for part in parts:
        part.save_pretrained = partial(_write_adapter, part)
    try:
        yield
    finally:
        for part in parts:
            del part.save_pretrained


def _write_adapter(part: Any, folder: str, **options: Any) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    ((name, config),) = part.peft_config.items()
    state = get_peft_model_state_dict(part, adapter_name=name)
    tensors = {f"base_model.model.{key}": tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    save_file(tensors, str(Path(folder, "adapter_model.safetensors")), {"format": "pt"})
    stored = copy.copy(config)
    stored.inference_mode, stored.init_lora_weights = True, True
    stored.save_pretrained(folder)


def _require_dense(folder: Path) -> None:
    """Refuse folders that sentence-transformers would turn into another model: a transformer and the mean."""
    found = configuration(folder / "config_sentence_transformers.json").get("model_type", "SentenceTransformer")
    if found != "SentenceTransformer":
        raise BenchError(
            f"{folder}: a {found!s:.80} does not give a text one vector (model_type in "
            "config_sentence_transformers.json)"
        )


def _require_tokenizers(folder: Path) -> None:
    for own in module_folders(folder, "Transformer"):
        if not any(listed(own, pattern) for pattern in VOCABULARY):
            raise BenchError(
                f"{own}: no tokenizer there ({', '.join(VOCABULARY[:3])}, ...); copy it from where the model comes from"
            )


def _require_weights(model: SentenceTransformer, folder: Path, heard: Heard) -> None:
    """Refuse a model with weights that the folder lacks, unless no vector depends on them.

    Raises:
        BenchError: the missing ones, by name.
    """
    missing = [key for key, status, _ in heard.rows() if status != "CONVERSION"]
    if not missing:
        return
    patterns = [re.compile(_numbers(key)) for key in missing]
    found = [
        (name, tensor)
        for part in model.modules()
        if hasattr(part, "config") and hasattr(part, "base_model_prefix")
        for name, tensor in (*part.named_parameters(), *part.named_buffers())
        if any(pattern.fullmatch(name) for pattern in patterns) and tensor.is_floating_point()
    ]
    used = _used(model, found)
    if used:
        some = ", ".join([*used[:4], *(["..."] if len(used) > 4 else [])])
        raise BenchError(
            f"{folder}: the weights of {len(used)} of {len(list(model.parameters()))} tensors are not in the files and "
            f"would be random: {some}; the files are of another model, or their names have a prefix more or less"
        )


SMALL = ("I8", "U8", "F8_E4M3", "F8_E5M2")
"""Types of weights that mean something with scales beside them alone."""


def _require_numbers(folder: Path) -> None:
    """Refuse weights of eight bits that no configuration explains: libraries take them as they are, without scales."""
    own = module_folders(folder, "Transformer")
    if any("quantization_config" in configuration(place / "config.json") for place in own):
        return
    for path in (path for path in files_below(folder) if path.suffix == ".safetensors"):
        with safe_open(path, "pt") as file:
            name = next((key for key in file.keys() if file.get_slice(key).get_dtype() in SMALL), None)  # noqa: SIM118
        if name is not None:
            raise BenchError(f"{path}: {name} has eight bits and no scale; give weights in 16 or 32 bits")


def _numbers(key: str) -> str:
    """A pattern for a key of a report: ``layer.{0, 1}.weight``, ``layer.{0...11}.weight``."""
    return re.sub(r"\\\{[^{}]*\\\}", r"\\d+", re.escape(key))


def _used(model: SentenceTransformer, tensors: list[tuple[str, torch.Tensor]]) -> list[str]:
    """The names of the tensors that vectors depend on; all of them where that cannot be told."""
    from bench.encoding.sides import TASK

    weights = [tensor for _, tensor in tensors]
    if not all(isinstance(weight, nn.Parameter) for weight in weights):
        return [name for name, _ in tensors]
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        sides = [model(model.preprocess(["a b c"], task=t), task=t)["sentence_embedding"] for t in TASK.values()]
        total = torch.stack([vectors.sum() for vectors in sides]).sum()
        gradients = torch.autograd.grad(total, weights, allow_unused=True)
    except Exception:  # what it cannot do is told when the model is tried
        return [name for name, _ in tensors]
    finally:
        for weight, needed in zip(weights, before, strict=True):
            weight.requires_grad_(needed)
    return [name for (name, _), gradient in zip(tensors, gradients, strict=True) if gradient is not None]


def require_finite(model: nn.Module, where: str) -> None:
    """Refuse weights that are no numbers.

    Raises:
        BenchError: NaN or infinity in one of them, by name.
    """
    state: dict[str, Any] = model.state_dict()
    for name, tensor in state.items():
        finite = not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum()))
        if not finite and not bool(torch.isfinite(tensor).all()):  # many large numbers have no finite sum either
            raise BenchError(f"{where}: the weights hold NaN or infinity, in {name}")
