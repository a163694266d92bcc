"""What the comparison at the paper's scale, and MIRACL's 106 million passages, would take: computed, not run.

python tests/perf/full_scale.py --study --miracl --data-root DATA [--tokenizer FOLDER]

DATA holds miracl-lite, climate-fever and ntrex, whose texts are counted in tokens; FOLDER is that of
multilingual-e5-small, whose tokenizer is XLM-R's. Takes some ten seconds of one thread and no network.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

import full_scale_counts as counts
import numpy as np
from full_scale_counts import GPUS, LABSE, MIRACL, PASSAGES, PER_HOST, SMALL, THREADS, XLMR, Measured, Searched

from bench.data.overlap import RUN
from bench.plan.settings import Settings
from bench.store.shards import CHUNK
from bench.training.row_adamw import HORIZON


def prose(text: str) -> str:
    """One paragraph in lines of 120, or a list whose items begin with ``- ``."""
    items = [" ".join(item.split()) for item in text.strip().split("\n- ")]
    again = {"subsequent_indent": "  "} if text.lstrip().startswith("- ") else {}
    marked = [items[0], *(f"- {item}" for item in items[1:])]
    return "\n".join(textwrap.fill(x, 120, break_on_hyphens=False, break_long_words=False, **again) for x in marked)  # type: ignore[arg-type]


PRESET = f"""experiment = "full"
strategies = [{", ".join(f'"{name}"' for name in counts.STRATEGIES)}]
seeds = {list(range(counts.SEEDS))}
tasks = ["xquad-r", "mlqa-r", "beir:scifact"]
baselines = ["untrained"]
overlap = "keep"

[protocol]
margin = 0.01
out_of_domain = ["miracl", "scifact", "climate-fever"]

[[protocol.primary]]
a = "hybrid"
b = "mono"
superior = ["cross", "multi"]
non_inferior = ["mono"]

[[protocol.primary]]
a = "hybrid"
b = "cross"
superior = ["mono"]
non_inferior = ["cross", "multi"]

[settings]
train = ["mmarco"]
languages = [{", ".join(f'"{lang}"' for lang in counts.TRAINED)}]
steps = {max(counts.whole_passes().values())}
batch_size = 100
learning_rate = 3e-5
weight_decay = 1e-2
query_prompt = "Query: "
passage_prompt = "Passage: "
precision = "bf16"
"""
"""The paper's settings as far as it states them, as ``bench/presets/paper.toml``; steps are assumed."""

FETCHES = [
    f"python -m bench data fetch {name}"
    for name in (
        "mmarco",
        "xquad-r",
        "mlqa-r --accept-licence cc-by-nc-4.0",
        "beir:scifact",
        "beir:climate-fever",
        "miracl",
    )
]
"""All data, once, where there is a network."""


OF_LENGTHS = prose(f"""Characters: of the texts that were counted, and of those at full scale; of mMARCO, those of
    the English text, which is translated into {len(counts.TRAINED)} languages. Full-scale lengths are taken to be
    distributed around their mean as the counted ones are. Climate-FEVER here are its evidence sentences, at full
    scale passages of articles.""")
"""How the table of lengths is read."""

OF_STEPS = prose("""Linear and quadratic: FLOPs of a forward pass for a token, and for the square of a text's
    tokens. A step is three times that, over all texts. The paper's rows are triplets, with a hard negative each;
    `mmarco` has pairs.""")
"""How the table of steps is read."""

BRING = prose("""Once, where there is a network (and `hf download` for both models). mMARCO is a built-in source:
    the distinct pairs of its triples. Another copy, or triplets, are brought as JSON lines (`--train
    my/mmarco.jsonl.gz`, records as in the README, with `"negatives"` and `--negatives 1`) or as a plugin (`--train
    my_source.py:Mine`, a class of `tasks.Source`).""")
"""How data come."""

WITHOUT_RAY = prose(f"""Without Ray: {PER_HOST} processes of a host encode a cell together and the first one
    searches; several hosts may do so in one experiment. `--index flat` has faiss look for the first 1,000, on all
    threads: runs are cut. Training with `torchrun --nproc-per-node {PER_HOST} -m bench run` likewise shares a
    cell's batch among GPUs.""")
"""What the other commands are for."""

