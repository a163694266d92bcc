"""reports/<experiment>/report.md and its figures, from results/ alone. Rounding happens here and in leaderboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import compare, plots, records
from bench.compare import Comparison
from bench.derived import explained, is_derived
from bench.errors import BenchError
from bench.languages import same_script
from bench.leaderboard import (
    Means,
    leaderboard,
    main_measure,
    read_means,
    render,
    set_names,
    short,
)
from bench.records import Cell
from bench.score import POOL

MARGIN = 0.01
"""How much worse is still not worse, in the measure's unit (absolute); fixed before any run."""

REFERENCE = ("mono", "english", "untrained")
"""Differences are taken against the first of these that was run."""


def write_report(results: Path, folder: Path) -> Path:
    """Write the report of an experiment; returns the path of report.md."""
    cells = read_cells_done(results)
    means = read_means(cells)
    with records.written_aside(folder) as aside:
        aside.mkdir()
        text = _text(results.name, cells, means, aside)
        (aside / "report.md").write_text(text, encoding="utf-8")
    return folder / "report.md"


def read_cells_done(results: Path) -> list[Cell]:
    """The finished cells of an experiment."""
    return [cell for cell in records.read_cells(results) if cell.done is not None]


def _text(name: str, cells: list[Cell], means: list[Means], folder: Path) -> str:
    notes = dict.fromkeys(str(c.config["note"]) for c in cells if c.config["note"])
    parts = [f"# Experiment {name}", *notes, *_primary_section(cells), "## What was run", _what_it_holds(cells)]
    for set_name in set_names(means):
        parts += _set_section(set_name, [m for m in means if m.set_name == set_name], folder)
    parts += _training_section(cells, folder)
    parts += ["## What was not run", *_not_run(cells)]
    parts += ["## Signature", _signature(cells)]
    return "\n\n".join(parts) + "\n"


def _primary_section(cells: list[Cell]) -> list[str]:
    """A line per rival and the table behind it, or what stands in its way; nothing without hybrid cells."""
    from tabulate import tabulate

    try:
        found = compare.primary(cells, MARGIN)
    except BenchError as error:
        return ["## Hybrid against training with one objective", f"Not compared: {error}."]
    if not found:
        return []
    lines = [
        f"- hybrid against {rival}: " + "; ".join(_counted([c for b, c in found if b == rival], kind) for kind in kinds)
        for rival in dict.fromkeys(b for b, _ in found)
        if (kinds := list(dict.fromkeys(c.verdict for b, c in found if b == rival)))
    ]
    rows = [[f"hybrid - {b}", *row] for (b, _), row in zip(found, compare.as_rows([c for _, c in found]), strict=True)]
    aligned = ("left", "left", "left", *("right" for _ in compare.HEADER[2:]))
    table = tabulate(rows, ("", *compare.HEADER), tablefmt="pipe", disable_numparse=True, colalign=aligned)
    basis = compare.explained("hybrid", "the strategy named in the row", [c for _, c in found], MARGIN)
    return [
        "## Hybrid against training with one objective",
        "\n".join(lines),
        table,
        f"{basis} Holm over the whole table.",
    ]


def _counted(found: list[Comparison], verdict: str) -> str:
    where = [f"{c.set_name} {c.setting} ({c.effect:+.3f})" for c in found if c.verdict == verdict]
    return f"**{verdict}** on {', '.join(where)}"


def _what_it_holds(cells: list[Cell]) -> str:
    trained = [c for c in cells if c.config["trained"] and not is_derived(c.config)]
    labels = list(dict.fromkeys(c.label for c in trained))
    seeds = sorted({c.seed for c in trained})
    return (
        f"{len(trained)} trained cells: {', '.join(f'`{x}`' for x in labels) or 'none'}; seeds "
        f"{', '.join(map(str, seeds)) or 'none'}. Tables give the mean over languages (macro), then over seeds, ± the "
        "standard deviation over seeds where there are several. *mono*: query and passage language are the same. "
        "*cross*: they differ, all ordered pairs. *multi*: every query against the pool of all languages, every "
        "parallel answer relevant."
    )


def _set_section(set_name: str, means: list[Means], folder: Path) -> list[str]:
    measure = main_measure(means, set_name)
    first = means[0]
    sizes = ", ".join(f"{lang} {n:,}" for lang, n in first.passages.items())
    parts = [
        f"## {set_name}",
        f"{'Pool' if any(d == POOL for _, d in first.pairs) else 'Passages'}: {sum(first.passages.values()):,} "
        f"({sizes}). Measure: {measure}.",
        *([f"Note: {first.note}."] if first.note else []),
    ]
    rows = leaderboard(means, set_name, measure)
    parts.append(render(rows, measure, "markdown"))
    parts += _subsets(means, set_name, measure)
    if len(first.passages) > 1:
        parts += _pair_figures(set_name, means, measure, folder)
    return parts


