"""Data sets of the Hub through the real clients: what is recorded is what was read."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.data.content import content_of
from bench.running.recorded import describe_source
from tasks import TaskError, named
from tasks.contract import EvalSet, TrainSet
from tasks.hub import HubError, NotHere, commits, look_only
from tasks.hub_sources import HubQA
from tasks.mmarco import MMarco
from tasks.mteb_task import MtebTask, _hub_name
from tests.hub.conftest import mmarco, requests, retrieval, squad
from tests.hub.stand_in import Hub

pytestmark = pytest.mark.filterwarnings("ignore")

LANGS = ("de=qa.de", "en=qa.en")

AWAY = [
    {"match": ".", "status": 503}, {"match": ".", "status": 429, "headers": {"Retry-After": "1"}},
    {"match": ".", "html": "<html>Sign in</html>"},
]  # fmt: skip


def served_as(hub: Hub, task: str, folder: Path) -> str:
    """Serve a folder as what mteb pins."""
    name = _hub_name(task)
    return hub.add("datasets", name.repo, folder, name.revision)


def texts(train: TrainSet) -> list[str | None]:
    return train.query["de"]


def passages(sets: Sequence[EvalSet]) -> list[str]:
    return [text for of in sets for part in of.passages.values() for _, text in part.items()]


def test_a_pinned_set_is_read_without_a_request(hub: Hub, tmp_path: Path) -> None:
    served_as(hub, "SciFact", retrieval(tmp_path / "a"))
    task = MtebTask("SciFact")
    first = list(task.load(None))
    assert sum("HEAD" in line for line in requests(hub)) == 4
    hub.log.clear()
    for fault in AWAY:
        hub.faults = [fault]
        again = list(task.load(None))
        assert passages(again) == passages(first)
        assert len(content_of(task, None).files) == 3
    assert hub.log == []


@pytest.mark.parametrize("fault", AWAY)
def test_another_commit_is_never_read_in_place_of_the_pinned_one(
    hub: Hub, tmp_path: Path, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``load_dataset`` of one commit falls back to the newest one of its cache."""
    old = hub.add("datasets", "acme/qa", squad(tmp_path / "old", " [old]"))
    new = hub.add("datasets", "acme/qa", squad(tmp_path / "new", " [new]"))
    assert texts(HubQA("acme/qa", LANGS, new).load(None))[0] == "de question 0 [new]"
    hub.faults = [fault]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubError, match=rf'cannot be read: acme/qa@{old}: .*data fetch "hub-qa:acme/qa\(langs='):
        HubQA("acme/qa", LANGS, old).load(None)
    hub.faults = []
    from tasks.hub.asking import forget_lost

    forget_lost()
    assert texts(HubQA("acme/qa", LANGS, old).load(None))[0] == "de question 0 [old]"


def test_an_upgrade_of_mteb_reads_the_data_that_it_pins(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.mteb_task as module

    served_as(hub, "SciFact", retrieval(tmp_path / "a", " [old]"))
    task = MtebTask("SciFact")
    assert passages(list(task.load(None)))[0] == "text 0 [old]"
    later = hub.add("datasets", "mteb/scifact", retrieval(tmp_path / "b", " [new]"))
    pinned = module._metadata("SciFact")
    moved = pinned.model_copy(update={"dataset": pinned.dataset | {"revision": later}})
    monkeypatch.setattr(module, "_metadata", lambda name: moved)
    before = content_of(task, None)
    assert passages(list(task.load(None)))[0] == "text 0 [new]"
    assert task.version == later[:12]
    assert before.origin == {"mteb/scifact": later}
    hub.faults = [{"match": ".", "status": 500}]
    assert passages(list(task.load(None)))[0] == "text 0 [new]"


def test_a_folder_of_the_working_directory_is_not_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_as(hub, "SciFact", retrieval(tmp_path / "a", " [hub]"))
    retrieval(tmp_path / "here" / "mteb" / "scifact", " [folder]")
    squad(tmp_path / "here" / "acme" / "qa", " [folder]")
    hub.add("datasets", "acme/qa", squad(tmp_path / "b", " [hub]"))
    monkeypatch.chdir(tmp_path / "here")
    assert passages(list(named.beir("scifact").load(None)))[0] == "text 0 [hub]"
    assert texts(HubQA("acme/qa", LANGS).load(None))[0] == "de question 0 [hub]"


def test_a_branch_is_a_commit_and_what_decides_the_data_is_recorded(hub: Hub, tmp_path: Path) -> None:
    first = hub.add("datasets", "acme/qa", squad(tmp_path / "a", "1", langs=("de", "en", "es")))
    at_main = describe_source(HubQA("acme/qa", LANGS), None)
    assert at_main == describe_source(HubQA("acme/qa", LANGS, first), None)
    assert (at_main["version"], at_main["origin"]) == (first[:12], {"acme/qa": first})
    assert len(at_main["files"]) == 2  # type: ignore[arg-type]
    other = describe_source(HubQA("acme/qa", ("de=qa.de", "es=qa.es")), None)
    assert other["parameters"] != at_main["parameters"]
    assert other["files"] != at_main["files"]
    second = hub.add("datasets", "acme/qa", squad(tmp_path / "b", "2"))
    assert describe_source(HubQA("acme/qa", LANGS), None) == at_main
    commits.forget()
    assert describe_source(HubQA("acme/qa", LANGS), None)["version"] == second[:12]


def test_sources_of_one_repository_have_names_of_their_own() -> None:
    names = [HubQA("acme/qa", ("de",), split=split, called=called).name
             for split, called in (("train", None), ("validation", None), ("train", "other"))]  # fmt: skip
    assert names == ["acme-qa", "acme-qa-validation", "other"]


def test_a_copy_below_the_data_root_is_the_same_data(hub: Hub, tmp_path: Path) -> None:
    folder = squad(tmp_path / "root" / "hub" / "acme" / "qa")
    commit = hub.add("datasets", "acme/qa", folder)
    from_hub, copied = (describe_source(HubQA("acme/qa", LANGS, commit), root) for root in (None, tmp_path / "root"))
    assert copied == {key: value for key, value in from_hub.items() if key != "origin"}


def test_what_a_repository_lacks_is_said_with_what_it_has(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "acme/qa", squad(tmp_path / "a"))
    with pytest.raises(TaskError, match=r"acme/qa@\w+ has no configuration 'fr'; it has qa\.de, qa\.en"):
        HubQA("acme/qa", ("fr",)).load(None)
    with pytest.raises(TaskError, match=r"\(qa\.de\) has no split 'test'; it has train"):
        HubQA("acme/qa", LANGS, split="test").load(None)
    with pytest.raises(HubError, match=r"acme/qa has no revision 'v9'; .*commits/main lists its commits"):
        HubQA("acme/qa", LANGS, "v9").load(None)


def test_queries_have_the_ids_of_a_folder(hub: Hub, tmp_path: Path) -> None:
    served_as(hub, "SciFact", retrieval(tmp_path / "a"))
    (found,) = named.beir("scifact").load(None)
    assert list(found.queries["en"]) == ["q0", "q1", "q2"]
    assert found.relevant["q1"] == {"d1": 1}


def test_only_what_is_wanted_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "acme/qa", squad(tmp_path / "a", langs=("de", "en", "es", "fr")))
    HubQA("acme/qa", LANGS).load(None)
    fetched = {line["path"].rpartition("/")[0].rpartition("/")[2] for line in hub.log if line["method"] == "HEAD"}
    assert {name for name in fetched if name.startswith("qa.")} == {"qa.de", "qa.en"}


