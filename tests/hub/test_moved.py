"""A branch of the Hub that moves between two runs: it is said, with options that continue the older cells."""

import json
import re
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.plan.identity import Move, moved
from bench.plan.settings import Settings
from bench.running.grid import _continued
from bench.store.cells import read_cells
from tasks import TaskError
from tasks.hub import commits
from tasks.hub_sources import HubQA
from tests.bench.tiny_models import bare
from tests.hub.conftest import retrieval, squad
from tests.hub.stand_in import Hub

pytestmark = pytest.mark.filterwarnings("ignore")

QA = "hub-qa:acme/qa(langs=('de=qa.de', 'en=qa.en'))"


FEW = """
from dataclasses import dataclass
from tasks import EvalSet, Task

@dataclass(frozen=True)
class Few(Task):
    name, version, licence, citation = "few", "1", "CC0-1.0", "none"

    def load(self, root):
        yield EvalSet("few", {"en": {"q": "Where?"}}, {"en": {"d": "Here."}}, {"q": {"d": 1}})
"""


class Runs:
    """Cells of one experiment; each run says what it said on stderr."""

    def __init__(self, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self.capsys = results, capsys
        self.task = results.with_name("few.py")
        self.task.write_text(FEW)

    def __call__(self, *more: str) -> str:
        how = ["--steps", "1", "--batch-size", "2", "--task", f"{self.task}:Few", "--baselines", "none"]
        places = [
            "--experiment",
            "small",
            "--results",
            str(self.results),
            "--no-report",
            "--threads",
            "1",
            "--precision",
            "float32",
        ]
        assert main(["run", "--strategy", "mono,cross", *how, *places, *more]) == 0
        return self.capsys.readouterr().err

    def commits(self, source: str) -> list[object]:
        """Of a data set, in the cells."""
        return [cell.config.sources[source]["origin"] for cell in read_cells(self.results / "small")]


@pytest.fixture
def runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runs:
    return Runs(tmp_path / "results", capsys)


def told(said: str) -> list[str]:
    return [line for line in said.splitlines() if " since " in line]


def continuing(line: str) -> list[str]:
    """The options of the line, as a shell reads them."""
    found = re.search(r": new cells; (.*) continues the old ones$", line)
    assert found is not None, line
    return shlex.split(found[1])


def test_a_data_set(hub: Hub, tmp_path: Path, runs: Runs) -> None:
    first = hub.add("datasets", "acme/qa", squad(tmp_path / "one", n=40))
    train = ("--train", f"demo,{QA}")
    assert told(runs(*train)) == []
    second = hub.add("datasets", "acme/qa", squad(tmp_path / "two", " new", n=40))
    (line,) = told(runs(*train))
    assert re.match(r"acme/qa moved since mono-\w{8}-s0: new cells; --train ", line)
    options = continuing(line)
    assert options == ["--train", f"demo,{QA.replace('acme/qa', f'acme/qa@{first}')}"]
    again = runs(*options)
    assert again.count("finished before, skipped") == 2
    assert sorted(str(origin) for origin in runs.commits("acme-qa")) == sorted(
        str({"acme/qa": commit}) for commit in (first, first, second, second)
    )
    (line,) = told(runs(*train, "--learning-rate", "1e-4"))[:1]
    assert "moved" not in line
    assert "learning_rate is 0.0001" in line


def test_a_model(hub: Hub, tmp_path: Path, runs: Runs) -> None:
    first = hub.add("models", "acme/x", bare(tmp_path / "one", "bert"))
    assert told(runs("--model", "acme/x")) == []
    hub.add("models", "acme/x", bare(tmp_path / "two", "distilbert"))
    (line,) = told(runs("--model", "acme/x"))
    assert re.fullmatch(
        rf"acme/x moved since mono-\w{{8}}-s0: new cells; --model acme/x@{first} continues the old ones", line
    )
    assert runs(*continuing(line)).count("finished before, skipped") == 2


OLD, NEW = "1" * 40, "2" * 40


def about(model: str, code: str, data: str) -> dict[str, object]:
    recorded = {"name": "acme/x", "revision": model, "code": {"acme/impl": code}}
    return {"model": recorded, "sources": {"qa": {"origin": {"acme/qa": data}}, "demo": {}}}


def test_what_moved_is_known_by_its_commits() -> None:
    assert list(moved(about(OLD, OLD, OLD), about(OLD, OLD, OLD))) == []
    assert list(moved(about(OLD, OLD, OLD), about(OLD, NEW, OLD))) == [Move("code", "acme/impl", OLD, NEW, "model")]
    assert [m.repo for m in moved(about(OLD, OLD, OLD), about(NEW, NEW, NEW))] == ["acme/x", "acme/impl", "acme/qa"]
    assert list(moved({}, about(NEW, NEW, NEW))) == []
    assert list(moved(about(OLD, OLD, OLD), {"model": {"name": "acme/y", "revision": NEW}})) == []


@pytest.mark.parametrize("given", ["langs=('de', 'en'), revision='main'", "revision='main', langs=('de', 'en')"])
def test_a_revision_that_was_given_is_not_printed_beside_the_commit(given: str) -> None:
    settings = Settings(train=("demo", f"hub-qa:acme/qa({given})", "hub-qa:acme/q(langs=('de',), revision='v1')"))
    said = _continued([Move("dataset", "acme/qa", OLD, NEW, "sources")], settings)
    assert f"demo,hub-qa:acme/qa@{OLD}(langs=('de', 'en')),hub-qa:acme/q(langs=('de',), revision='v1')" in said


def test_two_revisions_of_one_name_are_refused() -> None:
    with pytest.raises(TaskError, match=r"acme/qa@v1: the name gives a revision, and revision='v2' another"):
        HubQA("acme/qa@v1", ("de",), "v2")


def test_who_asks_for_another_commit_is_not_told_that_it_moved(hub: Hub, tmp_path: Path, runs: Runs) -> None:
    first = hub.add("datasets", "acme/qa", squad(tmp_path / "one", n=40))
    second = hub.add("datasets", "acme/qa", squad(tmp_path / "two", " new", n=40))
    runs("--train", QA.replace("acme/qa", f"acme/qa@{first}"))
    commits.forget()
    (line, _) = told(runs("--train", QA.replace("acme/qa", f"acme/qa@{second}")))
    assert "moved" not in line
    assert f"version is {second[:12]} (was {first[:12]})" in line


@pytest.mark.parametrize("task", ["beir:scifact", "mteb:SciFact"])
def test_an_export_for_mteb_has_the_commit_that_was_scored(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    import mteb

    pinned = mteb.get_task("SciFact").metadata
    read = hub.add("datasets", pinned.dataset["path"], retrieval(tmp_path / "a"), pinned.revision)
    places = ["--results", str(tmp_path / "results")]
    assert main(["evaluate", "--model", "char-tfidf", "--task", task, "--experiment", "small", *places]) == 0
    other = pinned.model_copy(update={"dataset": pinned.dataset | {"revision": "9" * 40}})
    monkeypatch.setattr(mteb.get_task("SciFact").__class__, "metadata", other)
    assert mteb.get_task("SciFact").metadata.revision == "9" * 40
    assert main(["export", "mteb", "small", "--out", str(tmp_path / "mteb"), *places]) == 0
    (written,) = (tmp_path / "mteb").rglob("*.json")
    found = json.loads(written.read_text())
    assert found["task_name"] == "SciFact"
    assert found["dataset_revision"] == read
    assert list(found["scores"]) == ["test"]
