from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan import resolve
from strategies import StrategyError

PLUGIN = """
from dataclasses import dataclass
from strategies import Strategy

@dataclass(frozen=True)
class Mine(Strategy):
    share: float = 0.5
    def batches(self, pool, batch_size, steps, rng):
        yield from ()
"""


@pytest.mark.parametrize(("text", "parts"), [
    ("mono", ["mono"]),
    ("mono, h(x=0.3, y='row'),a/b.py:C(x='p,q')", ["mono", "h(x=0.3, y='row')", "a/b.py:C(x='p,q')"]),
    ("a(x=[1, 2]),,b", ["a(x=[1, 2])", "b"]),
    ("", []),
])  # fmt: skip
def test_split(text: str, parts: list[str]) -> None:
    assert resolve.split(text) == parts


def test_parameters_reach_the_strategy_and_the_repr_reads_back() -> None:
    made = resolve.strategy("hybrid( alpha = 0.3 )")
    assert "alpha=0.3" in repr(made)
    assert resolve.strategy(repr(made)) == made


def test_plugin_by_file_by_module_and_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plug_in.py"
    file.write_text(PLUGIN)
    assert resolve.strategy(f"{file}:Mine(share=0.25)").share == 0.25
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve.strategy("plug_in:Mine").share == 0.5
    info = tmp_path / "plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.strategies]\nmine = plug_in:Mine\n")
    assert resolve.strategy("mine(share=0.75)").share == 0.75


@pytest.mark.parametrize(("text", "message"), [
    ("hybird", "no strategy 'hybird'; .* Did you mean 'hybrid'?"),
    ("hybrid(alhpa=0.3)", "hybrid has no parameter 'alhpa'; it has alpha, .* Did you mean 'alpha'?"),
    ("hybrid(0.3)", "parameters of a strategy are name=value"),
    ("hybrid(alpha=open('x'))", "parameters of a strategy are name=value"),
    ("hybrid(**{})", "parameters of a strategy are name=value"),
    ("hybrid(alpha=", "a strategy is written name or name"),
    ("nowhere/plugin.py:Mine", "nowhere/plugin.py: no such strategy plugin file"),
    ("no_such_module_here:Mine", "strategy plugin no_such_module_here fails to import: ModuleNotFoundError"),
    ("json:Mine", "json has no strategy class 'Mine'"),
    ("json:JSONDecoder", "json:JSONDecoder: a strategy plugin is a subclass of strategies.Strategy"),
])  # fmt: skip
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        resolve.strategy(text)


@pytest.mark.parametrize(
    ("make", "text", "message"),
    [
        (resolve.source, "xquad-r", "xquad-r is a task, given by --task, and no source"),
        (resolve.source, "beir:scifact", "beir:scifact is a task, given by --task, and no source"),
        (resolve.source, "held-out:demo", "held-out:demo is a task, given by --task, and no source"),
        (resolve.source, "hybrid(alpha=0.3)", "hybrid is a strategy, given by --strategy, and no source"),
        (resolve.task, "mmarco", "mmarco is a source, given by --train, and no task"),
        (resolve.task, "hub-qa:a/b", "hub-qa:a/b is a source, given by --train, and no task"),
        (resolve.strategy, "miracl", "miracl is a task, given by --task, and no strategy"),
    ],
)
def test_a_name_of_another_kind_is_told_where_it_belongs(
    make: Callable[[str], object], text: str, message: str
) -> None:
    with pytest.raises(BenchError) as found:
        make(text)
    assert str(found.value) == message


def test_a_value_that_the_strategy_refuses() -> None:
    with pytest.raises(StrategyError, match="alpha"):
        resolve.strategy("hybrid(alpha=1.5)")
    with pytest.raises((BenchError, StrategyError), match="alpha"):
        resolve.strategy("hybrid(alpha='x')")


def test_a_plugin_file_that_does_not_import_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n")
    with pytest.raises(BenchError, match=r"broken\.py fails to import: SyntaxError: .*line 2"):
        resolve.strategy(f"{file}:Mine")


def test_tasks_and_sources() -> None:
    assert resolve.task("xquad-r").name == "xquad-r"
    assert resolve.source("lo-help").name == "lo-help"
    with pytest.raises(BenchError, match=r"no task 'xquadr'.* Did you mean 'xquad-r'?"):
        resolve.task("xquadr")
