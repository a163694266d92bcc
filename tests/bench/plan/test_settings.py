from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan import presets


def test_every_preset_loads() -> None:
    studies = ["study", "study-2", "study-2-native", "study-2-pilot"]
    assert presets.presets() == ["demo", "demo-transformer", "paper", "public", *studies]
    for name in presets.presets():
        plan = presets.load_plan(name, {})
        assert plan.experiment == name
        assert plan.settings.steps > 0


def test_overrides_win_and_none_is_unchanged() -> None:
    plan = presets.load_plan("demo", {"steps": 7, "seeds": (3, 4), "batch_size": None})
    assert (plan.settings.steps, plan.seeds, plan.settings.batch_size) == (7, (3, 4), 128)


@pytest.mark.parametrize(("text", "message"), [
    ("stesp = 3", "it has no 'stesp'; there are baselines, "),
    ("[settings]\nsteps = 'x'", "steps is a whole number; got 'x'"),
    ("[settings]\nsteps = true", "steps is a whole number; got True"),
    ("[settings]\ntemperature = 0.0", "temperature is a positive number; got 0.0"),
    ("[settings]\nbatch_size = 1", "batch_size is at least 2"),
    ("settings = 3", "\\[settings\\] is a table"),
    ("seeds = [-1]", "seeds are whole numbers of at least 0"),
    ("experiment = '../up'", "an experiment's name is letters, digits"),
    ("experiment = '" + "x" * 101 + "'", "at most 100"),
    ("seeds = ['a']", "a part of seeds is a whole number; got 'a'"),
    ("seeds = 3", "seeds is a list; got 3"),
    ("protocol = false", "protocol is a table; got False"),
    ("strategies = [1]", "a part of strategies is text; got 1"),
    ("[settings]\ntrain = [['demo']]", r"a part of train is text; got \['demo'\]"),
    ("[settings]\ntrain_weights = ['1']", "a part of train_weights is a number; got '1'"),
    ("[settings]\nlanguages = [[]]", r"a part of languages is text; got \[\]"),
    ("[settings]\nlearning_rate = " + "9" * 400, "learning_rate is a number; got 9"),
    ("[settings]\nsteps = " + "9" * 40, "steps is a whole number of at least 1 and at most 2147483647; got 9"),
    ("[settings]\nsteps = " + "9" * 5000, "not a readable TOML file"),
    ("[settings]\ntemperature = nan", "temperature is a positive number; got nan"),
    ("threads = 5000", "threads is a whole number of at least 0 and at most 4096; got 5000"),
    ("seeds = [-9223372036854775808]", "seeds are whole numbers"),
    ("x = " + "[" * 20_000, "not a readable TOML file"),
    ("[settings]\ntrust_remote_code = true", "consented to by --trust-remote-code alone"),
    ("[protocol]\nmargin = nan", "margin is a difference of the measure"),
    ("\ufeffseeds = [1]", "not a readable TOML file"),
    ("x = = 1", "not a readable TOML file"),
])  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(BenchError, match=message):
        presets.load_plan(str(path), {})


def test_an_unknown_preset() -> None:
    with pytest.raises(
        BenchError, match=r"a preset is one of demo, .*, study-2-native, study-2-pilot or the path of a TOML file"
    ):
        presets.load_plan("dmeo", {})


def test_what_takes_the_place_of_the_demos_settings_is_said() -> None:
    def said(**given: object) -> list[str]:
        chosen = presets.chosen(None, given.get("model"), given.get("train"))
        return presets.otherwise(chosen, presets.load_plan(chosen, given), given)

    assert said() == said(model="demo-transformer") == []
    (line,) = said(train=("a.jsonl",))
    for part in ("--learning-rate 3e-05 (0.005)", "--temperature 0.02 (0.05)", "--batch-size 100 (128)",
                 "--precision auto (float32)"):  # fmt: skip
        assert part in line
    assert line.endswith("demo-static needs the demo's")
    (line,) = said(train=("a.jsonl",), model="LaBSE", learning_rate=1e-5, batch_size=8)
    assert "--learning-rate" not in line, "it was asked for"
    assert "--batch-size" not in line
    assert "demo-static" not in line
    everything = {"learning_rate": 1e-5, "batch_size": 8, "temperature": 0.1, "precision": "bf16"}
    assert said(train=("a.jsonl",), **everything) == []
    assert presets.otherwise("demo", presets.load_plan("demo", {"learning_rate": 1.0}), {}) == []


def test_a_row_without_training_is_scored_unless_none_is_asked_for() -> None:
    assert presets.load_plan(None, {}).baselines == ("untrained",)
    assert presets.load_plan(None, {"baselines": ()}).baselines == ()
    assert presets.load_plan("demo", {"baselines": ("bm25",)}).baselines == ("bm25",)
