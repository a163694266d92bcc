"""Losses, batch audit, cost, what was not run, signature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.analysis.strategies import named, short
from bench.errors import BenchError
from bench.figures.shapes import Curve, Curves
from bench.pages.document import Block, Code, Figure, Fold, Heading, Table, Text
from bench.plan.derived import explained
from bench.store import json_files
from bench.store.cells import BATCHES, COST, STEPS, VALIDATION, Cell, Done
from bench.store.json_files import ANOTHER_RUN
from strategies import STRATEGIES

T = TypeVar("T")


COST_HEADER = ("cell", "threads", "load s", "train s", "score s", "rows/s", "tokens/s", "padding", "GFLOP a step",
               "GFLOP/s", "peak MB, training", "peak MB, scoring")  # fmt: skip


GPU = ", GPU"
"""Behind what a peak is of, where it is that of a GPU's memory."""


def cost_section(logs: Mapping[str, Sequence[Logged]], cells: Sequence[Cell]) -> list[Block]:
    """``logs`` holds the logged steps of the cells (by folder name) that were trained; [] where none was."""
    rows = [_row(cell, logs[cell.path.name]) for cell in cells if cell.path.name in logs]
    if not rows:
        return []
    formulas = {cost.flops for cell in cells if (cost := _cost(cell)) is not None}
    said = "Medians over the steps; padding and operations are means. Speed is of the machine and what else it did."
    counted = [f"Operations of a step, counted: {formula}." for formula in sorted(formulas)]
    gpu = [_gpu_peak(cell) for cell in cells if cell.path.name in logs]
    header = [*COST_HEADER, "peak MB, GPU"] if any(gpu) else [*COST_HEADER]
    shown = [[*row, peak or "-"] for row, peak in zip(rows, gpu, strict=True)] if any(gpu) else rows
    return [Fold("Cost", [Text(" ".join([said, *counted])), Table(header, shown)])]


def _gpu_peak(cell: Cell) -> str:
    """Megabytes, over training and scoring; empty without a GPU."""
    peaks = cell.done.peak_memory_mb if cell.done else {}
    found = [value for name, value in peaks.items() if name.endswith(GPU)]
    return f"{max(found):,.0f}" if found else ""


def _cost(cell: Cell) -> Cost | None:
    path = cell.path / COST
    return json_files.read_as(Cost, path) if path.is_file() else None


def _row(cell: Cell, steps: Sequence[Logged]) -> list[str]:
    done, cost = cell.done or Done("", {}), _cost(cell)
    seconds, peaks = done.seconds | (cost.seconds if cost else {}), done.peak_memory_mb
    scored, scoring = (
        [value for name, value in part.items() if name.startswith("score ") and not name.endswith(GPU)]
        for part in (seconds, peaks)
    )
    rate = float(np.median([step.rows_per_s for step in steps]))
    tokens = [step.tokens_per_s for step in steps if step.tokens_per_s is not None]
    flops = [step.flops for step in steps if step.flops is not None]
    per_second = [f * step.rows_per_s / sum(step.pairs.values()) for f, step in zip(flops, steps, strict=False)]
    return [
        cell.path.name, str(cell.config.threads),
        _shown(seconds.get("load"), ",.1f"), _shown(seconds.get("train"), ",.0f"),
        _shown(sum(scored) if scored else None, ",.0f"), f"{rate:,.1f}",
        _shown(float(np.median(tokens)) if tokens else None, ",.0f"),
        f"{np.mean([step.padding for step in steps]):.0%}",
        _shown(float(np.mean(flops)) / 1e9 if flops else None, ",.1f"),
        _shown(float(np.median(per_second)) / 1e9 if flops else None, ",.1f"),
        _shown(peaks.get("train"), ",.0f"), _shown(max(scoring, default=None), ",.0f"),
    ]  # fmt: skip


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


SHARES = {"same_source": "negatives of the row's source", "similarity": "similarity in a batch before training"}
"""Columns of the audit that some cells have: of several sources, and where strategies were handed vectors."""


AUDIT = ("cell", "mono batches", "rows", "pairs seen", "least / most frequent pair", "same-group rows", "schedule")


class Logged(NamedTuple):
    """What is read of a line of steps.jsonl; cells were trained before the last two were logged."""

    loss: float
    rows_per_s: float
    padding: float
    pairs: dict[str, int]
    tokens_per_s: float | None = None
    flops: float | None = None


class Validated(NamedTuple):
    """What is read of a line of validation.jsonl."""

    step: int
    mean: float


class Audited(NamedTuple):
    """What is read of batches.json."""

    pairs: dict[str, int]
    mono_batches: int
    steps: int
    rows: int
    same_group_rows: int
    sha256: str
    same_source: float | None = None
    similarity: float | None = None


class Cost(NamedTuple):
    """What cost.json holds."""

    seconds: dict[str, float]
    flops: str


def training_section(cells: Sequence[Cell]) -> list[Block]:
    """How cells were derived from others, loss curves and the audit of the batches; [] where nothing was trained."""
    trained = [c for c in cells if (c.path / STEPS).is_file()]
    called = {cell.path.name: name for name, of_one in named(cells).items() for cell in of_one}
    made = {
        f"- `{called[c.path.name]}`: {short(explained(how, c.config.parents))}."
        for c in cells
        if (how := c.config.derived) is not None
    }
    derived: list[Block] = [Fold("Derived from others", [Text("\n".join(sorted(made)))])] if made else []
    if not trained:
        return derived
    logs = {cell.path.name: _lines(cell.path / STEPS, Logged) for cell in trained}
    blocks = _loss_curves(_by_name({name: [s.loss for s in steps] for name, steps in logs.items()}, called))
    validated = {c.path.name: _lines(p, Validated) for c in trained if (p := c.path / VALIDATION).is_file()}
    blocks += _learning_curves(_by_name(validated, called))
    said = "Batch audit: what each strategy drew. Equal digests are equal schedules."
    blocks += [Text(said), _audit_table(trained)]
    return [*derived, Fold("Training", blocks), *cost_section(logs, trained)]


