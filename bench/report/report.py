"""The report from results alone: its parts in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench.analysis.means import has_pool
from bench.analysis.set_scores import SetScores, read_sets
from bench.analysis.strategies import short
from bench.errors import BenchError
from bench.plan.protocol import Protocol, read_protocol
from bench.processes import Progress
from bench.report.document import Block, Figure, Heading, Table, Text, markdown
from bench.report.glossary import glossary
from bench.report.primary import out_of_domain, primary_section
from bench.report.sets import set_section
from bench.report.shares import share_section
from bench.report.training import not_run, signature, training_section
from bench.store import locks
from bench.store.cells import FINDINGS, Cell, read_cells
from bench.store.json_files import write_json
from bench.store.writing import clear_unfinished, written_aside


def reproduce_section(name: str, sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """What makes each table from the stored results; the signature has the commands that made the results."""
    rows = [["this page, its figures and the primary family", f"`python -m bench report {name}`"]]
    for a, b in protocol.pairs:
        margin = "" if protocol.margin == 0.01 else f" --margin {protocol.margin:g}"
        rows.append(
            [
                f"{a} against {b}, every set and setting",
                f"`python -m bench compare {a} {b} --experiment {name}{margin}`",
            ]
        )
    for of in sets:
        rows.append([f"{of.name}", f"`python -m bench leaderboard {name} --set {of.name}`"])
        if has_pool(of):
            rows.append([f"{of.name}: language bias", f"`python -m bench leaderboard {name} --set {of.name} --bias`"])
    said = "From the stored results; the commands that made these are in the signature."
    return [Heading(2, "Reproduce"), Text(said), Table(("table", "command"), rows, 2)]


def write_report(
    results: Path, folder: Path, html: bool = False, say: Callable[[str], None] = lambda line: None,
    sets: Sequence[SetScores] = (),
) -> Path:  # fmt: skip
    """Write the report of an experiment; returns the path of report.md, or of report.html beside it.

    ``say`` is told where another process writes the same report, which is waited for. ``sets`` are the scores of its
    finished cells, where they have been read.
    """
    cells = [cell for cell in read_cells(results) if cell.done is not None]
    sets = sets or read_sets(cells)
    with locks.hold(folder, say), written_aside(folder) as aside:
        clear_unfinished(folder)
        aside.mkdir()
        blocks = report(results, cells, sets, read_protocol(results))
        write_figures([block for block in blocks if isinstance(block, Figure)], folder, aside)
        (aside / "report.md").write_text(markdown(blocks), encoding="utf-8")
        if html:
            from bench.report.html import page

            (aside / "report.html").write_text(page(blocks, aside), encoding="utf-8")
    return folder / ("report.html" if html else "report.md")


def report(results: Path, cells: Sequence[Cell], sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """The whole report."""
    claimed = [name for pair in protocol.pairs for name in pair]
    parts: list[tuple[str, Callable[[], list[Block]]]] = [
        ("what was asked", lambda: [Heading(1, f"Experiment {results.name}"), *_notes(cells)]),
        ("the question", lambda: primary_section(sets, protocol)),
        ("findings", lambda: findings(results)),
        ("what was run", lambda: [Heading(2, "What was run"), Text(_what_it_holds(cells))]),
        *((of.name, partial(set_section, of, protocol.margin)) for of in sets),
        ("shares", lambda: share_section(sets)),
        ("out of domain", lambda: out_of_domain(sets, protocol)),
        ("training", lambda: training_section(cells)),
        ("what was not run", lambda: not_run(cells, claimed)),
        ("commands", lambda: reproduce_section(results.name, sets, protocol)),
        ("signature", lambda: [*glossary(), *signature(cells)]),
    ]
    blocks: list[Block] = []
    with Progress("report", len(parts), "part") as bar:
        for name, made in parts:
            blocks += made()
            bar.update(1, name)
    return blocks


def _notes(cells: Sequence[Cell]) -> list[Text]:
    return [Text(note) for note in dict.fromkeys(c.config.note for c in cells if c.config.note)]


DRAWN = ".drawn.json"
"""In a report's folder: of each figure, what it was drawn from, and the checksums of its files."""


def write_figures(figures: Sequence[Figure], before: Path, folder: Path) -> None:
    """Write figures into ``folder``; those that the report ``before`` has, whole and of the same data, are copied."""
    known, record = _drawn(before / DRAWN), {}
    with Progress("figures", len(figures), "figure") as bar:
        for figure in figures:
            source, names = source_of(figure), [f"{figure.name}.{kind}" for kind in ("png", "svg")]
            kept = [_bytes(before / name) for name in names]
            if known.get(figure.name) == [source, *map(_sha256, kept)]:
                for name, data in zip(names, kept, strict=True):
                    (folder / name).write_bytes(data)
            else:
                from bench.report import plots

                plots.draw(figure.drawing, folder / figure.name)
            record[figure.name] = [source, *(_sha256(_bytes(folder / name)) for name in names)]
            bar.update(1, figure.name)
    write_json(folder / DRAWN, record)


def source_of(figure: Figure) -> str:
    """sha256 over all that decides a picture: its data, the code that draws it, matplotlib's version."""
    code = _sha256(Path(__file__).with_name("plots.py").read_bytes())
    drawing = [type(figure.drawing).__name__, figure.drawing]
    return _sha256(json.dumps([version("matplotlib"), code, drawing]).encode())


def _drawn(path: Path) -> dict[str, object]:
    """What is known of the figures beside ``path``; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def findings(results: Path) -> list[Block]:
    """What its authors wrote into the experiment's folder after they had read the numbers; [] where nothing is."""
    path = results / FINDINGS
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not readable ({error}); it is Markdown in UTF-8") from None
    return [Heading(2, "Findings"), Text("*Written by hand after the runs; all else on this page is generated.*"),
            Text(text)]  # fmt: skip


def _what_it_holds(cells: Sequence[Cell]) -> str:
    trained = [c for c in cells if c.config.trained and not c.config.derived]
    labels = list(dict.fromkeys(short(c.label) for c in trained))
    plain = list(dict.fromkeys(short(c.label) for c in cells if not c.config.trained))
    seeds = sorted({c.seed for c in trained})
    return (
        f"{len(trained)} trained cells: {', '.join(f'`{x}`' for x in labels) or 'none'}; seeds "
        f"{', '.join(map(str, seeds)) or 'none'}; rows without training: {', '.join(plain) or 'none'}. All strategies "
        "share model, data, steps, batch size, optimiser and random streams; only who shares a batch differs. Terms: "
        "see the glossary."
    )
