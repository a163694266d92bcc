"""One resolution of a name to a commit per run; what is read is of that commit, and proven to be."""

import pytest

from tasks.hub import HubError, commits, go_offline, parsed, resolve
from tasks.hub.snapshot import have
from tests.hub.conftest import Write, requests
from tests.hub.stand_in import Hub

MODEL = parsed("acme/x", "model")


def everything(path: str) -> bool:
    return True


def test_a_name_is_asked_for_once(hub: Hub, written: Write) -> None:
    first = hub.add("models", "acme/x", written(a="1"))
    assert resolve(MODEL) == first
    second = hub.add("models", "acme/x", written(a="2"))
    assert resolve(MODEL) == first
    assert len(hub.log) == 1
    commits.forget()
    assert resolve(MODEL) == second
    assert resolve(MODEL.at(first)) == first
    assert len(hub.log) == 2
    commits.take({"model acme/x@main": first})
    assert resolve(MODEL) == first
    assert commits.taken() == {"model acme/x@main": first}


@pytest.mark.parametrize("fault", [
    {"match": ".", "status": 503}, {"match": ".", "status": 429}, {"match": ".", "html": "<html>Sign in</html>"}, None,
])  # fmt: skip
def test_a_hub_that_cannot_be_asked_leaves_the_last_known_commit_and_says_so(
    hub: Hub, written: Write, told: list[str], fault: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = hub.add("models", "acme/x", written(a="1"))
    assert (have(MODEL.at(resolve(MODEL)), everything) / "a").read_text() == "1"
    commits.forget()
    if fault is None:
        go_offline_here(monkeypatch)
    else:
        hub.faults = [fault]
    hub.add("models", "acme/x", written(a="2"))
    assert resolve(MODEL) == old
    assert (have(MODEL.at(old), everything) / "a").read_text() == "1"
    assert [line for line in told if old in line] or fault is None
    with pytest.raises(HubError, match=r"acme/new: "):
        resolve(parsed("acme/new", "model"))


def go_offline_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "0")
    go_offline()


def test_what_is_pinned_and_here_needs_no_request(hub: Hub, written: Write) -> None:
    commit = hub.add("models", "acme/x", written(a="1", b__c="2", big__safetensors="3"))
    have(MODEL.at(commit), everything)
    hub.log.clear()
    hub.faults = [{"match": ".", "status": 500}]
    assert (have(MODEL.at(commit), everything) / "b" / "c").read_text() == "2"
    assert hub.log == []


def test_a_listing_of_other_programs_will_do(hub: Hub, written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched by another program, and never asked for by this one: the names of the blobs say what they are."""
    from huggingface_hub import snapshot_download

    folder = written(a="1")
    (folder / "m.safetensors").write_bytes(b"weights")
    commit = hub.add("models", "acme/x", folder)
    snapshot_download("acme/x", revision=commit)
    hub.faults = [{"match": ".", "status": 500}]
    top = have(MODEL.at(commit), everything)
    assert (top / "m.safetensors").read_bytes() == b"weights"
    blob = (top / "m.safetensors").resolve()
    blob.write_bytes(b"Weights")
    go_offline_here(monkeypatch)
    with pytest.raises(HubError, match=r"m\.safetensors: is not the file of acme/x@"):
        have(MODEL.at(commit), everything)


@pytest.mark.parametrize("name", ["tokens.txt", "m.safetensors"])
def test_a_flipped_byte_is_seen_and_fetched_again(hub: Hub, written: Write, told: list[str], name: str) -> None:
    folder = written()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"0123456789")
    at = MODEL.at(hub.add("models", "acme/x", folder))
    blob = (have(at, everything) / name).resolve()
    blob.write_bytes(b"0123456788")
    assert (have(at, everything) / name).read_bytes() == b"0123456789"
    assert any("is not what the Hub records; fetched again" in line for line in told)
    hub.faults = [{"match": "GET .*_cdn|GET .*resolve", "flip": 3}]
    (have(at, everything) / name).resolve().write_bytes(b"0123456788")
    with pytest.raises(HubError, match=f"{name} arrives damaged"):
        have(at, everything)


def test_a_cut_download_is_resumed(hub: Hub, written: Write) -> None:
    folder = written(a="1")
    (folder / "m.safetensors").write_bytes(bytes(range(256)) * 48_000)
    commit = hub.add("models", "acme/x", folder)
    hub.faults = [{"match": "GET .*_cdn", "cut": 11_000_000, "times": 1}]
    top = have(MODEL.at(commit), everything)
    assert (top / "m.safetensors").read_bytes() == bytes(range(256)) * 48_000
    assert [line["range"] for line in hub.log if "_cdn" in line["path"]][1:] == ["bytes=10485760-"]


def test_sizes_are_said_before_they_move(
    hub: Hub, written: Write, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(a="1")
    (folder / "m.safetensors").write_bytes(bytes(2_500_000))
    commit = hub.add("models", "acme/x", folder)
    have(MODEL.at(commit), everything)
    assert told == [f"fetching acme/x@{commit}: 2 files, 2.5 MB"]
    commit = hub.add("models", "acme/y", folder)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(HubError, match=r"acme/y@\w+ takes 2\.5 MB, and .* has 1\.0 MB left; make room there"):
        have(parsed("acme/y", "model").at(commit), everything)


def test_a_new_name_is_said(hub: Hub, written: Write, told: list[str]) -> None:
    commit = hub.add("models", "acme/x", written(a="1"))
    (hub.root / "models" / "acme" / "old").mkdir()
    (hub.root / "models" / "acme" / "old" / "repo.json").write_text('{"moved": "acme/x"}')
    old = parsed("acme/old", "model")
    assert resolve(old) == commit
    assert told == ["model acme/old is called acme/x on the Hub now"]
    assert (have(old.at(commit), everything) / "a").read_text() == "1"


@pytest.mark.parametrize("text", ["x", "a/b/c", "../x", "a/..", "a/b@../c", "a/b@", "/a/b", "a b/c", "a/b--c"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is called owner/name|a revision is a commit"):
        parsed(text, "model")


def test_the_log_is_of_the_clients(hub: Hub, written: Write) -> None:
    commit = hub.add("models", "acme/x", written(a="1"))
    have(MODEL.at(resolve(MODEL)), everything)
    assert requests(hub)[:2] == [
        "GET /api/models/acme/x/revision/main",
        f"GET /api/models/acme/x/tree/{commit}?recursive=true",
    ]
