"""The rehearsal of ``card.py``: its parts, on a CPU and on little, in one process."""

import json
from pathlib import Path

import beside_encode
import beside_trainer
import card
import ceilings
import pytest
import right
from asked import Asked, Found, kept


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked("demo-transformer", tmp_path, tmp_path, None, True, "demo", "demo")


def rows(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return found


def test_losses_and_ap_are_those_of_the_run_before(asked: Asked, tmp_path: Path) -> None:
    for part in (right.losses, right.base):
        part(asked, Found(tmp_path / f"{part.__name__}.json"))
    again = asked._replace(out=tmp_path / "again", against=tmp_path)
    again.out.mkdir()
    for part in (right.losses, right.base):
        part(again, Found(again.out / f"{part.__name__}.json"))
        judged = [row["met"] for row in rows(again.out / f"{part.__name__}.json") if "met" in row]
        assert judged
        assert all(judged)


def test_a_loss_that_moved_misses_its_aim(asked: Asked, tmp_path: Path) -> None:
    right.losses(asked, Found(tmp_path / "losses.json"))
    before = kept(tmp_path / "losses.json")
    Found(tmp_path / "losses.json").keep(**before | {"losses": [loss + 0.01 for loss in before["losses"]]})
    right.losses(asked._replace(against=tmp_path), Found(tmp_path / "moved.json"))
    assert [row["met"] for row in rows(tmp_path / "moved.json") if "met" in row] == [False, False]


def test_bits_repeat_on_a_cpu_and_behind_a_checkpoint(asked: Asked, tmp_path: Path) -> None:
    right.bits(asked, Found(tmp_path / "bits.json"), deterministic=False)
    found = rows(tmp_path / "bits.json")
    assert len(found) == 3
    assert all(row["twice"] and row["resumed"] and row["losses apart behind it"] == 0 for row in found)


def test_equal_passages_rank_alike_wherever_they_are_ranked(asked: Asked, tmp_path: Path) -> None:
    beside_encode.ranking(asked, Found(tmp_path / "ranking.json"))
    assert [row["s"] for row in rows(tmp_path / "ranking.json") if "differ" in str(row["where"])] == [0, 0, 0]


def test_ceilings_are_rates(asked: Asked, tmp_path: Path) -> None:
    ceilings.ceilings(asked, Found(tmp_path / "ceilings.json"))
    assert min(float(str(row["value"])) for row in rows(tmp_path / "ceilings.json")) > 0


def test_a_step_takes_the_median_of_its_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([10.0, 10.2, 10.6, 10.8])
    monkeypatch.setattr("beside_trainer.time.perf_counter", lambda: next(ends))
    windows = beside_trainer.Windows(plan := beside_trainer.Plan(4, 3, 2, 3))
    for _ in range(plan.steps):
        windows.step()
    assert windows.ms == pytest.approx(100)


def test_what_a_part_wrote_before_it_was_stopped_is_told(tmp_path: Path) -> None:
    Found(tmp_path / "training.json").row(side="bench", ms=12.5)
    (tmp_path / "training.log").write_text("out of memory\n")
    told = card.table("training", tmp_path, "not finished in 110 s", 110.2)
    assert "12.5" in told
    assert "not finished in 110 s" in told
    assert "out of memory" in told


def test_an_unknown_part_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        card.main(["model", str(tmp_path), str(tmp_path / "out"), "--parts", "loss"])
    assert "no part loss" in capsys.readouterr().err
