"""How the two sides, queries and passages, are given to a model: prompt, length, way; refused where the model cannot.

The model itself is set up so, under the names that sentence-transformers reads: ``encode_query`` and
``encode_document`` of the model, and of what is saved of it, do the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from bench.data.corpus import Kind
from bench.errors import BenchError, told
from bench.plan.settings import Settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

TASK: dict[Kind, str] = {"query": "query", "passage": "document"}
"""sentence-transformers' name of a kind of text: routers choose a way by it."""


OF_PASSAGES = ("document", "passage", "corpus")
"""Names of a passage's prompt, in the order in which sentence-transformers takes them."""


PLURAL: dict[Kind, str] = {"query": "queries", "passage": "passages"}


KNOWN = ("Transformer", "Pooling", "Dense", "Normalize", "Dropout", "LayerNorm", "WeightedLayerPooling",
         "StaticEmbedding")  # fmt: skip
"""Modules that give a text the same vector whatever pads it: its batch may be cut into passes of like length."""


def is_known(module: nn.Module) -> bool:
    """Whether a module is sentence-transformers' own, and one of ``KNOWN``."""
    return type(module).__name__ in KNOWN and type(module).__module__.startswith("sentence_transformers.")


def modules_of(model: SentenceTransformer, kind: Kind) -> list[nn.Module]:
    """The modules that a text of a kind passes, in order.

    Raises:
        BenchError: a router has no way for it.
    """
    return list(_passed(model, kind))


def _passed(modules: Any, kind: Kind) -> Iterator[nn.Module]:
    for module in modules:
        if type(module).__name__ not in ("Router", "Asym"):
            yield module
            continue
        try:
            way = module._resolve_route(task=TASK[kind], modality="text")
        except ValueError as error:
            raise BenchError(f"the model's router has no way for {PLURAL[kind]}: {told(error)}") from None
        yield from _passed(module.sub_modules[way], kind)


def transformer_of(model: SentenceTransformer, kind: Kind) -> Transformer | None:
    """The module that reads texts of a kind, if it is a transformer; others take texts whole."""
    from sentence_transformers.sentence_transformer.modules import Transformer

    first = modules_of(model, kind)[0]
    return first if isinstance(first, Transformer) else None


def set_up(model: SentenceTransformer, settings: Settings) -> tuple[dict[Kind, str], list[str]]:
    """Have the model give texts their prompt and cut them to their length; returns the prompts, and what was decided.

    Raises:
        BenchError: the model cannot take such texts, or compares vectors in another way than by cosine.
    """
    _require_cosine(model)
    prompt, notes = prompts(model.prompts, settings)
    kept = [name for name in OF_PASSAGES[2:] if name in model.prompts]
    model.prompts |= {"query": prompt["query"], **dict.fromkeys((*OF_PASSAGES[:2], *kept), prompt["passage"])}
    lengths: dict[Kind, int] = {"query": settings.query_length, "passage": settings.passage_length}
    for kind, asked in lengths.items():
        first = transformer_of(model, kind)
        if first is None:
            _require_rows(modules_of(model, kind)[0])
            continue
        notes += [note for note in (_padding(first), _length(first, kind, asked)) if note and note not in notes]
        _require_rows(first)
        _require_positions(first, kind)
        _require_room(first, kind, prompt[kind])
    for kind in lengths:
        for options in getattr(transformer_of(model, kind), "processing_kwargs", {}).values():
            options.pop("max_length", None)  # sentence-transformers would put it above the lengths of both kinds
    return prompt, notes


def prompts(own: Mapping[str, str | None], settings: Settings) -> tuple[dict[Kind, str], list[str]]:
    """The prompt of each kind, and a line where the model's own prompts leave a choice.

    A prompt that is asked for is used, also an empty one. Of the model's own for passages the first that is not empty
    is: sentence-transformers writes an empty ``document`` into every model that has a ``passage`` alone.
    """
    found = {name: text for name in OF_PASSAGES if (text := own.get(name))}
    passage = next(iter(found.values()), "")
    of_query, of_passage = settings.query_prompt, settings.passage_prompt
    used: dict[Kind, str] = {
        "query": (own.get("query") or "") if of_query is None else of_query,
        "passage": passage if of_passage is None else of_passage,
    }
    if of_passage is not None or not passage:
        return used, []
    there = ", ".join(f"{name} {own[name]!r}" for name in OF_PASSAGES if own.get(name) is not None)
    if len(set(found.values())) > 1 or next(iter(found)) != "document":
        return used, [
            f"the model's prompts for passages are {there}; {passage!r} is used, and saved as all of them "
            "(--passage-prompt takes another)"
        ]
    return used, []


