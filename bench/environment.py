"""Versions, commit and memory of what computes."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import __version__
from bench.errors import BenchError
from tasks.contract import first_line

FULL = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""What torch's errors say, on GPUs and on CPUs."""


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Refuse, in one line, what needs more memory than there is.

    Raises:
        BenchError: memory ran out in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BenchError(
            f"{what}: not enough memory ({first_line(error)}); --micro-batch N trains the same batch in parts, "
            "--batch-size a smaller one. Finished cells are kept"
        ) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    told = str(error).lower()
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(mark in told for mark in FULL))


def restart_peak() -> None:
    """Start anew where the system can (Linux); elsewhere peaks count from the start of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Megabytes at the peak since ``restart_peak``."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


PACKAGES = (
    "torch", "transformers", "sentence-transformers", "accelerate", "tokenizers", "numpy",
    "scipy", "scikit-learn", "pyarrow",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Of this package, and of those that numbers depend on."""
    found = {"batch-strategy-bench": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def environment() -> dict[str, object]:
    """Versions of what computed the numbers."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": versions(),
        "git": _git_commit(),
    }


CODE = ("bench", "strategies", "tasks", "pyproject.toml")
"""Whose edits are changes: results and reports that a run writes are none."""


def _git_commit() -> str:
    """The commit of this checkout, with '+changes' where code differs; 'none' where our code is of no checkout.

    A package that lies in the virtual environment of somebody's checkout is not of that checkout.
    """
    root = Path(__file__).absolute().parents[1]
    if _git("ls-files", "--error-unmatch", __file__, cwd=root) is None:
        return "none"
    head, changed = _git("rev-parse", "HEAD", cwd=root), _git("status", "--porcelain", "-uno", "--", *CODE, cwd=root)
    return "none" if head is None else head + ("+changes" if changed else "")


def _git(*arguments: str, cwd: Path) -> str | None:
    """What it says; None where there is no git, or it refuses."""
    try:
        said = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() if said.returncode == 0 else None
