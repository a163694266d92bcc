"""Finished cells with made-up scores, the same bits in every environment."""

import json
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.evaluation.score import COLUMNS
from bench.figures.shapes import Drawing
from bench.plan.protocol import JudgedSet
from bench.store import cells, json_files, scores
from bench.store.cells import COST
from bench.store.json_files import hash8
from bench.store.scores import POOL

LANGS = ("ar", "de", "en")
QUESTIONS = 40
TOY = JudgedSet("toy", f"toy@1 {hash8({'files': {'toy': '0'}})}", "AP", ("mono", "cross", "multi"))
"""What a protocol fixes of the one set."""
SETTINGS = {"model": "made-up", "steps": 10, "batch_size": 4}


def make_experiment(folder: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Three strategies: hybrid and cross are alike, mono is worse in the pool."""
    for seed in seeds:
        make_cell(folder, "mono()", seed, 0.0)
        make_cell(folder, "cross()", seed, 0.15)
        make_cell(folder, "hybrid()", seed, 0.15)


def make_cell(folder: Path, label: str, seed: int, gain: float | None, version: str = "1", protocol: str = "") -> Path:
    """One cell; ``gain`` lifts what is not monolingual, None makes every score the same."""
    name, hashed = label.split("(")[0], f"{zlib.crc32(label.encode()):08x}"
    path = folder / f"{name}-{hashed}-s{seed}"
    config = {
        "schema": cells.SCHEMA, "strategy": label, "trained": True, "seed": seed, "hash": hashed,
        "settings": SETTINGS, "languages": ["ar", "en"], "items": 100, "sources": {"made-up": {"version": "1"}},
        "model": {"name": "made-up"}, "threads": 1, "note": "Made-up numbers.",
        "command": "python -m bench run --experiment made", "protocol": protocol,
        "environment": {"python": "3"},
    }  # fmt: skip
    json_files.write_json(path / "config.json", config)
    logged = {"rows_per_s": 100.0, "tokens_per_s": 5e3, "padding": 0.1, "flops": 2e9, "pairs": {"ar>ar": 4}}
    losses = [{"step": i, "loss": 2 / (i + 1)} | logged for i in range(10)]
    (path / "steps.jsonl").write_text("".join(json.dumps(s) + "\n" for s in losses), encoding="utf-8")
    audit = {
        "pairs": {"ar>ar": 20, "en>en": 20},
        "mono_batches": 5,
        "steps": 10,
        "rows": 40,
        "same_group_rows": 0,
        "sha256": "0" * 64,
    }
    json_files.write_json(path / "batches.json", audit)
    json_files.write_json(path / COST, {"seconds": {"load": 1.0, "train": 2.0, "save": 0.5}, "flops": "made up"})
    scores.write_scores(path / "scores" / f"toy@{version}.parquet", _scores(name, seed, gain, version))
    done = {"weights_sha256": f"{zlib.crc32(path.name.encode()):08x}"}
    done |= {"seconds": {"train": 3.5, "score toy": 4.0}, "peak_memory_mb": {"train": 800, "score toy": 600}}
    json_files.write_json(path / "done", done)
    return path


def undrawn(drawing: Drawing, path: Path) -> None:
    """In the place of ``plots.draw`` where a test looks at no picture: drawing takes a second."""
    path.with_name(f"{path.name}.svg").write_text(f"<svg>{drawing}</svg>", encoding="utf-8")


def _scores(name: str, seed: int, gain: float | None, version: str) -> pa.Table:
    keys = [(q, d, i) for q in LANGS for d in (*LANGS, POOL) for i in range(QUESTIONS)]
    question = np.random.default_rng(0).uniform(0.3, 0.6, QUESTIONS)
    noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).uniform(-0.02, 0.02, len(keys))
    lifted = np.array([0.0 if q == d else (gain or 0.0) for q, d, _ in keys])
    value = question[[i for _, _, i in keys]] + noise + lifted
    value = np.round(value if gain is not None else np.full(len(keys), 0.5), 6)
    pooled = np.array([d == POOL for _, d, _ in keys])
    columns = {c: value for c in COLUMNS}
    for c in ("rank_distance", "rank_distance_log2", "same_language@10", "same_language_nonrelevant@10", "TLR@10",
              "own_language_first", "MRC@10"):  # fmt: skip
        columns[c] = np.where(pooled, np.round(1 - value, 6), np.nan)
    columns["rank_distance"] = np.where(pooled, np.round(1000 * (1 - value)), np.nan)
    columns["PEER"] = np.full(len(keys), np.nan)
    columns["AP_in_pool"] = np.where(pooled, np.nan, np.round(value / 2, 6))
    texts = {
        "set": ["toy"] * len(keys), "q_lang": [q for q, _, _ in keys], "d_lang": [d for _, d, _ in keys],
        "query_id": [f"{q}/{i}" for q, _, i in keys], "group": [str(i) for _, _, i in keys],
    }  # fmt: skip
    table = pa.table({k: pa.array(v).dictionary_encode() for k, v in texts.items()} | columns)
    return table.replace_schema_metadata({"bench": json.dumps(_about(version))})


def observations(seed: int = 0, version: str = "1") -> pa.Table:
    """The same rows as observations: one passage of 50 per language answers each question."""
    rng, n = np.random.default_rng(seed), len(LANGS) * QUESTIONS
    texts = {"q_lang": np.repeat(LANGS, QUESTIONS).tolist(), "group": [str(i) for i in range(QUESTIONS)] * len(LANGS)}
    texts["query_id"] = [f"{q}/{i}" for q, i in zip(texts["q_lang"], texts["group"], strict=True)]
    tops = [rng.permutation(50 * len(LANGS)).tolist() for _ in range(n)]
    places = {
        "d_lang": [LANGS] * n, "relevance": [[1] * len(LANGS)] * n, "in_corpus": [[True] * len(LANGS)] * n,
        "rank": [(np.array(top[: len(LANGS)]) % 50 + 1).tolist() for top in tops],
        "rank_in_pool": [(np.array(top[: len(LANGS)]) + 1).tolist() for top in tops],
    }  # fmt: skip
    rest = {"set": ["toy"] * n, "pool": [0] * n, "top": [top[:10] for top in tops]}
    counted = {"nonrelevant": [10] * n, "nonrelevant_own": rng.integers(0, 11, n)}
    about = _about(version) | {"schema": scores.SCHEMA, "pools": [dict.fromkeys(LANGS, 50)]}
    schema = scores.observed_schema().with_metadata({"bench": json.dumps(about)})
    return pa.table(texts | places | rest | counted, schema)


def _about(version: str) -> dict[str, object]:
    return {"task": "toy", "version": version, "files": {"toy": "0"},
            "sets": {"toy": {"main": "AP", "note": "", "passages": dict.fromkeys(LANGS, 50)}}}  # fmt: skip
