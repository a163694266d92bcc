"""Loops of links, links that lead nowhere, files in a folder's place: one line, and nothing is written."""

from pathlib import Path

import pytest

from bench.cli import main
from tests.bench.made_up import make_experiment

COMMANDS = (
    "leaderboard made --results {}",
    "leaderboard {}",
    "report made --results {}",
    "report made --reports {}",
    "report {}",
    "compare hybrid mono --experiment made --results {}",
    "data cite made --results {}",
    "data facts xquad-r --data-root {}",
    "export results made --out {}",
    "export results {} --out out",
    "run --strategy mono --preset {}.toml",
    "run --strategy {}.py:Mine",
    "run --strategy mono --train {}.jsonl",
    "run --strategy mono --train lo-help --data-root {}",
    "run --strategy mono --train squad:{} --data-root .",
    "run --strategy mono --model ./{}",
    "run --strategy mono --task beir:./{}",
    "run --strategy mono --task xquad-r --data-root {}",
    "run --strategy mono --results {}",
    "run --strategy mono --reports {}",
    "run --strategy mono --shards {}",
    "run --strategy mono --experiment {}",
    "evaluate --model ./{} --task demo-dev",
    "evaluate --model demo-static --task demo-dev --experiment {}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results beside links of every kind that leads to nothing."""
    path = tmp_path_factory.mktemp("links")
    make_experiment(path / "results" / "made", seeds=(0,))
    (path / "reports").mkdir()
    for place in (path, path / "results", path / "reports"):
        for end in ("", ".toml", ".jsonl", ".py"):
            (place / f"loop{end}").symlink_to(f"loop{end}")
            (place / f"ring{end}").symlink_to(f"other{end}")
            (place / f"other{end}").symlink_to(f"ring{end}")
            (place / f"nowhere{end}").symlink_to(f"absent{end}")
        (place / "file").write_text("a file")
    return path


def there(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("place", ["loop", "ring", "nowhere", "file"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_leads_nowhere_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, place: str
) -> None:
    monkeypatch.chdir(folder)
    before = there(folder)
    assert main(command.format(place).split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("bench: ") for line in said] == [*(False for _ in said[1:]), True], said
    assert there(folder) == before
