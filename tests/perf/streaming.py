"""Peak memory of reading and encoding a corpus of 1,000,000 passages above that of the loaded model. Run by hand.

python tests/perf/streaming.py [--passages 1000000] [--model demo-static]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from bench.data.corpus import build_corpus
from bench.environment import peak_mb, restart_peak
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from tasks.named import beir


def write(folder: Path, passages: int) -> None:
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for i in range(passages):
            text = f"Passage {i} speaks of thing {i % 977} and of place {i % 4099} " + f"word{i % 53} " * 40
            file.write(json.dumps({"_id": f"d{i}", "title": f"Title {i}", "text": text}) + "\n")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "thing 7?"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td7\t1\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--model", default="demo-static")
    options = parser.parse_args()
    encoder = load_encoder(Settings(model=options.model), 0)
    encoder.encode(["warm up"], "passage")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "large", options.passages)
        size = (Path(folder) / "large" / "corpus.jsonl").stat().st_size
        restart_peak()
        before, start = peak_mb(), time.perf_counter()
        (evalset,) = beir(str(Path(folder) / "large")).load(None)
        corpus = build_corpus(evalset.passages)
        read, read_peak = time.perf_counter() - start, peak_mb()
        vectors, _ = encoder.passages(corpus)
        took = time.perf_counter() - start - read
    print(f"{options.passages:,} passages, {size / 1e6:,.0f} MB on disk; model loaded: {before:,} MB")
    print(f"read: {read:.1f} s, peak {read_peak - before:,} MB above the model")
    print(f"encoded: {took:.1f} s, peak {peak_mb() - before:,} MB above the model, of which vectors "
          f"{vectors.nbytes / 1e6:,.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
