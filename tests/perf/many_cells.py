"""Hundreds of cells in one experiment: what a cell, a listing, a leaderboard and a report cost as the experiment grows.

python tests/perf/many_cells.py [--cells 500]

Times of whole processes, but for the cells, which one process trains and scores; memory is that of this process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from kills import make_data
from tabulate import tabulate

from bench.cli import main as bench
from bench.figures import plots
from bench.figures.shapes import Curves
from bench.running import cell

STRATEGIES = ("mono", "cross")
SHARES = (0.1, 0.2, 0.5, 1.0)


def resident_mb() -> float:
    """Megabytes of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell how much memory a process has")


class Meter:
    """Seconds and memory after every cell."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.memory: list[float] = []
        self._inner = cell.run_cell

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        found = self._inner(*arguments, **named)
        self.seconds.append(time.perf_counter() - start)
        self.memory.append(resident_mb())
        return found


def command(root: Path, seeds: int) -> list[str]:
    """The first ``seeds`` seeds of every strategy."""
    return ["run", "--strategy", ",".join(STRATEGIES), "--seeds", ",".join(map(str, range(seeds))), "--train",
            f"{root}/tiny.jsonl", "--task", f"{root}/tiny.py:Tiny", "--languages", "en,de", "--steps", "10",
            "--batch-size", "8", "--baselines", "none", "--threads", "1", "--experiment", "many",
            *places(root)]  # fmt: skip


def places(root: Path) -> list[str]:
    return ["--results", f"{root}/results", "--reports", f"{root}/reports"]


def seconds_of(*arguments: str) -> float:
    """Of a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--figure", type=Path, help="draw the memory after every cell beside this path")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cell.run_cell = meter = Meter()  # type: ignore[assignment]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root)
        for share in SHARES:
            seeds, before = round(options.cells * share) // len(STRATEGIES), len(meter.seconds)
            with redirect_stdout(sys.stderr):
                code = bench([*command(root, seeds), "--no-report"])
            if code:
                return code
            n = seeds * len(STRATEGIES)
            listing = seconds_of(*command(root, seeds), "--no-report")  # all is finished: nothing is run
            board = seconds_of("leaderboard", "many", *places(root))
            report = seconds_of("report", "many", *places(root))
            new, held = meter.seconds[before:], meter.memory[before:]
            rows.append([n, f"{mean(new):.3f}", f"{held[0]:,.0f}", f"{held[-1]:,.0f}", f"{listing:.1f}", f"{board:.1f}",
                         f"{report:.1f}"])  # fmt: skip
            print(rows[-1], file=sys.stderr, flush=True)
    header = ["cells", "s a new cell", "MB after the first of them", "MB after the last", "the same command again, s",
              "leaderboard, s", "report, s"]  # fmt: skip
    print(f"`python tests/perf/many_cells.py --cells {options.cells}`: {' and '.join(STRATEGIES)}, "
          f"{options.cells // len(STRATEGIES)} seeds each, built-in static model.\n")  # fmt: skip
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=["right"] * len(header)))
    if options.figure:
        curve = tuple(np.arange(1.0, len(meter.memory) + 1)), tuple(meter.memory)
        plots.draw(Curves({"resident memory of the process": curve}, "cells", "MB"), options.figure)
        print(f"\n![resident memory in MB after every cell]({options.figure.name}.svg)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
