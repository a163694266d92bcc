"""What the README says is what happens: its plugin is written and run, its commands are understood."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bench.cli import main, parser
from bench.plan import presets
from bench.plan.settings import Plan
from bench.running import estimate

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
    assert "pool of all languages" in capsys.readouterr().out


def test_every_other_command_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "estimated", lambda grid: "")  # it trains a few steps: test_estimate
    shown = [c for text in blocks("bash", "") for c in shown_commands(text) if ".py:" not in " ".join(c)]
    assert len(shown) >= 4
    for command in shown:
        if command[3] == "run" and "--model" not in command:
            assert main([*command[3:], "--dry-run"]) == 0, command


def git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)


def test_what_a_run_writes_is_not_what_is_committed() -> None:
    """README's commands leave a clone as it was; the presets of the studies alone go on with what is committed."""
    if git("rev-parse", "HEAD").returncode != 0:
        pytest.skip("not a clone")
    shown = [vars(parser().parse_args(c[3:])).get("experiment") for c in shown_commands("\n".join(blocks("bash", "")))]
    names = {*shown, "evaluate", Plan().experiment, *(presets.load_plan(p, {}).experiment for p in presets.presets())}
    written = [
        f"{folder}/{name}/file" for folder in ("results", "reports") for name in names - {None, "study", "study-2"}
    ]
    assert len(written) > 10
    assert git("check-ignore", *written).stdout.split() == written
    assert git("ls-files", *(str(Path(path).parent) for path in written)).stdout == ""


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md", "results/README.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip\" install -q -e '.[test]'" in script
    assert "-m pytest" in script
