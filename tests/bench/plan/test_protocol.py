"""The margin and the primary family are fixed before the first run."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan.presets import load_plan
from bench.plan.protocol import Claim, Protocol, keep_protocol, read_protocol


def test_what_a_preset_states_is_kept_and_read_back(tmp_path: Path) -> None:
    stated = load_plan("demo", {}).protocol
    assert stated is not None
    assert stated.out_of_domain == ("demo-ood",)
    keep_protocol(tmp_path, stated)
    assert read_protocol(tmp_path) == stated
    keep_protocol(tmp_path, None)
    assert read_protocol(tmp_path) == stated


def test_it_stands_once_it_was_written(tmp_path: Path) -> None:
    keep_protocol(tmp_path, Protocol(margin=0.02))
    with pytest.raises(BenchError, match="fixed before the first run"):
        keep_protocol(tmp_path, Protocol(margin=0.03))
    assert read_protocol(tmp_path).margin == 0.02


def test_the_default_where_nothing_was_written(tmp_path: Path) -> None:
    assert read_protocol(tmp_path) == Protocol()


@pytest.mark.parametrize(("text", "message"), [
    ("margin = 2.0", "margin is a difference"),
    ('margin = "small"', "margin is a number"),
    ("wrong = 1", "protocol has no 'wrong'; there are margin, out_of_domain, primary"),
    ('out_of_domain = "demo"', "out_of_domain is a list"),
    ('primary = [{a = "hybrid"}]', "a part of primary has no 'b', which it needs"),
    ('primary = [{a = "x", b = "y", superior = ["mono"], non_inferior = ["mono"]}]', "at most once"),
    ('primary = [{a = "x", b = "y", superior = ["bad"]}]', "names each of mono, cross, multi"),
    ('primary = [{a = "x", b = "y"}]', "names each of mono, cross, multi"),
])  # fmt: skip
def test_what_it_refuses(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'strategies = ["mono"]\n[protocol]\n{text}\n', encoding="utf-8")
    with pytest.raises(BenchError, match=message):
        load_plan(str(path), {})


def test_a_claim_by_hand() -> None:
    assert Claim("hybrid", "mono", ("multi",)).non_inferior == ()
