"""The one-way rule: bench -> strategies, bench -> tasks, and inside bench only downwards. Start-up stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVELS = (
    ("errors",),
    ("randomness", "processes", "plugins"),
    ("accelerator", "environment"),
    ("store",),
    ("plan",),
    ("data",),
    ("encoding", "evaluation"),
    ("models",),
    ("training",),
    ("running",),
    ("cluster",),
    ("uncertainty",),
    ("analysis",),
    ("deciding",),
    ("figures",),
    ("pages",),
    ("report",),
    ("interop",),
    ("api",),
    ("door",),
    ("cli",),
    ("__main__",),
)
"""Rooms of bench from the ground up: each imports lower ones alone; those side by side do not know each other."""

ROOM = 10
"""Files of a room of bench, ``__init__.py`` among them: one look says what is in it."""

READERS = ("uncertainty", "analysis", "deciding", "figures", "pages", "report")
MAKERS = ("data", "encoding", "models", "training", "running", "cluster")
"""What reads results knows nothing of what makes them: they meet in what is stored."""

FORMULAS = {"bench.evaluation", "bench.evaluation.measures", "bench.evaluation.bias"}
"""What readers may take of the evaluation."""

HEAVY = (
    "torch",
    "transformers",
    "mteb",
    "datasets",
    "matplotlib",
    "sentence_transformers",
    "pyarrow",
    "scipy",
    "sklearn",
    "pandas",
    "ray",
)


def imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def room_edges() -> dict[str, set[str]]:
    """Room -> modules of bench that it imports."""
    edges: dict[str, set[str]] = {}
    for path in sorted((ROOT / "bench").rglob("*.py")):
        room = path.relative_to(ROOT / "bench").parts[0].removesuffix(".py")
        names = {name for name in imports(path) if name.startswith("bench.")}
        edges.setdefault(room, set()).update(names)
    return edges


def upward(edges: dict[str, set[str]], levels: tuple[tuple[str, ...], ...]) -> list[str]:
    level = {room: i for i, rooms in enumerate(levels) for room in rooms}
    pairs = {(a, name.split(".")[1]) for a, names in edges.items() for name in names}
    return sorted(f"{a} -> {b}" for a, b in pairs if a != b and b in level and level[b] >= level[a])


def test_every_room_has_a_level() -> None:
    assert set(room_edges()) - {"__init__"} == {room for rooms in LEVELS for room in rooms}


def test_a_room_has_ten_files_at_most() -> None:
    rooms = [ROOT / "bench", *(ROOT / "bench" / room for rooms in LEVELS for room in rooms)]
    files = {room.name: len(list(room.glob("*.py"))) for room in rooms if room.is_dir()}
    assert {name: n for name, n in files.items() if n > ROOM} == {}


def test_bench_imports_only_downwards() -> None:
    edges = room_edges()
    assert {name.split(".")[1] for name in edges.pop("__init__")} == {"api", "errors"}  # when they are asked for
    assert upward(edges, LEVELS) == []


def test_an_upward_edge_is_seen() -> None:
    edges = {"low": {"bench.high.x"}, "high": {"bench.low"}, "beside": {"bench.high"}}
    assert upward(edges, (("low",), ("high", "beside"))) == ["beside -> high", "low -> high"]


def test_readers_do_not_know_the_makers() -> None:
    edges = room_edges()
    for reader in READERS:
        assert not {name.split(".")[1] for name in edges[reader]} & set(MAKERS)
        taken = {n for n in edges[reader] if n.startswith("bench.evaluation")}
        assert all(".".join(n.split(".")[:3]) in FORMULAS for n in taken), taken


def test_no_file_is_part_of_a_circle() -> None:
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts): imports(p) for p in (ROOT / "bench").rglob("*.py")}
    left = {name: {b for b in found if b in files and b != name} for name, found in files.items()}
    while ends := [name for name, found in left.items() if not found & set(left)]:
        for name in ends:
            del left[name]
    assert not left


@pytest.mark.parametrize(
    ("package", "forbidden"), [("strategies", ("bench", "tasks")), ("tasks", ("bench", "strategies"))]
)
def test_plugin_packages_import_neither_bench_nor_each_other(package: str, forbidden: tuple[str, ...]) -> None:
    for path in (ROOT / package).rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & set(forbidden), path


def test_strategies_need_numpy_alone() -> None:
    allowed = {"numpy", "strategies", *sys.stdlib_module_names}
    for path in (ROOT / "strategies").rglob("*.py"):
        assert {name.split(".")[0] for name in imports(path)} <= allowed, path


@pytest.mark.parametrize("code", [
    "import sys, strategies, tasks, bench.cli, bench.door.listing",
    "import sys, bench; bench.load; bench.run; bench.Experiment",
    "import sys, bench.api.boards, bench.api.documents, bench.analysis.leaderboard",
])  # fmt: skip
def test_start_up_is_light(code: str) -> None:
    code = f"{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


def test_importing_bench_imports_nothing() -> None:
    code = "import sys\nbefore = set(sys.modules)\nimport bench\nprint(sorted(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {name.split(".")[0] for name in out.stdout.split("'")[1::2]} <= {"bench", *sys.stdlib_module_names}


def test_no_two_files_of_tests_have_one_name() -> None:
    """They are collected as top-level modules: the second of a name would not be."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
