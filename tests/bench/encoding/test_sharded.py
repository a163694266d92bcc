"""Vectors on disk: the bits of those in memory, encoded once, by one process or several, and named where rounded."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from bench.cli import main
from bench.data.corpus import Corpus, build_corpus
from bench.encoding.encoder import Encoder
from bench.encoding.sharded import Sharded
from bench.errors import BenchError
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store import shards
from tasks.demo import DemoDev
from tests.bench.launching import launch

WORKER = Path(__file__).parents[1] / "workers" / "sharding.py"
OWNER: dict[str, object] = {"weights": "of the demo"}


@pytest.fixture(scope="module", params=["demo-static", "demo-transformer"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.set_num_threads(1)
    return load_encoder(Settings(model=request.param), 0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    (evalset,) = DemoDev().load(None)
    return build_corpus(evalset.passages)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 256 passages."""
    monkeypatch.setattr(shards, "CHUNK", 256)


@pytest.mark.usefixtures("small")
def test_the_bits_are_those_of_memory(encoder: Encoder, corpus: Corpus, tmp_path: Path) -> None:
    vectors, place = encoder.passages(corpus)
    found, same_place = Sharded(encoder, tmp_path, OWNER).passages(corpus)
    np.testing.assert_array_equal(place, same_place)
    assert found.shape == vectors.shape
    assert len(found.names) == -(-len(vectors) // 256) > 3
    np.testing.assert_array_equal(found[:], vectors)
    np.testing.assert_array_equal(found[300:310], vectors[300:310])
    some = np.array([900, 3, 255, 256, 3])
    np.testing.assert_array_equal(found[some], vectors[some])
    rounded, _ = Sharded(encoder, tmp_path, OWNER, "float16").passages(corpus)
    assert rounded.folder != found.folder
    np.testing.assert_array_equal(rounded[:], vectors.astype(np.float16).astype(np.float32))
    sizes = [sum(p.stat().st_size for p in each.folder.iterdir()) for each in (rounded, found)]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.usefixtures("small")
def test_what_is_there_is_not_encoded_again(
    encoder: Encoder, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = Sharded(encoder, tmp_path, OWNER).passages(corpus)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in found.folder.iterdir()}
    (found.folder / f"{found.names[2]}.safetensors").unlink()
    encoded: list[int] = []
    whole = Encoder.encode_chunk

    def noted(self: Encoder, texts: list[str], *more: object) -> np.ndarray:
        encoded.append(len(texts))
        return whole(self, texts, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode_chunk", noted)
    Sharded(encoder, tmp_path, OWNER).passages(corpus)
    assert encoded == [256]
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in found.folder.iterdir()}
    assert {name: content for name, (content, _) in after.items()} == {n: content for n, (content, _) in before.items()}
    assert {name for name in after if after[name] != before[name]} == {f"{found.names[2]}.safetensors"}


@pytest.mark.usefixtures("small")
def test_everything_that_decides_the_vectors_has_a_folder_of_its_own(encoder: Encoder, corpus: Corpus) -> None:
    def folder(owner: dict[str, object] = OWNER, texts: Corpus = corpus, **settings: object) -> Path:
        other = load_encoder(dataclasses.replace(Settings(), **settings), 0) if settings else encoder  # type: ignore[arg-type]
        return Sharded(other, Path(), owner)._shards(texts)[0].folder

    changed = {lang: dict(part) for lang, part in corpus.passages.items()}
    changed["de"][next(iter(changed["de"]))] += "!"
    folders = [
        folder(),
        folder({"weights": "others"}),
        folder(OWNER | {"threads": 2}),
        folder(texts=build_corpus(changed)),
        folder(passage_prompt="passage: "),
        folder(passage_length=32),
    ]
    assert len(set(folders)) == len(folders)
    assert folder() == folders[0] == folder(query_prompt="query: ", query_length=8, model="demo-static")


@pytest.mark.usefixtures("small")
def test_a_damaged_or_foreign_shard_is_refused_before_anything_is_encoded(
    encoder: Encoder, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = Sharded(encoder, tmp_path, OWNER).passages(corpus)
    paths = [found.folder / f"{name}.safetensors" for name in found.names]
    paths[0].unlink()
    monkeypatch.setattr(Encoder, "encode_chunk", None)
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BenchError, match=r"shard-00002\.safetensors: damaged, its sha256 is not"):
        Sharded(encoder, tmp_path, OWNER).passages(corpus)
    paths[2].write_bytes(paths[1].read_bytes())
    with pytest.raises(BenchError, match=r"shard-00002\.safetensors: foreign, made with name shard-00001, and this is"):
        Sharded(encoder, tmp_path, OWNER).passages(corpus)


def folder_of(root: Path) -> dict[str, bytes]:
    (folder,) = (root / "shards").iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_processes_share_the_shards_and_write_the_bytes_of_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for out in (one, two):
        out.mkdir()
    subprocess.run([sys.executable, WORKER, one], check=True, capture_output=True)
    done = launch(WORKER, two)
    assert done.returncode == 0, done.stderr[-3000:]
    assert folder_of(two) == folder_of(one)
    written = [json.loads((two / f"process-{i}.json").read_text()) for i in (0, 1)]
    assert all(written)
    assert sorted(name + ".safetensors" for each in written for name in each) == sorted(folder_of(two))


def arguments(path: Path, experiment: str, *more: str) -> list[str]:
    return [
        "evaluate", "--model", "demo-static", "--task", "demo-dev", "--threads", "1", "--experiment", experiment,
        "--results", str(path / "results"), *more,
    ]  # fmt: skip


def scores(path: Path, experiment: str, ending: str = "") -> Path:
    (found,) = (path / "results" / experiment).glob(f"*/scores/demo-dev@2{ending}.parquet")
    return found


def test_what_shards_mean_to_a_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = ("--shards", str(tmp_path / "kept"))
    assert main(arguments(tmp_path, "memory")) == 0
    assert main(arguments(tmp_path, "disk", *kept)) == 0
    assert scores(tmp_path, "disk").read_bytes() == scores(tmp_path, "memory").read_bytes()
    assert main(arguments(tmp_path, "disk", *kept, "--vectors", "float16")) == 0
    assert "\ndemo-dev+float16, AP\n" in capsys.readouterr().out
    about = json.loads(pq.read_schema(scores(tmp_path, "disk", "+float16")).metadata[b"bench"])
    assert about["sets"]["demo-dev+float16"]["note"].endswith("encoders' vectors of passages are kept as float16")
    (shard,) = (p for p in (tmp_path / "kept").rglob("*.safetensors") if b'as\\":\\"float32' in p.read_bytes()[:2000])
    shard.write_bytes(shard.read_bytes()[:-1])
    assert main(arguments(tmp_path, "disk", *kept, "--overwrite")) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("bench:")]
    assert line.startswith(f"bench: {shard}: damaged")
    shard.unlink()
    assert main(arguments(tmp_path, "disk", *kept)) == 0
    assert scores(tmp_path, "disk").read_bytes() == scores(tmp_path, "memory").read_bytes()