def _subsets(means: list[Means], set_name: str, measure: str) -> list[str]:
    trained = {lang for m in means for lang in _list(m.cell.config["languages"])}
    langs = set(means[0].passages)
    parts: list[str] = []
    if trained and trained & langs and langs - trained:
        unseen = langs - trained

        def touches_unseen(q: str, d: str) -> bool:
            return q in unseen or d in unseen

        named = ", ".join(sorted(unseen))
        parts += [f"### Languages never trained on ({named}): pairs in which one of them takes part",
                  render(leaderboard(means, set_name, measure, touches_unseen), measure, "markdown")]  # fmt: skip
    if any(same_script(q, d) for q, d in means[0].pairs if q != d):
        parts += [
            "### Cross-lingual pairs within one script and across scripts",
            _script_table(means, set_name, measure),
        ]
    return parts


def _script_table(means: list[Means], set_name: str, measure: str) -> str:
    from tabulate import tabulate

    def within(q: str, d: str) -> bool:
        return q != d and same_script(q, d)

    def across(q: str, d: str) -> bool:
        return d not in (q, POOL) and not same_script(q, d)

    columns: list[dict[str, str]] = []
    for keep in (within, across):
        rows = leaderboard(means, set_name, measure, keep)
        columns.append({r.label: f"{r.mean['cross']:.3f}" for r in rows})
    order = [r.label for r in leaderboard(means, set_name, measure)]
    table = [[label, *(c[label] for c in columns)] for label in order]
    header = ["strategy", f"cross {measure}, same script", f"cross {measure}, different scripts"]
    return tabulate(table, header, tablefmt="pipe", disable_numparse=True, colalign=("left", "right", "right"))


def _pair_figures(set_name: str, means: list[Means], measure: str, folder: Path) -> list[str]:
    by_label = {short(label): matrix for label, matrix in _matrices(means, measure).items()}
    stem = folder / set_name
    shown = [plots.Matrix(label, langs, values) for label, (langs, values) in by_label.items()]
    parts = [_image(plots.heat_maps(shown, measure, stem.with_name(f"{set_name}-pairs")),
                    f"{set_name}: mean {measure} of every language pair, one panel per strategy")]  # fmt: skip
    reference = next((x for r in REFERENCE for x in by_label if x.split("(")[0] == r), None)
    others = [x for x in by_label if x not in (reference, "char-tfidf")]
    if reference is not None and others:
        langs, base = by_label[reference]
        differences = [plots.Matrix(x, langs, by_label[x][1] - base) for x in others]
        file = plots.heat_maps(differences, measure, stem.with_name(f"{set_name}-differences"), reference)
        parts.append(_image(file, f"{set_name}: mean {measure} minus that of {reference}, per language pair"))
    rows = leaderboard(means, set_name, measure)
    points = {r.label: (r.mean["mono"], r.mean["multi"]) for r in rows}
    file = plots.trade_off(points, f"mono {measure}", f"multi {measure}", stem.with_name(f"{set_name}-trade-off"))
    parts.append(_image(file, f"{set_name}: multi {measure} over mono {measure}, one point per strategy"))
    return parts + _bias_figures(set_name, means, stem)


def _bias_figures(set_name: str, means: list[Means], stem: Path) -> list[str]:
    langs = tuple(sorted({q for q, d in means[0].pairs if d == POOL}))
    share = _per_language(means, langs, "same_language@10")
    distance = _per_language(means, langs, "rank_distance")
    label = "share of the top 10 in the query's\nlanguage, minus its share of the pool"
    first = plots.grouped_bars(langs, share, label, stem.with_name(f"{set_name}-same-language"))
    second = plots.grouped_bars(langs, distance, "rank distance (passages, log scale)",
                                stem.with_name(f"{set_name}-rank-distance"), log=True)  # fmt: skip
    return [
        _image(
            first,
            f"{set_name}: same-language share of the top 10 beyond the pool's share, per query language (0: no bias)",
        ),
        _image(
            second, f"{set_name}: mean rank distance per query language (lower: translations stand closer together)"
        ),
    ]


def _per_language(means: list[Means], langs: tuple[str, ...], name: str) -> dict[str, NDArray[np.float64]]:
    found: dict[str, list[list[float]]] = {}
    for m in means:
        found.setdefault(short(m.cell.label), []).append([m.pairs[lang, POOL][name] for lang in langs])
    return {label: np.mean(values, axis=0) for label, values in found.items()}


