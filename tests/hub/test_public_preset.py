"""The preset on public data, against a stand-in that has its commits: what is fetched; that it trains and scores."""

import re
from pathlib import Path

import pytest

from bench.cli import main
from bench.plan import presets
from bench.store.cells import read_cells
from tests.bench.tiny_models import pooled
from tests.hub.conftest import requests, squad_rows
from tests.hub.stand_in import Hub
from tests.hub.test_data import served_as
from tests.tasks.conftest import write_hub_folder

pytestmark = pytest.mark.filterwarnings("ignore")

LANGS = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
BELEBELE = ("arb_Arab", "deu_Latn", "eng_Latn", "spa_Latn", "hin_Deva", "rus_Cyrl", "tha_Thai", "tur_Latn", "zho_Hans")


def pinned(name: str, text: str) -> str:
    (commit,) = re.findall(rf"{re.escape(name)}@([0-9a-f]{{40}})", text)
    return commit


@pytest.fixture
def served(hub: Hub, tmp_path: Path) -> Hub:
    """The model, XQuAD with one paragraph a question, and Belebele, at the commits of the preset."""
    settings = presets.load_plan("public", {}).settings
    model = pooled("bert")(tmp_path / "tiny")
    hub.add("models", "intfloat/multilingual-e5-small", model, pinned("intfloat/multilingual-e5-small", settings.model))
    parts = {f"xquad.{lang}": ("validation", squad_rows(lang, 120)) for lang in LANGS}
    write_hub_folder(tmp_path / "xquad", parts, "parquet")
    hub.add("datasets", "google/xquad", tmp_path / "xquad", pinned("google/xquad", settings.train[0]))
    tested = {
        subset: ("test", [
            {"link": f"page {i}", "flores_passage": f"{subset} text {i}", "question": f"{subset} asks {i}"}
            for i in range(6)
        ])
        for subset in BELEBELE
    }  # fmt: skip
    write_hub_folder(tmp_path / "belebele", tested, "jsonl")
    served_as(hub, "BelebeleRetrieval", tmp_path / "belebele")
    return hub


def test_a_dry_run_says_what_is_to_be_fetched(served: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--preset", "public", "--dry-run"]) == 0
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if line.startswith("to download: ")]
    assert all(name in line for name in ("intfloat/multilingual-e5-small@", "google/xquad@", "mteb/belebele@"))
    assert not [r for r in requests(served) if "/resolve/" in r and ("parquet" in r or "safetensors" in r)]


def test_it_trains_and_scores(served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--steps", "2", "--seeds", "0", "--strategy", "hybrid", "--no-report", "--baselines", "none"]
    assert main(["run", "--preset", "public", *small]) == 0
    (cell,) = read_cells(tmp_path / "results" / "public")
    assert (cell.config.items, cell.config.languages, cell.done is not None) == (120, LANGS, True)
    assert len(list((cell.path / "scores").iterdir())) == 1
