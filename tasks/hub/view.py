"""The part of a data set that is wanted, as a folder that ``datasets`` and mteb read like any other.

It holds links to the files of one commit, or of a copy below the data root, and a card that names these files alone:
nothing else can be read in their place, and nothing else has to be fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tasks.contract import TaskError
from tasks.files import cache, is_file, is_folder
from tasks.hub.listing import listing
from tasks.hub.names import Name
from tasks.hub.snapshot import have

CARD = "README.md"

UNREAD = (".md", ".py", ".gitattributes", ".gitignore", ".png", ".jpg", ".svg", ".bib", ".pdf")
"""Endings of files that hold no rows; code is never among what is read."""

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Which of the configurations that a card names are wanted."""


class View(NamedTuple):
    """A folder to be read, and the files with data in it; beside them there is a card, which names them."""

    folder: Path
    files: tuple[Path, ...]

    def read(self) -> tuple[Path, ...]:
        """All that a library reads there."""
        card = self.folder / CARD
        return (*self.files, card) if is_file(card) else self.files


class _Place(NamedTuple):
    """Where files are had from: what there is, and how to have some of them in a folder."""

    where: str
    paths: Sequence[str]
    have: Callable[[Sequence[str]], Path]
    card: Callable[[], Path]


def mirror(root: Path | None, repo: str) -> Path | None:
    """A copy of a data set's repository below the data root, ``<root>/hub/<owner>/<name>``, where there is one."""
    if ".." in Path(repo).parts or Path(repo).is_absolute():
        raise TaskError(f"a data set of the Hub is called owner/name; got {repo!r:.80}")
    folder = root / "hub" / repo if root is not None else None
    return folder if folder is not None and is_folder(folder) else None


def view(root: Path | None, name: Name, choose: Choose, split: str | None = None) -> View:
    """The wanted configurations of a data set; of each the one split, where it has that.

    Args:
        root: the data root, whose copy is read before the Hub.
        name: of the repository, at a commit.
        choose: configurations, from all.
        split: None takes all.

    Raises:
        HubError: the files cannot be had.
        TaskError: the card cannot be read.
    """
    copy = mirror(root, name.repo)
    place = _copied(copy, name) if copy is not None else _on_hub(name)
    card = _card(place)
    configs = {str(c.get("config_name", "default")): c for c in card.get("configs") or () if isinstance(c, dict)}
    if not configs:
        paths = [path for path in place.paths if not path.endswith(UNREAD)]
        return _made(name, place.have(paths), paths, None)
    chosen = list(choose(list(configs)))
    parts = {config: _splits(configs[config], place, split) for config in chosen}
    paths = sorted({path for splits in parts.values() for found in splits.values() for path in found})
    if not paths:
        raise TaskError(f"{place.where}: its card names no files of {', '.join(chosen) or 'what is wanted'}")
    made = [
        {**configs[config], "data_files": [{"split": s, "path": found} for s, found in splits.items()]}
        for config, splits in parts.items()
    ]
    infos = [_features(info) for info in _infos(card) if str(info.get("config_name", "default")) in parts]
    return _made(name, place.have(paths), paths, {"configs": made, **({"dataset_info": infos} if infos else {})})


def configurations(root: Path | None, name: Name) -> dict[str, tuple[str, ...]]:
    """The splits of each configuration that the card of a data set names; none where it names none."""
    copy = mirror(root, name.repo)
    card = _card(_copied(copy, name) if copy is not None else _on_hub(name))
    found = [c for c in card.get("configs") or () if isinstance(c, dict)]
    return {str(c.get("config_name", "default")): tuple(_patterns(c)) for c in found}


def _on_hub(name: Name) -> _Place:
    def fetched(paths: Sequence[str]) -> Path:
        wanted = set(paths)
        return have(name, wanted.__contains__)

    card = partial(have, name, CARD.__eq__, to_look=True)
    return _Place(str(name), [entry.path for entry in listing(name)], fetched, card)