DRAWN = 60
"""Points of a loss curve, at most."""


def smooth(values: NDArray[np.float64]) -> Curve:
    """Values of the steps 1, 2, ..., as a running mean over 1/50 of the length."""
    window = max(1, len(values) // 50)
    means = np.convolve(values, np.ones(window) / window, mode="valid")
    kept = np.unique(np.linspace(0, len(means) - 1, min(len(means), DRAWN)).round().astype(int))
    return tuple((kept + float(window)).tolist()), tuple(means[kept].tolist())


def _by_name(of_cells: Mapping[str, T], called: Mapping[str, str]) -> dict[str, list[T]]:
    """What there is of each cell, by the name of its strategy: settings of one strategy are never one mean."""
    found: dict[str, list[T]] = {}
    for cell, value in of_cells.items():
        found.setdefault(called[cell], []).append(value)
    return found


def _loss_curves(losses: Mapping[str, Sequence[Sequence[float]]]) -> list[Block]:
    """Losses while training, mean over seeds; [] where the trainings of no strategy are of one length."""
    alike = {label: runs for label, runs in losses.items() if len({len(run) for run in runs}) == 1}
    if not alike:
        return []
    means = {label: smooth(np.mean(runs, axis=0)) for label, runs in alike.items()}
    alt = "training loss per step, mean over seeds; not comparable between strategies: the batches differ"
    return [Figure("loss", alt, Curves(means, "step", "InfoNCE loss (nats)"))]


def _learning_curves(found: Mapping[str, Sequence[Sequence[Validated]]]) -> list[Block]:
    """Scores of held-out items while training, mean over seeds; [] where none were made."""
    alike = {label: runs for label, runs in found.items() if len({tuple(s.step for s in run) for run in runs}) == 1}
    if not alike:
        return []
    series = {
        label: (
            tuple(float(s.step) for s in runs[0]),
            tuple(np.mean([[s.mean for s in run] for run in runs], axis=0).tolist()),
        )
        for label, runs in alike.items()
    }
    alt = (
        "mean AP of held-out items of the training sources, over settings and sources, while training; mean over seeds"
    )
    drawing = Curves(series, "step", "AP of held-out items", marker=True)
    said = (
        "Held-out items of the training sources, for choosing settings and weights; strategies are not judged by them."
    )
    return [Figure("validation", alt, drawing), Text(said)]


def _lines(path: Path, cls: type[T]) -> list[T]:
    """The log of a training; a loss may be NaN there, where it diverged.

    Raises:
        BenchError: not what training writes.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"{path}: not readable ({type(error).__name__}: {error}); {ANOTHER_RUN}") from None
    if not lines:
        raise BenchError(f"{path}: no step is logged; {ANOTHER_RUN}")
    return [json_files.as_written(cls, line, path, "a line") for line in lines]


def _audit_table(cells: Sequence[Cell]) -> Table:
    audits = [json_files.read_as(Audited, cell.path / BATCHES) for cell in cells]
    more = {name: title for name, title in SHARES.items() if any(getattr(a, name) is not None for a in audits)}
    rows = [
        [*_audit_row(cell, audit), *(_shown(getattr(audit, name), ".3f") for name in more)]
        for cell, audit in zip(cells, audits, strict=True)
    ]
    return Table((*AUDIT, *more.values()), rows)


def _audit_row(cell: Cell, audit: Audited) -> list[str]:
    if not audit.pairs:
        raise BenchError(f"{cell.path / BATCHES}: no language pair was drawn; {ANOTHER_RUN}")
    ordered = sorted(audit.pairs.items(), key=lambda pair: (pair[1], pair[0]))
    extremes = f"{ordered[0][0]} {ordered[0][1]:,} / {ordered[-1][0]} {ordered[-1][1]:,}"
    mono = f"{audit.mono_batches:,} of {audit.steps:,}"
    return [cell.path.name, mono, f"{audit.rows:,}", str(len(audit.pairs)), extremes,
            str(audit.same_group_rows), audit.sha256[:12]]  # fmt: skip


def not_run(cells: Sequence[Cell], claimed: Sequence[str]) -> list[Block]:
    """What a reader may look for in vain. ``claimed`` names the strategies of the primary family."""
    trained = [c for c in cells if c.config.trained]
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


SIGNED = ("settings", "languages", "items", "sources", "model", "environment", "threads")
"""What decides the numbers of all cells alike."""


def signature(cells: Sequence[Cell]) -> list[Block]:
    """Commands, settings, versions, checksums of data and weights."""
    commands = list(dict.fromkeys(c.config.command for c in cells))
    shown: dict[str, None] = {}
    for cell in cells:
        fixed = {name: getattr(cell.config, name) for name in SIGNED}
        if cell.config.trained:
            shown[json.dumps(fixed, indent=1, sort_keys=True, ensure_ascii=False)] = None
    weights = "; ".join(f"{c.path.name} {c.done.weights_sha256[:16] if c.done else '-'}" for c in cells)
    blocks: list[Block] = [
        Text("Commands:"),
        Code("\n".join(commands), "bash"),
        *(Code(text, "json") for text in shown),
        Text(f"Weights (sha256): {weights}"),
    ]
    return [Fold("Signature", blocks)]