def test_a_limit_reads_the_beginning(hub: Hub, tmp_path: Path, told: list[str]) -> None:
    langs = {"de": "german", "en": "english"}
    folder = mmarco(tmp_path / "a", langs, 2000)
    hub.add("datasets", MMarco.repo, folder, MMarco.revision)
    few = MMarco(("de", "en"), 5)
    train = few.load(None)
    named_by = [(i * 7) % 2000 for i in range(167)]  # of the first 500 triples, three of each pair
    lowest = [i for i in named_by if i in sorted(named_by)[:5]]
    assert train.passage["en"] == [f"english passage {i}" for i in lowest]
    assert [q and q.rpartition(" ")[2] for q in train.query["de"]] == [
        d and d.rpartition(" ")[2] for d in train.passage["de"]
    ]
    assert any("reading the beginnings of 5 files" in line for line in told)
    hub.log.clear()
    assert few.load(None) == train or few.load(None).query == train.query
    assert describe_source(few, None)["files"] == describe_source(few, copied(folder, tmp_path / "root"))["files"]
    assert hub.log == []
    whole = MMarco(("de", "en"))
    assert len(whole.load(None).group) == 2000
    assert describe_source(whole, None)["origin"] == {MMarco.repo: MMarco.revision}


@pytest.mark.parametrize("limit", [None, 5])
def test_a_file_that_a_commit_lacks_is_said_before_others_are_fetched(
    hub: Hub, tmp_path: Path, limit: int | None
) -> None:
    hub.add("datasets", MMarco.repo, mmarco(tmp_path / "a", {"de": "german"}), MMarco.revision)
    with pytest.raises(
        HubError, match=r"mmarco@\w+ has no file 'data/v2/queries/train/japanese_queries\.train\.tsv'; http"
    ):
        MMarco(("de", "ja"), limit).load(None)
    assert not [line for line in requests(hub) if "/resolve/" in line]


def copied(folder: Path, root: Path) -> Path:
    place = root / "hub" / MMarco.repo
    place.parent.mkdir(parents=True)
    place.symlink_to(folder, target_is_directory=True)
    return root


def test_a_stream_that_breaks_goes_on_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    folder = mmarco(tmp_path / "a", {"de": "german"}, 9000)
    hub.add("datasets", MMarco.repo, folder, MMarco.revision)
    hub.faults = [{"match": "GET .*_cdn.*queries", "cut": 100_000, "times": 1}]
    train = MMarco(("de",), 90).load(None)
    assert len(train.group) == 90
    assert "bytes=100000-" in [line["range"] for line in hub.log]
    hub.faults = [{"match": "GET .*_cdn.*queries", "flip": 5}]
    with pytest.raises(HubError, match=r"german_queries.train.tsv arrives damaged"):
        MMarco(("de",), 91).load(None)


def test_a_dry_run_knows_sizes_and_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", MMarco.repo, mmarco(tmp_path / "a", {"de": "german"}), MMarco.revision)
    served_as(hub, "SciFact", retrieval(tmp_path / "b"))
    look_only()
    with pytest.raises(NotHere, match=r"3 files \(\d+\.\d kB\) are not here, and a dry run fetches nothing"):
        MMarco(("de",)).load(None)
    with pytest.raises(NotHere, match=r"files \(\d+\.\d kB\) are not here"):
        MMarco(("de",), 3).load(None)
    with pytest.raises(NotHere, match=r"mteb/scifact@\w+: 3 files"):
        list(MtebTask("SciFact").load(None))
    assert {line.rpartition("/")[2] for line in requests(hub) if "/resolve/" in line} == {"README.md"}
