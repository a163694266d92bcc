"""What strategies/README.md says is what happens: its plugins are written, checked, shown and trained."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.models.loading import load_to_train
from bench.plan.settings import Settings
from strategies import STRATEGIES
from strategies.check_claims import CLAIMS

PAGE = (Path(__file__).parents[2] / "strategies" / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_every_strategy_and_every_claim_is_listed() -> None:
    assert set(STRATEGIES) <= set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    (line,) = (line for line in PAGE.splitlines() if line.startswith("| `claims"))
    assert set(CLAIMS) <= set(re.findall(r"`(\w+)`", line))
    assert len(PAGE.splitlines()) <= 150


def test_its_plugins_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    ran = 0
    for language, info, text in BLOCK.findall(PAGE):
        if language == "python" and "file=" in info:
            Path(info.split("file=")[1].strip()).write_text(text, encoding="utf-8")
        if language == "bash" and "rivals" not in info:  # understood: tests/test_readme.py
            for line in text.splitlines():
                assert main(shlex.split(line)[3:]) == 0, line
                ran += 1
    assert ran == 5
    assert len(list((tmp_path / "batches").glob("nearest-*.tevatron.jsonl"))) == 1
    assert (tmp_path / "families.svg").is_file()
    assert len(list((tmp_path / "results" / "near").glob("*/done"))) == 2
    load_to_train(Settings(model="demo-static", precision="float32"), 0).save(tmp_path / "model")
    runpy.run_path("home.py")
