"""Models of the Hub: at one commit per run, with the code that they name elsewhere; no pickle is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from fnmatch import fnmatch
from pathlib import Path

from bench.errors import BenchError
from bench.models.folder import KINDS, MODELS, PICKLES, configuration
from tasks import TaskError
from tasks.files import is_folder
from tasks.hub import HubError, Name, NotHere, parsed, resolve, without_downloads
from tasks.hub.listing import listing
from tasks.hub.snapshot import have
from tasks.hub.words import AWAY

FILES = tuple(f"*{kind}" for kind in KINDS)
"""What is fetched of a model, and decides its vectors."""

OWNERS = {
    "xlm-roberta-base": "FacebookAI", "xlm-roberta-large": "FacebookAI", "bert-base-multilingual-cased": "google-bert",
    "bert-base-multilingual-uncased": "google-bert", "distilbert-base-multilingual-cased": "distilbert",
    "LaBSE": "sentence-transformers", "all-MiniLM-L6-v2": "sentence-transformers",
    "paraphrase-multilingual-MiniLM-L12-v2": "sentence-transformers",
    "paraphrase-multilingual-mpnet-base-v2": "sentence-transformers",
    "distiluse-base-multilingual-cased-v2": "sentence-transformers", "multilingual-e5-small": "intfloat",
    "multilingual-e5-base": "intfloat", "multilingual-e5-large": "intfloat", "bge-m3": "BAAI",
    "gte-multilingual-base": "Alibaba-NLP", "mcontriever-msmarco": "facebook", "mcontriever": "facebook",
}  # fmt: skip
"""Names that are often written without their owner."""


def owned(name: str) -> str:
    """The end of a message about a name without an owner: with the likely one."""
    bare, _, revision = name.partition("@")
    if bare == "me5-small":
        return "; the studies have it as a folder: intfloat/multilingual-e5-small, weights rounded to 4 bits"
    owner = next((owner for known, owner in OWNERS.items() if known.lower() == bare.lower()), None)
    if owner is None:
        return ""
    known = next(known for known in OWNERS if known.lower() == bare.lower())
    return f"; on the Hub it is {owner}/{known}{'@' + revision if revision else ''}"


def bare(name: str) -> str:
    """A model's name without its revision, which names its content and not what it is."""
    return name.partition("@")[0] if is_hub_name(name) else name


def is_hub_name(name: str) -> bool:
    """Whether a name can only be one of the Hub: ``owner/name``, with or without ``@revision``, and no folder."""
    outside = name.startswith((".", "~", "/")) or is_folder(Path(name))
    return not outside and name.partition("@")[0].count("/") == 1


def pinned(name: str) -> Name | None:
    """The repository and commit that a name means in this run; None of what is no name of the Hub.

    Raises:
        BenchError: it is one, and cannot be resolved.
    """
    if not is_hub_name(name):
        return None
    try:
        found = parsed(name, "model")
        return found.at(resolve(found))
    except TaskError as error:
        raise _refused(name, error) from None


def fetched(name: str, fetch: bool, trust_remote_code: bool) -> Path:
    """The folder of a commit in the Hub's cache with a model's files; with consent, also the code that it names.

    Raises:
        NotHere: nothing is to be fetched, and some are missing, or the Hub cannot be asked.
        BenchError: it cannot be had, or has no weights in safetensors form.
    """
    patterns = (*FILES, *(("*.py",) if trust_remote_code else ()))
    try:
        found = parsed(name, "model")
        at = found.at(resolve(found))
        with nullcontext() if fetch else without_downloads():
            _require_model(at)
            return have(at, lambda path: any(fnmatch(path, pattern) for pattern in patterns))
    except NotHere:
        raise
    except TaskError as error:
        if not fetch and isinstance(error, HubError) and error.kind in AWAY:
            raise NotHere(Name("model", name), 0, 0, str(error)) from None
        raise _refused(name, error) from None


def code_folders(folder: Path, fetch: bool = True) -> dict[Name, Path]:
    """The repositories that a model's folder names for its code, at their commits, and where their Python files are.

    Raises:
        NotHere: nothing is to be fetched, and some are missing.
        BenchError: they cannot be had.
    """
    try:
        with nullcontext() if fetch else without_downloads():
            return {code: have(code, lambda path: path.endswith(".py")) for code in codes_of(folder)}
    except NotHere:
        raise
    except TaskError as error:
        raise BenchError(f"{folder}: the code that it names: {error}") from None


def _refused(name: str, error: TaskError) -> BenchError:
    how = ""
    if isinstance(error, HubError) and error.kind in ("network", "offline", "portal", "down", "rate"):
        how = f"; where there is a network, 'hf download {name.partition('@')[0]}' fetches it as well"
    return BenchError(f"model {name!r:.200} is neither a folder here nor to be had from the Hub: {error}{how}")


def _require_model(name: Name) -> None:
    """Refuse what is no model, or one of pickles, before gigabytes of it are fetched."""
    paths = [entry.path for entry in listing(name)]
    if not any(path in MODELS for path in paths):
        raise BenchError(f"{name}: no model of sentence-transformers or transformers (neither modules.json nor "
                         "config.json is there)")  # fmt: skip
    pickles = [path for path in paths if path.endswith(PICKLES)]
    if pickles and not any(path.endswith(".safetensors") for path in paths):
        raise BenchError(
            f"{name}: its weights are a pickle alone ({', '.join(pickles[:3])}), which runs code when it is opened; "
            "convert it: https://huggingface.co/spaces/safetensors/convert makes a revision with *.safetensors, which "
            f"--model {name.repo}@refs/pr/N takes"
        )


def codes_of(folder: Path) -> Iterator[Name]:
    """The repositories that a model names for its code, at the commits that they have in this run.

    Raises:
        HubError: one cannot be resolved.
        BenchError: there are several: the library takes one revision for all.
    """
    repos = dict.fromkeys(_named_repos(folder))
    if len(repos) > 1:
        raise BenchError(
            f"{folder}: its code is in several repositories ({', '.join(repos)}), and transformers takes one revision "
            "for all; copy the code into the model's folder"
        )
    for repo in repos:
        name = parsed(repo, "model")
        yield name.at(resolve(name))


def _named_repos(folder: Path) -> Iterator[str]:
    """Repositories in references as ``owner/name--module.Class``."""
    for path in sorted(folder.rglob("*.json")):
        if not path.name.endswith("config.json"):
            continue
        try:
            value = configuration(path)
        except BenchError:
            continue
        for named in (value.get("auto_map") or {}).values() if isinstance(value.get("auto_map"), dict) else ():
            for one in named if isinstance(named, list) else [named]:
                if isinstance(one, str) and "--" in one:
                    yield one.partition("--")[0]
    modules = folder / "modules.json"
    if modules.is_file():
        for module in json.loads(modules.read_bytes()):
            if isinstance(module, dict) and "--" in str(module.get("type", "")):
                yield str(module["type"]).partition("--")[0]
