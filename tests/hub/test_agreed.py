"""Several processes of one run whose Hubs answer differently: the first one's answer is that of all."""

import json
from pathlib import Path

import pytest

from tests.bench.launching import launch
from tests.bench.tiny_models import bare
from tests.hub.conftest import requests, squad
from tests.hub.stand_in import Hub

WORKER = Path(__file__).parents[1] / "bench" / "workers" / "taking.py"


def test_a_branch_that_moves_between_two_processes(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process is asked to read what its own Hub no longer calls main."""
    model, data = bare(tmp_path / "m", "bert"), squad(tmp_path / "d", n=40)
    other, later = bare(tmp_path / "m2", "distilbert"), squad(tmp_path / "d2", " new", n=40)
    with Hub(tmp_path / "moved") as moved:
        first, _ = (served.add("models", "acme/x", model) for served in (hub, moved))
        read, _ = (served.add("datasets", "acme/qa", data) for served in (hub, moved))
        moved.add("models", "acme/x", other)
        moved.add("datasets", "acme/qa", later)
        for number, served in enumerate((hub, moved)):
            monkeypatch.setenv(f"HUB_{number}", served.url)
        out = tmp_path / "out"
        out.mkdir()
        done = launch(WORKER, out)
        assert done.returncode == 0, done.stderr[:3000]
        zero, one = (json.loads((out / f"{number}.json").read_text()) for number in (0, 1))
        assert one == zero
        assert zero["model"]["revision"] == first
        assert zero["sources"]["acme-qa"]["origin"] == zero["task"] == {"acme/qa": read}
        assert [line for line in requests(moved) if "/revision/" in line] == []
        assert any(first in line for line in requests(moved))
        assert any(read in line for line in requests(moved))
