"""What ``full_scale.py`` prints, in numbers: constants with their sources, texts that are counted, arithmetic."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.data.corpus import build_corpus, first_appearances
from bench.data.overlap import CHARACTERS, PHRASE, RUN
from bench.data.words import units
from bench.encoding.passes import Work
from bench.evaluation.score import COLUMNS
from bench.evaluation.tiles import Tiles
from bench.plan.settings import Settings
from bench.training.cost import Flops
from tasks import facts
from tasks.beir import climate_fever, miracl_lite
from tasks.named import BEIR
from tasks.notes import Notes
from tasks.parallel_jsonl import NTREX
from tasks.streamed import Row, Streamed

T = TypeVar("T")

PEAK = 312e12
"""FLOP/s of an A100 in dense bf16: NVIDIA's data sheet of the A100."""

SHARES = (0.2, 0.4)
"""Of that peak, for the matrix products that are counted; padding and all else are in it: assumed."""

GPUS = (1, 8, 64)
"""How many are asked about; hours fall in proportion: assumed."""

PER_HOST = 8
"""GPUs of a host, each with a process of its own: assumed."""

TRIPLES = 39_780_811
"""Rows of mMARCO in each language: arXiv 2408.10536, Table 9; as many as MS MARCO's small training triples."""

PAIRS = 532_761
"""Pairs of a query and its passage among them, at most: the judged pairs of MS MARCO's qrels.train, by ir-datasets."""

MS_MARCO = (33.3, 335.8)
"""Mean characters of MS MARCO's queries (dev) and passages: descriptive statistics of mteb 2.26.24."""

TRAINED = ("ar", "de", "en", "es", "hi", "ru", "zh")
"""Languages in which the paper has mMARCO: arXiv 2408.10536, Table 9."""

MIRACL = {
    "ar": (2_061_414, 319.7, 2_896), "bn": (297_265, 384.2, 411), "de": (15_866_222, 415.3, 305),
    "en": (32_893_221, 402.0, 799), "es": (10_373_953, 404.7, 648), "fa": (2_207_172, 263.6, 632),
    "fi": (1_883_509, 360.9, 1_271), "fr": (14_636_953, 344.6, 343), "hi": (506_264, 372.0, 350),
    "id": (1_446_315, 351.3, 960), "ja": (6_953_614, 146.9, 860), "ko": (1_486_752, 175.0, 213),
    "ru": (9_543_918, 333.2, 1_252), "sw": (131_924, 229.7, 482), "te": (518_079, 397.2, 828),
    "th": (542_166, 357.8, 733), "yo": (49_043, 160.4, 119), "zh": (4_934_368, 120.9, 393),
}  # fmt: skip
"""Passages, their mean characters, dev queries: arXiv 2210.09984 (de and yo: TACL 2023); characters by mteb 2.26.24."""

PASSAGES, QUERIES = (sum(column) for column in list(zip(*MIRACL.values(), strict=True))[::2])
"""MIRACL's, in all languages."""

DISTINCT = 106_030_398
"""Distinct passages among MIRACL's: descriptive statistics of mteb 2.26.24."""

ANSWERS = 2.3
"""Relevant passages of a MIRACL query, on average: descriptive statistics of mteb 2.26.24."""

FEVER_CHARACTERS = 539.2
"""Mean characters of Climate-FEVER's 5.4 million passages: descriptive statistics of mteb 2.26.24."""

STRATEGIES = ("mono", "cross", "hybrid", "english", "any_pair", "mixed", "merge(mono, cross)")
"""The primary family (arXiv 2408.10536) and its rivals; two models are in a merged cell besides its own."""

OTHERS = 9 * (1_469 + 33_298 + 59_496 + 113_535 + 135_557 + 176_975) + 3_547 + 3_567_659
"""Rows of the paper's other training sets, over their languages: arXiv 2408.10536, Table 9; not published."""

