from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.models import folder
from bench.store import cells, json_files
from bench.store.writing import require_writable, written_aside


def test_cell_names_depend_on_identity_not_on_key_order() -> None:
    a = cells.cell_name("hybrid(alpha=0.5)", {"x": 1, "y": [2]}, 3)
    assert a == cells.cell_name("hybrid(alpha=0.5)", {"y": [2], "x": 1}, 3)
    assert a.startswith("hybrid-")
    assert a.endswith("-s3")
    assert a != cells.cell_name("hybrid(alpha=0.5)", {"x": 2, "y": [2]}, 3)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    json_files.write_json(target, {"a": 1})

    def fail() -> None:
        with written_aside(target) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert json_files.read_json(target) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"file.*cannot be written"):
        require_writable(tmp_path / "file" / "below")


def test_cells_of_another_schema_or_without_config(tmp_path: Path) -> None:
    (tmp_path / "stray").mkdir()
    assert cells.read_cells(tmp_path) == []
    json_files.write_json(tmp_path / "old-12345678-s0" / "config.json", {"schema": 0})
    with pytest.raises(BenchError, match="written by another version"):
        cells.read_cells(tmp_path)
    with pytest.raises(BenchError, match=r"no results in .*none; .* has"):
        cells.read_cells(tmp_path / "none")


def test_folder_hash_sees_weights_and_names(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    first = folder.folder_hash(tmp_path)
    (tmp_path / "notes.md").write_text("ignored")
    assert folder.folder_hash(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert folder.folder_hash(tmp_path) != first
