"""Trainings until claims are settled: decisions are a pure function of protocol and cells, and stay on record."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats as scipy_stats

from bench.analysis.power import Planned
from bench.analysis.set_scores import SetScores, read_sets
from bench.deciding import looks
from bench.deciding.boundaries import boundaries
from bench.errors import BenchError
from bench.plan.protocol import Claim, FixedClaim, Looks, Protocol, digest_of, keep_protocol
from bench.store.cells import LOOKS, PROTOCOL, read_cells
from tests.bench.made_up import TOY, make_cell

SEEDS = (4, 0, 1, 2, 3, 5)


def begun(folder: Path, seeds: tuple[int, ...] = SEEDS, margin: float = 0.01) -> Path:
    """hybrid and cross are alike, both are .15 better than mono where languages meet."""
    primary = (Claim("hybrid", "mono", ("multi",)), Claim("hybrid", "cross", ("multi",), ("mono",)))
    keep_protocol(folder, Protocol(margin, primary, looks=Looks(SEEDS)), [TOY])
    return begun_under(folder, seeds)


def begun_under(folder: Path, seeds: tuple[int, ...]) -> Path:
    """The same strategies, by the protocol that stands there."""
    for seed in seeds:
        for label, gain in (("mono()", 0.0), ("cross()", 0.15), ("hybrid()", 0.15)):
            make_cell(folder, label, seed, gain, protocol=digest_of(folder))
    return folder


def of(folder: Path) -> tuple[list[SetScores], list[looks.Look]]:
    sets = read_sets(read_cells(folder))
    return sets, looks.replayed(sets, sets[0].protocol)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return begun(tmp_path_factory.mktemp("looks") / "made")


def test_each_look_sees_the_trainings_in_the_order_of_the_protocol_alone(whole: Path, tmp_path: Path) -> None:
    _, found = of(whole)
    assert [look.trainings for look in found] == [3, 4, 5, 6]
    for n, look in enumerate(found, 3):
        fewer = begun(tmp_path / str(n), SEEDS[:n])
        sets, again = of(fewer)
        assert len(again) == n - 2
        for now, then in zip(again[-1].claims, look.claims, strict=True):
            assert now.end == then.end
            assert now.said.interval == then.said.interval
        assert looks.recorded(sets, again[-1])["claims"] == looks.recorded(*[of(whole)[0], look])["claims"]


def test_a_claim_ends_once_and_what_comes_later_is_overrun(whole: Path) -> None:
    _, found = of(whole)
    planted, null, same = ([look.claims[i] for look in found] for i in range(3))
    assert {c.end for c in planted} == {"shown"}
    assert [c.overrun for c in planted] == [0, 1, 2, 3]
    assert len({c.said.interval for c in planted}) == 1, "what is shown is as it was when it ended"
    assert planted[0].effect.trainings == 3
    assert [c.end for c in null][:3] == ["", "", ""]
    assert null[-1].end == "not settled"
    assert [c.effect.trainings for c in null] == [3, 4, 5, 6]
    assert same[-1].end == "shown", "alike within a language, so at most .01 worse"
    assert not found[-2].settled
    assert found[-1].settled


def test_the_decision_is_the_boundary_with_the_error_of_the_questions_inside(whole: Path) -> None:
    sets, found = of(whole)
    shares = [c.weight for c in sets[0].protocol.claims]
    assert shares == pytest.approx([1 / 3] * 3)
    null = found[1].claims[1]
    free = sum(w for w, c in zip(shares, found[1].claims, strict=True) if c.end != "shown")
    tail = 0.025 * shares[1] / free
    trainings, questions = null.effect.parts
    pooled = 3 if null.effect.pooled else 2
    c = boundaries(tail, 3, 6, pooled)[1]
    t = scipy_stats.t.isf(tail, float(questions.freedom))
    half = np.sqrt(c**2 * float(trainings.variance) + t**2 * float(questions.variance))
    assert null.said.interval == pytest.approx((null.said.effect - half, null.said.effect + half))


def test_what_is_shown_gives_its_share_to_the_others_and_what_is_refuted_does_not(tmp_path: Path) -> None:
    folder = begun(tmp_path / "made", SEEDS[:3])
    sets = read_sets(read_cells(folder))
    first, second, _ = sets[0].protocol.claims
    worse = FixedClaim("mono", "hybrid", "in", ("toy",), ("multi",), 0.0, 0.5)
    for other, end, free in ((first, "shown", 0.5), (worse, "refuted", 1.0)):
        pair = (dataclasses.replace(other, weight=0.5), dataclasses.replace(second, weight=0.5))
        protocol = dataclasses.replace(sets[0].protocol, claims=pair)
        (look,) = looks.replayed(sets, protocol)
        assert look.claims[0].end == end
        wide = looks._half_width(look.claims[1].effect, Looks(SEEDS), 3, 0.025 * 0.5 / free)
        assert look.claims[1].said.interval.high == pytest.approx(look.claims[1].said.effect + wide)


def test_a_claim_may_have_a_margin_of_its_own(tmp_path: Path) -> None:
    wide, narrow, better = (
        FixedClaim("mono", "hybrid", "in", ("toy",), ("multi",), bound, weight)
        for bound, weight in ((-0.2, 0.5), (-0.02, 0.25), (0.0, 0.25))
    )
    folder = tmp_path / "made"
    keep_protocol(folder, Protocol(claims=(wide, narrow, better), looks=Looks(SEEDS)), [TOY])
    sets, found = of(begun_under(folder, SEEDS[:3]))
    assert [(c.end, c.bound, c.said.at_margin) for c in found[0].claims] == [
        ("shown", -0.2, "at most .2 worse: shown"), ("refuted", -0.02, "by more than .02 worse: shown"),
        ("refuted", 0.0, "by more than .01 worse: shown"),
    ]  # fmt: skip
    no_looks = dataclasses.replace(sets[0].protocol, looks=None)
    assert [c.end for c in looks.verdicts(sets, no_looks)] == ["shown", "refuted", "refuted"], "judged together, too"


@pytest.mark.parametrize(("more", "message"), [
    ((4, 0, 2, 3), "mono has 0, 2, 3, 4: run 1 first, or remove 2"), ((4, 0, 1, 77), "run 2 first, or remove 77"),
    ((0, 1, 2), "run 4 first"),
])  # fmt: skip
def test_gaps_and_skipped_seeds_are_refused(tmp_path: Path, more: tuple[int, ...], message: str) -> None:
    with pytest.raises(BenchError, match="none is left out") as error:
        of(begun(tmp_path / "made", more))
    assert message.replace("mono has", "has") in str(error.value).replace("hybrid has", "has").replace(
        "mono has", "has"
    )


def test_a_killed_run_is_looked_at_as_far_as_all_strategies_have_come(tmp_path: Path) -> None:
    folder = begun(tmp_path / "made", SEEDS[:4])
    shutil.rmtree(next(folder.glob("mono-*-s2")))
    assert [look.trainings for look in of(folder)[1]] == [3]


def test_the_record_is_added_to_and_never_rewritten(tmp_path: Path) -> None:
    folder = begun(tmp_path / "made", SEEDS[:3])
    sets, found = of(folder)
    looks.keep_record(sets, found)
    first = (folder / LOOKS).read_text(encoding="utf-8")
    assert json.loads(first)["protocol"] == digest_of(folder)
    looks.keep_record(sets, found)
    assert (folder / LOOKS).read_text(encoding="utf-8") == first
    begun(folder, SEEDS[3:5])
    looks.keep_record(*of(folder))
    kept = (folder / LOOKS).read_text(encoding="utf-8").splitlines(keepends=True)
    assert kept[0] == first
    assert [json.loads(line)["trainings"] for line in kept] == [3, 4, 5]
    for cell in (*folder.glob("*-s2"), *folder.glob("*-s3")):
        shutil.rmtree(cell)
    with pytest.raises(BenchError, match="line 2 is not what its trainings give now"):
        looks.standing(read_sets(read_cells(folder)), sets[0].protocol)


def test_scores_and_records_that_were_changed_afterwards_are_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path / "made", SEEDS[:3])
    looks.keep_record(*of(folder))
    sets = read_sets(read_cells(folder))
    assert [v.end for v in looks.standing(sets, sets[0].protocol)][:2] == ["shown", "goes on"]
    record = (folder / LOOKS).read_text(encoding="utf-8")
    (folder / LOOKS).write_text(record.replace('"shown"', '"refuted"'), encoding="utf-8")
    with pytest.raises(BenchError, match="line 1 is not what"):
        looks.standing(sets, sets[0].protocol)
    (folder / LOOKS).write_text(record, encoding="utf-8")
    path = next(folder.glob("hybrid-*-s0/scores/*.parquet"))
    table = pq.read_table(path)
    better = table.set_column(table.column_names.index("AP"), "AP", [table["AP"].to_numpy() + 0.001])
    pq.write_table(better, path)
    with pytest.raises(BenchError, match="line 1 is not what"):
        looks.standing(read_sets(read_cells(folder)), sets[0].protocol)


def test_a_protocol_that_was_changed_afterwards_is_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path / "made", SEEDS[:3])
    values = json.loads((folder / PROTOCOL).read_text(encoding="utf-8"))
    (folder / PROTOCOL).write_text(json.dumps(values | {"margin": 0.2}), encoding="utf-8")
    with pytest.raises(BenchError, match="made under another protocol"):
        of(folder)


def test_what_a_claim_is_likely_to_take() -> None:
    plan, stops = Planned(1.0, np.inf, 0.0, 1000.0), Looks()
    found = [looks.likely(plan, distance, stops, 0.025) for distance in (0.5, 1.0, 1.5, 2.0)]
    assert found[0].value == np.inf
    assert [f.value for f in found[1:]] == sorted((f.value for f in found[1:]), reverse=True)
    assert found[1].value in (11, 12)
    assert all(f.low == f.value == f.high for f in found)
    assert looks.likely(plan._replace(pooled=3), 1.5, stops, 0.025).value <= found[2].value
    assert looks.likely(plan._replace(questions=1.0), 1.5, stops, 0.025).value > found[2].value
    limited = looks.likely(plan._replace(freedom=2.0), 1.5, stops, 0.025)
    assert limited.low < limited.value
    assert limited.high == np.inf
    assert np.isnan(looks.likely(plan, 0.0, stops, 0.025).value)
