"""Run by test_arrays: kills processes with SIGKILL at every line that writing an array runs, and lets others go on.

Processes are forked, because starting each anew takes seconds.
"""

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import safetensors.numpy  # noqa: F401

from bench.store.arrays import Kept
from tests.bench.workers.forked import in_a_process

ARRAY = np.arange(600, dtype=np.float32).reshape(60, 10)
WATCHED = ("arrays.py", "json_files.py", "writing.py", "checkpoints.py", "_unix.py")  # the last one: filelock's


def killed_at(line: int) -> None:
    """Kill this process before it runs the given line, counted from 1 over all that are run in the watched files."""
    seen = 0

    def local(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return local

    def calls(frame: FrameType, event: str, value: Any) -> Any:
        return local if os.path.basename(frame.f_code.co_filename) in WATCHED else None

    sys.settrace(calls)


def make(folder: Path, wait: bool = False) -> None:
    kept = Kept(folder, {"made": "up"})
    with kept.claimed("second", wait) as mine:
        if mine:
            kept.write("second", ARRAY)


def state(folder: Path) -> str:
    """What is found without writing anything."""
    kept = Kept(folder, {"made": "up"})
    if not kept.has("second"):
        return "nothing"
    return "whole" if np.array_equal(kept.read("second"), ARRAY) else "wrong"


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().hex() for path in sorted(folder.iterdir())}


def everything(root: Path) -> list[dict[str, object]]:
    make(root / "whole")
    whole, found = files(root / "whole"), []
    for line in range(1, 1000):
        folder = root / str(line)

        def until_killed(line: int = line, folder: Path = folder) -> None:
            killed_at(line)
            make(folder)

        ended = in_a_process(until_killed)
        if ended != signal.SIGKILL:
            assert ended == 0
            return found
        folder.mkdir(exist_ok=True)
        left = {"line": line, "state": state(folder), "left": sorted(p.name for p in folder.iterdir())}
        assert in_a_process(lambda folder=folder: make(folder, wait=True)) == 0  # type: ignore[misc]
        found.append({**left, "same": files(folder) == whole})
    raise AssertionError("writing takes more lines than are tried")


if __name__ == "__main__":
    print(json.dumps(everything(Path(sys.argv[1]))))
