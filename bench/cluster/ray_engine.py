"""``--engine ray``: cells as tasks of a Ray cluster, with the names, hashes and bits of ``--engine local``."""

from __future__ import annotations

import dataclasses
import os
import platform
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import __version__, environment, processes
from bench.cluster.dispatch import Dispatch, Outcome, Ticket
from bench.cluster.node import Spec, run_apart, run_shared
from bench.errors import BenchError, one_line
from bench.running.grid import Grid
from bench.running.jobs import Left
from bench.running.recorded import Request
from bench.running.run import Engine, Loaded
from bench.store.copies import Parcel
from bench.store.writing import told_in_one_line
from tasks import hub

HUB = ("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE")
"""Variables that say where the Hub is, and where its files are kept."""


class Cluster(NamedTuple):
    """Where cells are run.

    Attributes:
        address: of a cluster that runs, or ``auto``; None starts one on this machine, for this run.
        gpus: that a cell takes.
    """

    address: str | None = None
    gpus: float = 0.0


def engine(cluster: Cluster) -> Engine:
    """Runs cells on a Ray cluster.

    Raises:
        BenchError: Ray is not installed, or this is one of several processes that train together.
    """
    _ray()
    if processes.count() > 1:
        raise BenchError("--engine ray starts processes of its own; run it without torchrun or accelerate")
    return partial(run_on_ray, cluster)


def run_on_ray(cluster: Cluster, grid: Grid, todo: Mapping[str, Left], loaded: Loaded, request: Request) -> int:
    """Run the cells that are left as tasks of a cluster; returns how many were run.

    Raises:
        BenchError: there is no cluster, or cells failed; finished ones are kept.
    """
    from tqdm import tqdm

    del loaded  # what it read was held against the plan; the nodes read their own
    if not grid.plan.threads:
        request.say("a cell takes one thread under --engine ray; --threads N gives it N")
    plan = dataclasses.replace(grid.plan, threads=grid.plan.threads or 1)
    jobs = [job for job in grid.jobs if job.name in todo]
    with _connected(cluster, plan.threads, request) as ray, _mark(grid.folder) as mark:
        spec = _spec(grid._replace(plan=plan), request, mark)
        with tqdm(total=len(jobs), desc="cells", unit="cell", disable=None) as bar:
            say = request.say if bar.disable else partial(bar.write, file=sys.stderr)

            def count(line: str) -> None:
                bar.update()
                if bar.disable:
                    bar.n += 1
                    say(f"[{bar.n}/{len(jobs)}] {line}")
                else:
                    bar.set_postfix_str(line)

            nodes = RayNodes(ray, spec, cluster.gpus, say)
            return Dispatch(jobs, nodes, grid.folder, grid.left, say, count).run()