SEEDS = 5
"""Preferred in the design of this project; the paper names none."""

SAMPLE = 300
"""Texts of a language that are counted in tokens: assumed to be enough."""

IDS = 175_000
"""Made-up passages on which memory is measured: just behind a doubling of Python's dict, so at its most a passage."""

WEIGHT, OPTIMIZER = 4, 8
"""Bytes of a weight in float32, and of its two moments: ``bench.training.optimizer``."""

ACTIVATIONS = (34, 5)
"""Bytes that a layer keeps for a position and hidden unit, and for a square and head: arXiv 2205.05198, eq. 2."""

THREADS = 8
"""Of a host for each GPU, over which tokenising spreads: assumed."""

COPIES = 4
"""Times that the guard against training on tests holds its runs of words in its sort: ``bench.data.overlap``."""


class Architecture(NamedTuple):
    """An encoder in BERT's shape, by its configuration on the Hub."""

    hub: str
    layers: int
    hidden: int
    inner: int
    heads: int
    vocabulary: int
    positions: int
    types: int
    behind: int = 0

    @property
    def flops(self) -> Flops:
        """Of a forward pass, as ``bench.training.cost`` counts them."""
        h = self.hidden
        return Flops(float(self.layers * (8 * h * h + 4 * h * self.inner)), float(self.layers * 4 * h))

    @property
    def parameters(self) -> int:
        """Weights, with the pooler and what stands behind the pooling."""
        h, tables = self.hidden, self.vocabulary + self.positions + self.types
        layer = 4 * (h * h + h) + 2 * h * self.inner + self.inner + h + 4 * h
        return tables * h + 2 * h + self.layers * layer + h * h + h + self.behind


XLMR = Architecture("FacebookAI/xlm-roberta-base", 12, 768, 3072, 12, 250_002, 514, 1)
LABSE = Architecture("sentence-transformers/LaBSE", 12, 768, 3072, 12, 501_153, 512, 2, 768 * 768 + 768)
SMALL = Architecture("intfloat/multilingual-e5-small", 12, 384, 1536, 12, 250_037, 512, 2)


class Lengths(NamedTuple):
    """Tokens of a text on average, and their square on average."""

    mean: float
    square: float

    def flops(self, of: Architecture) -> float:
        """Of encoding a text."""
        return of.flops.linear * self.mean + of.flops.quadratic * self.square


def mean(parts: Iterable[tuple[float, Lengths]]) -> Lengths:
    """Of texts of several kinds, so many of each."""
    listed = list(parts)
    of = sum(n for n, _ in listed)
    return Lengths(sum(n * x.mean for n, x in listed) / of, sum(n * x.square for n, x in listed) / of)


class Sample(NamedTuple):
    """Counted texts.

    Attributes:
        tokens: of each, (n,), without what is put around them.
        characters: of a text on average.
        runs: of words that the guard against training on tests keeps of a text, on average.
    """

    tokens: NDArray[np.int64]
    characters: float
    runs: float = 0.0

    def grown(self, characters: float, around: int, most: int) -> Lengths:
        """Texts of as many characters on average, distributed alike, with prompt and special tokens, cut."""
        lengths = np.minimum(np.rint(self.tokens * characters / self.characters) + around, most)
        return Lengths(float(lengths.mean()), float(np.square(lengths).mean()))


class Tokens:
    """Counts tokens, and the processor's seconds that this takes."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        if not (folder / "tokenizer.json").is_file():
            raise SystemExit(f"{folder / 'tokenizer.json'}: no such file; give --tokenizer the folder of a model")
        self._inner = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._inner.no_truncation()
        self._inner.no_padding()
        self.seconds, self.counted = 0.0, 0

    def of(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Of each text, without special ones."""
        start = time.process_time()
        found = np.array([len(x.ids) for x in self._inner.encode_batch(list(texts), add_special_tokens=False)])
        self.seconds += time.process_time() - start
        self.counted += int(found.sum())
        return found

    def around(self, prompt: str) -> int:
        """A prompt's, and the special ones."""
        return len(self._inner.encode(f"{prompt}a").ids) - len(self._inner.encode("a", add_special_tokens=False).ids)


