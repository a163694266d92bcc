"""Run by test_agreed by torchrun: processes that ask Hubs of their own what names mean, and write what each takes."""

import json
import os
import sys
from pathlib import Path

RANK = os.environ["RANK"]
OUT = Path(sys.argv[1])
os.environ |= {
    "HF_ENDPOINT": os.environ[f"HUB_{RANK}"],
    "HF_HOME": str(OUT / RANK),
    "BENCH_CACHE": str(OUT / f"c{RANK}"),
}

from bench import processes  # noqa: E402 - the Hub's library reads these once
from bench.plan.presets import load_plan  # noqa: E402
from bench.running.grid import build_grid  # noqa: E402


def main() -> None:
    source = "hub-qa:acme/qa(langs=('de=qa.de', 'en=qa.en'))"
    chosen = {"strategies": ("mono",), "model": "acme/x", "train": (source,), "tasks": (f"held-out:{source}",)}
    grid = build_grid(load_plan("demo", chosen | {"hold_out": True, "baselines": ()}), None, OUT)
    (job,) = grid.jobs
    found = {"name": job.name, "model": job.model, "sources": job.sources, "task": grid.tasks[0].origin(None)}
    (OUT / f"{RANK}.json").write_text(json.dumps(found))
    processes.leave()


if __name__ == "__main__":
    main()