TRIED = prose("""Options, names and the number of cells are held by `tests/perf/test_full_scale.py`, offline. Not
    here, so not tried: the models, mMARCO, MIRACL's corpora, BEIR's Climate-FEVER, a GPU. Where a folder
    `climate-fever` below `--data-root` is the reduced set, it is refused as BEIR's: leave it out, and the mirror is
    read.""")
"""What was tried of the commands."""


def runs_of(of: counts.Architecture) -> list[str]:
    """Commands of a model: the plan, train and score on the small tasks, score on the large ones, look at both."""
    name = f"full-{of.hub.rpartition('/')[2].lower()}"
    this = f"python -m bench run --preset full.toml --model {of.hub} --experiment {name}"
    ray = f"--threads {THREADS} --offline --engine ray --address auto --gpus 1"
    return [
        f"{this} --dry-run",
        f"{this} {ray} --checkpoint-every 2000 --resume --no-report",
        f"{this} {ray} --task beir:climate-fever,miracl --shards shards --vectors float16",
        f"python -m bench compare hybrid mono --experiment {name}",
        f"python -m bench report {name} --html",
    ]


def alternatives() -> list[str]:
    """Instead of scoring with Ray: the processes of a host encode one cell together; and a cut search."""
    this = runs_of(XLMR)[2].replace(" --engine ray --address auto --gpus 1", "")
    together = this.replace("python -m bench", f"torchrun --nproc-per-node {PER_HOST} -m bench")
    return [together, f"{together} --index flat --depth 1000"]


def full_miracl() -> list[str]:
    """One encoder on MIRACL: the pool of all languages, and each language by itself."""
    this = f"torchrun --nproc-per-node {PER_HOST} -m bench evaluate --model {SMALL.hub} --precision bf16"
    kept = f"--threads {THREADS} --offline --shards shards --vectors float16"
    each = ",".join(f"miracl(langs=('{lang}',))" for lang in MIRACL)
    return [
        f"{this} {kept} --task miracl --experiment miracl",
        f'{this} {kept} --task "{each}" --experiment miracl-by-language',
    ]


