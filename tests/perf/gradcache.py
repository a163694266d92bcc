"""Peak memory and gradient error of GradCache at batch 1,024, against the whole batch at once. Run by hand.

python tests/perf/gradcache.py [--model demo-transformer] [--batch-size 1024] [--micro-batch 32] [--dtype float32]

The gradient error is relative in norm. Peaks are resident memory of processes of their own, above that of the loaded
model and in all; --optimizer adds an AdamW update, whose two moments take twice the weights' memory at any batch size.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bench.encoding.encoder import Encoder
from bench.environment import peak_mb, restart_peak
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.training.gradcache import cached_gradients, plain_gradients
from bench.training.loss import info_nce


def texts(rows: int) -> tuple[list[str], list[str]]:
    """Queries of about 12 words and passages of 20 to 120, generated."""
    draw = random.Random(0)
    words = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "re", "so", "ta") for b in ("den", "fis", "gol", "ham", "jun")]
    queries = [" ".join(draw.choices(words, k=draw.randint(8, 16))) for _ in range(rows)]
    return queries, [" ".join(draw.choices(words, k=draw.randint(20, 120))) for _ in range(rows)]


def measure(options: argparse.Namespace, out: Path) -> dict[str, float]:
    """One pass in this process; the gradients are written where they are wanted."""
    encoder: Encoder = load_encoder(Settings(model=options.model, passage_length=options.passage_length), 0)
    encoder.model.to(getattr(torch, options.dtype)).train()
    for module in encoder.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = options.dropout
    queries, passages = texts(options.batch_size)
    objective = partial(info_nce, temperature=0.02, group=torch.arange(options.batch_size))
    gradients = plain_gradients
    if options.micro_batch:
        gradients = partial(cached_gradients, micro_batch=options.micro_batch, device=torch.device("cpu"))
    torch.manual_seed(0)
    restart_peak()
    before, start = peak_mb(), time.perf_counter()
    loss, _ = gradients(encoder, queries, passages, objective)
    seconds, peak = time.perf_counter() - start, peak_mb()
    found = {n: p.grad for n, p in encoder.model.named_parameters() if p.grad is not None}
    if options.keep:
        save_file(found, out)
    if options.optimizer:
        torch.optim.AdamW(encoder.model.parameters(), lr=1e-5, fused=True).step()
    return {
        "loss": loss.item(), "seconds": round(seconds, 1), "loaded_mb": before, "peak_mb": peak,
        "growth_mb": peak - before, "peak_with_update_mb": peak_mb() if options.optimizer else 0,
        "weights_mb": round(sum(p.numel() * p.element_size() for p in encoder.model.parameters()) / 2**20),
    }  # fmt: skip


def alone(arguments: list[str]) -> dict[str, float]:
    """``measure`` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="demo-transformer")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--micro-batch", type=int, default=32)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--passage-length", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--optimizer", action="store_true")
    parser.add_argument("--cached-only", action="store_true", help="where the whole batch does not fit")
    parser.add_argument("--keep", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keep is not None:
        print(json.dumps(measure(options, Path(options.keep))))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = ["--model", options.model, "--batch-size", str(options.batch_size), "--dtype", options.dtype,
             "--dropout", str(options.dropout),
             "--passage-length", str(options.passage_length),
             *(["--optimizer"] if options.optimizer else [])]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        keep = "" if options.cached_only else f"{folder}/cached"
        cached = alone([*given, "--micro-batch", str(options.micro_batch), "--keep", keep])
        print("GradCache", cached)
        if options.cached_only:
            return
        plain = alone([*given, "--micro-batch", "0", "--keep", f"{folder}/plain"])
        print("whole    ", plain)
        a, b = load_file(f"{folder}/cached"), load_file(f"{folder}/plain")
    difference = sum(float((a[n].double() - b[n].double()).square().sum()) for n in b) ** 0.5
    norm = sum(float(g.double().square().sum()) for g in b.values()) ** 0.5
    print(f"gradient error {difference / norm:.1e}; growth {cached['growth_mb'] / plain['growth_mb']:.2f} of the whole "
          f"batch's, time {cached['seconds'] / plain['seconds']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
