"""What lies in the working directory hides no package: it is named in one line, or comes last."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOUD = "raise SystemExit(9)\n"
"""A file that must not be run."""

SCRIPT = "import sys\nfrom bench.__main__ import main\nsys.exit(main())\n"
"""What an installed command is."""

MINE = """
from dataclasses import dataclass
from strategies import Strategy
@dataclass(frozen=True)
class Mine(Strategy):
    def batches(self, pool, batch_size, steps, rng):
        return iter(())
"""


def started(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, env=env)


def package(path: Path) -> None:
    path.mkdir()
    (path / "__init__.py").write_text(LOUD)


def linked(path: Path) -> None:
    package(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The installed command ``bench``, in a folder of its own."""
    path = tmp_path / "bin" / "bench"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return str(path)


@pytest.mark.parametrize(("name", "make"), [
    ("strategies.py", lambda path: path.write_text(LOUD)), ("tasks.py", lambda path: path.write_text(LOUD)),
    ("strategies", package), ("tasks", package), ("tasks", linked),
])  # fmt: skip
def test_what_hides_a_package_is_named_in_one_line(
    tmp_path: Path, script: str, name: str, make: Callable[[Path], None]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    make(here / name)
    done = started(here, "-m", "bench", "--version")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"bench: {here / name} hides the package {name.removesuffix('.py')} of {ROOT}: rename it")
    assert started(here, script, "--version").returncode == 0, "the command does not look there first"


def test_what_is_no_package_hides_none(tmp_path: Path) -> None:
    for name in ("bench", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.txt").touch()
    (tmp_path / "tasks").symlink_to("tasks")
    (tmp_path / "tasks.py").symlink_to("tasks.py")
    (tmp_path / "results").symlink_to("results")
    for name in ("numpy.py", "difflib.py", "tabulate.py"):
        (tmp_path / name).write_text(LOUD)
    done = started(tmp_path, "-m", "bench", "list", "strategies")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hybrid" in done.stdout


def test_plugins_are_found_in_the_working_directory(tmp_path: Path, script: str) -> None:
    (tmp_path / "own.py").write_text(MINE)
    for command in (["-m", "bench"], [script]):
        done = started(tmp_path, *command, "check", "strategy", "own:Mine")
        assert "properties hold" in done.stderr, done.stderr


def test_a_working_directory_that_was_removed(tmp_path: Path, script: str) -> None:
    code = f"import os, runpy, sys\nos.rmdir({str(tmp_path / 'gone')!r})\nsys.argv = [{script!r}, '--version']\n"
    (tmp_path / "gone").mkdir()
    (tmp_path / "start.py").write_text(f"{code}runpy.run_path({script!r})")
    done = started(tmp_path / "gone", str(tmp_path / "start.py"))
    assert (done.returncode, done.stderr) == (0, "")
