"""The one-way rule: bench -> strategies, bench -> tasks, and inside bench only downwards. Start-up stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVEL = {
    "errors": 0, "config": 0, "languages": 0, "seeds": 0, "measures": 0, "bias": 0, "records": 0, "schedule": 0,
    "memory": 0, "overlap": 0, "words": 0, "stats": 0, "derived": 0, "processes": 0, "checkpoint": 0,
    "shapes": 0, "model_files": 0,
    "loss": 1, "encoder": 1, "lexical": 1, "models": 1, "search": 1, "ranking": 1, "score": 1, "score_table": 1,
    "train": 1, "average": 1, "posthoc": 1, "devices": 1, "gradcache": 1, "random_states": 1, "resume": 1, "tensors": 1,
    "resolve": 2, "listing": 2, "job": 1, "cell": 2, "data": 2, "export": 2, "experiment": 2, "plots": 2,
    "leaderboard": 2, "report": 2, "pretrain": 2, "compare": 2, "values": 2, "document": 0, "labels": 0, "html": 1,
    "published": 2, "glossary": 2, "set_section": 2, "pair_section": 2, "training_section": 2, "derived_cell": 2,
    "estimate": 2, "optimizer": 1, "precision": 0, "packed": 1, "loss_scale": 1, "work": 0, "cost": 1,
    "cost_section": 2, "clock": 0, "validation": 1, "negatives": 0, "trackers": 1,
    "share_section": 2, "power_section": 2, "reproduce_section": 2, "archive": 2,
    "protocol": 0, "writing": 0, "lock": 0, "claims": 2, "parcel": 0, "dispatch": 2, "remote_cell": 2, "ray_engine": 2,
    "kept": 0, "shards": 0, "sharded": 1, "tiles": 1, "nearest": 1, "indexes": 1,
    "commands": 3, "cli": 3, "__main__": 3,
}  # fmt: skip

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


def upward_edges(level: dict[str, int], edges: dict[str, set[str]]) -> list[str]:
    return [f"{a} -> {b}" for a, targets in edges.items() for b in targets if level[b] > level[a]]


def bench_edges() -> dict[str, set[str]]:
    edges = {}
    for path in sorted((ROOT / "bench").glob("*.py")):
        if path.stem != "__init__":
            names = {name.split(".")[1] for name in imports(path) if name.startswith("bench.")}
            edges[path.stem] = names & set(LEVEL)
    return edges


def test_every_module_of_bench_has_a_level() -> None:
    assert set(bench_edges()) == set(LEVEL)


def test_bench_imports_only_downwards() -> None:
    assert upward_edges(LEVEL, bench_edges()) == []


def test_an_upward_edge_is_seen() -> None:
    assert upward_edges({"low": 0, "high": 1}, {"low": {"high"}, "high": {"low"}}) == ["low -> high"]


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


def test_start_up_is_light() -> None:
    code = f"import sys, strategies, tasks, bench.cli, bench.listing; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"
