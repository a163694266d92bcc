import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real public data that lies beside the checkout on some machines, or where BENCH_DATA points."""
    folder = Path(os.environ.get("BENCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set BENCH_DATA to a folder that holds xquad-r, mlqa-r, lo-help, ...")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept of files and fetched data lies apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        if "BENCH_CACHE" not in os.environ:
            patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