def _require_cosine(model: SentenceTransformer) -> None:
    name = model.similarity_fn_name
    normalized = type(model[-1]).__name__ == "Normalize" and model.truncate_dim is None
    if name != "cosine" and not (normalized and name in ("dot", "euclidean")):
        raise BenchError(
            f"the model compares vectors by {name} (similarity_fn_name in config_sentence_transformers.json), and here "
            "all are compared by cosine; write 'cosine' there if that is meant, or end the model with a Normalize"
        )


def _length(first: Transformer, kind: Kind, asked: int) -> str:
    """Have a transformer keep at most ``asked`` tokens of a text; returns what is to be said where it keeps fewer."""
    name = f"{TASK[kind]}_length"
    limits = {"max_seq_length": first.max_seq_length, name: getattr(first, name)}
    for part in ("text", "common"):
        options = first.processing_kwargs.get(part, {})
        if options.get("truncation", True) in (False, "do_not_truncate"):
            raise BenchError(
                f"the model's processing_kwargs forbid to cut {PLURAL[kind]}; take 'truncation' out of them"
            )
        limits[f"processing_kwargs of {part}"] = options.get("max_length")
    if first.query_expansion is not None and kind == "query":
        raise BenchError("the model expands queries (query_expansion), which is for models of many vectors a text")
    kept = min([asked, *(limit for limit in limits.values() if limit is not None)])
    if kept < 1:
        raise BenchError(f"the model keeps {kept} tokens of {PLURAL[kind]} ({', '.join(limits)} in its folder)")
    setattr(first, name, kept)
    why = next((label for label, limit in limits.items() if limit == kept), "")
    return f"{PLURAL[kind]} are cut to {kept} tokens, as the model says ({why}), not to {asked}" if kept < asked else ""


def _padding(first: Transformer) -> str:
    """Have a tokenizer pad; returns what is to be said where it had no token for that.

    Raises:
        BenchError: it has none, and is not of a kind that pads with its end-of-text token.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    words, kind = first.tokenizer, first.config.model_type
    if words.pad_token_id is not None:
        return ""
    generates = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if not generates or words.eos_token_id is None:
        raise BenchError(
            "the model's tokenizer has no pad token, and texts of unlike length pass together; name it in "
            "tokenizer_config.json (pad_token)"
        )
    words.pad_token = words.eos_token
    return f"the model's tokenizer has no pad token; {words.eos_token!r} pads, as is usual for {kind}"


def _require_rows(first: Any) -> None:
    """Refuse a tokenizer that gives ids without a row in the embedding of a model's first module."""
    if type(first).__name__ == "StaticEmbedding":
        table, ids = first.embedding, first.tokenizer.get_vocab(with_added_tokens=True).values()
    elif type(first).__name__ == "Transformer":
        try:
            table, ids = first.model.get_input_embeddings(), first.tokenizer.get_vocab().values()
        except NotImplementedError:  # of a model over characters, which has no such table
            return
    else:
        return
    rows, highest = table.weight.shape[0], max(ids, default=-1)
    if highest >= rows:
        raise BenchError(
            f"the model's tokenizer gives ids up to {highest} and its embedding has {rows} rows; they are not of one "
            "model, or the embedding was not resized"
        )


def positions(first: Transformer) -> int | None:
    """Tokens that a transformer has positions for; None where they are not in a table."""
    for module in first.model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, nn.Embedding):
            padding = getattr(module, "padding_idx", None)  # RoBERTa and its kin count from behind the padding's
            return int(table.num_embeddings - (padding + 1 if isinstance(padding, int) else 0))
    return None


def _require_positions(first: Transformer, kind: Kind) -> None:
    there, kept = positions(first), getattr(first, f"{TASK[kind]}_length")
    if there is not None and kept > there:
        raise BenchError(
            f"the model has positions for {there} tokens, and up to {kept} of {PLURAL[kind]} would pass; "
            f"--{kind}-length {there} or less keeps to them"
        )


def _require_room(first: Transformer, kind: Kind, prompt: str) -> None:
    """Refuse a prompt that leaves no room for a text."""
    kept = getattr(first, f"{TASK[kind]}_length")
    taken = len(first.tokenizer(prompt, truncation=False, verbose=False)["input_ids"])
    if taken >= kept:
        raise BenchError(
            f"{taken} tokens of the prompt {prompt!r:.80} leave no room for {PLURAL[kind]}, of which {kept} tokens are "
            f"kept; raise --{kind}-length, or shorten the prompt (--{kind}-prompt)"
        )


def forget_batch(model: SentenceTransformer, kind: Kind) -> None:
    """Take the length and padding of the last batch out of a tokenizer: they would be saved as its own."""
    first = transformer_of(model, kind)
    if first is not None and first.tokenizer.is_fast:
        first.tokenizer.backend_tokenizer.no_truncation()
        first.tokenizer.backend_tokenizer.no_padding()
