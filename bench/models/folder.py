"""What a model's folder may hold: no pickle, no code; its hash."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import BenchError
from tasks import TaskError
from tasks.checksums import checksum
from tasks.files import is_file, is_folder, listed, read_value

FLAG = "--trust-remote-code"


OWN = re.compile(r"sentence_transformers(\.\w+)*\.(models|modules)(\.\w+)*\.[A-Z]\w*")
"""Modules of sentence-transformers, by the names of this version and of older ones."""


PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of files that run code when they are opened."""


WEIGHTS = (".safetensors", ".onnx", ".h5", ".msgpack", *PICKLES)
"""Endings of files that decide no token."""


ADAPTER = "adapter_config.json"


MODELS = ("modules.json", "config.json", ADAPTER)
"""Of these, a model has one at least."""


ROUTERS = ("Router", "Asym")


def require_safe(folder: Path, trust_remote_code: bool) -> None:
    """Refuse a model folder whose opening would run code or read what is not in it.

    A pickle that lies beside safetensors (an optimiser's state, older weights) is never opened, so it may stay.

    Args:
        folder: of the model.
        trust_remote_code: whether the user consents to code that it brings or names.

    Raises:
        BenchError: weights as a pickle, a module that is no part of sentence-transformers, a path that leaves the
            folder, an adapter of another model, or a file that cannot be read.
    """
    files = files_below(folder)
    if not any(path.suffix == ".safetensors" for path in files):
        pickles = [str(path.relative_to(folder)) for path in files if path.suffix in PICKLES]
        seen = f"; {', '.join(pickles[:3])} would run code when opened" if pickles else ""
        raise BenchError(
            f"{folder}: no *.safetensors there; weights in any other form (pickle) are refused, convert them{seen}"
        )
    modules = _modules(folder)
    for place, kind in modules:
        _require_own(kind, trust_remote_code, f"{folder / 'modules.json'}")
        _require_safe_module(folder, place, kind, trust_remote_code)
    if not modules:
        _require_safe_module(folder, "", "sentence_transformers.models.Transformer", trust_remote_code)


def _modules(folder: Path) -> list[tuple[str, str]]:
    """(Path below the folder, type) of every module; none where there is no modules.json."""
    path = folder / "modules.json"
    if not is_file(path):
        return []
    found = _read(path)
    if not isinstance(found, list) or not found:
        raise BenchError(f"{path}: a list of modules is expected, as sentence-transformers writes it")
    modules = []
    for module in found:
        place, kind = (module.get("path"), module.get("type")) if isinstance(module, dict) else (None, None)
        if not isinstance(place, str) or not isinstance(kind, str):
            raise BenchError(f"{path}: a module has a path and a type, both text; got {module!r:.200}")
        modules.append((_inside(place, path), kind))
    return modules


def _require_safe_module(folder: Path, place: str, kind: str, trust_remote_code: bool) -> None:
    own = folder / place
    _require_weights(folder, own)
    _require_safe_adapter(own)
    for path in listed(own, "*.json"):
        if path.name.startswith("sentence_") and path.name.endswith("_config.json"):
            _require_paths_inside(_read(path), path)
    name = kind.rpartition(".")[2]
    if name in ROUTERS:
        _require_safe_routes(folder, place, trust_remote_code)
    if name == "WordEmbeddings":
        path = own / "wordembedding_config.json"
        _require_own(_text_of(path, "tokenizer_class"), trust_remote_code, str(path))
    activation = _text_of(own / "config.json", "activation_function") if name == "Dense" else "torch.nn."
    if not trust_remote_code and not activation.startswith("torch.nn."):
        raise BenchError(
            f"{own / 'config.json'}: the activation {activation!r:.80} is not torch's, and sentence-transformers would "
            f"take another in its place; {FLAG} imports it"
        )


def _require_safe_adapter(own: Path) -> None:
    """Refuse an adapter that is no plain LoRA: others open pickles, import what they name, or change their base.

    The base is another folder, or on the Hub, and held to the same rules.
    """
    values = configuration(own / ADAPTER)
    if not values:
        return
    where = own / ADAPTER
    if not is_file(own / "adapter_model.safetensors"):
        raise BenchError(
            f"{own}: the weights of an adapter are read from adapter_model.safetensors, which is not there"
        )
    if values.get("peft_type") != "LORA" or values.get("megatron_config") is not None:
        raise BenchError(
            f"{where}: adapters are LORA here; got {values.get('peft_type')!r:.80}; merge it into its base"
        )
    if values.get("init_lora_weights", True) not in (True, False, "gaussian"):
        raise BenchError(
            f"{where}: the base of an adapter stays as it is; init_lora_weights {values['init_lora_weights']!r:.80} "
            "changes it. Convert it to plain LoRA, or merge it into its base"
        )
    if not base_of(own):
        raise BenchError(f"{where}: an adapter names its base, a folder or a Hub name, by base_model_name_or_path")


def base_of(folder: Path) -> str | None:
    """The model that an adapter's folder names as its base; None where it is no adapter."""
    values = configuration(folder / ADAPTER)
    base, revision = values.get("base_model_name_or_path"), values.get("revision")
    if not (isinstance(base, str) and base):
        return None
    pinned = isinstance(revision, str) and revision and base.count("/") == 1 and not is_folder(Path(base))
    return f"{base}@{revision}" if pinned else base


