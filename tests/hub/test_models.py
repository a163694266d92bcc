"""Models of the Hub: one commit in a run, code that is pinned too, and a sentence for each way to fail."""

import json
import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.models.loading import find_model, load_encoder
from bench.plan.settings import Settings
from bench.running.recorded import describe_model
from tasks.hub import commits, look_only
from tests.bench.tiny_models import bare, pooled
from tests.hub.conftest import requests
from tests.hub.stand_in import Hub

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pooled("bert")(tmp_path_factory.mktemp("tiny"))


def test_main_that_moves_is_one_commit_in_a_run(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    first = hub.add("models", "acme/tiny", tiny)
    about = describe_model("acme/tiny", True)
    assert (about["name"], about["revision"]) == ("acme/tiny", first)
    other = pooled("mpnet")(tmp_path / "other")
    hub.add("models", "acme/tiny", other)
    assert load_encoder(Settings(model="acme/tiny"), 0).model[0].model.config.model_type == "bert"
    assert describe_model("acme/tiny", True) == about
    commits.forget()
    moved = describe_model("acme/tiny", True)
    assert moved["files"] != about["files"]
    assert describe_model(f"acme/tiny@{first}", True) == about


def test_a_second_run_asks_for_the_commit_alone(hub: Hub, tiny: Path) -> None:
    commit = hub.add("models", "acme/tiny", tiny)
    describe_model("acme/tiny", True)
    hub.log.clear()
    commits.forget()
    describe_model("acme/tiny", True)
    load_encoder(Settings(model="acme/tiny"), 0)
    assert requests(hub) == ["GET /api/models/acme/tiny/revision/main"]
    hub.log.clear()
    load_encoder(Settings(model=f"acme/tiny@{commit}"), 0)
    assert hub.log == []


CODE = """
from transformers import BertModel
from .configuration_tiny import TinyConfig
class TinyModel(BertModel):
    config_class = TinyConfig
    mark = {mark!r}
"""

CONFIG = """
from transformers import BertConfig
class TinyConfig(BertConfig):
    model_type = "tiny-x"
"""


def with_code(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "coded")
    config = json.loads((folder / "config.json").read_text())
    named = {
        "AutoConfig": "acme/impl--configuration_tiny.TinyConfig",
        "AutoModel": "acme/impl--modeling_tiny.TinyModel",
    }
    config |= {"model_type": "tiny-x", "architectures": ["TinyModel"], "auto_map": named}
    (folder / "config.json").write_text(json.dumps(config))
    hub.add("models", "acme/coded", folder)


def code(hub: Hub, tmp_path: Path, mark: str) -> str:
    folder = tmp_path / f"impl-{mark}"
    folder.mkdir()
    (folder / "modeling_tiny.py").write_text(CODE.format(mark=mark))
    (folder / "configuration_tiny.py").write_text(CONFIG)
    return hub.add("models", "acme/impl", folder)


def test_code_elsewhere_is_pinned_and_part_of_the_model(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    with_code(hub, tiny, tmp_path)
    first = code(hub, tmp_path, "one")
    about = describe_model("acme/coded", True, True)
    assert about["code"] == {"acme/impl": first}
    code(hub, tmp_path, "two")
    opened = load_encoder(Settings(model="acme/coded", trust_remote_code=True), 0)
    assert opened.model[0].model.mark == "one"
    commits.forget()
    later = describe_model("acme/coded", True, True)
    assert later["files"] != about["files"]


def test_code_is_not_even_fetched_without_consent(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "own")
    (folder / "own.py").write_text("1 / 0")
    hub.add("models", "acme/own", folder)
    place = find_model("acme/own")
    assert place is not None
    assert not (place / "own.py").exists()
    assert find_model("acme/own", trust_remote_code=True) == place
    assert (place / "own.py").is_file()


@pytest.mark.parametrize(("name", "said"), [
    ("xlm-roberta-base", r"nor a Hub name \(owner/name\) .*; on the Hub it is FacebookAI/xlm-roberta-base$"),
    ("all-minilm-l6-v2@main", r"on the Hub it is sentence-transformers/all-MiniLM-L6-v2@main$"),
    ("acme/none", r"the Hub has no model 'acme/none', or it is private: 'hf auth login', or HF_TOKEN"),
    ("acme/tiny@v9", r"acme/tiny has no revision 'v9'; .*/acme/tiny/commits/main lists its commits"),
    ("acme/gated", r"acme/gated is gated: accept its terms at .*/acme/gated, then log in"),
    ("acme/empty", r"acme/empty@\w{40}: no model of .* \(neither modules\.json nor config\.json is there\)"),
    ("acme/pickle", r"its weights are a pickle alone \(pytorch_model\.bin\), .* --model acme/pickle@refs/pr/N"),
])  # fmt: skip
def test_what_cannot_be_had_is_said_in_a_sentence(hub: Hub, tiny: Path, tmp_path: Path, name: str, said: str) -> None:
    hub.add("models", "acme/tiny", tiny)
    hub.add("models", "acme/gated", tiny, gated="manual")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "model.safetensors").write_bytes(bytes(60_000))
    hub.add("models", "acme/empty", tmp_path / "empty")
    pickle = bare(tmp_path / "pickle", "bert")
    (pickle / "model.safetensors").rename(pickle / "pytorch_model.bin")
    hub.add("models", "acme/pickle", pickle)
    hub.log.clear()
    with pytest.raises(BenchError, match=said):
        find_model(name)
    assert not [line for line in hub.log if line["bytes"] > 50_000]


def test_who_is_logged_in_is_not_told_to_log_in(hub: Hub, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("models", "acme/gated", tiny, gated="manual")
    monkeypatch.setenv("HF_TOKEN", "bad")
    with pytest.raises(BenchError, match=r"accept its terms at \S+/acme/gated; your token has no access yet$"):
        find_model("acme/gated")


def test_a_dry_run_looks_and_fetches_nothing(hub: Hub, tiny: Path) -> None:
    from tasks.hub import lacking

    hub.add("models", "acme/tiny", tiny)
    look_only()
    assert find_model("acme/tiny", fetch=False) is None
    ((name, (files, size)),) = lacking().items()
    assert (name.repo, files > 3, size > 10_000) == ("acme/tiny", True, True)
    assert not [line for line in requests(hub) if "/resolve/" in line]


@pytest.mark.parametrize(("name", "said"), [
    ("acme/none", "the Hub has no model 'acme/none'"), ("acme/tiny@v9", "acme/tiny has no revision 'v9'"),
])  # fmt: skip
def test_a_dry_run_refuses_what_there_is_not(hub: Hub, tiny: Path, name: str, said: str) -> None:
    hub.add("models", "acme/tiny", tiny)
    look_only()
    with pytest.raises(BenchError, match=said):
        find_model(name, fetch=False)
    hub.faults = [{"match": ".", "status": 503}]
    assert find_model(name, fetch=False) is None