def short(x: float) -> str:
    """Three digits or so."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def size(count: float) -> str:
    """Decimal, of bytes."""
    return f"{short(count / 1e12)} TB" if count >= 1e12 else f"{short(count / 1e9)} GB"


def table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """In markdown."""
    from tabulate import tabulate

    lines = [[x if isinstance(x, str) else short(x) for x in row] for row in rows]
    align = ["left", *["right"] * (len(header) - 1)]
    return str(tabulate(lines, header, tablefmt="pipe", disable_numparse=True, colalign=align))


def block(lines: Iterable[str], kind: str = "bash") -> str:
    """Fenced."""
    return "\n".join([f"```{kind}", *lines, "```"])


def on_gpus() -> list[str]:
    """The header of columns of hours."""
    return [f"on {n} GPU{'s' * (n > 1)}" for n in GPUS]


def shared(total: float) -> list[float]:
    """Hours over all numbers of GPUs."""
    return [total / n for n in GPUS]


def assumed(found: Measured) -> str:
    """What both sections rest on."""
    one, two = (f"{share:.0%}" for share in counts.SHARES)
    return prose(f"""Nothing of this was run. Counted: passages, queries and characters (mteb's descriptive
        statistics, arXiv 2210.09984, arXiv 2408.10536), weights and matrix products (as `bench/training/cost.py` counts
        them), tokens of about {counts.SAMPLE} texts of a language (the tokenizer of multilingual-e5-small, which is
        XLM-R's; LaBSE's own differs). Measured on one thread of a CPU: {found.token:.1f} µs for a token of
        tokenising, and what is named below. Assumed: a GPU is an A100, with {counts.PEAK / 1e12:.0f} TFLOP/s of
        dense bf16 by its data sheet, at {one} or {two} of that; padding, dropout, the loss and AdamW are in that
        share. More GPUs take proportionally less time. Prompt and special tokens ({found.around}) are added,
        passages cut to {Settings().passage_length} tokens and queries to {Settings().query_length}. The tests'
        queries are not encoded here: MIRACL has {counts.QUERIES:,}.""")


def lengths_table(found: Measured) -> str:
    """What was counted, and what follows."""
    most, training = Settings().passage_length, counts.rows_of_training(found)
    kinds = [(f"MIRACL, {lang}", [s], MIRACL[lang][1], s.grown(MIRACL[lang][1], found.around, most))
             for lang, s in found.miracl.items()]  # fmt: skip
    kinds += [
        ("Climate-FEVER", [found.fever], counts.FEVER_CHARACTERS, counts.passages_of_fever(found)),
        ("mMARCO, queries, by ntrex", [*found.queries.values()], counts.MS_MARCO[0], training.query),
        ("mMARCO, passages, by ntrex", [*found.passages.values()], counts.MS_MARCO[1], training.passage),
    ]
    lines: list[list[str | float]] = []
    for name, samples, characters, lengths in kinds:
        each = float(np.mean([s.tokens.mean() / s.characters * 100 for s in samples]))
        own = float(np.mean([s.characters for s in samples]))
        lines.append([name, f"{sum(len(s.tokens) for s in samples):,}", own, each, characters, lengths.mean])
    header = ["texts", "counted", "characters", "tokens / 100", "characters at full scale", "tokens at full scale"]
    return table(header, lines)


def steps_table(found: Measured) -> str:
    """FLOPs of a step."""
    rows = counts.rows_of_training(found)
    work, harder = rows.work(), rows.work(negatives=1)
    lines = [
        [of.hub, f"{of.parameters:,}", f"{of.flops.linear:,.0f}", f"{of.flops.quadratic:,.0f}", f"{work.positions:,}",
         f"{of.flops.step(work, 0):.3g}", f"{of.flops.step(harder, 0):.3g}"]
        for of in (XLMR, LABSE)
    ]  # fmt: skip
    header = ["model", "weights", "linear", "quadratic", "tokens a step", "FLOPs a step", "with a hard negative"]
    return table(header, lines)


def hours_table(found: Measured) -> str:
    """GPU hours of all cells, products alone."""
    lines: list[list[str | float]] = []
    for share in counts.SHARES:
        for name, steps in counts.whole_passes().items():
            total = counts.trained_cells() * counts.training_hours(found, steps, share)
            lines.append([f"training, {steps:,} steps ({name})", f"{share:.0%}", *shared(total)])
        flops = counts.study_passages() * counts.study_lengths(found).flops(XLMR)
        encoding = counts.scored_cells() * counts.hours(flops, share)
        lines.append([f"encoding {counts.study_passages():,} passages", f"{share:.0%}", *shared(encoding)])
    return table(["all cells", "of the peak", *on_gpus()], lines)


def cells_table(found: Measured, options: argparse.Namespace) -> str:
    """Hours of a cell, and of all in whole rounds."""
    lines: list[list[str | float]] = []
    for share in counts.SHARES:
        once = counts.cell(found, XLMR, share, options.encode_seconds, Searched(options.search_seconds))
        for steps in counts.whole_passes().values():
            train = counts.training_hours(found, steps, share)
            total = train + sum(once)
            rounds = [ceil(counts.scored_cells() / n) * total for n in GPUS]
            lines.append([f"{steps:,} steps", f"{share:.0%}", train, *once, total, *rounds])
    header = ["one cell", "of the peak", "training", "encoding", "tokenising", "bookkeeping", "search", "together"]
    return table([*header, *(f"all, {name}" for name in on_gpus())], lines)


def study_disk(found: Measured) -> str:
    """What is stored."""
    vectors, cells = counts.disk(counts.study_passages(), XLMR.hidden), counts.scored_cells()
    models = counts.WEIGHT * (XLMR.parameters + LABSE.parameters) * counts.SEEDS * (len(counts.STRATEGIES) + 2)
    kept = 2 * (counts.WEIGHT + counts.OPTIMIZER) * LABSE.parameters
    lines = [
        ["vectors of a cell, float16 (float32: twice)", size(vectors)],
        [f"of {GPUS[-1]} cells at once", size(vectors * GPUS[-1])],
        [f"of all {cells} cells, where the folder of shards is never emptied", size(vectors * cells)],
        [f"models of {counts.trained_cells()} cells (merged ones hold three)", size(models)],
        ["a checkpoint of LaBSE, and the one that replaces it", size(kept)],
        [f"scores of all {cells} cells, uncompressed, at most", size(counts.score_bytes() * cells)],
        ["texts of MIRACL in UTF-8, as often as caches hold them", size(counts.text_bytes(found))],
    ]
    return table(["disk", "size"], lines)


def study_memory(found: Measured, options: argparse.Namespace) -> str:
    """What a GPU and a process hold."""
    of_passage, work = counts.held(), counts.rows_of_training(found).work()
    scoring = counts.host_memory(counts.study_passages(), options.peak_mb * 1e6, of_passage)
    state, langs = 2 * counts.WEIGHT + counts.OPTIMIZER, len(counts.TRAINED)
    lines = [
        *([f"GPU: weights, gradients and moments of {of.hub}", size(state * of.parameters)] for of in (XLMR, LABSE)),
        ["GPU: what a step keeps for its backward pass, about", size(counts.activation_bytes(XLMR, work))],
        [f"host, training: texts of {counts.PAIRS:,} pairs in {langs} languages, a process",
         size(counts.training_bytes(found, counts.PAIRS))],
        [f"host, training: of {counts.TRIPLES:,} rows, if they were brought as JSON lines",
         size(counts.training_bytes(found, counts.TRIPLES))],
        ["host, training: the guard against training on tests, were MIRACL a task of the run",
         size(counts.guard_bytes(found))],
        [f"host, scoring: a process ({of_passage.searched:.0f} bytes a passage, {of_passage.most:.0f} for a moment)",
         size(scoring)],
        [f"host, scoring: {PER_HOST} processes", size(PER_HOST * scoring)],
    ]  # fmt: skip
    return table(["memory", "size"], lines)


def limits(found: Measured) -> str:
    """What stands in the way of a run of this size, from the code and from measuring it."""
    steps, each, cells = list(counts.whole_passes().values()), counts.replay(), counts.scored_cells()
    most = [f"{short(n * min(n / 2, HORIZON) * each / 1e6 / 3600)} h of {n:,} steps" for n in steps]
    flops = counts.study_passages() * counts.study_lengths(found).flops(XLMR)
    least, longest = (short(counts.hours(flops, share)) for share in sorted(counts.SHARES, reverse=True))
    return prose(f"""