class Measured(NamedTuple):
    """What was counted here.

    Attributes:
        miracl: language -> passages of miracl-lite.
        fever: evidence sentences of Climate-FEVER.
        queries: language -> ntrex's, with the characters of their English versions.
        passages: the same of passages.
        utf8: bytes of a character of miracl-lite, language -> bytes.
        text_bytes: of a training text in memory, for each character of its English version.
        around: tokens of a passage's prompt and the special ones.
        token: microseconds of the processor for a token.
    """

    miracl: dict[str, Sample]
    fever: Sample
    queries: dict[str, Sample]
    passages: dict[str, Sample]
    utf8: dict[str, float]
    text_bytes: float
    around: int
    token: float


def measure(root: Path, tokens: Tokens) -> Measured:
    """Count samples of the texts below ``root``."""
    (lite,), (fever,), train = miracl_lite().load(root), climate_fever().load(root), NTREX.load(root)
    texts = {lang: spread([t for _, t in part.items()]) for lang, part in lite.passages.items()}
    rows = spread([i for i in range(len(train.group)) if all(train.query[lang][i] for lang in TRAINED)])
    asked, told = ({k: [part[k][i] or "" for i in rows] for k in TRAINED} for part in (train.query, train.passage))
    both = [part[lang] for part in (asked, told) for lang in TRAINED]
    english = len(TRAINED) * sum(len(text) for part in (asked, told) for text in part["en"])
    return Measured(
        miracl={lang: sample(found, found, tokens) for lang, found in texts.items()},
        fever=sample(*[spread([t for _, t in fever.passages["en"].items()])] * 2, tokens),
        queries={lang: sample(asked[lang], asked["en"], tokens) for lang in TRAINED},
        passages={lang: sample(told[lang], told["en"], tokens) for lang in TRAINED},
        utf8={lang: sum(len(t.encode()) for t in found) / sum(map(len, found)) for lang, found in texts.items()},
        text_bytes=sum(sys.getsizeof(text) for texts in both for text in texts) / english,
        around=tokens.around("Passage: "),
        token=tokens.seconds / tokens.counted * 1e6,
    )


