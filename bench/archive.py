"""A copy of an experiment without its models: what a report is made of, small enough to be published."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import records
from bench.errors import BenchError
from bench.protocol import FILE as PROTOCOL
from bench.report import FINDINGS
from bench.writing import written_aside

KEPT = ("config.json", "steps.jsonl", "batches.json", "cost.json", records.VALIDATION)


def archive(experiment: Path, out: Path) -> list[Path]:
    """Copy every finished cell to ``out``/<experiment>, scores compressed as far as they can be; the values are equal.

    Cells that are there already are replaced, others stay.

    Returns:
        the folders of the cells.

    Raises:
        BenchError: the copy would overwrite its original, or no cell is finished.
    """
    target = out / experiment.name
    if target.resolve() == experiment.resolve():
        raise BenchError(f"{target}: a copy of an experiment goes to another folder; name one with --out")
    cells = [cell for cell in records.read_cells(experiment) if cell.done is not None]
    if not cells:
        raise BenchError(f"{experiment}: no cell is finished yet")
    for name in (PROTOCOL, FINDINGS):
        if (experiment / name).is_file():
            with written_aside(target / name) as aside:
                shutil.copyfile(experiment / name, aside)
    return [_copied(cell.path, target / cell.path.name) for cell in cells]


def _copied(cell: Path, target: Path) -> Path:
    with written_aside(target) as aside:
        (aside / "scores").mkdir(parents=True)
        for name in KEPT:
            if (cell / name).is_file():
                shutil.copyfile(cell / name, aside / name)
        for path in sorted((cell / "scores").glob("*.parquet")):
            records.write_small(aside / "scores" / path.name, records.read_scores(path))
        shutil.copyfile(cell / "done", aside / "done")
    return target
