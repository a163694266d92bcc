"""Files of results that this program did not write, or not like this: one line, whatever they hold."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.analysis import leaderboard
from bench.analysis.compare import compare
from bench.analysis.set_scores import read_sets
from bench.errors import BenchError
from bench.report.report import write_report
from bench.store import checkpoints, json_files
from bench.store.cells import read_cells
from bench.store.json_files import typed
from bench.training.resume import stored_states
from tests.bench.made_up import make_cell, undrawn


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("bench.figures.plots.draw", undrawn)
    make_cell(tmp_path / "made", "mono()", 0, 0.0)
    return make_cell(tmp_path / "made", "hybrid()", 0, 0.1)


def use(cell: Path) -> None:
    """Read an experiment in every way."""
    cells = read_cells(cell.parent)
    leaderboard.leaderboard(read_sets(cells)[0], "AP")
    compare(cells, "hybrid", "mono", None, 0.01)
    write_report(cell.parent, cell.parent.parent / "report")


DEEP = "[" * 100_000


@pytest.mark.parametrize(("name", "text", "message"), [
    ("config.json", DEEP, r"config\.json: JSON nested too deeply"),
    ("config.json", '{"schema": 1}', r"config\.json: not as this program writes it: it has no 'strategy'"),
    ("config.json", '{"schema": 1, "strategy": "\\ud800"}', "holds half of a surrogate pair"),
    ("config.json", '{"schema": 1, "schema": 1}', "the key 'schema' comes up twice"),
    ("config.json", '{"schema": true, "strategy": 3}', "it has no 'trained'"),
    ("done", "[]", "a JSON object is expected; got list"),
    ("done", '{"weights_sha256": "0", "seconds": {"a": "b"}}', "'a' of seconds is a whole number or a number; got 'b'"),
    ("done", '{"weights_sha256": "0", "seconds": {}, "peak_memory_mb": [1]}', "peak_memory_mb is a table; got .1."),
    ("steps.jsonl", DEEP, r"steps\.jsonl: not readable \(RecursionError"),
    ("steps.jsonl", "", r"steps\.jsonl: no step is logged"),
    ("steps.jsonl", "3", r"steps\.jsonl: .*a line is a table; got 3"),
    ("steps.jsonl", '{"loss": null, "rows_per_s": 1, "padding": 0}', "a line has no 'pairs'"),
    ("cost.json", '{"seconds": [1], "flops": ""}', r"cost\.json: not as this program writes it: seconds is a table"),
    ("validation.jsonl", '{"step": 1, "mean": "0.5"}', "mean is a number; got '0.5'"),
    ("../findings.md", "\udcff", r"findings\.md: not readable"),
    ("batches.json", "{}", r"batches\.json: not as this program writes it: it has no 'pairs'"),
    ("batches.json", json.dumps({"pairs": {}, "mono_batches": 1, "steps": 1, "rows": 1, "same_group_rows": 0,
                                 "sha256": ""}), "no language pair was drawn"),
    ("../protocol.json", DEEP, r"protocol\.json: JSON nested too deeply"),
])  # fmt: skip
def test_files_of_a_cell(made: Path, name: str, text: str, message: str) -> None:
    (made / name).write_text(text, errors="surrogateescape")
    with pytest.raises(BenchError, match=message):
        use(made)


def test_a_diverged_training_is_shown(made: Path) -> None:
    (made / "steps.jsonl").write_text('{"loss": NaN, "rows_per_s": 1, "padding": 0, "pairs": {"en-en": 2}}\n')
    use(made)


def rewritten(cell: Path, change: Any) -> None:
    path = cell / "scores" / "toy@1.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def said(about: dict[str, Any]) -> Any:
    def change(table: pa.Table) -> pa.Table:
        stored = json.loads(table.schema.metadata[b"bench"])
        return table.replace_schema_metadata({"bench": json.dumps(stored | about)})

    return change


SET = {"main": "AP", "passages": {"en": 1}}


@pytest.mark.parametrize(("change", "message"), [
    (said({"sets": {"../../up": SET}}), r"a set becomes the name of a file.*got '\.\./\.\./up'"),
    (said({"sets": {"toy": {"main": "XX", "passages": {}}}}), "its main measure is one of .*; got 'XX'"),
    (said({"sets": {"toy": {"main": "AP", "passages": {"en": "1"}}}}), "'en' of passages is a whole number; got '1'"),
    (said({"sets": {"other": SET}}), "no row of the set 'other'"),
    (said({"sets": []}), "sets is a table; got"),
    (said({"files": {"a": float("nan")}}), "NaN is no number of JSON"),
    (lambda t: t.slice(0, 0), "no row of the set 'toy'"),
    (lambda t: t.set_column(0, "set", pa.array([1] * t.num_rows)), "set of another type"),
    (lambda t: t.set_column(t.column_names.index("AP"), "AP", pa.array(["x"] * t.num_rows)), "AP of another type"),
    (lambda t: t.set_column(t.column_names.index("group"), "group", pa.array([None] * t.num_rows, pa.string())),
     "rows of the set 'toy' without"),
    (lambda t: t.drop_columns(["q_lang"]), "no column q_lang"),
])  # fmt: skip
def test_scores_files(made: Path, change: Any, message: str) -> None:
    for cell in made.parent.iterdir():
        rewritten(cell, change)
    with pytest.raises(BenchError, match=message):
        use(made)


def test_names_with_dollars_are_drawn_as_they_are(tmp_path: Path) -> None:
    for label in ("mono()", "hybrid$x_{$()"):
        make_cell(tmp_path / "made", label, 0, 0.1)
    assert write_report(tmp_path / "made", tmp_path / "report").is_file()


STATE: dict[str, Any] = {
    "schema": 1, "step": 3, "owner": {"cell": "c"}, "batches_sha256": "0", "resumed_at": [], "files": {},
    "scalars": {"optimizer": {"dict": []}, "scheduler": {"dict": []}},
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [
    ({"step": "3"}, "step is a whole number; got '3'"),
    ({"step": 4}, "damaged, it is of step 4"),
    ({"files": {"../../etc/passwd": "0"}}, "a file of the checkpoint becomes the name of a file"),
    ({"files": ["a"]}, "files is a table; got"),
    ({"resumed_at": "x"}, "resumed_at is a list; got 'x'"),
    ({"scalars": {"optimizer": 3, "scheduler": {}}}, "optimizer is a table; got 3"),
    ({"scalars": {"optimizer": {"tensor": "none"}, "scheduler": {}}}, "not what training stores"),
    ({"scalars": {"optimizer": {"dict": [3]}, "scheduler": {}}}, "not what training stores"),
    ({"scalars": {"optimizer": {"a": 1, "b": 2}, "scheduler": {}}}, "not what training stores"),
])  # fmt: skip
def test_a_checkpoint_whose_digest_fits(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "c" / "step-00000003"
    path.mkdir(parents=True)
    save_file({"t": torch.ones(1)}, path / "training.safetensors")
    state = STATE | change
    (path / "state.json").write_text(json.dumps({**state, "sha256": json_files.hash64(state)}))

    def resumed() -> None:
        found = checkpoints.find(tmp_path / "c", {"cell": "c"})
        assert found is not None
        stored_states(found)

    with pytest.raises(BenchError, match=message) as raised:
        resumed()
    assert "without --resume" in str(raised.value) or "name of a file" in message


@pytest.mark.parametrize("text", [DEEP, "[]", '{"sha256": 3}', '{"a": "\\ud800"}', "", "\x00"])
def test_a_state_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c" / "step-00000003"
    path.mkdir(parents=True)
    (path / "state.json").write_text(text)
    with pytest.raises(BenchError, match="damaged"):
        checkpoints.find(tmp_path / "c", {})


class Part(NamedTuple):
    share: float
    note: str | None = None


class Whole(NamedTuple):
    parts: tuple[Part, ...]
    sizes: dict[str, int]
    anything: object = None
    peak: int | float = 0


def test_plain_values_become_what_their_type_hints_say() -> None:
    given = {"parts": [{"share": 1}, {"share": 0.5, "note": "half"}], "sizes": {"a": 1}, "anything": [{}], "peak": 3}
    found = typed(Whole, given, "f")
    assert found == Whole((Part(1.0), Part(0.5, "half")), {"a": 1}, [{}], 3)
    assert type(found.parts[0].share) is float
    assert type(found.peak) is int
    assert typed(Whole, {**given, "newer": 1}, "f", more=True) == found


@pytest.mark.parametrize(("change", "message"), [
    ({"parts": {}}, "f: parts is a list; got {}"),
    ({"parts": [3]}, "f: a part of parts is a table; got 3"),
    ({"parts": [{"note": None}]}, "f: a part of parts has no 'share', which it needs"),
    ({"parts": [{"share": True}]}, "f: share is a number; got True"),
    ({"parts": [{"share": 1 << 60}]}, "f: share is a number; got 1152921504606846976"),
    ({"parts": [{"share": 1, "note": 2}]}, "f: note is text or nothing; got 2"),
    ({"sizes": {"a": 1.0}}, "f: 'a' of sizes is a whole number; got 1.0"),
    ({"sizes": {"a": False}}, "f: 'a' of sizes is a whole number; got False"),
    ({"newer": 1}, "f: it has no 'newer'; there are anything, parts, peak, sizes"),
])  # fmt: skip
def test_plain_values_that_do_not_fit_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError) as raised:
        typed(Whole, {"parts": [], "sizes": {}} | change, "f")
    assert str(raised.value) == message
