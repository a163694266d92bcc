"""What may be done over the network, and who is told of it: never, only to look, or to fetch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Mode:
    look_only = False
    tell: Callable[[str], None] | None = None


def go_offline() -> None:
    """Forbid the network to every library that could use it, from now on in this process."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"


def offline() -> bool:
    """Whether the network must not be touched."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def look_only(on: bool = True) -> None:
    """Allow what a dry run does: to ask what there is and how large it is; nothing is fetched."""
    _Mode.look_only = on


def looking() -> bool:
    """Whether nothing may be fetched."""
    return _Mode.look_only


@contextmanager
def without_downloads() -> Iterator[None]:
    """Look only, in the block."""
    before = _Mode.look_only
    _Mode.look_only = True
    try:
        yield
    finally:
        _Mode.look_only = before


def set_tell(tell: Callable[[str], None] | None) -> None:
    """Who is told what is fetched and how large it is; None is stderr."""
    _Mode.tell = tell


def tell(text: str) -> None:
    """A line for the user."""
    if _Mode.tell is not None:
        _Mode.tell(text)
        return
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


@contextmanager
def closed() -> Iterator[None]:
    """Let no library use the network in the block: what it reads is what was handed to it."""
    import datasets.config
    import huggingface_hub.constants

    places = [(huggingface_hub.constants, "HF_HUB_OFFLINE"), (datasets.config, "HF_HUB_OFFLINE")]
    before = [getattr(module, name) for module, name in places]
    try:
        for module, name in places:
            setattr(module, name, True)
        yield
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)
