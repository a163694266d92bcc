"""What the README and the pages beside it say is what happens: plugins are written and run, commands are understood."""

import gzip
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bench.cli import main, parser
from bench.plan import presets
from bench.plan.settings import Plan
from bench.running import estimate
from bench.running.estimate import Rates
from bench.running.grid import Grid

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "tasks/README.md", "bench/README.md", "reports/README.md", "strategies/README.md")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str, tag: str, page: str = "README.md") -> list[str]:
    return [text for lang, info, text in BLOCK.findall(text_of(page)) if lang == language and tag in info]


def shown_commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").replace(" && ", "\n").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("python -m bench")]


@pytest.mark.parametrize(("page", "most"), [("README.md", 120), *((page, 150) for page in PAGES[1:])])
def test_pages_are_short(page: str, most: int) -> None:
    assert len(text_of(page).splitlines()) <= most


def test_the_plugin_has_at_most_15_lines_of_code_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python", "file=pivot.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    Path("pivot.py").write_text(code, encoding="utf-8")
    (text,) = blocks("bash", "run")
    for command in shown_commands(text):
        assert main(command[3:]) == 0, command
    assert (tmp_path / "reports" / "pivot" / "report.md").is_file()
    names: dict[str, object] = {}
    (code,) = blocks("python", "run")
    exec(compile(code, "README.md", "exec"), names)
    assert "experiment" in names


def test_the_task_has_at_most_20_lines_of_code_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python", "file=tiny.py", "tasks/README.md")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(tmp_path)
    Path("tiny.py").write_text(code, encoding="utf-8")
    (text,) = blocks("bash", "run", "tasks/README.md")
    for command in shown_commands(text):
        assert main(command[3:]) == 0, command
    assert "pool of all languages" in capsys.readouterr().out


def test_my_data_are_records_that_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """README's record, sixty times, and its command on the embedded model for a few steps."""
    monkeypatch.chdir(tmp_path)
    (record,) = blocks("jsonl", "file=mine.jsonl")
    lines = [record.strip().replace('"1"', f'"{i}"').replace("Amina", f"Amina{i}") for i in range(60)]
    Path("mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (command,) = [c for text in blocks("bash", "") for c in shown_commands(text) if "mine.jsonl" in c]
    few = {"--model": "demo-static", "--steps": "2", "--seeds": "0", "--strategy": "mono"}
    given = [few.get(before, word) for before, word in zip(["", *command[3:]], command[3:], strict=False)]
    assert main([*given, "--batch-size", "8", "--overlap", "keep"]) == 0
    said = capsys.readouterr()
    assert "mine.jsonl" in said.out
    assert "--learning-rate 3e-05 (0.005)" in said.out + said.err


@pytest.mark.parametrize("page", PAGES)
def test_every_other_command_is_understood(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def untimed(grid: Grid) -> Rates:  # it trains a few steps: test_estimate
        raise estimate.NotHere("not asked here")

    monkeypatch.setattr(estimate, "measured", untimed)
    shown = [c for text in blocks("bash", "", page) for c in shown_commands(text) if ".py:" not in " ".join(c)]
    assert shown
    for command in shown:
        if command[3] == "run" and not {"--model", "ray", "paper", "public"} & set(command):
            assert main([*command[3:], "--dry-run"]) == 0, command
        else:
            parser().parse_args(command[3:])


def test_the_ten_messages_are_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.jsonl").write_text('{"id": "1", "query": {"en": "a"}}\n')
    Path("pickled").mkdir()
    Path("pickled", "config.json").write_text("{}")
    Path("pickled", "pytorch_model.bin").write_bytes(gzip.compress(b""))
    (tmp_path / "results" / "demo").mkdir(parents=True)
    rows = re.findall(r"^\| `((?:run|compare) [^`]*)` \| ([^|]*) \|", text_of("bench/README.md"), re.MULTILINE)
    assert len(rows) == 10
    for command, message in rows:
        try:
            code = main(shlex.split(command))
        except SystemExit as end:
            code = end.code
        assert (code, message in capsys.readouterr().err) == (2, True), command


def git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)


def test_what_a_run_writes_is_not_what_is_committed() -> None:
    """README's commands leave a clone as it was; the presets of the studies alone go on with what is committed."""
    if git("rev-parse", "HEAD").returncode != 0:
        pytest.skip("not a clone")
    texts = "\n".join(text for page in PAGES for text in blocks("bash", "", page))
    shown = [vars(parser().parse_args(c[3:])).get("experiment") for c in shown_commands(texts)]
    names = {*shown, "evaluate", Plan().experiment, *(presets.load_plan(p, {}).experiment for p in presets.presets())}
    names -= {None, "study", "study-2", "study-2-native"}
    written = [f"{folder}/{name}/file" for folder in ("results", "reports") for name in names]
    assert len(written) > 10
    assert git("check-ignore", *written).stdout.split() == written
    assert git("ls-files", *(str(Path(path).parent) for path in written)).stdout == ""


@pytest.mark.parametrize(
    "page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "bench/api/README.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip\" install -q -e '.[test]'" in script
    assert "-m pytest" in script