class RayNodes:
    """Tasks of a Ray cluster that is connected.

    Args:
        ray: the module.
        spec: what a node has to know.
        gpus: that a cell takes.
        say: prints a line.
    """

    def __init__(self, ray: Any, spec: Spec, gpus: float, say: Any) -> None:
        self._ray, self._spec, self._say = ray, spec, say
        self._task = ray.remote(on_node)
        # Ray's own retries are silent, and without end where memory runs out: Dispatch counts them
        self._options = {"num_cpus": spec.plan.threads, "num_gpus": gpus, "max_retries": 0}
        self._out: dict[Any, Ticket] = {}

    def send(self, ticket: Ticket) -> None:
        """Have a cell run as soon as a node is free."""
        files = None if ticket.files is None else self._ray.put(ticket.files)
        task = self._task.options(name=ticket.job.name, **self._options)
        self._out[task.remote(self._spec, ticket.job.name, files, ticket.patient)] = ticket

    def receive(self) -> tuple[Ticket, Outcome]:
        """What came back first of what was sent; waits for it."""
        (done,), _ = self._ray.wait(list(self._out), num_returns=1)
        return self._out.pop(done), self._outcome(done)

    def _outcome(self, done: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(done)
            return outcome
        except errors.RayTaskError as error:
            absent = "failed to import on the worker" in str(error.cause)
            if absent or isinstance(error.cause, errors.RaySystemError):
                what = f"its node cannot read what bench {__version__} sends it"
                return Outcome("failed", f"{what}: install the same version on all nodes")
            self._say(str(error))
            return Outcome("failed", f"{type(error.cause).__name__}: {error.cause}; Ray's traceback is above")
        except errors.OutOfMemoryError:
            return Outcome(
                "lost", "its node ran out of memory; --micro-batch N or a smaller --batch-size needs less of it, more "
                "--threads lets fewer cells run side by side",
            )  # fmt: skip
        except errors.WorkerCrashedError:
            return Outcome("lost", "its process died (killed, or out of memory)")
        except (errors.NodeDiedError, errors.ObjectLostError, errors.LocalRayletDiedError):
            return Outcome("lost", "its node was lost")
        except errors.RayError as error:
            return Outcome("failed", f"{type(error).__name__}: {one_line(error)[:300]}")


def on_node(spec: Spec, name: str, files: Parcel | None, patient: bool) -> Outcome:
    """What runs on a node."""
    import ray

    outcome = run_shared(spec, name, patient) if files is None else run_apart(spec, name, files)
    return outcome._replace(where=f"on node {ray.get_runtime_context().get_node_id()[:8]} of {platform.node()}")


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else starting a cluster reports it to Ray's makers
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise BenchError(
            "--engine ray needs Ray, which is not installed: pip install 'batch-strategy-bench[ray]'"
        ) from None
    return ray


@contextmanager
def _connected(cluster: Cluster, threads: int, request: Request) -> Iterator[Any]:
    """Ray, connected to a cluster where a cell fits.

    Raises:
        BenchError: there is no cluster at that address, or no node of one that is started here is large enough.
    """
    ray, address = _ray(), cluster.address or "local"
    try:
        _knock(os.environ.get("RAY_ADDRESS") or address if address == "auto" else address)
        more = {"include_dashboard": False} if cluster.address is None else {}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **more)
    except Exception as error:  # Ray raises plain ones where a node does not start
        raise BenchError(
            f"--address {address}: no Ray cluster can be used there "
            f"({one_line(error)[:300]}); 'ray start --head' starts one"
        ) from None
    try:
        _require_room(ray, cluster, threads, request)
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail at once where nobody answers; Ray itself goes on trying for more than ten minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _require_room(ray: Any, cluster: Cluster, threads: int, request: Request) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for option, kind, wanted in (("--threads", "CPU", threads), ("--gpus", "GPU", cluster.gpus)):
        most = max((node.get(kind, 0.0) for node in nodes), default=0.0)
        line = f"a cell takes {option} {wanted:g} of one node, and the largest node has {most:g}"
        if wanted > most and cluster.address is None:
            raise BenchError(f"{line}; lower it, or give the --address of a larger cluster")
        if wanted > most:
            request.say(f"{line}: waiting until a larger one joins")


@contextmanager
def _mark(folder: Path) -> Iterator[str]:
    """A file by which a node knows that it shares the folder; its name."""
    path = folder / f".shared-{secrets.token_hex(8)}"
    with told_in_one_line(path):
        path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


def _spec(grid: Grid, request: Request, mark: str) -> Spec:
    return Spec(
        plan=grid.plan,
        root=os.path.realpath(grid.root) if grid.root else None,
        results=os.path.realpath(grid.folder.parent),
        cwd=os.getcwd(),
        command=request.command,
        resume=request.resume,
        offline=hub.offline(),
        versions=tuple(sorted(environment.versions().items())),
        mark=mark,
        protocol=request.protocol,
        commits=tuple(sorted(hub.taken().items())),
        hub=tuple((name, os.environ[name]) for name in HUB if os.environ.get(name)),
    )
