from pathlib import Path

import pytest

from bench import config
from bench.errors import BenchError


def test_every_preset_loads() -> None:
    assert config.presets() == ["demo", "demo-transformer", "paper", "study"]
    for name in config.presets():
        plan = config.load_plan(name, {})
        assert plan.experiment == name
        assert plan.settings.steps > 0


def test_overrides_win_and_none_is_unchanged() -> None:
    plan = config.load_plan("demo", {"steps": 7, "seeds": (3, 4), "batch_size": None})
    assert (plan.settings.steps, plan.seeds, plan.settings.batch_size) == (7, (3, 4), 128)


@pytest.mark.parametrize(("text", "message"), [
    ("stesp = 3", "sets 'stesp', which is none of"),
    ("[settings]\nsteps = 'x'", "steps is a int; got 'x'"),
    ("[settings]\nsteps = true", "steps is a int; got True"),
    ("[settings]\ntemperature = 0.0", "temperature is a positive number; got 0.0"),
    ("[settings]\nbatch_size = 1", "batch_size is at least 2"),
    ("settings = 3", "\\[settings\\] is a table"),
    ("seeds = [-1]", "seeds are whole numbers of at least 0"),
    ("experiment = '../up'", "an experiment's name is letters, digits"),
    ("x = = 1", "not a readable TOML file"),
])  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(BenchError, match=message):
        config.load_plan(str(path), {})


def test_an_unknown_preset() -> None:
    with pytest.raises(
        BenchError, match="a preset is one of demo, demo-transformer, paper, study or the path of a TOML file"
    ):
        config.load_plan("dmeo", {})