def _copied(folder: Path, name: Name) -> _Place:
    found = [p.relative_to(folder) for p in sorted(folder.rglob("*")) if is_file(p)]
    paths = [p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts)]
    return _Place(f"{folder} (a copy of {name.repo})", paths, lambda _: folder, lambda: folder)


def _card(place: _Place) -> dict[str, Any]:
    if CARD not in place.paths:
        return {}
    from huggingface_hub.repocard import metadata_load

    path = place.card() / CARD
    try:
        found = metadata_load(path)
    except Exception as error:  # of YAML
        raise TaskError(f"{place.where}: the head of its README.md is no YAML ({type(error).__name__})") from None
    return found if isinstance(found, dict) else {}


def _patterns(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Split -> patterns of files, from any of the forms that a card may have; empty where it leaves them open."""
    given = config.get("data_files")
    if given is None:
        return {}
    rows = given if isinstance(given, list) and all(isinstance(row, dict) for row in given) else None
    pairs = [(str(row.get("split", "train")), row.get("path")) for row in rows] if rows else [("train", given)]
    if isinstance(given, dict):
        pairs = [(str(split), path) for split, path in given.items()]
    found: dict[str, list[str]] = {}
    for split, path in pairs:
        found.setdefault(split, []).extend([path] if isinstance(path, str) else [str(p) for p in path or ()])
    return found


def _splits(config: Mapping[str, Any], place: _Place, split: str | None) -> dict[str, list[str]]:
    """Split -> the files of one configuration."""
    import re

    from fsspec.utils import glob_translate

    patterns = _patterns(config)
    if split is not None and split in patterns:
        patterns = {split: patterns[split]}
    base = str(config.get("data_dir") or "").strip("/")
    below = [path for path in place.paths if path.startswith(f"{base}/")] if base else list(place.paths)
    if not patterns:
        patterns = {"train": ["**"]}
    found: dict[str, list[str]] = {}
    for of, globs in patterns.items():
        shapes = [re.compile(glob_translate(f"{base}/{g}" if base else g)) for g in globs]
        matching = [path for path in below if any(shape.match(path) for shape in shapes) and not path.endswith(UNREAD)]
        if not matching:
            raise TaskError(f"{place.where}: its card names files {', '.join(globs)[:80]!r} that it does not have")
        found[of] = matching
    return found


def _infos(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    infos = card.get("dataset_info") or []
    return [info for info in (infos if isinstance(infos, list) else [infos]) if isinstance(info, dict)]


def _features(info: Mapping[str, Any]) -> dict[str, Any]:
    """Types of columns alone: counts are of all splits, and the files are known by their checksums."""
    return {key: info[key] for key in ("config_name", "features") if key in info}


def _made(name: Name, source: Path, paths: Sequence[str], card: object) -> View:
    """A folder of links called after the data set, in one that is called after what it holds."""
    text = f"---\n{json.dumps(card, sort_keys=True)}\n---\n" if card is not None else ""
    key = hashlib.sha256(json.dumps([str(source.absolute()), list(paths), text]).encode()).hexdigest()[:16]
    folder = cache() / "hub" / "views" / key / name.repo.partition("/")[2]
    links = {folder / path: (source / path).absolute() for path in paths}
    whole = (folder / CARD).is_file() if text else is_folder(folder)
    if not (whole and all(os.path.lexists(link) for link in links)):
        _write(folder, links, text)
    return View(folder, tuple(links))


def _write(folder: Path, links: Mapping[Path, Path], text: str) -> None:
    aside = folder.parent.with_name(f"{folder.parent.name}.{secrets.token_hex(4)}")
    try:
        for link, target in links.items():
            at = aside / folder.name / link.relative_to(folder)
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(target)
        if text:
            (aside / folder.name / CARD).write_text(text, encoding="utf-8")
        if folder.parent.exists():
            shutil.rmtree(folder.parent)
        os.replace(aside, folder.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not is_folder(folder):
            raise TaskError(f"{folder}: cannot be written ({error.strerror or error}); BENCH_CACHE names another "
                            "folder") from None  # fmt: skip
