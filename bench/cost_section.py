"""The report's table of what the trainings cost: counted where it can be, measured where it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench import records
from bench.document import Block, Heading, Table, Text
from bench.records import Cell
from bench.shapes import NUMBER, require_shape

HEADER = ("cell", "threads", "load s", "train s", "score s", "rows/s", "tokens/s", "padding", "GFLOP a step", "GFLOP/s",
          "peak MB, training", "peak MB, scoring")  # fmt: skip

COST = "cost.json"
"""In a cell's folder: seconds of loading, training and saving, and the formula behind the operations."""


def cost_section(logs: Mapping[str, Sequence[Mapping[str, float]]], cells: Sequence[Cell]) -> list[Block]:
    """``logs`` holds the logged steps of the cells (by folder name) that were trained; [] where none was."""
    rows = [_row(cell, logs[cell.path.name]) for cell in cells if cell.path.name in logs]
    if not rows:
        return []
    formulas = {str(_cost(cell)["flops"]) for cell in cells if (cell.path / COST).is_file()}
    said = "Medians over the steps; padding and operations are means. Speed is of the machine and what else it did."
    counted = [f"Operations of a step, counted: {formula}." for formula in sorted(formulas)]
    return [Heading(2, "Cost"), Text(" ".join([said, *counted])), Table(HEADER, rows)]


def _cost(cell: Cell) -> dict[str, object]:
    path = cell.path / COST
    if not path.is_file():
        return {}
    stored = records.read_json(path)
    require_shape(stored, {"seconds": {str: NUMBER}, "flops": str}, str(path))
    return stored


def _row(cell: Cell, steps: Sequence[Mapping[str, float]]) -> list[str]:
    done = cell.done or {}
    seconds, peaks, own = (_numbers(x) for x in (done.get("seconds"), done.get("peak_memory_mb"),
                                                 _cost(cell).get("seconds")))  # fmt: skip
    seconds = seconds | own
    scored, scoring = (
        [value for name, value in part.items() if name.startswith("score ")] for part in (seconds, peaks)
    )
    rate = float(np.median([step["rows_per_s"] for step in steps]))
    tokens = _each(steps, "tokens_per_s")
    flops = _each(steps, "flops")
    per_second = [f * step["rows_per_s"] / _rows(step) for f, step in zip(flops, steps, strict=False)]
    return [
        cell.path.name, str(cell.config.get("threads", "-")),
        _shown(seconds.get("load"), ",.1f"), _shown(seconds.get("train"), ",.0f"),
        _shown(sum(scored) if scored else None, ",.0f"), f"{rate:,.1f}",
        _shown(float(np.median(tokens)) if tokens else None, ",.0f"),
        f"{np.mean([step['padding'] for step in steps]):.0%}",
        _shown(float(np.mean(flops)) / 1e9 if flops else None, ",.1f"),
        _shown(float(np.median(per_second)) / 1e9 if flops else None, ",.1f"),
        _shown(peaks.get("train"), ",.0f"), _shown(max(scoring, default=None), ",.0f"),
    ]  # fmt: skip


def _rows(step: Mapping[str, object]) -> int:
    pairs = step["pairs"]
    assert isinstance(pairs, dict)
    return sum(pairs.values())


def _each(steps: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """A logged value of every step; [] where a cell was trained before it was logged."""
    values = [step[name] for step in steps if name in step]
    require_shape(values, [NUMBER], "steps.jsonl", name)
    return values


def _numbers(value: object) -> dict[str, float]:
    return dict(value) if isinstance(value, dict) else {}


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
