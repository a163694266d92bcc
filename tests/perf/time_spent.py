"""Where the time of training goes, beside sentence-transformers' trainer: shares of the CPU time by kind of operation.

python tests/perf/time_spent.py --model <folder> --train lo-help --data-root <folder>
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tabulate import tabulate
from torch.profiler import ProfilerActivity, profile
from training import Job, Run, add_job_options, make_job, ours, theirs

KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "mkldnn", "aten::matmul"),
    "attention": ("attention", "aten::_softmax", "aten::softmax"),
    "dropout masks": ("bernoulli", "dropout"),
    "token embeddings and their gradients": ("embedding", "aten::zero_", "aten::fill_", "index_add", "index_select",
                                             "aten::_index_put_impl_", "aten::index"),
    "optimiser": ("Optimizer", "adamw", "addcmul", "addcdiv", "aten::lerp", "aten::sqrt", "foreach", "norm_except",
                  "linalg_vector_norm"),
    "normalisation and activations": ("layer_norm", "gelu", "aten::tanh"),
    "copies and casts": ("aten::copy_", "aten::_to_copy", "aten::cat", "aten::clone", "aten::contiguous"),
}  # fmt: skip
"""Kind -> parts of the names of torch's operations."""


def kind_of(operation: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), "all else")


def spent(side: Callable[[Job, str, bool], Run], job: Job, precision: str) -> Counter[str]:
    """Microseconds of the CPU by kind of operation, in torch alone."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        side(job, precision, True)
    found: Counter[str] = Counter()
    for event in profiled.key_averages():
        found[kind_of(event.key)] += event.self_cpu_time_total
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_job_options(parser)
    parser.add_argument("--precision", default="bf16")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    job = make_job(options)
    before, after = (spent(side, job, options.precision) for side in (theirs, ours))
    rows = [
        [
            kind,
            *(f"{of[kind] / 1e6 / options.steps:.2f}" for of in (before, after)),
            f"{after[kind] / after.total():.0%}",
        ]
        for kind in (*KINDS, "all else")
    ]
    rows.append(["in all", *(f"{of.total() / 1e6 / options.steps:.2f}" for of in (before, after)), ""])
    header = ["", "trainer, s a step", "bench, s a step", "share of bench's"]
    print(f"\n## Where the time goes: {Path(options.model).name}, {options.precision}, {options.steps} steps of "
          f"{options.batch_size} rows, torch.profiler\n")  # fmt: skip
    print(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=("left", "right", "right", "right")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
