"""Folders in the layout that mteb's data sets have on the Hub: parquet or jsonl, several configurations, a card."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, object]]


def write_rows(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_hub_folder(folder: Path, parts: Mapping[str, tuple[str, Rows]], ending: str) -> None:
    """``parts``: configuration -> (split, rows); the card lists every configuration with its file."""
    card = ["---", "configs:"]
    for config, (split, rows) in parts.items():
        name = f"{config}/{split}.{ending}"
        write_rows(folder / name, rows)
        card += [f"- config_name: {config}", "  data_files:", f"  - split: {split}", f"    path: {name}"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]), encoding="utf-8")
