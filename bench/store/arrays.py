"""Arrays on disk, ``<folder>/<name>.safetensors``, each whole or not there at all.

A file says in its header what decided it, and a sha256. It is written aside, synced and renamed, by the one process
that holds its lock (``filelock``): processes may share the work and may be killed at any moment; the system then lets
go of their locks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.store import json_files
from bench.store.json_files import require_owner
from bench.store.writing import clear_unfinished, sync, told_in_one_line, written_aside

Array = NDArray[Any]


TYPES = {"F32": np.float32, "F16": np.float16, "U8": np.uint8, "I64": np.int64}
"""What is kept, by safetensors' names."""


ANEW = "delete it, and the same command makes it again"


class Kept:
    """Arrays in one folder that were made from the same things.

    Args:
        folder: it may hold other files.
        owner: everything that decides the arrays, as plain JSON.
    """

    def __init__(self, folder: Path, owner: Mapping[str, object]) -> None:
        self._folder: Path = folder
        self._owner: dict[str, object] = json.loads(json_files.canonical(owner))
        self._sound: set[str] = set()

    def path(self, name: str) -> Path:
        """Where an array is kept."""
        return self._folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        """Whether an array is there; it is compared with what was written when it is first met.

        Raises:
            BenchError: it is damaged, or was made from something else.
        """
        if name not in self._sound and self.path(name).exists():
            about, array = self._open(name)
            digest = about.pop("sha256", None)
            require_owner(self.path(name), about, self._owner | {"name": name}, ANEW)
            if digest != _digest(array):
                raise BenchError(f"{self.path(name)}: damaged, its sha256 is not the one that was written; {ANEW}")
            self._sound.add(name)
        return name in self._sound

    def read(self, name: str) -> Array:
        """An array that is there, mapped: it takes memory where it is touched, as long as the result is held."""
        return self._open(name)[1]

    def write(self, name: str, array: Array) -> None:
        """Keep an array that this process has claimed.

        Raises:
            BenchError: the folder cannot be written.
        """
        from safetensors.numpy import save

        path = self.path(name)
        clear_unfinished(path)
        about = json_files.canonical(self._owner | {"name": name, "sha256": _digest(array)})
        with written_aside(path) as aside:
            aside.write_bytes(save({"array": array}, {"about": about}))  # of several entries the order would vary
            sync(aside)
        self._sound.add(name)

    @contextmanager
    def claimed(self, name: str, wait: bool) -> Iterator[bool]:
        """Whether it is for this process to write an array: no other one is at it, and it is not there.

        Args:
            name: of the array.
            wait: for another one that is at it, and may be killed.

        Raises:
            BenchError: the folder cannot be written, or its disk has no locks.
        """
        lock = FileLock(self._folder / f"{name}.lock", blocking=wait, fallback_to_soft=False)
        try:
            yield _taken(lock) and not self.has(name)
        finally:
            if lock.is_locked:
                Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: who waits for it opens a new one
            lock.release()

    def _open(self, name: str) -> tuple[dict[str, object], Array]:
        from safetensors import SafetensorError, safe_open

        path = self.path(name)
        try:
            with safe_open(path, framework="np") as file:
                about = json.loads((file.metadata() or {}).get("about", "{}"))
                part = file.get_slice("array")
                shape, dtype = tuple(part.get_shape()), np.dtype(TYPES[part.get_dtype()])
            size = int(np.prod(shape)) * dtype.itemsize
            return dict(about), np.memmap(path, dtype, "r", path.stat().st_size - size, shape)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise BenchError(f"{path}: damaged, not a file that was written here ({error}); {ANEW}") from None


def _digest(array: Array) -> str:
    """sha256 over type, shape and bytes."""
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _taken(lock: BaseFileLock) -> bool:
    with told_in_one_line(Path(lock.lock_file)):
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            return False
    return True
