"""What only a real GPU can show, in one run: right numbers, the card's ceilings, rates beside peers, bits that repeat.

    python tests/gpu/card.py MODEL DATA OUT [--parts losses,base] [--against FOLDER] [--small]

Each part runs in a process of its own for so many seconds at most and writes OUT/<part>.json as it goes: what one
part loses costs no other anything. ``OUT/card.md`` has all tables. On a CPU the same parts run (``--small``: in a few
minutes), without what only CUDA has; the losses and the AP of a CPU are what ``--against`` compares a card's with:

    python tests/gpu/card.py MODEL DATA CPU --parts losses,base --limit 7200

MODEL is a folder of multilingual-e5-small's shape, DATA holds what the tasks and sources read (``--data-root``).
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from asked import Asked, Found
from tabulate import tabulate

SECONDS = {
    "losses": 60, "base": 80, "ceilings": 20, "training": 110, "encoding": 50, "ranking": 20, "bits": 45,
    "bits-deterministic": 45,
}  # fmt: skip
"""The parts, in order, and how long each may take on a card."""

PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate", "datasets", "numpy")


def part(name: str) -> Callable[[Asked, Found], None]:
    """Its function, with all that it imports."""
    if name == "ceilings":
        import ceilings

        return ceilings.ceilings
    if name == "training":
        import beside_trainer

        return beside_trainer.training
    if name in ("encoding", "ranking"):
        import beside_encode

        return beside_encode.encoding if name == "encoding" else beside_encode.ranking
    import right

    parts: dict[str, Callable[[Asked, Found], None]] = {"losses": right.losses, "base": right.base}
    return parts.get(name) or (lambda asked, found: right.bits(asked, found, name != "bits"))


def run_alone(name: str, asked: Asked) -> None:
    """A part, in this process: all is imported before its turn has come, which a line on stdin says."""
    work = part(name)
    if sys.stdin.readline():
        work(asked, Found(asked.out / f"{name}.json"))


def started(name: str, arguments: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    log = (out / f"{name}.log").open("wb")
    command = [sys.executable, __file__, *arguments, "--one", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)


def finished(process: subprocess.Popen[bytes], limit: float) -> str:
    """How a part ended that has its turn now; empty where all is well."""
    try:
        process.communicate(b"go\n", timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"not finished in {limit:.0f} s"
    except BrokenPipeError:  # it failed while it imported
        process.wait()
    return "" if process.returncode == 0 else f"failed (exit {process.returncode})"


def table(name: str, out: Path, ended: str, seconds: float) -> str:
    """What a part found, as markdown; and the end of what it said, where it failed."""
    path = out / f"{name}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    header = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_told(row.get(key)) for key in header] for row in rows]
    lines = [f"## {name}", "", tabulate(cells, header, tablefmt="pipe", disable_numparse=True), ""]
    lines.append(f"{seconds:.0f} s. {ended}".rstrip())
    if ended:
        said = (out / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        lines += ["", "```", *said[-6:], "```"]
    return "\n".join(lines) + "\n"


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)


def machine() -> dict[str, str]:
    """The card, its driver, and the versions of what computes."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        card = subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        card = ""
    found = {"card": card or "none", "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", default=",".join(SECONDS))
    parser.add_argument("--against", type=Path, help="the OUT of a run on a CPU")
    parser.add_argument("--small", action="store_true", help="few rows and steps, to rehearse")
    parser.add_argument("--limit", type=float, help="seconds of every part (default: each its own)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of all parts: none is begun later")
    parser.add_argument("--train", default="lo-help", help="a source")
    parser.add_argument("--task", default="xquad-r")
    parser.add_argument("--one", choices=tuple(SECONDS), help=argparse.SUPPRESS)
    o = parser.parse_args(arguments)
    if o.one:
        run_alone(o.one, Asked(o.model, o.data, o.out, o.against, o.small, o.train, o.task))
        return 0
    names = o.parts.split(",")
    if unknown := set(names) - set(SECONDS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(SECONDS)}")
    o.out.mkdir(parents=True, exist_ok=True)
    here = machine()
    (o.out / "machine.json").write_text(json.dumps(here, indent=1), encoding="utf-8")
    told = ["; ".join(f"{key} {value}" for key, value in here.items()) + "\n"]
    print(told[0], flush=True)
    start, failed = time.perf_counter(), 0
    waiting = {name: started(name, arguments, o.out) for name in names}
    for name, process in waiting.items():
        begun = time.perf_counter()
        if begun - start > o.seconds:
            process.kill()
            ended = "not reached"
        else:
            ended = finished(process, o.limit or SECONDS[name])
        failed += bool(ended)
        told.append(table(name, o.out, ended, time.perf_counter() - begun))
        print(told[-1], flush=True)
        (o.out / "card.md").write_text("\n".join(told), encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
