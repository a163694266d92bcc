"""What is trained on: all that the sources have, or what is asked for; the rest is named."""

import json
from pathlib import Path

import pytest

from bench.data.loading import load_training
from bench.errors import BenchError
from bench.plan import presets
from bench.plan.resolve import source
from bench.plan.settings import TRAINED_IN_PAPER, Plan, Settings


@pytest.fixture
def mine(tmp_path: Path) -> str:
    langs = ("en", "de", "swh")
    lines = [
        json.dumps({"id": str(i), **{part: {x: f"{part} {x} {i}" for x in langs} for part in ("query", "passage")}})
        + "\n"
        for i in range(3)
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def trained(path: str, **settings: object) -> tuple[tuple[str, ...], list[str]]:
    said: list[str] = []
    plan = Plan(settings=Settings(train=(path,), **settings))  # type: ignore[arg-type]
    data = load_training(plan, [source(path)], None, [], said.append)
    return data.pool.langs, said


def test_all_languages_of_the_sources_are_trained_on(mine: str) -> None:
    langs, said = trained(mine)
    assert langs == ("de", "en", "sw")
    assert "language codes in another spelling: 6" in said[0]
    assert said[1:] == ["training items: 3 (de 3, en 3, sw 3)"]


def test_what_is_not_trained_on_is_named(mine: str) -> None:
    langs, said = trained(mine, languages=("EN", "ar"))
    assert langs == ("en",)
    assert said[1:] == [
        "training items: 3 (en 3)",
        "not trained on, though the sources have them: de, sw (--languages names what is)",
        "no training items in ar: not trained on",
    ]
    with pytest.raises(BenchError, match="no source has the training language 'fi'; they have de, en, sw"):
        trained(mine, languages=("en", "fi"))


def test_presets_fix_the_nine_languages_of_the_paper() -> None:
    for name in presets.presets():
        assert presets.load_plan(name, {}).settings.languages == TRAINED_IN_PAPER
    assert presets.load_plan(None, {}).settings.languages == ()


def test_strict_refuses_repaired_sources(mine: str) -> None:
    plan = Plan(strict=True, settings=Settings(train=(mine,)))
    with pytest.raises(BenchError, match=r"mine\.jsonl: --strict refuses language codes in another spelling: 6"):
        load_training(plan, [source(mine)], None, [], lambda line: None)
