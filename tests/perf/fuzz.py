"""Throw changed inputs at every reader; prints a markdown table, exit code 1 where a defect was found.

python tests/perf/fuzz.py --inputs 10000 > fuzz.md

An input is accepted, refused in one line (``bench.errors.EXPECTED``), or shows a defect: another exception, no end
within ``LIMIT`` seconds, a write outside of the output folder, or a program or connection started. Every target runs in
a process of its own, coverage-guided by atheris where it is installed; elsewhere inputs that were accepted or refused
in a new way are changed further.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuzz_targets import Target

LIMIT = 10.0
"""Seconds of the processor for one input."""

MEMORY = 8 << 30
"""Bytes of address space for one process."""

SLOW = 50
"""A slow target gets one in so many inputs."""

HEADER = ("target", "inputs", "accepted", "refused", "distinct messages", "defects", "coverage-guided", "seconds")


class Counts:
    """What came of the inputs of one target.

    Attributes:
        inputs: read.
        accepted: without an error.
        messages: distinct refusals, values taken out, and how often they came.
        defects: distinct, with the input that showed each first.
    """

    def __init__(self) -> None:
        self.inputs = self.accepted = 0
        self.messages: dict[str, int] = {}
        self.defects: dict[str, str] = {}
        self.started = time.perf_counter()

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "seconds": time.perf_counter() - self.started}


def kind_of(error: BaseException) -> str:
    """A message without the values in it."""
    text = " ".join(str(error).split())
    text = re.sub(r"""'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|[^\s]*/[^\s]*|\(.*\)""", "*", text)
    return re.sub(r"[0-9]+|[^\x20-\x7e]+", "*", text)[:160]


def try_one(target: Target, data: bytes, folder: Path, counts: Counts) -> bool:
    """Read one input; whether it came out in a way not seen before."""
    from guard import Hang, Outside, at_most, writes_only_below

    from bench.errors import EXPECTED

    counts.inputs += 1
    (folder / "out").mkdir(exist_ok=True)
    read = target.put(data, folder)
    seen = len(counts.messages) + len(counts.defects)
    try:
        with at_most(LIMIT), writes_only_below(folder / "out"):
            read()
        counts.accepted += 1
    except EXPECTED as error:
        key = kind_of(error)
        counts.messages[key] = counts.messages.get(key, 0) + 1
    except (Exception, Hang, Outside) as error:
        where = traceback.extract_tb(error.__traceback__)
        own = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in where if "/site-packages/" not in f.filename]
        key = f"{type(error).__name__}: {kind_of(error)} at {own[-1]}"
        counts.defects.setdefault(key, repr(data[:2000]) + "\n" + "".join(traceback.format_exception(error)[-12:]))
    return len(counts.messages) + len(counts.defects) > seen


def by_ourselves(target: Target, inputs: int, seed: int, folder: Path, counts: Counts) -> None:
    """Change valid inputs, and those that came out in a new way."""
    rng = Random(seed)
    pool = list(target.seeds)
    for data in target.seeds:
        try_one(target, data, folder, counts)
    while counts.inputs < inputs:
        data = target.mutate(rng.choice(pool), rng)
        if try_one(target, data, folder, counts) and len(data) < 100_000:
            pool.append(data)


def by_atheris(target: Target, inputs: int, seed: int, folder: Path, counts: Counts, end: Callable[[], None]) -> None:
    """The same, led by which branches an input reaches; ends the process."""
    import atheris

    def one(data: bytes) -> None:
        try_one(target, data, folder, counts)
        if counts.inputs >= inputs:
            end()
            os._exit(0)

    def change(data: bytes, most: int, number: int) -> bytes:
        rng = Random(number)
        if rng.randint(0, 4) == 0:
            return bytes(atheris.Mutate(data, most))
        return target.mutate(data or rng.choice(target.seeds), rng)[:most]

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(data)
    quiet = (
        "-timeout=0",
        "-mutate_depth=1",
        "-rss_limit_mb=0",
        "-max_len=65536",
        "-print_final_stats=0",
        "-verbosity=0",
    )
    atheris.Setup([sys.argv[0], *quiet, f"-seed={seed + 1}", str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def run_target(name: str, inputs: int, seed: int, guided: bool, out: Path) -> None:
    """Fuzz one target in this process; the counts go to ``out``."""
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "MPLBACKEND": "Agg"}
    if guided:
        import atheris

        with atheris.instrument_imports(include=["bench", "tasks", "strategies", "json", "tomllib"]):
            import fuzz_targets
    else:
        import fuzz_targets
    target = next(t for t in fuzz_targets.TARGETS if t.name == name)
    counts = Counts()

    def end() -> None:
        out.write_text(json.dumps(counts.plain(), ensure_ascii=True))

    with (
        tempfile.TemporaryDirectory() as place,
        fuzz_targets.without_pictures(),
        contextlib.redirect_stdout(sys.stderr),
    ):
        warm_up(target, Path(place))
        if guided:
            by_atheris(target, inputs, seed, Path(place), counts, end)
        by_ourselves(target, inputs, seed, Path(place), counts)
    end()


def warm_up(target: Target, folder: Path) -> None:
    """Libraries make their caches before writes are watched."""
    if target.slow:
        from matplotlib import pyplot

        pyplot.close(pyplot.figure())
    with contextlib.suppress(Exception):
        target.put(target.seeds[0], folder)()


def has_atheris() -> bool:
    """Whether inputs can be led by coverage."""
    from importlib.util import find_spec

    return find_spec("atheris") is not None


def fuzz(name: str, inputs: int, options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """A line of the table, and the defects."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "counts.json"
        own = [sys.executable, __file__, "--one", name, "--out", str(out), "--inputs", str(inputs),
               "--seed", str(options.seed), *(["--unguided"] if options.unguided else [])]  # fmt: skip
        done = subprocess.run(own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=3600)  # fmt: skip
        if not out.is_file():
            return [name, *["?"] * 4, "1", "", ""], {"the process died": done.stderr[-3000:]}
        found = json.loads(out.read_text())
    refused = sum(found["messages"].values())
    print(f"{name}: {found['inputs']:,} inputs, {len(found['defects'])} defects", file=sys.stderr)
    line = [name, f"{found['inputs']:,}", f"{found['accepted']:,}", f"{refused:,}", str(len(found["messages"])),
            str(len(found["defects"])), "no" if options.unguided else "yes", f"{found['seconds']:.0f}"]  # fmt: skip
    return line, found["defects"]


def main() -> int:
    """Fuzz all targets, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help=f"per target; slow ones get one in {SLOW} of them")
    parser.add_argument("--target", action="append", help="these alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unguided", action="store_true", help="without atheris")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.unguided = options.unguided or not has_atheris()
    if options.one:
        run_target(options.one, options.inputs, options.seed, not options.unguided, options.out)
        return 0
    from fuzz_targets import TARGETS
    from tabulate import tabulate

    rows, defects = [], {}
    for target in TARGETS:
        if not options.target or target.name in options.target:
            number = max(1, options.inputs // SLOW if target.slow else options.inputs)
            line, found = fuzz(target.name, number, options)
            rows.append(line)
            defects |= {f"{target.name}: {key}": detail for key, detail in found.items()}
    total = sum(int(row[1].replace(",", "")) for row in rows if row[1] != "?")
    print(tabulate(rows, HEADER, tablefmt="pipe", disable_numparse=True))
    print(f"\n{total:,} inputs, {len(defects)} defects")
    for key, detail in defects.items():
        print(f"\n### {key}\n\n```\n{detail}\n```")
    return 1 if defects else 0


if __name__ == "__main__":
    raise SystemExit(main())
