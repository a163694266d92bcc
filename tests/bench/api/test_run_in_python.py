"""Running from Python: the same cells and numbers as the command line, objects beside names, what is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import bench
from bench.api import options, run
from bench.cli import main
from bench.plan import options as command_line
from bench.plan.settings import Plan, Settings, asked
from bench.store.cells import read_cells
from strategies import STRATEGIES, ItemStream, Strategy
from strategies.contract import Batch
from tasks import TASKS, EvalSet, Task, TaskError
from tasks.parallel_jsonl import from_path

SMALL: dict[str, Any] = {"steps": 3, "batch_size": 8, "threads": 1, "baselines": "untrained", "experiment": "small"}


@dataclass(frozen=True)
class Turns(Strategy):
    """One language after the other."""

    every: int = 1

    def batches(self, pool, batch_size, steps, rng):  # type: ignore[no-untyped-def]
        items = ItemStream(pool, rng.spawn(2)[0])
        for step in range(steps):
            lang = np.full(batch_size, step // self.every % len(pool.langs))
            yield Batch(items.take(batch_size, langs=(int(lang[0]),)), lang, lang)


def weights(folder: Path) -> dict[str, str]:
    return {c.path.name: c.done.weights_sha256 for c in read_cells(folder) if c.done is not None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    said: list[str] = []
    bench.run(["mono", Turns(every=2)], seeds=2, task="demo-dev", results=path / "results", say=said.append, **SMALL)
    assert "[1/5] untrained, seed 0" in said
    return path


def test_cells_are_those_of_the_command_line(folder: Path, tmp_path: Path) -> None:
    where = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"), "--no-report"]
    more = ["--steps", "3", "--batch-size", "8", "--threads", "1", "--baselines", "untrained", "--experiment", "small"]
    assert main(["run", "--strategy", "mono", "--seeds", "0-1", "--task", "demo-dev", *more, *where]) == 0
    theirs, ours = weights(tmp_path / "results" / "small"), weights(folder / "results" / "small")
    assert len(theirs) == 3
    assert theirs.items() <= ours.items(), "names and bits"


def test_an_experiment_comes_back_with_all_that_was_run(folder: Path) -> None:
    experiment = bench.load(folder / "results" / "small")
    assert experiment.strategies == ["mono", "Turns(every=2)", "untrained"]
    assert sorted((c.label.split("(")[0], c.seed) for c in experiment.cells) == [
        ("Turns", 0), ("Turns", 1), ("mono", 0), ("mono", 1), ("untrained", 0),
    ]  # fmt: skip
    assert {c.config.command.split("(")[0] for c in experiment.cells} == {"bench.run"}
    assert "Turns(every=2)" in experiment.cells[0].config.command


def test_what_is_finished_is_kept_and_an_object_is_known_again(folder: Path) -> None:
    said: list[str] = []
    bench.run([Turns(2), STRATEGIES["mono"]()], seeds=[1], task="demo-dev", results=folder / "results", say=said.append,
              **SMALL)  # fmt: skip
    assert sum("finished before, skipped" in line for line in said) == 3
    assert len(weights(folder / "results" / "small")) == 5


def test_a_model_is_scored_as_it_is(folder: Path) -> None:
    cell = next((folder / "results" / "small").glob("turns-*-s0"))
    scored = bench.evaluate(cell / "model", task=TASKS["demo-dev"](), results=folder / "results", say=lambda line: None)
    assert scored.name == "evaluate"
    value = scored.leaderboard()["multi"].iloc[0]
    small = bench.load(folder / "results" / "small").scores(measure="AP")
    rows = small[(small["strategy"] == "Turns(every=2)") & (small["seed"] == 0) & (small["setting"] == "multi")]
    assert value == pytest.approx(rows["value"].mean(), abs=1e-12)


def test_sources_and_tasks_as_objects(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "".join(f'{{"anchor": "query {i}", "positive": "passage {i}", "lang": "en"}}\n' for i in range(40))
    )
    more: dict[str, Any] = SMALL | {"languages": ["en"], "baselines": "none", "results": tmp_path / "results"}
    given = bench.run("english", train=from_path(pairs), task=TASKS["demo-dev"](), say=lambda line: None, **more)
    named = bench.run("english", train=pairs, task="demo-dev", say=lambda line: None, **more)
    assert [c.path.name for c in given.cells] == [c.path.name for c in named.cells]
    assert [Path(name).name for name in given.cells[0].config.sources] == ["pairs.jsonl"]
    assert given.cells[0].settings["train"] == list(given.cells[0].config.sources)


@dataclass(frozen=True)
class Untold(Turns):
    hidden: int = field(default=1, repr=False)


@dataclass(frozen=True)
class Rounded(Turns):
    share: float = 0.5

    def __repr__(self) -> str:
        return f"rounded({self.every}, {self.share:.1f})"


@dataclass(frozen=True)
class Open(Turns):
    table: Any = None


@dataclass(frozen=True)
class Held(Task):
    """Two questions that are held in memory."""

    texts: Any = ("one", "two")

    name, version, licence, citation = "held", "1", "CC0-1.0", "none"

    @cached_property
    def ids(self) -> list[str]:
        return [str(i) for i in range(len(self.texts))]

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        texts = {"en": dict(zip(self.ids, self.texts, strict=True))}
        queries = {"en": {f"q{i}": text for i, text in texts["en"].items()}}
        yield EvalSet("held", queries, texts, {f"q{i}": {i: 1} for i in self.ids})


class Beside(Held):
    def __init__(self) -> None:
        object.__setattr__(self, "records", [1])


class Plain(STRATEGIES["mono"]):  # type: ignore[misc]
    def __init__(self) -> None:
        object.__setattr__(self, "language_temperature", None)
        object.__setattr__(self, "beside", 3)


def test_data_in_memory_are_part_of_what_scores_are_known_by(tmp_path: Path) -> None:
    def scored(task: Task) -> tuple[float, list[str]]:
        said: list[str] = []
        found = bench.evaluate("char-tfidf", task=task, results=tmp_path / "results", say=said.append)
        return float(found.leaderboard()["mono"].iloc[0]), said

    first = Held()
    assert scored(first)[0] == 1
    assert any("finished before" in line for line in scored(first)[1]), "what it keeps for itself is no parameter"
    value, said = scored(Held(("one", "one")))
    assert value == 0.75
    assert any("held is scored again" in line for line in said)


def test_what_is_refused(tmp_path: Path) -> None:
    def call(strategies: Any, **more: Any) -> None:
        bench.run(strategies, results=tmp_path / "results", say=lambda line: None, **more)

    for given, more, message in (
        (Untold(hidden=2), {}, "does not tell its parameter hidden, 2"),
        (Untold(every=2, hidden=2), {}, "does not tell its parameter hidden, 2"),
        (Untold(), {}, "does not tell its parameter hidden, 1"),
        (Rounded(share=0.25), {}, "does not tell its parameter share, 0.25"),
        (Open(table=np.arange(3)), {}, "plain values .*; table of Open is of the type ndarray"),
        (Plain(), {}, "has 'beside' beside its fields"),
        (Turns, {}, r"Turns is a class; give an object of it, as Turns\(\)"),
        ([3], {}, "strategies: names, or objects of Strategy or Derived; got 3"),
        ([Turns(), Turns(1)], {}, r"'Turns\(every=1\)' comes up twice"),
        ("hybird", {}, "Did you mean 'hybrid'"),
        ("mono", {"stpes": 3}, "no option 'stpes'. Did you mean 'steps'"),
        ("mono", {"tasks": "demo"}, "no option 'tasks'. Did you mean 'task'"),
        ("mono", {"steps": "many"}, "steps is a whole number; got 'many'"),
        ("mono", {"seeds": 0}, "seeds are how many trainings each strategy has"),
        ("mono", {"seeds": "0-2"}, "seeds are how many trainings each strategy has"),
        ("mono", {"seeds": True}, "seeds are how many"),
        ("mono", {"task": Held(np.arange(3))}, "plain values .*; texts of Held is of the type ndarray"),
        ("mono", {"task": Beside()}, "Beside has 'records' beside its fields, which nothing tells"),
        ("mono", {"until": "bored"}, "until is 'settled'"),
        ("mono", {"task": [STRATEGIES["mono"]()]}, "task: names, or objects of Task"),
        (Turns(), {"engine": lambda *of: 0}, "an engine runs cells in other processes"),
        ("mono", {"train": "nowhere.jsonl"}, "nowhere"),
    ):
        with pytest.raises((bench.BenchError, TaskError), match=message):
            call(given, **more)
    with pytest.raises(bench.BenchError, match="evaluate has no option 'steps'"):
        bench.evaluate("demo-static", task="demo", steps=3)  # type: ignore[call-arg]
    assert not (tmp_path / "results").exists()


def test_parameters_have_one_form(tmp_path: Path) -> None:
    hybrid = STRATEGIES["hybrid"]
    made = [options.given_of(s, None, None, None, {})[0] for s in (hybrid(1), hybrid(np.float64(1.0)), hybrid(True))]  # type: ignore[call-arg]
    assert {one["strategies"] for one in made} == {(repr(hybrid(1.0)),)}  # type: ignore[call-arg]


def test_options_are_those_of_the_command_line() -> None:
    known = {**asked(Settings), **asked(Plan)}
    assert set(options.OPTIONS) | {"strategies", "seeds", "train", "tasks"} == set(known)
    assert set(get_type_hints(options.Scoring)) <= set(options.OPTIONS)


def test_words_are_read_as_the_command_line_reads_them() -> None:
    more = {"languages": "de,en", "baselines": "none", "train_weights": [1, 2], "model": Path("m"), "lora": None,
            "steps": np.int64(3)}  # fmt: skip
    words = "mono,hybrid(alpha=0.3, pairs='row')", 3, "a.jsonl,demo", "demo,beir:x(langs=('a','b'))"
    given, _ = options.given_of(*words, more)
    assert given == {
        "strategies": ("mono", "hybrid(alpha=0.3, pairs='row')"), "seeds": (0, 1, 2), "train": ("a.jsonl", "demo"),
        "tasks": ("demo", "beir:x(langs=('a','b'))"), "languages": ("de", "en"), "baselines": (),
        "train_weights": (1, 2), "model": "m", "steps": 3,
    }  # fmt: skip
    assert command_line.names("mono,hybrid(alpha=0.3, pairs='row')") == given["strategies"]


def test_it_is_typed_and_public() -> None:
    assert set(bench.__all__) == {"BenchError", "Experiment", "evaluate", "load", "run"}
    assert all(getattr(bench, name).__doc__ for name in bench.__all__)
    assert set(bench.__all__) <= set(dir(bench))
    with pytest.raises(AttributeError, match="has no attribute 'rnu'"):
        bench.rnu  # noqa: B018
    assert run.run is bench.run
    assert (Path(bench.__file__).parent / "py.typed").is_file()
