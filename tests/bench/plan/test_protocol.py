"""Sets, claims and margin are fixed before the first run."""

import dataclasses
import json
from pathlib import Path

import pytest

from bench.data.loading import judged_sets, load_task
from bench.errors import BenchError
from bench.plan.presets import load_plan
from bench.plan.protocol import (
    Claim,
    FixedClaim,
    JudgedSet,
    Looks,
    Protocol,
    digest_of,
    keep_protocol,
    read_protocol,
    require_in_order,
    require_same_protocol,
)
from bench.store.cells import PROTOCOL
from tasks.demo import Demo

ROOT = Path(__file__).parents[3]
NEAR = JudgedSet("near", "near@1 0", "AP", ("mono", "cross", "multi"))
PART = JudgedSet("part", "near@1 0", "AP", ("mono", "multi"), part_of="near")
FAR = JudgedSet("far", "far@1 0", "nDCG@10", ("mono",))


def test_what_a_preset_states_is_kept_with_the_sets_and_read_back(tmp_path: Path) -> None:
    stated = load_plan("demo", {}).protocol
    assert stated is not None
    assert stated.out_of_domain == ("demo-ood",)
    keep_protocol(tmp_path, stated, [NEAR, FAR])
    kept = read_protocol(tmp_path)
    assert kept == stated.fixed([NEAR, FAR])
    assert kept.edition == 2
    keep_protocol(tmp_path, None, [NEAR])
    keep_protocol(tmp_path, stated, [])
    assert read_protocol(tmp_path) == kept


def test_per_question_there_is_one_claim_in_each_domain() -> None:
    fixed = Protocol(out_of_domain=("far",)).fixed([NEAR, PART, FAR])
    assert [(c.b, c.domain, c.sets, c.settings, c.bound) for c in fixed.claims] == [
        ("mono", "in", ("near",), ("cross", "multi"), 0.0), ("mono", "in", ("near",), ("mono",), -0.01),
        ("mono", "out", ("far",), ("mono",), -0.01), ("cross", "in", ("near",), ("mono",), 0.0),
        ("cross", "out", ("far",), ("mono",), 0.0), ("cross", "in", ("near",), ("cross", "multi"), -0.01),
    ]  # fmt: skip
    assert sum(c.weight for c in fixed.claims) == pytest.approx(1)
    assert [s.domain for s in fixed.sets] == ["out", "in", "in"]


def test_the_sets_of_a_task_as_they_are_read() -> None:
    found = {s.name: s for s in judged_sets([load_task(Demo(), None, False, print)], "+flat-100")}
    assert {name: s.part_of for name, s in found.items()} == {
        "demo+flat-100": "", "demo-seen+flat-100": "demo+flat-100", "demo-ood+flat-100": "",
    }  # fmt: skip
    assert {s.settings for s in found.values()} == {("mono", "cross", "multi")}
    assert {s.measure for s in found.values()} == {"AP"}
    assert len({s.data for s in found.values()}) == 1


def test_the_first_edition_keeps_reading() -> None:
    kept = read_protocol(ROOT / "results" / "study")
    assert (kept.edition, kept.sets, kept.claims, kept.looks) == (1, (), (), None)
    require_same_protocol(ROOT / "results" / "study", load_plan("study", {}).protocol)


def test_it_stands_once_it_was_written(tmp_path: Path) -> None:
    keep_protocol(tmp_path, Protocol(margin=0.02), [NEAR])
    before = digest_of(tmp_path)
    for other, what in (
        (Protocol(margin=0.03), "margin"), (Protocol(0.02, spread="pair"), "spread"),
        (Protocol(0.02, looks=Looks()), "looks"), (Protocol(0.02, out_of_domain=("near",)), "out_of_domain"),
    ):  # fmt: skip
        with pytest.raises(BenchError, match=f"fixed before the first run.* has other {what}"):
            keep_protocol(tmp_path, other, [NEAR])
    assert digest_of(tmp_path) == before


def test_where_trainings_are_run_until_settled_other_data_and_measures_of_its_sets_are_refused(tmp_path: Path) -> None:
    stated = Protocol(looks=Looks())
    keep_protocol(tmp_path, stated, [NEAR])
    keep_protocol(tmp_path, stated, [FAR])
    for change in ({"data": "near@2 1"}, {"measure": "nDCG@10"}):
        with pytest.raises(BenchError, match="fixes near as near@1 0, AP; here it is"):
            keep_protocol(tmp_path, stated, [dataclasses.replace(NEAR, **change)])
    assert [s.name for s in read_protocol(tmp_path).sets] == ["near"], "what comes later is exploratory"


def test_elsewhere_changed_data_are_recorded_with_their_set(tmp_path: Path) -> None:
    keep_protocol(tmp_path, None, [NEAR])
    other = dataclasses.replace(NEAR, data="near@2 1")
    keep_protocol(tmp_path, None, [other, FAR])
    assert read_protocol(tmp_path).sets == (other,)


def test_the_default_where_nothing_was_written(tmp_path: Path) -> None:
    assert read_protocol(tmp_path) == Protocol()
    assert digest_of(tmp_path) == ""
    require_in_order(tmp_path, [7, 3])