- Rare tokens: a process that trains alone updates large embeddings row by row, and replays at most {HORIZON} of the
  steps that a row missed, {each:.0f} µs each for one row (measured on one thread here). A batch waits for its rarest
  token, so that this takes at most {most[0]}, {most[1]} and {most[2]}, for a cell; it is in no table above. Several
  processes (torchrun) update all rows and replay nothing.
- Search is exact, in the first process, on a CPU: a GPU that encodes a cell for {least} to {longest} h then waits.
  `--gpus 0.25` lets four cells of Ray share one, with four times the memory of hosts. Vectors are kept under the name
  of their device and number of threads: what a host with GPUs encoded is searched on such a host.
- Cells of Ray are whole: {cells} on {GPUS[-1]} GPUs take {ceil(cells / GPUS[-1])} rounds.
- The guard compares training texts with all test texts, and holds every run of {RUN} words of the latter. So the
  large tasks are scored by a second command: cells are there then, and nothing is compared. `--overlap drop` names
  cells after their tasks and does not allow that; the preset keeps the items, and records how many share words with
  the small tests. mMARCO's passages are not held against MIRACL's and Climate-FEVER's.
- `bm25`, `centering`, `lir` and `shift` hold all passages in memory: they are not among the rows.""")


def about_cells() -> str:
    """Which cells there are."""
    steps = [f"{n:,}" for n in counts.whole_passes().values()]
    trained, scored, rows = counts.trained_cells(), counts.scored_cells(), len(counts.TRAINED) * counts.TRIPLES
    return prose(f"""Cells: 2 models x {len(counts.STRATEGIES)} strategies ({", ".join(counts.STRATEGIES)}) x
        {counts.SEEDS} seeds = {trained} trained ones, and both models untrained: {scored} to score. The paper
        states neither its steps (it stops early, by English questions) nor its seeds; asked about are
        {", ".join(steps)} steps of {Settings().batch_size} rows, and the preset below takes the last. That is once
        over the paper's rows, which are triples, or {counts.TRIPLES / counts.PAIRS:.0f} times over their pairs,
        which are what `mmarco` gives. mMARCO stands for all training data: it is
        {rows / (rows + counts.OTHERS):.0%} of the paper's rows, and its translations of the others were not
        published. A merged cell trains each of its two parents for half of the steps. Batches of `english` are
        taken to be as long as the others'.""")


