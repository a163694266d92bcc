"""What a command line can say: every field of a plan, with meaning and default; lists, ranges, near misses."""

import argparse
import dataclasses
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import EVALUATE, parser
from bench.errors import BenchError
from bench.plan import options, presets
from bench.plan.settings import Plan, Settings, asked

UNASKED = {"note", "protocol", "settings"}
"""What a preset alone can say."""


def parsers(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all of its sub-commands."""
    yield of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


def of(command: str) -> argparse.ArgumentParser:
    (found,) = (p for p in parsers(parser()) if p.prog.endswith(f" {command}"))
    return found


def test_every_field_of_a_plan_can_be_asked_for() -> None:
    names = {f.name for cls in (Plan, Settings) for f in dataclasses.fields(cls)}
    assert {*asked(Plan), *asked(Settings)} == names - UNASKED
    assert {a.dest for a in of("run")._actions} >= names - UNASKED
    assert {a.dest for a in of("evaluate")._actions} & names == set(EVALUATE)


def test_every_option_says_what_it_means_and_its_default() -> None:
    for each in parsers(parser()):
        for action in each._actions:
            if not action.option_strings or action.dest in ("help", "version"):
                continue
            assert action.help is not None, (each.prog, action.dest)
            told = re.fullmatch(r"(?s)(.+) \((required|default: .+)\)", action.help)
            assert told, (each.prog, action.dest, action.help)
            assert action.required == (told[2] == "required")


def test_the_default_that_is_said_is_the_field_s() -> None:
    """Options that say the default of a field are the field's: said once, where it is defined."""
    defaults = {f.name: f.default for cls in (Plan, Settings) for f in dataclasses.fields(cls)}
    of_run = {a.dest: a for a in of("run")._actions}
    for name, (_, about) in {**asked(Plan), **asked(Settings)}.items():
        action = of_run[name]
        assert action.default is None, "what is not given leaves the preset's value"
        told = re.search(r"\(default: (.+)\)$", action.help or "")
        assert told, name
        if not about.said and not isinstance(defaults[name], bool):
            value = action.type(told[1]) if callable(action.type) else told[1]
            assert value == defaults[name], name


def test_run_s_help_is_in_groups_and_ends_with_an_example() -> None:
    text = of("run").format_help()
    places = [text.index(f"\n{title}:\n") for title in options.GROUPS]
    assert places == sorted(places)
    assert text.rstrip().splitlines()[-1].startswith("example: ")
    (shown,) = re.findall(r"example: \S.*? run (.*)", text)
    assert options.given(parser().parse_args(["run", *shown.replace("'", "").split()]))["seeds"] == (0, 1, 2)


def test_what_the_help_says_of_the_preset_is_the_preset() -> None:
    said = presets.says("demo").split()
    given_ = options.given(parser().parse_args(["run", *said]))
    plan = presets.load_plan(None, dict(given_))
    demo = presets.load_plan("demo", {})
    assert dataclasses.replace(plan, note=demo.note, protocol=demo.protocol) == demo


@pytest.mark.parametrize(("text", "seeds"), [
    ("0-4", (0, 1, 2, 3, 4)), ("7", (7,)), ("3-3", (3,)), ("0,2", (0, 2)), ("0-1, 5-6,9", (0, 1, 5, 6, 9)),
])  # fmt: skip
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert options.seeds(text) == seeds


@pytest.mark.parametrize("text", ["", ",", "4-0", "1-2-3", "-1", "0-", "-", "a", "1.5", "٣", "0-99999999999", "9" * 30])
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="; got "):
        options.seeds(text)


@given(st.lists(st.integers(0, 99), min_size=1))
def test_seeds_are_read_as_they_are_written(seeds: list[int]) -> None:
    assert options.seeds(",".join(map(str, seeds))) == tuple(seeds)


@given(st.text(max_size=12))
def test_any_text_is_seeds_or_is_refused(text: str) -> None:
    try:
        found = options.seeds(text)
    except argparse.ArgumentTypeError:
        return
    assert found
    assert all(seed >= 0 for seed in found)


def test_none_empties_what_can_be_empty() -> None:
    found = options.given(parser().parse_args(["run", "--baselines", "none", "--log-with", "none"]))
    assert found == {"baselines": (), "log_with": ()}
    assert options.given(parser().parse_args(["run", "--task", "none"])) == {"tasks": ("none",)}


@pytest.mark.parametrize("flag", ["--strategy", "--seeds", "--task", "--train", "--languages", "--baselines",
                                  "--train-weights", "--log-with", "--model", "--experiment", "--shards", "--preset",
                                  "--data-root", "--results", "--reports", "--address"])  # fmt: skip
@pytest.mark.parametrize("blank", ["", " "])
def test_nothing_is_not_a_name(flag: str, blank: str) -> None:
    with pytest.raises(BenchError, match=rf"^{flag}: .*; got '{blank}'"):
        parser().parse_args(["run", flag, blank])


def test_a_prompt_may_be_empty() -> None:
    assert options.given(parser().parse_args(["run", "--query-prompt", ""])) == {"query_prompt": ""}


@pytest.mark.parametrize(("model", "train", "preset"), [
    (None, None, "demo"), ("demo-static", None, "demo"), ("demo-transformer", None, "demo-transformer"),
    ("folder", None, None), (None, ("lo-help",), None), ("demo-static", ("lo-help",), None),
])  # fmt: skip
def test_the_preset_of_a_run(model: str | None, train: tuple[str, ...] | None, preset: str | None) -> None:
    assert presets.chosen(None, model, train) == preset
    assert presets.chosen("study", model, train) == "study"
