"""What the README says is what happens: its plugin is written and run, its commands are understood."""

import re
import shlex
from pathlib import Path

import pytest

from bench import commands
from bench.cli import main
from strategies import STRATEGIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str, tag: str) -> list[str]:
    return [text for lang, info, text in BLOCK.findall(README) if lang == language and tag in info]


def shown_commands(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines() if line.startswith("python -m bench")]


def test_the_plugin_has_at_most_15_lines_of_code_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python", "file=pivot.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    Path("pivot.py").write_text(code, encoding="utf-8")
    text, _ = blocks("bash", "run")
    for command in shown_commands(text):
        assert main(command[3:]) == 0, command
    assert (tmp_path / "reports" / "pivot" / "report.md").is_file()


def test_the_task_has_at_most_20_lines_of_code_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python", "file=tiny.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(tmp_path)
    Path("tiny.py").write_text(code, encoding="utf-8")
    _, text = blocks("bash", "run")
    for command in shown_commands(text):
        assert main(command[3:]) == 0, command
    assert "multi AP" in capsys.readouterr().out


def test_every_other_command_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "_estimated", lambda grid: "")  # it trains a few steps: test_estimate
    shown = [c for text in blocks("bash", "") for c in shown_commands(text) if ".py:" not in " ".join(c)]
    assert len(shown) >= 4
    for command in shown:
        if command[3] == "run" and "--model" not in command:
            assert main([*command[3:], "--dry-run"]) == 0, command


def test_every_strategy_is_in_the_table() -> None:
    listed = re.findall(r"^\| `(\w+)", README, re.MULTILINE)
    assert set(STRATEGIES) <= set(listed)


def test_the_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip\" install -q -e '.[test]'" in script
    assert "-m pytest" in script
