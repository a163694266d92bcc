"""Which commit numbers are said to be of."""

import subprocess
from pathlib import Path

import pytest

from bench import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a package and a stored result, from whose package the program runs."""
    for name in ("bench/environment.py", "results/cell/config.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / ".gitignore").write_text(".venv\n", encoding="utf-8")
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "bench" / "environment.py"))
    return tmp_path


def commit(checkout: Path) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()


def test_results_that_a_run_writes_are_no_changes_of_its_code(checkout: Path) -> None:
    (checkout / "results" / "cell" / "config.json").write_text("[]", encoding="utf-8")
    assert environment.environment()["git"] == commit(checkout)


def test_an_edit_of_the_code_is(checkout: Path) -> None:
    (checkout / "bench" / "environment.py").write_text("[]", encoding="utf-8")
    assert environment.environment()["git"] == f"{commit(checkout)}+changes"


def test_a_package_in_somebodys_checkout_is_not_of_their_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout / ".venv" / "site-packages" / "bench" / "environment.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(environment, "__file__", str(installed))
    assert environment.environment()["git"] == "none"