def about_cell_hours(options: argparse.Namespace) -> str:
    """How the table of a cell's hours is read."""
    return prose(f"""Encoding: the products of {counts.study_passages():,} passages. Tokenising: on {THREADS}
        threads. Bookkeeping (reading made-up texts, hashing, writing, the tokens of a tiny model): at most
        {options.encode_seconds:.1f} µs a passage, on one thread. Search: MIRACL's queries with the pool of all
        languages ({counts.comparisons(pool=True):,} comparisons) and Climate-FEVER's, from
        {options.search_seconds:.1f} s on one thread for a million passages and 1,000 queries of 384 dimensions;
        {XLMR.hidden} are taken to double all of it, which is too much, while {counts.ANSWERS} relevant passages of
        a query instead of one take more. All: {counts.scored_cells()} cells in whole rounds, as Ray runs them.""")


def study(found: Measured, options: argparse.Namespace) -> str:
    """The first section."""
    return "\n\n".join([
        "## The full-scale study, on paper", assumed(found), about_cells(),
        "### Tokens", lengths_table(found), OF_LENGTHS,
        "### A step of training", steps_table(found), OF_STEPS,
        "### GPU hours, matrix products alone", hours_table(found),
        "### Hours of a cell with its CPU work", cells_table(found, options), about_cell_hours(options),
        "### Disk and memory", study_disk(found), study_memory(found, options),
        "### Commands", BRING, block(FETCHES), "`full.toml`:", block([PRESET.rstrip()], "toml"),
        "On a Ray cluster whose nodes share the folder, with `results` and `shards` in it:",
        block([*runs_of(XLMR), *runs_of(LABSE)]), WITHOUT_RAY, block(alternatives()), TRIED,
        "### What stands in the way", limits(found),
    ])  # fmt: skip


def encoding_table(found: Measured, options: argparse.Namespace) -> str:
    """Hours of encoding MIRACL once."""
    lengths = counts.passages_of_miracl(found)
    keep = PASSAGES / 1e6 * options.encode_seconds / 3600
    tokenise = PASSAGES * lengths.mean * found.token / 1e6 / 3600 / THREADS
    lines: list[list[str | float]] = []
    for of in (SMALL, XLMR):
        for share in counts.SHARES:
            products = counts.hours(PASSAGES * lengths.flops(of), share)
            together = shared(products + tokenise + keep)
            lines.append([of.hub, f"{of.hidden}", f"{share:.0%}", *shared(products), tokenise, keep, *together])
    header = ["encoder", "dimensions", "of the peak", *(f"products, {name}" for name in on_gpus())]
    beside = ["tokenising", "bookkeeping", *(f"together, {name}" for name in on_gpus())]
    return table([*header, *beside], lines)


def search_table(options: argparse.Namespace) -> str:
    """Hours of searching MIRACL on one thread."""
    searched, lines = Searched(options.search_seconds), []
    for name, pool in (("the pool of all languages (`miracl`)", True), ("its own language (18 tasks)", False)):
        n = counts.comparisons(pool)
        lines.append([name, f"{n:,}", *(searched.hours(n, of.hidden) for of in (SMALL, XLMR))])
    return table(["every query against", "comparisons", "hours, 384", "hours, 768, at most"], lines)


