"""The report from results alone: its parts in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import bench.figures
from bench.analysis.means import has_pool
from bench.analysis.set_scores import SetScores, read_sets
from bench.analysis.strategies import short
from bench.errors import BenchError
from bench.pages.document import APPENDIX, Block, Figure, Fold, Heading, Table, Text, appendix, figures, markdown
from bench.plan.protocol import Protocol, read_protocol
from bench.processes import Progress
from bench.report.glossary import glossary
from bench.report.language_pairs import trade_off
from bench.report.primary import out_of_domain, primary_section
from bench.report.sets import boards, parts_of, set_section
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
    return [Fold("Reproduce", [Text(said), Table(("table", "command"), rows, 2)])]


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
        write_figures(list(figures(blocks)), folder, aside)
        (aside / "report.md").write_text(markdown(blocks), encoding="utf-8")
        (aside / APPENDIX).write_text(appendix(blocks), encoding="utf-8")
        if html:
            from bench.pages.html import page

            (aside / "report.html").write_text(page(blocks, aside), encoding="utf-8")
    return folder / ("report.html" if html else "report.md")


def report(results: Path, cells: Sequence[Cell], sets: Sequence[SetScores], protocol: Protocol) -> list[Block]:
    """The whole report: what is read first, then what is folded."""
    claimed = [name for pair in protocol.pairs for name in pair]
    parts, wanted = parts_of(sets), {*protocol.out_of_domain, *(name for c in protocol.claims for name in c.sets)}
    whole = {name: wider for name, wider in parts.items() if name not in wanted}
    shown = [of for of in sets if of.name not in whole]
    made: list[tuple[str, Callable[[], list[Block]]]] = [
        ("the claims", lambda: primary_section(sets, protocol, whole)),
        ("leaderboards", lambda: boards(shown)),
        *((f"{of.name}: trade-off", partial(trade_off, of, protocol.margin)) for of in shown if of.name not in parts),
        ("what was not run", lambda: not_run(cells, claimed)),
        ("findings", lambda: findings(results)),
        *((of.name, partial(set_section, of, parts.get(of.name, ""))) for of in sets),
        ("shares", lambda: share_section([of for of in sets if of.name not in parts])),
        ("out of domain", lambda: out_of_domain(sets, protocol)),
        ("training", lambda: training_section(cells)),
        ("what was run", lambda: [Fold("What was run", [Text(_what_it_holds(cells))])]),
        ("commands", lambda: reproduce_section(results.name, sets, protocol)),
        ("signature", lambda: [*glossary(), *signature(cells)]),
    ]
    blocks: list[Block] = []
    with Progress("report", len(made), "part") as bar:
        for name, make in made:
            blocks += make()
            bar.update(1, name)
    said = next((i for i, b in enumerate(blocks) if not isinstance(b, (Text, Table))), len(blocks))
    opened = [Heading(1, f"Experiment {results.name}"), *blocks[:said], *_notes(cells), *blocks[said:]]
    return [*(b for b in opened if not isinstance(b, Fold)), *(b for b in opened if isinstance(b, Fold))]


def _notes(cells: Sequence[Cell]) -> list[Text]:
    return [Text(note) for note in dict.fromkeys(c.config.note for c in cells if c.config.note)]


DRAWN = ".drawn.json"
"""In a report's folder: of each figure, what it was drawn from, and the checksum of its file."""


CODE = Path(bench.figures.__path__[0])
"""What draws figures."""


def write_figures(figures: Sequence[Figure], before: Path, folder: Path) -> None:
    """Write figures into ``folder``; those that the report ``before`` has, whole and of the same data, are copied."""
    known, record = _drawn(before / DRAWN), {}
    with Progress("figures", len(figures), "figure") as bar:
        for figure in figures:
            source, name = source_of(figure), f"{figure.name}.svg"
            kept = _bytes(before / name)
            if known.get(figure.name) == [source, _sha256(kept)]:
                (folder / name).write_bytes(kept)
            else:
                from bench.figures import plots

                plots.draw(figure.drawing, folder / figure.name)
            record[figure.name] = [source, _sha256(_bytes(folder / name))]
            bar.update(1, figure.name)
    write_json(folder / DRAWN, record)


def source_of(figure: Figure) -> str:
    """sha256 over all that decides a picture: its data, the code that draws it, matplotlib's version."""
    code = _sha256(b"".join(path.read_bytes() for path in sorted(CODE.glob("*.py"))))
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
    said = Text("*Written by hand after the runs; all else on this page is generated.*")
    return [Fold("Findings", [said, Text(text)])]


def _what_it_holds(cells: Sequence[Cell]) -> str:
    trained = [c for c in cells if c.config.trained and not c.config.derived]
    labels = list(dict.fromkeys(c.label for c in trained))
    plain = list(dict.fromkeys(short(c.label) for c in cells if not c.config.trained))
    seeds = sorted({c.seed for c in trained})
    return (
        f"{len(trained)} trained cells: {', '.join(f'`{x}`' for x in labels) or 'none'}; seeds "
        f"{', '.join(map(str, seeds)) or 'none'}; rows without training: {', '.join(plain) or 'none'}. All strategies "
        "share model, data, steps, batch size, optimiser and random streams; only who shares a batch differs. Terms: "
        "see the glossary."
    )
