"""Cells that travel as files come out as they were, and never outside of their folder."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.store import copies

NAME = st.text("abc-.", min_size=1, max_size=5).filter(lambda name: not name.startswith("."))
PATHS = st.lists(NAME, min_size=1, max_size=3).map(lambda parts: "/".join(["cell-a", *parts]))


def whole(paths: list[str]) -> bool:
    """No file is another one's folder."""
    return not any(a != b and b.startswith(f"{a}/") for a in paths for b in paths)


@settings(deadline=None)
@given(st.dictionaries(PATHS, st.binary(max_size=20), min_size=1).filter(lambda files: whole(list(files))))
def test_what_is_packed_is_unpacked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("parcel")
    copies.unpack(files, folder / "one")
    assert copies.pack(folder / "one", ["cell-a", "cell-b"]) == files
    copies.store(files, folder / "two", "cell-a")
    assert copies.pack(folder / "two", ["cell-a"]) == files
    copies.store({"cell-a/done": b"later"}, folder / "two", "cell-a")
    assert copies.pack(folder / "two", ["cell-a"]) == {"cell-a/done": b"later"}
    assert [p.name for p in (folder / "two").iterdir()] == ["cell-a"]


@pytest.mark.parametrize("name", [
    "../up", "cell-a/../../up", "/etc/up", "cell-a//up", "cell-a/./up", "", "cell-a/", "cell-a/.hidden",
    "cell-a\\..\\up", "c:up", "cell-a/\0", "..",
])  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_and_nothing_is_stored(tmp_path: Path, name: str) -> None:
    for put in (lambda: copies.store({"cell-a/done": b"", name: b""}, tmp_path, "cell-a"),
                lambda: copies.unpack({name: b""}, tmp_path)):  # fmt: skip
        with pytest.raises(BenchError, match="nothing of it was stored"):
            put()
    assert list(tmp_path.iterdir()) == []


def test_only_the_cell_that_was_run_is_stored(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="the cell it ran, cell-a; got 'cell-b/done'"):
        copies.store({"cell-a/done": b"", "cell-b/done": b""}, tmp_path, "cell-a")
    assert list(tmp_path.iterdir()) == []


def test_links_and_what_is_being_written_stay_behind(tmp_path: Path) -> None:
    cell = tmp_path / "cell-a"
    (cell / ".model.partial-1").mkdir(parents=True)
    (cell / ".model.partial-1" / "half").write_bytes(b"")
    (cell / "done").write_bytes(b"1")
    (tmp_path / "secret").write_bytes(b"2")
    (cell / "link").symlink_to(tmp_path / "secret")
    assert copies.pack(tmp_path, ["cell-a"]) == {"cell-a/done": b"1"}
