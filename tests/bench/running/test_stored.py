"""What ranks in a cell is read from what the cell says of itself."""

import json
import shutil
from pathlib import Path

import pytest

from bench.cli import main
from bench.encoding.encoder import Encoder
from bench.errors import BenchError
from bench.models.lexical import LEXICAL
from bench.models.loading import STATIC
from bench.running.stored import encoder_of, ranker_of
from tests.bench.made_up import make_cell


def test_a_model_that_is_called_as_a_baseline_is_a_model(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path / "bm25")
    places = ["--results", str(tmp_path / "results")]
    assert main(["evaluate", "--model", str(tmp_path / "bm25"), "--task", "demo-dev", *places]) == 0
    (cell,) = (tmp_path / "results" / "evaluate").glob("bm25-*")
    ranker, weights = ranker_of(cell, False)
    assert isinstance(ranker, Encoder)
    assert (
        weights == encoder_of(cell, False).weights_hash() == json.loads((cell / "done").read_text())["weights_sha256"]
    )


@pytest.mark.parametrize("label", [*LEXICAL, "made-up"])
def test_a_cell_without_a_model(tmp_path: Path, label: str) -> None:
    cell = make_cell(tmp_path / "made", label, 0, 0.1)
    config = json.loads((cell / "config.json").read_text())
    (cell / "config.json").write_text(json.dumps(config | {"trained": False, "model": {}}))
    if label in LEXICAL:
        ranker, weights = ranker_of(cell, False)
        assert (type(ranker), weights) == (LEXICAL[label], "none")
    else:
        with pytest.raises(BenchError, match=r"no model in it, and 'made-up' is none of char-tfidf, bm25"):
            ranker_of(cell, False)
