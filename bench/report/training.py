"""Losses, batch audit, cost, what was not run, signature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.strategies import short
from bench.errors import BenchError
from bench.plan.derived import explained, is_derived
from bench.report.document import Block, Code, Curve, Curves, Figure, Heading, Table, Text
from bench.store import json_files
from bench.store.cells import BATCHES, COST, STEPS, VALIDATION, Cell
from bench.store.json_files import NUMBER, require_shape
from strategies import STRATEGIES

COST_HEADER = ("cell", "threads", "load s", "train s", "score s", "rows/s", "tokens/s", "padding", "GFLOP a step",
               "GFLOP/s", "peak MB, training", "peak MB, scoring")  # fmt: skip


def cost_section(logs: Mapping[str, Sequence[Mapping[str, float]]], cells: Sequence[Cell]) -> list[Block]:
    """``logs`` holds the logged steps of the cells (by folder name) that were trained; [] where none was."""
    rows = [_row(cell, logs[cell.path.name]) for cell in cells if cell.path.name in logs]
    if not rows:
        return []
    formulas = {str(_cost(cell)["flops"]) for cell in cells if (cell.path / COST).is_file()}
    said = "Medians over the steps; padding and operations are means. Speed is of the machine and what else it did."
    counted = [f"Operations of a step, counted: {formula}." for formula in sorted(formulas)]
    return [Heading(2, "Cost"), Text(" ".join([said, *counted])), Table(COST_HEADER, rows)]


def _cost(cell: Cell) -> dict[str, object]:
    path = cell.path / COST
    if not path.is_file():
        return {}
    stored = json_files.read_json(path)
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
    require_shape(values, [NUMBER], STEPS, name)
    return values


def _numbers(value: object) -> dict[str, float]:
    return dict(value) if isinstance(value, dict) else {}


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


AUDIT = ("cell", "mono batches", "rows", "pairs seen", "least / most frequent pair", "same-group rows", "schedule")


STEP = {"loss": NUMBER, "rows_per_s": NUMBER, "padding": NUMBER, "pairs": {str: int}}


VALIDATED = {"step": int, "mean": NUMBER}


AUDITED = {"pairs": {str: int}, "mono_batches": int, "steps": int, "rows": int, "same_group_rows": int, "sha256": str}


def training_section(cells: Sequence[Cell]) -> list[Block]:
    """How cells were derived from others, loss curves and the audit of the batches; [] where nothing was trained."""
    trained = [c for c in cells if (c.path / STEPS).is_file()]
    made = {f"- `{short(c.label)}`: {short(explained(c.config))}." for c in cells if is_derived(c.config)}
    derived: list[Block] = [Heading(2, "Derived from others"), Text("\n".join(sorted(made)))] if made else []
    if not trained:
        return derived
    losses: dict[str, list[list[float]]] = {}
    logs = {cell.path.name: _lines(cell.path / STEPS, STEP) for cell in trained}
    for cell in trained:
        losses.setdefault(short(cell.label), []).append([s["loss"] for s in logs[cell.path.name]])
    blocks: list[Block] = [*derived, Heading(2, "Training")]
    lengths = {len(run) for runs in losses.values() for run in runs}
    if len(lengths) == 1:
        means = {label: smooth(np.mean(runs, axis=0)) for label, runs in losses.items()}
        alt = "training loss per step, mean over seeds; not comparable between strategies: the batches differ"
        blocks.append(Figure("loss", alt, Curves(means, "step", "InfoNCE loss (nats)")))
    blocks += _learning_curves(trained)
    said = "Batch audit: what each strategy drew. Equal digests are equal schedules."
    blocks += [Text(said), Table(AUDIT, [_audit_row(cell) for cell in trained])]
    return blocks + cost_section(logs, trained)


def smooth(values: NDArray[np.float64]) -> Curve:
    """Values of the steps 1, 2, ..., as a running mean over 1/50 of the length."""
    window = max(1, len(values) // 50)
    means = np.convolve(values, np.ones(window) / window, mode="valid")
    return tuple(np.arange(len(means), dtype=np.float64) + window), tuple(means.tolist())


def _learning_curves(cells: Sequence[Cell]) -> list[Block]:
    """Scores of held-out items while training, mean over seeds; [] where none were made."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for cell in cells:
        if (cell.path / VALIDATION).is_file():
            found.setdefault(short(cell.label), []).append(_lines(cell.path / VALIDATION, VALIDATED))
    alike = {label: runs for label, runs in found.items() if len({tuple(s["step"] for s in run) for run in runs}) == 1}
    if not alike:
        return []
    series = {
        label: (
            tuple(float(s["step"]) for s in runs[0]),
            tuple(np.mean([[s["mean"] for s in run] for run in runs], axis=0).tolist()),
        )
        for label, runs in alike.items()
    }
    alt = (
        "mean AP of held-out items of the training sources, over settings and sources, while training; mean over seeds"
    )
    drawing = Curves(series, "step", "AP of held-out items", marker="o")
    said = (
        "Held-out items of the training sources, for choosing settings and weights; strategies are not judged by them."
    )
    return [Figure("validation", alt, drawing), Text(said)]


