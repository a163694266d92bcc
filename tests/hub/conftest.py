"""The stand-in of the Hub, with this process's clients asking it, and nothing kept of another test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hub.stand_in import Hub
from tests.tasks.conftest import Rows, write_hub_folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Empty; caches of the libraries and of this program are new."""
    import datasets.config
    import huggingface_hub.constants as constants
    from huggingface_hub.utils import close_session

    from tasks.hub import asking, commits, look_only, set_tell, snapshot

    with Hub(tmp_path / "served") as served:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.utils._detect_agent._fetch_registry", lambda: None, raising=False)
        monkeypatch.setattr(asking, "sleep", lambda seconds: None)
        monkeypatch.setattr(snapshot, "_LACKING", {})
        commits.forget()
        asking.forget_lost()
        look_only(False)
        yield served
        commits.forget()
        asking.forget_lost()
        look_only(False)
        set_tell(None)
        close_session()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the user is told."""
    from tasks.hub import set_tell

    lines: list[str] = []
    set_tell(lines.append)
    yield lines
    set_tell(None)


Write = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a folder of files for ``hub.add``."""
    number = iter(range(1000))

    def write(**files: str | bytes) -> Path:
        folder = tmp_path / "made" / str(next(number))
        for name, content in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write


def requests(hub: Hub) -> list[str]:
    """What was asked, as ``GET /path``."""
    return [f"{line['method']} {line['path']}" for line in hub.log]


def squad_rows(lang: str, n: int, mark: str = "") -> Rows:
    """Questions of a translated set in SQuAD's columns."""
    return [
        {"id": str(i), "question": f"{lang} question {i}{mark}", "context": f"{lang} paragraph {i}{mark}"}
        for i in range(n)
    ]


def squad(
    folder: Path, mark: str = "", n: int = 6, langs: tuple[str, ...] = ("de", "en"), ending: str = "parquet"
) -> Path:
    """A set with a configuration for each language, as the Hub has them."""
    parts = {f"qa.{lang}": ("train", squad_rows(lang, n, mark)) for lang in langs}
    write_hub_folder(folder, parts, "parquet")
    return folder


def retrieval(folder: Path, mark: str = "", n: int = 6, ending: str = "parquet") -> Path:
    """A data set in the layout of mteb's."""
    parts = {
        "corpus": ("corpus", [{"_id": f"d{i}", "title": "", "text": f"text {i}{mark}"} for i in range(n)]),
        "queries": ("queries", [{"_id": f"q{i}", "text": f"question {i}{mark}"} for i in range(3)]),
        "default": ("test", [{"query-id": f"q{i}", "corpus-id": f"d{i}", "score": 1} for i in range(3)]),
    }
    write_hub_folder(folder, parts, ending)
    return folder


def mmarco(folder: Path, langs: dict[str, str], n: int = 40) -> Path:
    """mMARCO's files: n pairs, of which each query has one passage, named by three triples each."""
    data = folder / "data"
    (data / "v2" / "queries" / "train").mkdir(parents=True)
    (data / "v2" / "collections").mkdir()
    order = [(i * 7) % n for i in range(n)]
    rows = "".join(f"{1000 + i}\t{i}\t{(i + k) % n}\n" for i in order for k in (1, 2, 3))
    (data / "triples.train.ids.small.tsv").write_text(rows)
    for word in langs.values():
        asked = "".join(f"{1000 + i}\t{word} question {i}\n" for i in order)
        (data / "v2" / "queries" / "train" / f"{word}_queries.train.tsv").write_text(asked)
        told_in = "".join(f"{i}\t{word} passage {i}\n" for i in range(n))
        (data / "v2" / "collections" / f"{word}_collection.tsv").write_text(told_in)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder
