"""Leaderboards of an experiment as lines of plain values, and as text: markdown, csv, json, latex."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

import bench
from bench.analysis.leaderboard import (
    BRIEF,
    RANKS,
    Row,
    as_table,
    best,
    by_language,
    columns_shown,
    leaderboard,
    note_on_seeds,
)
from bench.analysis.means import BIAS_SHOWN, GAP
from bench.analysis.set_scores import SetScores
from bench.api import documents
from bench.errors import require_known
from bench.evaluation.measures import MEASURES
from bench.store.scores import SETTINGS, in_words

FORMATS = ("markdown", "csv", "json", "latex")


class Wanted(NamedTuple):
    """What is shown of an experiment, as the options of the command say it; what is None is as their help says."""

    set: str | None = None
    measure: str | None = None
    sort: str | None = None
    by: str = "setting"
    setting: str | None = None
    bias: bool = False


class Board(NamedTuple):
    """The leaderboard of one set; ``setting`` is that of columns of languages, else empty."""

    of: SetScores
    measure: str
    setting: str
    rows: list[Row]


def boards_of(sets: Sequence[SetScores], wanted: Wanted) -> list[Board]:
    """The leaderboards that are wanted.

    Raises:
        BenchError: no such set, or no such column.
    """
    require_known("--set", wanted.set or sets[0].name, [of.name for of in sets])
    require_known("--sort", wanted.sort or "multi", [*SETTINGS, *BIAS_SHOWN, GAP])
    require_known("--by", wanted.by, ["setting", "language"])
    require_known("--setting", wanted.setting or "multi", SETTINGS)
    require_known("--measure", wanted.measure or "AP", list(MEASURES))
    found = []
    for of in (of for of in sets if wanted.set in (None, of.name)):
        measure = wanted.measure or of.main
        if wanted.by == "language":
            setting = wanted.setting or of.layout.settings()[-1]
            found.append(Board(of, measure, setting, by_language(of, measure, setting)))
        else:
            found.append(Board(of, measure, "", leaderboard(of, measure, sort=wanted.sort or "")))
    return found


def lines_of(sets: Sequence[SetScores], wanted: Wanted) -> list[dict[str, object]]:
    """Every row of every leaderboard with all its columns, unrounded; None where there is no number.

    Keys are set, measure, with columns of languages setting, rank, rank_to, strategy, trained, seeds ("0 1 2"), and of
    each column the mean under its name and the standard deviation under its name and " sd".
    """
    found = boards_of(sets, wanted)
    columns = dict.fromkeys(column for board in found for row in board.rows for column in row.mean)
    return [_line(board, row, list(columns)) for board in found for row in board.rows]


def _line(board: Board, row: Row, columns: Sequence[str]) -> dict[str, object]:
    out: dict[str, object] = {"set": board.of.name, "measure": board.measure}
    out |= {"setting": board.setting} if board.setting else {}
    out |= {"rank": row.rank or None, "rank_to": row.rank_to or None, "strategy": row.label, "trained": row.trained}
    out["seeds"] = " ".join(map(str, row.seeds))
    for column in columns:
        out[column], out[f"{column} sd"] = _known(row.mean, column), _known(row.spread, column)
    return out


def _known(values: dict[str, float], column: str) -> float | None:
    value = values.get(column, float("nan"))
    return None if np.isnan(value) else value


def shown(name: str, sets: Sequence[SetScores], wanted: Wanted, form: str) -> Iterator[str]:
    """The texts of one of ``FORMATS``, for the experiment ``name``: one for each set, or one document."""
    require_known("--format", form, FORMATS)
    if form == "json":
        of = [board.of for board in boards_of(sets, wanted)]
        yield documents.text(documents.leaderboard(name, of, lines_of(sets, wanted)))
    elif form == "csv":
        yield _csv(lines_of(sets, wanted))
    elif form == "latex":
        yield _latex(name, boards_of(sets, wanted), wanted)
    else:
        yield from _markdown(boards_of(sets, wanted), wanted)


def _csv(lines: Sequence[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lines[0])
    writer.writerows([["" if v is None else v for v in line.values()] for line in lines])
    return out.getvalue().rstrip("\n")


def _columns(board: Board, wanted: Wanted) -> Sequence[str]:
    """Those that people are shown."""
    if board.setting:
        return tuple(board.rows[0].mean)
    return (*BIAS_SHOWN, GAP) if wanted.bias else tuple(dict.fromkeys((*BRIEF, wanted.sort or BRIEF[0])))


def _markdown(found: Sequence[Board], wanted: Wanted) -> Iterator[str]:
    from tabulate import tabulate

    for board in found:
        of, by = board.of, f", {in_words(board.setting)}, by query language" if board.setting else ""
        split = next((f", {part}" for part in of.note.split("; ") if part.startswith("split ")), "")
        yield f"\n{of.name}{split}{by}, {board.measure}\n"
        header, cells = as_table(board.rows, "", _columns(board, wanted))
        aligned = ("right", "left", *("right" for _ in header[2:]))
        yield tabulate(cells, header, tablefmt="pipe", disable_numparse=True, colalign=aligned)
        if of.noticed:
            yield f"\nRead with: {'; '.join(map(str, of.noticed))}."
    if wanted.by == "setting":
        yield f"\n{RANKS}{next((said for board in found if (said := note_on_seeds(board.of))), '')}"


def _latex(name: str, found: Sequence[Board], wanted: Wanted) -> str:
    """A table for each set, for a document that loads booktabs."""
    head = f"% bench {bench.__version__}, leaderboard of {name!r}; the document says \\usepackage{{booktabs}}"
    return "\n\n".join([head, *(_latex_table(name, board, _columns(board, wanted)) for board in found)])


def _latex_table(name: str, board: Board, columns: Sequence[str]) -> str:
    header, cells = as_table(board.rows, "", columns)
    bold = [best(board.of, board.rows, column) for column in columns_shown(board.rows, columns)]
    lines = [list[str]() for _ in cells]
    for i, row in enumerate(cells):
        lines[i] = [
            row[0].replace("-", "--") if board.rows[i].rank else "",
            *map(escaped, row[1:3]),
        ]  # seeds say why there is no rank
        for j, cell in enumerate(row[3:]):
            number, plus, spread = escaped(cell).partition(" ± ")
            number = f"\\textbf{{{number}}}" if number and bold[j][i] else number
            lines[i].append(f"{number} $\\pm$ {spread}" if plus else number)
    by = f", {in_words(board.setting)}, by query language" if board.setting else ""
    caption = (
        f"{escaped(board.of.name)}: mean {escaped(board.measure)}{by} $\\pm$ standard deviation over trainings; the "
        "best of each column in bold."
    )
    label = re.sub(r"[^A-Za-z0-9]+", "-", f"{name}-{board.of.name}").strip("-")
    return "\n".join([
        r"\begin{table}", r"\centering", r"\small", r"\setlength{\tabcolsep}{3.5pt}",
        f"\\caption{{{caption}}}", f"\\label{{tab:{label}}}", r"\vspace{4pt}",
        f"\\begin{{tabular}}{{rl{'r' * (len(header) - 2)}}}", r"\toprule",
        f"{' & '.join(map(_stacked, header))} \\\\", r"\midrule",
        *(f"{' & '.join(line)} \\\\" for line in lines),
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ])  # fmt: skip


def _stacked(title: str) -> str:
    """A column's title, on two lines where it has more than two words."""
    words = escaped(title).split(" ")
    if len(words) < 3:
        return " ".join(words)
    half = (len(words) + 1) // 2
    return f"\\shortstack[r]{{{' '.join(words[:half])}\\\\{' '.join(words[half:])}}}"


SIGNS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
         ">": r"\textgreater{}", "|": r"\textbar{}"} | {sign: f"\\{sign}" for sign in "&%$#_{}"}  # fmt: skip
"""What LaTeX reads as something else."""


def escaped(text: str) -> str:
    """A text as LaTeX shows it."""
    return "".join(SIGNS.get(sign, sign) for sign in text)
