"""What there is to choose from, for ``python -m bench list``. Imports no torch."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import entry_points

from bench.plan import presets, settings
from bench.plan.derived import DERIVED
from strategies import STRATEGIES
from tasks import SOURCE_FAMILIES, SOURCES, TASK_FAMILIES, TASKS
from tasks.held_out import HeldOut
from tasks.parallel_jsonl import from_path

MODELS = {
    **settings.BUILT_IN,
    "char-tfidf": "baseline for evaluate: character n-grams, knows no language",
    "bm25": "baseline for evaluate: words, matched by BM25 (extra 'bm25')",
    "<folder>": "any folder that sentence-transformers opens",
    "<owner/name>": "the same from the Hub",
}


def table(what: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows."""
    if what == "strategies":
        rows = [[name, repr(cls()), _first_line(cls)] for name, cls in STRATEGIES.items()]
        return ["name", "signature", "what it does"], rows + _derived() + _plugins("bench.strategies")
    if what == "tasks":
        rows = [[name, _first_line(make)] for name, make in TASKS.items()]
        rows += [[f"{family}:<name>", _first_line(make)] for family, make in TASK_FAMILIES.items()]
        rows.append(["held-out:<source>", _first_line(HeldOut)])
        return ["name", "what it is"], rows + [r[:2] for r in _plugins("bench.tasks")]
    if what == "sources":
        return ["name", "what it is", "version", "licence"], _sources()
    if what == "models":
        return ["name", "what it is"], [[name, text] for name, text in MODELS.items()]
    return ["name", "what it is"], [[name, presets.about(name)] for name in presets.presets()]


def _sources() -> list[list[str]]:
    rows = [[s.name, s.about or _first_line(type(s)), s.version, s.licence] for s in (m() for m in SOURCES.values())]
    families = {f"{family}:<name>": _first_line(make) for family, make in SOURCE_FAMILIES.items()}
    families["<file>.jsonl[.gz]"] = _first_line(from_path)
    return (
        rows
        + [[name, about, "", ""] for name, about in families.items()]
        + [[name, value, "", what] for name, value, what in _plugins("bench.sources")]
    )


def _derived() -> list[list[str]]:
    """Expressions that are made of strategies, with their parameters' defaults."""
    rows = []
    for name, kind in DERIVED.items():
        inner = "mono, cross" if name == "merge" else "mono"
        given = [f"{f.name}={f.default!r}" for f in fields(kind) if f.name != "parents"]
        rows.append([name, f"{name}({', '.join([inner, *given])})", f"derived: {_first_line(kind)}"])
    return rows


def _plugins(group: str) -> list[list[str]]:
    return [[point.name, point.value, "plugin"] for point in entry_points(group=group)]


def _first_line(made: object) -> str:
    return (made.__doc__ or "").strip().split("\n")[0]