def storage_table(found: Measured, options: argparse.Namespace) -> str:
    """Disk and memory of MIRACL."""
    of_passage = counts.held()
    memory = counts.host_memory(PASSAGES, options.peak_mb * 1e6, of_passage)
    lines = [
        [f"disk: vectors of {dims} dimensions, {kind}", size(counts.disk(PASSAGES, dims, each))]
        for dims in (SMALL.hidden, XLMR.hidden)
        for kind, each in (("float16", 2), ("float32", 4))
    ]
    lines += [
        [f"disk: read in a search, the float16 of {XLMR.hidden} once for each of {len(MIRACL)} languages",
         size(len(MIRACL) * counts.disk(PASSAGES, XLMR.hidden))],
        ["disk: texts in UTF-8, as often as caches hold them", size(counts.text_bytes(found))],
        [f"host: a process ({options.peak_mb} MB at a million, then {of_passage.most:.0f} bytes each)", size(memory)],
        [f"host: of these, while it searches ({of_passage.searched:.0f} bytes)", size(PASSAGES * of_passage.searched)],
        *([f"hosts, {ceil(n / PER_HOST)}: {min(n, PER_HOST)} processes on each", size(min(n, PER_HOST) * memory)]
          for n in GPUS),
        *([f"GPU: weights of {of.hub}", size(counts.WEIGHT * of.parameters)] for of in (SMALL, XLMR)),
    ]  # fmt: skip
    return table(["what", "size"], lines)


def miracl(found: Measured, options: argparse.Namespace) -> str:
    """The second section."""
    lengths = counts.passages_of_miracl(found)
    about = prose(f"""{PASSAGES:,} passages in {len(MIRACL)} languages, {counts.DISTINCT:,} of them distinct (only
        these are encoded and kept; the figures below are of all), {counts.QUERIES:,} dev queries,
        {lengths.mean:.0f} tokens of a passage on average, {ceil(counts.DISTINCT / CHUNK):,} shards of {CHUNK:,}.""")
    encoding = prose(f"""Tokenising: on {THREADS} threads beside one GPU. Bookkeeping: {options.encode_seconds:.1f}
        s of one thread for a million texts of about 40 tokens through the built-in static model, with its tokens,
        hashing and writing: what goes on beside a larger model takes at most so much. A process tokenises, encodes
        and writes a chunk one after the other, so the hours add up; its share of all three falls with the GPUs, but
        every process reads and hashes all texts.""")
    searching = prose(f"""On one thread, from {options.search_seconds:.1f} s for a million passages, 1,000 queries
        and 384 dimensions; with 768 all of it is taken to double, though counting does not. The measured queries
        had one relevant passage, MIRACL's have {counts.ANSWERS}: counting takes more. The first process alone
        searches: these hours do not fall with GPUs.""")
    holding = prose(f"""Held of a passage: its id, in a dict and a list, its place in trec_eval's order of ties, its
        row among the distinct ones and its tile; hashes of the texts while they are told apart. Measured on
        {counts.IDS:,} made-up ids of one language. Texts and vectors are mapped, and shared by the processes of a
        host; these are not. Measured at a million passages were 575 to {options.peak_mb} MB, by what the process
        did.""")
    several = prose("""Several hosts: `torchrun --nnodes`, with `results` and `shards` in a folder that all see. Ray
        spreads cells, not the passages of one.""")
    return "\n\n".join([
        f"## MIRACL's {PASSAGES / 1e6:.0f} million passages", assumed(found), about,
        "### Encoding, in hours", encoding_table(found, options), encoding,
        "### Searching exactly", search_table(options), searching,
        "### Disk and memory", storage_table(found, options), holding,
        "### Commands", block(full_miracl()), several,
    ])  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", action="store_true", help="print the full-scale study")
    parser.add_argument("--miracl", action="store_true", help="print MIRACL's 106 million passages")
    parser.add_argument("--data-root", type=Path, required=True, help="holds miracl-lite, climate-fever and ntrex")
    parser.add_argument("--tokenizer", type=Path, default=Path("me5-small"), help="folder with tokenizer.json")
    parser.add_argument("--search-seconds", type=float, default=12.4,
                        help="of one thread, exactly: a million passages, 1,000 queries, 384 dimensions")  # fmt: skip
    parser.add_argument("--encode-seconds", type=float, default=76.1,
                        help="of one thread: a million texts through the static model to shards")  # fmt: skip
    parser.add_argument("--peak-mb", type=int, default=723, help="of a process, at a million passages, at most")
    options = parser.parse_args(arguments)
    if not (options.study or options.miracl):
        parser.error("name a section: --study, --miracl or both")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # seconds are those of one thread
    found = counts.measure(options.data_root, counts.Tokens(options.tokenizer))
    sections = ((options.study, study), (options.miracl, miracl))
    print("\n\n".join(section(found, options) for wanted, section in sections if wanted))


if __name__ == "__main__":
    main()