@pytest.mark.parametrize(("more", "said"), [
    (("--vectors", "float16"), "vectors are float32 unless they are kept on disk: add --shards FOLDER"),
    (("--shards", "/dev/null/kept"), "cannot be written"),
])  # fmt: skip
def test_what_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert main(arguments(tmp_path, "refused", *more)) == 2
    assert said in capsys.readouterr().err


def test_models_that_move_vectors_in_memory_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--shards", str(tmp_path), "--results", str(tmp_path / "results")]
    assert main(["run", "--strategy", "centering(mono)", *more]) == 2
    told = capsys.readouterr().err
    assert "centering(mono(" in told
    assert "moves the vectors of all passages in memory; run it without --shards" in told
    assert not (tmp_path / "results").exists()


def test_two_processes_train_merge_and_encode(tmp_path: Path) -> None:
    """Cells of all kinds end with the same scores whether vectors are on disk or in memory."""
    command = (
        "-m", "bench", "run", "--strategy", "mono,merge(mono, cross)", "--steps", "4", "--batch-size", "16",
        "--task", "demo-dev", "--baselines", "untrained,char-tfidf", "--threads", "1", "--no-report",
        "--results", str(tmp_path),
    )  # fmt: skip
    done = launch(*command, "--experiment", "disk", "--shards", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr[-3000:]
    done = launch(*command, "--experiment", "memory")
    assert done.returncode == 0, done.stderr[-3000:]
    found = {
        name: {path.parts[-3]: path.read_bytes() for path in (tmp_path / name).glob("*/scores/*.parquet")}
        for name in ("disk", "memory")
    }
    assert len(found["disk"]) == 4
    assert found["disk"] == found["memory"]
    assert len(list((tmp_path / "kept").glob("*/shard-00000.safetensors"))) == 3
