"""Launches and waits on the software device, by steps: ``python -m tests.gpu.software MODEL ROWS STEPS PRECISION``.

MODEL is built in, a folder, or ``layers=12``: an XLM-R of so many layers with random weights. Rows are of the demo's
texts. At the end: what launches most, and the lines of the program that wait.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch

from bench.training import loop
from tests.gpu.software import tiny
from tests.gpu.software.cases import SETTINGS, trained
from tests.gpu.software.device import CARD
from tests.gpu.software.patches import install


def report(model: str, rows: int, steps: int, precision: str) -> None:
    """Print a line for each step."""
    settings = dataclasses.replace(SETTINGS, model=model, batch_size=rows, steps=steps, precision=precision)
    last: list[tuple[str, list[tuple[str, int]]]] = []
    inner = loop.pair_counts

    def at_the_end(*given: object) -> dict[str, int]:
        last[:] = [("launches", CARD.launches.most_common(12)), ("waits", CARD.waits.most_common()),
                   ("waits, by line", CARD.places.most_common())]  # fmt: skip
        return inner(*given)  # type: ignore[arg-type]

    with mock.patch.object(loop, "pair_counts", at_the_end):
        _, counts = trained(settings)
    print(f"{'step':>4} {'loss':>9} {'launches':>9} {'waits':>6}")
    for step, (loss, launches, waits) in enumerate(zip(counts.losses, counts.launches, counts.waits, strict=True)):
        print(f"{step:>4} {loss:>9.5f} {launches:>9,} {waits:>6}")
    for what, found in last:
        print(f"{what}: " + ", ".join(f"{name} {n}" for name, n in found if n))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    install()
    name, how_many, until, kind = sys.argv[1:]
    with tempfile.TemporaryDirectory() as made:
        built = name.startswith("layers=")
        of = str(tiny.xlm_roberta(Path(made), int(name.removeprefix("layers=")))) if built else name
        report(of, int(how_many), int(until), kind)
