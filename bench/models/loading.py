"""Where an encoder comes from: built in, a folder, or the Hub. safetensors only, and no code without consent."""

from __future__ import annotations

import hashlib
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench import accelerator, randomness
from bench.encoding.encoder import Encoder
from bench.errors import BenchError, did_you_mean, told
from bench.models import hub_models
from bench.models.folder import (
    ADAPTER,
    MODELS,
    base_of,
    code_hash,
    files_of,
    folder_hash,
    module_folders,
    require_safe,
)
from bench.models.hub_models import is_hub_name, owned
from bench.models.opening import adapted, adapters_saved, opened, require_peft
from bench.models.parity import compare
from bench.plan.lora import ALL, Lora
from bench.plan.settings import BUILT_IN, Settings
from bench.randomness import random_states, set_random_states
from tasks.files import is_folder
from tasks.hub import NotHere

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

STATIC = Path(__file__).parent / "demo-static"


def find_model(name: str, fetch: bool = True, trust_remote_code: bool = False) -> Path | None:
    """The folder that holds a model's files; a Hub model is fetched into the Hub's cache if it is not there.

    A folder of the name ``owner/name`` is the model, unless a revision is said: ``owner/name@revision`` is the Hub's.

    Args:
        name: built in, a folder, or on the Hub.
        fetch: else nothing is fetched, and the result is None for a Hub model that is not in the cache.
        trust_remote_code: whether the user consents to code that comes with the model.

    Raises:
        BenchError: no such model, its weights are not in safetensors form, or opening it would run code.
    """
    if name in BUILT_IN:
        return STATIC
    folder = Path(name)
    if not is_folder(folder):
        if not is_hub_name(name):
            known = ", ".join(BUILT_IN) + did_you_mean(name, BUILT_IN)
            raise BenchError(
                f"no model {name!r:.200}: neither a folder nor a Hub name (owner/name) nor one of {known}{owned(name)}"
            )
        try:
            folder = hub_models.fetched(name, fetch, trust_remote_code)
        except NotHere:
            return None
    if not any((folder / there).is_file() for there in MODELS):
        raise BenchError(f"{folder}: not a model folder (neither modules.json nor config.json is there)")
    require_safe(folder, trust_remote_code)
    base = base_of(folder)
    try:
        if trust_remote_code:
            hub_models.code_folders(folder, fetch)
        return folder if base is None or _base(base, folder, fetch, trust_remote_code) else None
    except NotHere:
        return None


def _base(name: str, adapter: Path, fetch: bool, trust_remote_code: bool) -> Path | None:
    """The folder of an adapter's base; None where it is on the Hub, not in the cache, and not to be fetched."""
    try:
        found = find_model(name, fetch, trust_remote_code)
    except BenchError as error:
        raise BenchError(f"{adapter / ADAPTER}: the base of the adapter: {error}") from None
    if found is not None and base_of(found) is not None:
        raise BenchError(f"{adapter / ADAPTER}: its base {name!r:.200} is an adapter too; merge that into its own base")
    return found


def files_hash(folder: Path, trust_remote_code: bool = False) -> str:
    """``folder_hash``; of an adapter, with that of its base; with consent, of code that lies elsewhere too."""
    own, base = folder_hash(folder, trust_remote_code), base_of(folder)
    for code, place in hub_models.code_folders(folder).items() if trust_remote_code else ():
        own = hashlib.sha256(f"{own} with code of {code.repo} {code_hash(place)}".encode()).hexdigest()
    found = _base(base, folder, False, trust_remote_code) if base is not None else None
    if found is None:
        return own
    return hashlib.sha256(f"{own} on {folder_hash(found, trust_remote_code)}".encode()).hexdigest()