def _lines(path: Path, shape: Mapping[str, object]) -> list[dict[str, Any]]:
    """The log of a training; a loss may be NaN there, where it diverged.

    Raises:
        BenchError: not what training writes.
    """
    again = "delete the cell's folder to run it again"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"{path}: not readable ({type(error).__name__}: {error}); {again}") from None
    if not lines:
        raise BenchError(f"{path}: no step is logged; {again}")
    require_shape(lines, [dict(shape)], str(path))
    return lines


def _audit_row(cell: Cell) -> list[str]:
    path = cell.path / BATCHES
    audit = json_files.read_json(path)
    require_shape(audit, AUDITED, str(path))
    pairs = audit["pairs"]
    assert isinstance(pairs, dict)
    if not pairs:
        raise BenchError(f"{path}: no language pair was drawn; delete the cell's folder to run it again")
    ordered = sorted(pairs.items(), key=lambda pair: (pair[1], pair[0]))
    extremes = f"{ordered[0][0]} {ordered[0][1]:,} / {ordered[-1][0]} {ordered[-1][1]:,}"
    mono = f"{audit['mono_batches']:,} of {audit['steps']:,}"
    return [cell.path.name, mono, f"{audit['rows']:,}", str(len(pairs)), extremes,
            str(audit["same_group_rows"]), str(audit["sha256"])[:12]]  # fmt: skip


def not_run(cells: Sequence[Cell], claimed: Sequence[str]) -> list[Block]:
    """What a reader may look for in vain. ``claimed`` names the strategies of the primary family."""
    trained = [c for c in cells if c.config["trained"]]
    lines = []
    if len({c.seed for c in trained}) == 1:
        lines.append("- Other seeds: with one seed nothing can be said about the spread between trainings.")
    ran = {c.label.split("(")[0] for c in cells}
    missing = [name for name in dict.fromkeys(claimed) if name.split("(")[0] not in ran]
    if missing:
        lines.append(f"- Strategies of the primary family: {', '.join(missing)}; claims about them are open.")
    lines.append("- Tests outside of the primary family: 'python -m bench compare A B' makes them.")
    absent = [name for name in STRATEGIES if name not in ran and name not in missing]
    if absent:
        lines.append(f"- Strategies that ship and were not run: {', '.join(absent)}.")
    return [Heading(2, "What was not run"), Text("\n".join(lines))]


def signature(cells: Sequence[Cell]) -> list[Block]:
    """Commands, settings, versions, checksums of data and weights."""
    commands = list(dict.fromkeys(str(c.config["command"]) for c in cells))
    shown: dict[str, None] = {}
    for cell in cells:
        config = cell.config
        fixed = {k: config[k] for k in ("settings", "languages", "items", "sources", "model", "environment", "threads")}
        if config["trained"]:
            shown[json.dumps(fixed, indent=1, sort_keys=True, ensure_ascii=False)] = None
    weights = "; ".join(f"{c.path.name} {str((c.done or {}).get('weights_sha256'))[:16]}" for c in cells)
    return [
        Heading(2, "Signature"),
        Text("Commands:"),
        Code("\n".join(commands), "bash"),
        *(Code(text, "json") for text in shown),
        Text(f"Weights (sha256): {weights}"),
    ]