def _matrices(means: list[Means], measure: str) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
    langs = tuple(sorted(means[0].passages))
    found: dict[str, list[NDArray[np.float64]]] = {}
    for m in means:
        matrix = [[m.pairs[q, d][measure] if (q, d) in m.pairs else np.nan for d in langs] for q in langs]
        found.setdefault(m.cell.label, []).append(np.array(matrix))
    return {label: (langs, np.mean(values, axis=0)) for label, values in found.items()}


def _training_section(cells: list[Cell], folder: Path) -> list[str]:
    from tabulate import tabulate

    trained = [c for c in cells if c.config["trained"] and not is_derived(c.config)]
    made = {f"- `{short(c.label)}`: {short(explained(c.config))}." for c in cells if is_derived(c.config)}
    derived = ["## Derived from others", "\n".join(sorted(made))] if made else []
    if not trained:
        return derived
    losses: dict[str, list[list[float]]] = {}
    table = []
    for cell in trained:
        steps = [json.loads(line) for line in (cell.path / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
        losses.setdefault(short(cell.label), []).append([s["loss"] for s in steps])
        table.append(_audit_row(cell, steps))
    lengths = {len(run) for runs in losses.values() for run in runs}
    parts = ["## Training"]
    if len(lengths) == 1:
        means = {label: np.mean(runs, axis=0) for label, runs in losses.items()}
        file = plots.curves(means, "step", "InfoNCE loss (nats)", folder / "loss")
        parts.append(
            _image(
                file, "training loss per step, mean over seeds; not comparable between strategies: the batches differ"
            )
        )
    header = ["cell", "mono batches", "rows", "pairs seen", "least / most frequent pair", "same-group rows", "rows/s",
              "padding", "schedule"]  # fmt: skip
    aligned = ("left", "right", "right", "right", "left", "right", "right", "right", "left")
    parts.append("Batch audit: what each strategy drew. Equal digests are equal schedules.")
    parts.append(tabulate(table, header, tablefmt="pipe", disable_numparse=True, colalign=aligned))
    return derived + parts


def _audit_row(cell: Cell, steps: Sequence[dict[str, float]]) -> list[str]:
    audit = records.read_json(cell.path / "batches.json")
    pairs = audit["pairs"]
    assert isinstance(pairs, dict)
    ordered = sorted(pairs.items(), key=lambda pair: (pair[1], pair[0]))
    extremes = f"{ordered[0][0]} {ordered[0][1]:,} / {ordered[-1][0]} {ordered[-1][1]:,}"
    speed = float(np.median([s["rows_per_s"] for s in steps]))
    padding = float(np.mean([s["padding"] for s in steps]))
    mono = f"{audit['mono_batches']:,} of {audit['steps']:,}"
    return [cell.path.name, mono, f"{audit['rows']:,}", str(len(pairs)), extremes,
            str(audit["same_group_rows"]), f"{speed:,.0f}", f"{padding:.0%}", str(audit["sha256"])[:12]]  # fmt: skip


def _not_run(cells: list[Cell]) -> list[str]:
    lines = []
    seeds = {c.seed for c in cells if c.config["trained"]}
    if len(seeds) == 1:
        lines.append("- Other seeds: with one seed nothing can be said about the spread between trainings.")
    lines.append("- Tests between other strategies than those at the top: 'python -m bench compare A B' makes them.")
    from strategies import STRATEGIES

    ran = {c.label.split("(")[0] for c in cells}
    absent = [name for name in STRATEGIES if name not in ran]
    if absent:
        lines.append(f"- Strategies that ship and were not run: {', '.join(absent)}.")
    return ["\n".join(lines)]


def _signature(cells: list[Cell]) -> str:
    commands = list(dict.fromkeys(str(c.config["command"]) for c in cells))
    lines = ["Commands:", "", *(f"    {command}" for command in commands), ""]
    shown: dict[str, None] = {}
    for cell in cells:
        config = cell.config
        fixed = {k: config[k] for k in ("settings", "languages", "items", "sources", "model", "environment", "threads")}
        if config["trained"]:
            shown[json.dumps(fixed, indent=1, sort_keys=True, ensure_ascii=False)] = None
    for text in shown:
        lines += ["```json", text, "```", ""]
    lines.append(
        "Weights (sha256): "
        + "; ".join(f"{c.path.name} {str((c.done or {}).get('weights_sha256'))[:16]}" for c in cells)
    )
    return "\n".join(lines).rstrip()


def _image(file: str, alt: str) -> str:
    return f"![{alt}]({file})\n\n*{alt}.* ([SVG]({file.removesuffix('.png')}.svg))"


def _list(value: object) -> list[str]:
    return [str(x) for x in value] if isinstance(value, list) else []