def load_encoder(settings: Settings, seed: int) -> Encoder:
    """The encoder that ``settings.model`` names. ``seed`` fixes weights that are not pre-trained.

    Raises:
        BenchError: no such model here, it cannot be opened, or its vectors are not those of sentence-transformers.
    """
    quiet_libraries()
    torch.manual_seed(randomness.derive(seed, "init"))
    trust_remote_code = settings.trust_remote_code
    folder = find_model(settings.model, trust_remote_code=trust_remote_code)
    if folder is None:
        raise BenchError(f"model {settings.model!r} is not here")
    notes: list[str] = []
    if settings.model == "demo-transformer":
        model = _transformer_from_scratch().to(accelerator.device())
    else:
        model, notes = opened(folder, trust_remote_code)
    try:
        encoder = Encoder(model, settings, files_of(folder, settings.model if settings.model in BUILT_IN else ""))
    except BenchError as error:
        raise BenchError(f"{settings.model}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # values of its folder that make no sense
        raise BenchError(
            f"{settings.model}: the model cannot be set up for queries and passages ({told(error)})"
        ) from None
    refusal = accelerator.refusal()
    encoder.notes = [*notes, *encoder.notes, *([f"the GPU is not used: {refusal}"] if refusal else [])]
    encoder.parity["opened"] = compare(encoder, model, settings.model)
    return encoder


def load_to_train(settings: Settings, seed: int) -> Encoder:
    """As ``load_encoder``, with the adapters of ``settings.lora`` in place of what they adapt, ready to be trained.

    Raises:
        BenchError: as ``load_encoder``; nothing can be trained, or not so.
    """
    encoder = load_encoder(settings, seed)
    there = any(adapted(encoder.model))
    if settings.lora:
        if there:
            raise BenchError(f"{settings.model}: an adapter already; without --lora it is trained on")
        _adapt(encoder, settings, seed)
    for name, weight in encoder.model.named_parameters() if there else ():
        weight.requires_grad_(weight.requires_grad or ".lora_" in name or ".modules_to_save." in name)
    if not any(weight.requires_grad for weight in encoder.model.parameters()):
        raise BenchError(f"{settings.model}: none of its weights is to be trained (all are frozen)")
    return encoder


def _adapt(encoder: Encoder, settings: Settings, seed: int) -> None:
    """Put new adapters into the one transformer of a model: it gives the vectors that it gave."""
    lora, folder = Lora.read(settings.lora), find_model(settings.model, trust_remote_code=settings.trust_remote_code)
    assert folder is not None
    homes = list(module_folders(folder, "Transformer"))
    if settings.model in BUILT_IN or len(homes) != 1 or type(encoder.model[0]).__name__ != "Transformer":
        raise BenchError(f"{settings.model}: --lora adapts a model that begins with one transformer, read from files")
    require_peft()
    from peft import LoraConfig, inject_adapter_in_model

    targets = lora.targets[0] if lora.targets == (ALL,) else list(lora.targets)
    hub = hub_models.pinned(settings.model) if homes[0] == folder else None
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets,
        base_model_name_or_path=hub.repo if hub is not None else str(homes[0].resolve()),
        revision=hub.revision if hub is not None else None,
    )  # fmt: skip
    torch.manual_seed(randomness.derive(seed, "lora"))
    try:
        inject_adapter_in_model(config, encoder.model[0].model)
    except ValueError as error:
        raise BenchError(f"{settings.model}: peft cannot put in the adapters of --lora ({told(error)})") from None


def save(encoder: Encoder, folder: Path, trust_remote_code: bool = False) -> None:
    """Write a folder that ``SentenceTransformer(folder)`` opens; open it and compare.

    Raises:
        BenchError: what was opened gives other vectors than ``encoder``.
    """
    with adapters_saved(encoder.model):
        encoder.save(folder)
    start, device = time.perf_counter(), encoder.model.device
    states = random_states(device)
    try:
        again, _ = opened(folder, trust_remote_code)
        found = compare(encoder, again.to(device), f"{folder.name}, saved and opened again")
    finally:
        set_random_states(states, device)
    encoder.parity["saved"] = found._replace(seconds=time.perf_counter() - start)


def quiet_libraries() -> None:
    """Loading bars and hints of the model libraries are not this program's output."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _transformer_from_scratch() -> SentenceTransformer:
    """Two layers of 128 dimensions over the demo tokenizer, randomly initialised (about 1.5 million parameters)."""
    from safetensors.torch import save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    inner = Tokenizer.from_file(str(STATIC / "tokenizer.json"))
    inner.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", inner.token_to_id("[CLS]"))])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=128
    )
    config = BertConfig(
        vocab_size=inner.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=inner.token_to_id("[PAD]"),
    )
    body = BertModel(config, add_pooling_layer=False)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body.config.save_pretrained(folder)  # the model's own save_pretrained writes in the first process alone
        save_file(body.state_dict(), f"{folder}/model.safetensors", {"format": "pt"})
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder, max_seq_length=128)
        return SentenceTransformer(modules=[transformer, Pooling(128, "mean")], device="cpu")
