"""A Ray cluster of two nodes on this machine, one of which is killed during a cell; every bit against --engine local.

python tests/perf/ray_nodes.py > tests/perf/ray_nodes.md

With --apart, the second node runs where the folder of results is not seen (a mount of its own: root on Linux).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TypeVar

from tabulate import tabulate

STRATEGIES = "mono,cross,hybrid,centering(mono),merge(mono, cross)"
PATIENCE = 600.0
ROOT = Path(__file__).parents[2]
TASK = re.compile(r"ray::([a-z-]+-\w{8}-s\d+)")
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` finds, sooner or later."""
    end = time.monotonic() + PATIENCE
    while (found := look()) is None:
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.02)
    return found


def bench(folder: Path, steps: int, seeds: str, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "bench", "run", "--strategy", STRATEGIES, "--seeds", seeds, "--steps", str(steps),
        "--task", "demo-dev", "--experiment", "nodes", "--threads", "1", "--no-report", "--results", str(folder), *more,
    ]  # fmt: skip


def ray_start(work: Path, *arguments: str, apart: Path | None = None) -> subprocess.Popen[bytes]:
    """A node; its processes end with it. ``apart``: a folder that it does not see."""
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1", *arguments]
    if apart is not None:
        ray = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(apart), *ray]
    log = (work / f"ray-{len(list(work.glob('ray-*.log')))}.log").open("wb")
    environment = os.environ | {"RAY_worker_niceness": "0"}  # 15 by default: on a busy machine they would hardly run
    return subprocess.Popen(ray, stdout=log, stderr=log, cwd=ROOT, env=environment)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            if int(path.read_bytes().rpartition(b")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def raylet_of(node: subprocess.Popen[bytes]) -> int | None:
    """The raylet that a node runs, once it does.

    Raises:
        RuntimeError: the node has ended.
    """
    if node.poll() is not None:
        raise RuntimeError("a node did not start; Ray gives it 30 s, try again on a machine with less to do")
    for pid in children(node.pid):
        with suppress(OSError):
            if Path(os.readlink(f"/proc/{pid}/exe")).name == "raylet":
                return pid
    return None


@contextmanager
def cluster(work: Path, apart: Path | None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of two nodes of one CPU each, and the second of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    head = ["--head", "--port", str(port), "--node-ip-address", "127.0.0.1", "--include-dashboard", "false"]
    nodes = [ray_start(work, *head, "--temp-dir", str(work / "ray"), "--disable-usage-stats")]
    try:
        until(lambda: raylet_of(nodes[0]), "the first node")
        nodes.append(ray_start(work, "--address", address, "--node-ip-address", "127.0.0.1", apart=apart))
        until(lambda: raylet_of(nodes[1]), "the second node")
        yield address, nodes[1]
    finally:
        for node in nodes:
            node.terminate()
            node.wait()


def at_work(raylet: int, since: dict[str, float]) -> str | None:
    """A cell that a worker of this raylet has been at for a second, by the name of its task; it writes to nowhere."""
    told = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in children(raylet)]
    now = {match[1] for match in map(TASK.match, told) if match}
    for name in set(since) - now:
        del since[name]
    for name in now:
        since.setdefault(name, time.monotonic())
    return next((name for name, start in since.items() if time.monotonic() - start > 1), None)


def in_training(results: Path, raylet: int) -> str | None:
    """A cell that a worker of this raylet trains now, beyond its first steps."""
    workers = children(raylet)
    for lock in (results / "nodes").glob(".*.lock/*"):
        with suppress(OSError, ValueError):
            cell = lock.parent.name.removeprefix(".").removesuffix(".lock")
            steps = [p.read_bytes().count(b"\n") for p in (results / "nodes").glob(f".{cell}.partial-*/steps.jsonl")]
            if json.loads(lock.read_text())["pid"] in workers and steps and steps[0] > 10:
                return cell
    return None


class Cell:
    """What is compared of one."""

    def __init__(self, path: Path) -> None:
        done = json.loads((path / "done").read_text())
        self.weights = str(done["weights_sha256"])
        self.scores = hashlib.sha256((path / "scores" / "demo-dev@2.parquet").read_bytes()).hexdigest()
        self.seconds = sum(done["seconds"].values())


def cells(results: Path) -> dict[str, Cell]:
    return {p.parent.name: Cell(p.parent) for p in sorted((results / "nodes").glob("*/done"))}


def killed_run(work: Path, options: argparse.Namespace) -> tuple[str, str]:
    """Run on two nodes and kill one; the run's lines, and what was killed."""
    results = work / "ray-results"
    results.mkdir()
    with cluster(work, results if options.apart else None) as (address, second):
        command = bench(results, options.steps, options.seeds, "--engine", "ray", "--address", address)
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        raylet = until(lambda: raylet_of(second), "the second node")
        since: dict[str, float] = {}
        look = partial(at_work, raylet, since) if options.apart else partial(in_training, results, raylet)
        victim = until(look, "a cell on the second node")
        os.kill(raylet, signal.SIGKILL)
        lines = run.communicate()[1]
    if run.returncode != 0:
        raise SystemExit(lines)
    return lines, victim


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--apart", action="store_true", help="the second node does not see the folder of results")
    options = parser.parse_args(arguments)
    os.environ["RAY_AUTH_MODE"] = "disabled"  # else a token that Ray once stored is asked of some processes only
    with tempfile.TemporaryDirectory(prefix="rn-") as folder:
        work = Path(folder)
        start = time.monotonic()
        subprocess.run(bench(work / "local-results", options.steps, options.seeds), check=True, stdout=2, cwd=ROOT)
        middle = time.monotonic()
        lines, victim = killed_run(work, options)
        end = time.monotonic()
        print(lines, file=sys.stderr)
        local, ray = cells(work / "local-results"), cells(work / "ray-results")
        left = [p.name for p in (work / "ray-results" / "nodes").iterdir() if p.name.startswith(".")]
    equal = _print(options, lines, victim, local, ray)
    print(
        f"Seconds in all: {middle - start:.0f} local, {end - middle:.0f} on the cluster, with its start and its loss; "
        f"{os.cpu_count()} cores in all. Left beside the cells: {', '.join(left) or 'nothing'}."
    )
    return 0 if equal and not left else 1


def _print(options: argparse.Namespace, lines: str, victim: str, local: dict[str, Cell], ray: dict[str, Cell]) -> bool:
    """The table; returns whether all bits are equal."""
    told = dict(re.findall(r"^\[\d+/\d+\] (\S+): (.*)$", lines, re.MULTILINE))
    rows, equal = [], local.keys() == ray.keys()
    for name, cell in local.items():
        there = ray.get(name)
        node, tries = (re.search(rf"{mark} (\w+)", told.get(name, "")) for mark in ("on node", "try"))
        same = (there is not None and there.weights == cell.weights, there is not None and there.scores == cell.scores)
        equal &= all(same)
        taken = [f"{c.seconds:.1f}" if c else "-" for c in (cell, there)]
        rows.append(
            [name, node[1] if node else "?", tries[1] if tries else "1", *("yes" if s else "NO" for s in same), *taken]
        )
    header = ["cell", "ran on node", "tries", "weights equal", "scores equal", "s local", "s Ray"]
    what = "whose folder of results is not seen by the second" if options.apart else "with one folder of results"
    lost = re.findall(r"^(\S+: .*run again.*)$", lines, re.MULTILINE)
    packages = ", ".join(f"{name} {version(name)}" for name in ("ray", "torch"))
    print(
        f"## Two Ray nodes of one CPU each, {what}; the raylet of the second is killed (SIGKILL) during {victim}\n\n"
        f"{STRATEGIES}, seeds {options.seeds}, {options.steps} steps; {packages}, Python {python_version()}. "
        f"What the run said of the loss: {'; '.join(lost) or 'nothing'}.\n"
    )
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=("left", "left", *["right"] * 5)))
    print()
    return equal


if __name__ == "__main__":
    sys.exit(main())