def module_folders(folder: Path, kind: str) -> Iterator[Path]:
    """The folders of a model's modules of a kind (``Transformer``), those within routers too."""
    for place, name in _modules(folder) or [("", "Transformer")]:
        yield from _below(folder, place, name, kind)


def _below(folder: Path, place: str, name: str, kind: str) -> Iterator[Path]:
    name = name.rpartition(".")[2]
    if name == kind:
        yield folder / place
    elif name in ROUTERS:
        for inner, inner_name in _routed(folder / place)[1].items():
            yield from _below(folder, str(PurePosixPath(place, inner)), inner_name, kind)


def configuration(path: Path) -> dict[str, Any]:
    """What a JSON object of a model's folder holds; nothing where there is none."""
    found = _read(path) if is_file(path) else {}
    if not isinstance(found, dict):
        raise BenchError(f"{path}: an object is expected there; got {found!r:.80}")
    return found


def _require_weights(folder: Path, own: Path) -> None:
    """Refuse a module whose weights are a pickle alone."""
    pickles = listed(own, "pytorch_model*.bin")
    if pickles and not listed(own, "*.safetensors"):
        raise BenchError(
            f"{pickles[0]}: weights as a pickle run code when opened and are refused; convert them to safetensors"
        )


def _require_safe_routes(folder: Path, place: str, trust_remote_code: bool) -> None:
    """The modules within a router, which stand in folders below its own."""
    path, types = _routed(folder / place)
    for name, kind in types.items():
        _require_own(kind, trust_remote_code, str(path))
        inner = _inside(name, path)
        if inner in ("", "."):
            raise BenchError(f"{path}: a router's modules have folders of their own; got {name!r}")
        _require_safe_module(folder, str(PurePosixPath(place, inner)), kind, trust_remote_code)


def _routed(own: Path) -> tuple[Path, dict[str, str]]:
    """The configuration of a router, and the folders of its modules with their types."""
    paths = [own / name for name in ("router_config.json", "config.json")]
    path = next((p for p in paths if is_file(p)), None)
    value = _read(path) if path else None
    types = value.get("types") if isinstance(value, dict) else None
    if path is None or not isinstance(types, dict) or not all(isinstance(kind, str) for kind in types.values()):
        raise BenchError(f"{paths[0]}: a router says the types of its modules there")
    return path, types


def _require_own(kind: str, trust_remote_code: bool, where: str) -> None:
    if not trust_remote_code and not OWN.fullmatch(kind):
        raise BenchError(
            f"{where}: {kind!r:.200} is no module of sentence-transformers; opening the model would run code that it "
            f"names. {FLAG} allows that, is recorded, and makes other cells"
        )


def _inside(place: str, path: Path) -> str:
    pure = PurePosixPath(place)
    if pure.is_absolute() or ".." in pure.parts or "\\" in place or not (place.isprintable() or not place):
        raise BenchError(f"{path}: a module's path stays in the model's folder; got {place!r:.200}")
    return place


def _require_paths_inside(value: object, path: Path) -> None:
    """Refuse options of the library that lead out of the folder, or to another model's tokenizer."""
    if isinstance(value, dict):
        if value.get("tokenizer_name_or_path") is not None:
            raise BenchError(
                f"{path}: names another tokenizer by tokenizer_name_or_path; put it into the model's folder"
            )
        for inner in value.values():
            _require_paths_inside(inner, path)
    elif isinstance(value, list):
        for inner in value:
            _require_paths_inside(inner, path)
    elif isinstance(value, str) and (value.startswith(("/", "~", "\\")) or ".." in PurePosixPath(value).parts):
        raise BenchError(f"{path}: {value!r:.200} leads out of the model's folder; put what it names there")


def _text_of(path: Path, key: str) -> str:
    value = _read(path) if is_file(path) else {}
    found = value.get(key, "torch.nn.") if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise BenchError(f"{path}: {key} is text; got {found!r:.80}")
    return found


def _read(path: Path) -> object:
    try:
        return read_value(path)
    except TaskError as error:
        raise BenchError(str(error)) from None


KINDS = (".json", ".safetensors", ".txt", ".model", ".spm", ".tiktoken")
"""Endings of files that decide a model's vectors."""


def files_below(folder: Path) -> list[Path]:
    """All files below a model's folder, sorted; folders that are links are followed, each once."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place, name) for name in names]
    return sorted(found)


def folder_hash(folder: Path, trust_remote_code: bool = False) -> str:
    """sha256 over names and contents of a model folder: weights, tokenizer, configuration; code where it may run."""
    kinds = (*KINDS, *((".py",) if trust_remote_code else ()))
    digest = hashlib.sha256()
    for path in files_below(folder):
        if path.suffix in kinds:
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + checksum(path).encode())
    return digest.hexdigest()


def code_hash(folder: Path) -> str:
    """sha256 over names and contents of the Python files below a folder."""
    digest = hashlib.sha256()
    for path in files_below(folder):
        if path.suffix == ".py":
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + checksum(path).encode())
    return digest.hexdigest()


def files_of(folder: Path, name: str) -> str:
    """sha256 over a model's name and its files; weights and what is hidden (``.git``) decide no token."""
    digest = hashlib.sha256(name.encode())
    for path in files_below(folder):
        inside = path.relative_to(folder)
        if path.suffix not in WEIGHTS and path.is_file() and not any(part.startswith(".") for part in inside.parts):
            digest.update(str(inside).encode() + b"\0" + checksum(path).encode())
    return digest.hexdigest()
