"""faiss over vectors in memory and on disk, against the exact ranking of the same vectors."""

from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.evaluation import faiss_search
from bench.evaluation.faiss_search import Faiss
from bench.evaluation.measures import ABSENT, MISSED
from bench.evaluation.ranks import Ranking
from bench.store import shards
from bench.store.scores import read_about
from bench.store.shards import Shards
from tests.bench.evaluation.test_tiles import Large


@pytest.fixture
def large() -> Large:
    """Vectors of clusters, as texts have them."""
    found = Large(8, n=1200, distinct=1000, asked=40)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 24))
    for part in (found.vectors, found.queries):
        part[:] = centres[rng.integers(0, 20, len(part))] + 0.5 * rng.standard_normal(part.shape)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


@pytest.fixture
def on_disk(large: Large, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shards:
    """The same vectors in shards of 128, searched in blocks of 250, 16 queries at a time."""
    monkeypatch.setattr(shards, "CHUNK", 128)
    monkeypatch.setattr(faiss_search, "LARGEST_BLOCK", 250)
    monkeypatch.setattr(faiss_search, "ASKED_AT_ONCE", 16)
    return large.kept(tmp_path)


def rank(how: Faiss, large: Large, vectors: "np.ndarray | Shards", k: int = 10) -> Ranking:
    return how(vectors, large.place, large.corpus).rank(large.queries, large.relevant, k)


@pytest.mark.parametrize("depth", [50, 10_000])
def test_flat_on_disk_is_exact_to_its_depth(large: Large, on_disk: Shards, depth: int) -> None:
    exact, found = large.rank(large.vectors, 10), rank(Faiss("flat", depth), large, on_disk)
    np.testing.assert_array_equal(found.top, exact.top)
    for ours, theirs in ((found.own, exact.own), (found.pool, exact.pool)):
        np.testing.assert_array_equal(ours, np.where((theirs <= depth) | (theirs == ABSENT), theirs, MISSED))


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_an_index_reports_the_recall_that_it_has(large: Large, on_disk: Shards, kind: str, where: str) -> None:
    depth = 20
    how, exact = Faiss(kind, depth), large.rank(large.vectors, depth)
    found = rank(how, large, large.vectors if where == "memory" else on_disk, depth)
    assert len(how.recalls) == len(large.queries) * 3
    measured = np.mean([len(np.intersect1d(a, b)) / depth for a, b in zip(found.top, exact.top, strict=True)])
    assert np.mean(how.recalls) == pytest.approx(measured, abs=0.05)
    assert 0.8 < np.mean(how.recalls) <= 1


def test_recall_is_below_one_where_an_index_misses(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_search, "LOOKED_THROUGH", 0)
    monkeypatch.setattr(faiss_search, "VISITED", 1000)  # one list of a query
    how = Faiss("ivf", 100)
    found, exact = rank(how, large, large.vectors), large.rank(large.vectors)
    assert 0 < np.mean(how.recalls) < 0.7
    assert (found.own == MISSED).sum() > ((exact.own > 100) & (exact.own != ABSENT)).sum()


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_index_on_disk_is_built_once_for_every_depth(
    large: Large, on_disk: Shards, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rank(Faiss(kind, 50), large, on_disk)
    names = {path.name for path in on_disk.folder.glob(f"{kind}-*")}
    assert len(names) == 2 + 3 + 1  # blocks of 250 of 400, 600 and 200 passages
    monkeypatch.setattr(faiss_search, "build", None)
    for ours, theirs in zip(rank(Faiss(kind, 50), large, on_disk), first, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rank(Faiss(kind, 100), large, on_disk)


def test_an_index_of_other_settings_or_a_damaged_one_is_refused(
    large: Large, on_disk: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank(Faiss("ivf", 50), large, on_disk)
    with monkeypatch.context() as patch:
        patch.setattr(faiss_search, "LISTS", 9)
        with pytest.raises(BenchError, match=r"ivf-\w+\.safetensors: foreign, made with lists 4, and this is 9"):
            rank(Faiss("ivf", 50), large, on_disk)
    path = next(on_disk.folder.glob("ivf-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BenchError, match=rf"{path.name}: damaged"):
        rank(Faiss("ivf", 50), large, on_disk)


def test_no_more_than_a_block_of_passages_and_queries_at_once(
    large: Large, on_disk: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, passages = [], []
    whole = faiss_search.Block.nearest
    take = Shards.__getitem__

    def noted(self: faiss_search.Block, queries: np.ndarray, exactly: bool) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(queries))
        return whole(self, queries, exactly)

    def taken(self: Shards, rows: np.ndarray) -> np.ndarray:
        passages.append(len(rows))
        return take(self, rows)

    monkeypatch.setattr(faiss_search.Block, "nearest", noted)
    monkeypatch.setattr(Shards, "__getitem__", taken)
    monkeypatch.setattr(faiss_search, "SAMPLED_QUERIES", 10)
    rank(Faiss("ivf", 50), large, on_disk)
    assert max(asked) == 16
    assert max(passages) == 250


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (38, 1), (100, 2), (10_000, 256), (131_072, 1448), (10**6, 4000)])
def test_inverted_lists_have_enough_passages_to_learn_from(n: int, expected: int) -> None:
    assert faiss_search.lists(n) == expected
    assert n / faiss_search.lists(n) >= min(n, faiss_search.TRAINED_ON)


def test_the_recall_of_ivf_is_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = [
        "evaluate", "--model", "demo-static", "--task", "demo-dev", "--index", "ivf", "--depth", "100",
        "--results", str(tmp_path / "results"), "--experiment", "cut", "--threads", "1",
    ]  # fmt: skip
    assert main(command) == 0
    assert main([*command, "--shards", str(tmp_path / "kept"), "--vectors", "float16"]) == 0
    out, err = capfd.readouterr()
    assert "\ndemo-dev+ivf-100, AP\n" in out
    assert "\ndemo-dev+ivf-100+float16, AP\n" in out
    assert "WARNING" not in err + out
    for ending in ("", "+float16"):
        (path,) = (tmp_path / "results" / "cut").glob(f"*/scores/demo-dev@2+ivf-100{ending}.parquet")
        note = read_about(path).sets[f"demo-dev+ivf-100{ending}"].note
        assert "runs are cut: AP is AP@100" in note
        assert "faiss IVF finds " in note
        assert ("kept as float16" in note) == (ending != "")