def spread(things: list[T]) -> list[T]:
    """About ``SAMPLE`` of them, evenly."""
    return things[:: max(1, len(things) // SAMPLE)]


def sample(texts: Sequence[str], original: Sequence[str], tokens: Tokens) -> Sample:
    """Tokens of texts, beside the characters of what they are translations of."""
    return Sample(
        tokens.of(texts), float(np.mean([len(t) for t in original])), float(np.mean([runs(t) for t in texts]))
    )


def runs(text: str) -> int:
    """Runs of words of a text that ``bench.data.overlap`` holds while it compares."""
    words, each = len(units(text)), next((n for script, n in CHARACTERS if script.search(text)), 1)
    return 0 if words < PHRASE * each else max(1, words - RUN * each + 1)


def passages_of_miracl(found: Measured) -> Lengths:
    """Of all languages; those that miracl-lite has not are as long as the others on average: assumed."""
    most = Settings().passage_length
    known = {k: s.grown(MIRACL[k][1], found.around, most) for k, s in found.miracl.items()}
    usual = mean((1, x) for x in known.values())
    return mean((n, known.get(lang, usual)) for lang, (n, _, _) in MIRACL.items())


def passages_of_fever(found: Measured) -> Lengths:
    """Of BEIR's Climate-FEVER, from the tokens of its evidence sentences."""
    return found.fever.grown(FEVER_CHARACTERS, found.around, Settings().passage_length)


class Rows(NamedTuple):
    """The two texts of a row of training, over all languages."""

    query: Lengths
    passage: Lengths

    def work(self, negatives: int = 0) -> Work:
        """What passes the encoder in a step, without padding."""
        n, passages = Settings().batch_size, 1 + negatives
        tokens = round(n * (self.query.mean + passages * self.passage.mean))
        squares = round(n * (self.query.square + passages * self.passage.square))
        return Work(n * (1 + passages), tokens, tokens, squares)


def rows_of_training(found: Measured) -> Rows:
    """As long as translations of MS MARCO's texts are, by translations of other texts."""
    limits, (asked, told) = Settings(), MS_MARCO
    return Rows(
        mean((1, s.grown(asked, found.around, limits.query_length)) for s in found.queries.values()),
        mean((1, s.grown(told, found.around, limits.passage_length)) for s in found.passages.values()),
    )


def hours(flops: float, share: float, gpus: float = 1) -> float:
    """Of so many operations."""
    return flops / (PEAK * share) / gpus / 3600


def disk(passages: int, dims: int, bytes_each: int = 2) -> int:
    """Bytes of vectors; float16 by default."""
    return passages * dims * bytes_each


class Searched(NamedTuple):
    """A measured exact search, on one thread: seconds for a million passages and a thousand queries of 384 dimensions.

    Source: ``tests/perf/corpora.py``. Products grow with the dimensions and counting does not: where all of it grows,
    it is at most so much.
    """

    seconds: float

    def hours(self, comparisons: float, dims: int) -> float:
        """At most, where there are more dimensions."""
        return self.seconds * comparisons / 1e9 * dims / 384 / 3600


def comparisons(pool: bool) -> int:
    """Of MIRACL's queries with all passages, or with those of their own language."""
    return sum(asked * (PASSAGES if pool else n) for n, _, asked in MIRACL.values())


class Held(NamedTuple):
    """Bytes of a passage without its text and vector: while it is searched, and at most, for a moment."""

    searched: float
    most: float


def held() -> Held:
    """Measured on the classes that a task with shards passes: ids, columns, hashes of texts, places, tiles."""

    def walk(notes: Notes) -> Iterator[Row]:
        return (Row(f"en/{7_000_000 + i // 20}#{i % 20}", str(i), i + 1) for i in range(IDS))

    tracemalloc.start()
    corpus = build_corpus({"en": Streamed(walk, "made up")})
    place = first_appearances(corpus.texts(), IDS).place
    tiles = Tiles(np.broadcast_to(np.float32(0), (IDS, 1)), place, corpus)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert next(iter(tiles)).plain
    return Held(now / IDS, peak / IDS)


def host_memory(passages: int, at_a_million: float, found: Held) -> float:
    """Bytes of a process, from the peak that was measured at a million passages."""
    return at_a_million + (passages - 1_000_000) * found.most


def replay() -> float:
    """Microseconds of the processor for one missed step of one row of an embedding of 768 dimensions."""
    import torch

    from bench.training.row_adamw import HORIZON, RowAdamW

    steps, table = HORIZON, torch.nn.Embedding(2, 768)
    optimizer = RowAdamW([table], 3e-5, 1e-2)
    table(torch.tensor([0])).sum().backward()
    optimizer.step()
    group = optimizer.param_groups[0]
    group["rates"] += [3e-5] * steps
    group["kept"] += [1.0] * steps
    start = time.process_time()
    optimizer.catch_up(table.weight, torch.tensor([0]))
    return (time.process_time() - start) / steps * 1e6


def trained_cells() -> int:
    """Of both models."""
    return 2 * len(STRATEGIES) * SEEDS


def scored_cells() -> int:
    """Those, and both models untrained."""
    return trained_cells() + 2


def small_passages() -> int:
    """Passages of the small test sets."""
    return sum(_counted(task, "passages") for task in ("xquad-r", "mlqa-r", "scifact"))


def score_bytes() -> int:
    """Of a cell's scores, uncompressed: every query with every language and the pool, 8 bytes a value; at most."""
    widths = {"xquad-r": 12, "mlqa-r": 2 * 8, "scifact": 1}
    rows = sum(_counted(task, "queries") * width for task, width in widths.items())
    return 8 * len(COLUMNS) * (rows + BEIR["climate-fever"].queries + 2 * QUERIES)


def _counted(task: str, what: str) -> int:
    known = facts.stored(task)
    assert known is not None
    sets: dict[str, dict[str, dict[str, dict[str, int]]]] = known["sets"]  # type: ignore[assignment]
    return sum(part["count"] for part in sets[task][what].values())


def whole_passes() -> dict[str, int]:
    """Steps that are asked about; even numbers, for merged cells share them."""
    size = Settings().batch_size
    return {
        "the default of the settings": Settings().steps,
        f"one pass over {PAIRS:,} pairs": PAIRS // size // 2 * 2,
        f"one pass over {TRIPLES:,} rows": TRIPLES // size // 2 * 2,
    }


class Cell(NamedTuple):
    """Hours of one cell on one GPU with its threads.

    Attributes:
        encode: products of encoding all passages.
        tokenise: all passages, on all threads.
        keep: bookkeeping and writing of all passages, on one thread; at most.
        search: of all queries exactly, on one thread; at most.
    """

    encode: float
    tokenise: float
    keep: float
    search: float


def cell(found: Measured, of: Architecture, share: float, encode_seconds: float, searched: Searched) -> Cell:
    """Scoring on all tasks; ``encode_seconds`` are those of bookkeeping for a million passages."""
    passages, fever, asked = study_passages(), BEIR["climate-fever"], comparisons(pool=True)
    asked += fever.passages * fever.queries
    tokens = study_lengths(found).mean * passages
    return Cell(
        hours(passages * study_lengths(found).flops(of), share),
        tokens * found.token / 1e6 / 3600 / THREADS,
        passages / 1e6 * encode_seconds / 3600,
        searched.hours(asked, of.hidden),
    )


def study_passages() -> int:
    """Of all tasks."""
    return PASSAGES + BEIR["climate-fever"].passages + small_passages()


def study_lengths(found: Measured) -> Lengths:
    """Of all tasks' passages; the few of the small ones are taken to be like Climate-FEVER's."""
    return mean([(PASSAGES, passages_of_miracl(found)), (study_passages() - PASSAGES, passages_of_fever(found))])


def training_hours(found: Measured, steps: int, share: float) -> float:
    """Of a cell; both models have the same products."""
    return steps * hours(XLMR.flops.step(rows_of_training(found).work(), 0), share)


def activation_bytes(of: Architecture, work: Work) -> float:
    """Kept between a step's forward and backward pass."""
    of_position, of_square = ACTIVATIONS
    return of.layers * (of_position * of.hidden * work.positions + of_square * of.heads * work.squares)


def guard_bytes(found: Measured) -> float:
    """That the guard against training on tests takes where MIRACL is a task of the run that trains."""
    usual = np.mean([s.runs / s.characters for s in found.miracl.values()])
    each = {k: s.runs / s.characters for k, s in found.miracl.items()}
    return COPIES * 8 * sum(n * c * each.get(lang, usual) for lang, (n, c, _) in MIRACL.items())


def text_bytes(found: Measured) -> float:
    """Of MIRACL's texts in UTF-8; of languages that were not measured, as the others' on average."""
    usual = float(np.mean(list(found.utf8.values())))
    return sum(n * c * found.utf8.get(lang, usual) for lang, (n, c, _) in MIRACL.items())


def training_bytes(found: Measured, rows: int) -> float:
    """Of the texts of so many rows in all languages, in memory."""
    return rows * len(TRAINED) * sum(MS_MARCO) * found.text_bytes