def test_trainings_come_in_order_where_they_stop(tmp_path: Path) -> None:
    keep_protocol(tmp_path, Protocol(looks=Looks((3, 1, 2, 0))), [NEAR])
    for seeds in ((3,), (3, 1, 2), (3, 1, 2, 0)):
        require_in_order(tmp_path, seeds)
    for seeds in ((1,), (3, 2), (0, 1, 2, 3), (3, 1, 2, 0, 5)):
        with pytest.raises(BenchError, match="none can be left out"):
            require_in_order(tmp_path, seeds)


def test_the_digest_is_that_of_what_stands_in_the_file(tmp_path: Path) -> None:
    keep_protocol(tmp_path, None, [NEAR])
    before, path = digest_of(tmp_path), tmp_path / PROTOCOL
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values), encoding="utf-8")
    assert digest_of(tmp_path) == before
    path.write_text(json.dumps(values | {"margin": 0.011}), encoding="utf-8")
    assert digest_of(tmp_path) != before


@pytest.mark.parametrize(("text", "message"), [
    ("margin = 2.0", "margin is a difference"),
    ('margin = "small"', "margin is a number"),
    ("wrong = 1", "protocol has no 'wrong'"),
    ('out_of_domain = "demo"', "out_of_domain is a list"),
    ('primary = [{a = "hybrid"}]', "has no 'b'"),
    ('primary = [{a = "x", b = "y", superior = ["mono"], non_inferior = ["mono"]}]', "at most once"),
    ('primary = [{a = "x", b = "y", superior = ["bad"]}]', "names each of mono, cross, multi"),
    ('primary = [{a = "x", b = "y"}]', "names each of mono, cross, multi"),
    ('spread = "mine"', "spread is pooled or pair"), ("edition = 3", "edition is 1 or 2"),
    ("looks = {first = 2}", "from the third on"), ("looks = {seeds = [1, 1, 2]}", "its own seed"),
    ("looks = {seeds = [1, 2]}", "from the third on"), ('looks = {spending = "Pocock"}', "spent as O'Brien-Fleming"),
    ('claims = [{a = "x", b = "y", domain = "in", sets = ["s"], settings = ["mono"], bound = 0.0, weight = 0.5}]',
     "sum to one"),
    ('claims = [{a = "x", b = "y", domain = "in", sets = ["s"], settings = ["mono"], bound = 0.01, weight = 1.0}]',
     "a bound of 0 or minus its margin; got 'in'.* 0.01"),
    ('claims = [{a = "x", b = "y", domain = "far", sets = ["s"], settings = ["mono"], bound = 0.0, weight = 1.0}]',
     "the domain in or out.* got 'far'"),
    ('claims = [{a = "x", b = "y", domain = "in", sets = [], settings = ["mono"], bound = 0.0, weight = 1.0}]',
     "names sets"),
    ('claims = [{a = "x", b = "y", domain = "in", sets = ["s"], settings = ["all"], bound = 0.0, weight = 1.0}]',
     "some of mono, cross, multi"),
])  # fmt: skip
def test_what_it_refuses(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'strategies = ["mono"]\n[protocol]\n{text}\n', encoding="utf-8")
    with pytest.raises(BenchError, match=message):
        load_plan(str(path), {})


def test_claims_by_hand_are_not_made_from_questions() -> None:
    mine = FixedClaim("x", "y", "in", ("near",), ("mono",), -0.02, 1.0)
    fixed = Protocol(claims=(mine,)).fixed([NEAR, FAR])
    assert fixed.claims == (mine,)
    assert fixed.strategies == ("x", "y")
    assert Claim("hybrid", "mono", ("multi",)).non_inferior == ()


def test_where_claims_are_by_hand_the_family_that_they_are_not_of_may_be_another(tmp_path: Path) -> None:
    mine = FixedClaim("x", "y", "in", ("near",), ("mono",), -0.02, 1.0)
    stated = Protocol(claims=(mine,), looks=Looks())
    keep_protocol(
        tmp_path, dataclasses.replace(stated, primary=()), [NEAR]
    )  # --until settled leaves out what is not run
    keep_protocol(tmp_path, stated, [NEAR])
    with pytest.raises(BenchError, match="has other claims;"):
        keep_protocol(tmp_path, dataclasses.replace(stated, claims=(dataclasses.replace(mine, bound=0.0),)), [NEAR])


@pytest.mark.parametrize(("change", "message"), [
    ({"sets": ("near", "other")}, r"is about other \(in\); the tasks have far, near"),
    ({"sets": ("far",)}, r"is about far \(in\), cross; by out_of_domain it is out, and it has mono"),
    ({"sets": ("far",), "domain": "out"}, r"is about far \(out\), cross; .* it has mono"),
])  # fmt: skip
def test_claims_by_hand_are_about_what_the_tasks_have(change: dict[str, object], message: str) -> None:
    mine = FixedClaim("x", "y", "in", ("near",), ("cross",), -0.02, 1.0)
    stated = Protocol(claims=(mine,), out_of_domain=("far",))
    assert stated.fixed([NEAR, FAR]).claims == (mine,)
    with pytest.raises(BenchError, match=message):
        dataclasses.replace(stated, claims=(dataclasses.replace(mine, **change),)).fixed([NEAR, FAR])
