"""Every reader of what users and others give: valid inputs, how they are changed, and the reading itself."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import sys
import tomllib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import mutate as m
import pyarrow as pa
import pyarrow.parquet as parquet
import torch._dynamo  # noqa: F401  # it makes a cache when it is imported, which is no doing of an input

import bench
from bench.errors import BenchError
from bench.figures import plots
from bench.plan import resolve, settings
from bench.plan.presets import load_plan
from bench.plan.protocol import read_protocol
from bench.store import cells, checkpoints, json_files, locks, scores
from tasks import Source, Task
from tasks.beir import BeirFolder
from tasks.files import sha256
from tasks.hub_sources import SquadFolder
from tasks.lareqa import MLQAR
from tasks.parallel_jsonl import ParallelJsonl, from_path

if TYPE_CHECKING:
    import pyarrow as pa

sys.path.append(str(Path(__file__).parents[2]))

Read = Callable[[], object]


class Target(NamedTuple):
    """A reader.

    Attributes:
        name: in tables.
        seeds: valid inputs.
        mutate: a changed copy of an input.
        put: lays an input into a folder, which it may share with others of the same target, and gives the reading of
            it; the reading may write below ``<folder>/out`` alone.
        slow: takes milliseconds; gets a smaller share of the inputs.
    """

    name: str
    seeds: tuple[bytes, ...]
    mutate: m.Mutate
    put: Callable[[bytes, Path], Read]
    slow: bool = False


def plain(value: Any) -> bytes:
    """As JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def lines(*values: Any) -> bytes:
    """As JSON lines."""
    return b"\n".join(map(plain, values))


def written(path: Path, data: bytes) -> None:
    """A file with its folders."""
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def kept(path: Path, data: bytes) -> None:
    """A file that no input changes: written once."""
    if not path.is_file():
        written(path, data)


def evaluated(task: Task, root: Path | None) -> None:
    """Read a task as a run does, and walk its texts."""
    task.files(root)
    for found in task.load(root):
        for part in (*found.queries.values(), *found.passages.values()):
            for _, text in part.items():
                text.encode()


def trained(source: Source, root: Path | None) -> None:
    """Read a source as a run does."""
    source.files(root)
    found = source.load(root)
    assert len(found.group) > 0


LAREQA = {"data": [{"paragraphs": [{
    "sentences": ["One.", "Two."], "sentence_breaks": [[0, 4], [5, 9]], "context": "One. Two.",
    "qas": [{"id": "q1", "question": "What?", "answers": [{"answer_start": 0, "text": "One"}]},
            {"id": "q2", "question": "Which?", "answers": [{"answer_start": 6, "text": "wo"}]}]}]}]}  # fmt: skip


def lareqa(data: bytes, folder: Path) -> Read:
    """One file as two languages, so that the intersection is made too."""
    for lang in ("de", "en"):
        written(folder / "mlqa-r" / f"{lang}.json", data)
    return lambda: evaluated(MLQAR(("de", "en")), folder)


SQUAD = {"data": [{"paragraphs": [{"context": "One. Two.", "qas": [{"id": "q1", "question": "What?"}]}]}]}


def squad(data: bytes, folder: Path) -> Read:
    """A folder in SQuAD's layout: one language is the input, the other is whole."""
    written(folder / "squad" / "de.json", data)
    kept(folder / "squad" / "en.json", plain(SQUAD))
    return lambda: trained(SquadFolder("squad"), folder)


RECORDS = lines(
    {"id": "1", "group": "g", "query": {"en": "a?", "zh-hant": "b?"}, "passage": {"en": "A.", "zh-hant": "B."}},
    {"id": "2", "query": {"en": "c?"}, "passage": {"en": "C.", "de": ""}},
)


def parallel(data: bytes, folder: Path, name: str) -> Read:
    """One file, given by its path and as a folder."""
    path = folder / "mine" / name
    written(path, data)
    path.with_name("a.jsonl" if name.endswith(".gz") else "a.jsonl.gz").unlink(missing_ok=True)

    def read() -> None:
        trained(from_path(path), None)
        trained(ParallelJsonl("mine"), folder)

    return read


CORPUS = lines({"_id": "d1", "title": "T", "text": "One."}, {"_id": "d2", "title": "", "text": "Two."})
QUERIES = lines({"_id": "q1", "text": "What?"}, {"_id": "q2", "text": "Which?"})
QRELS = b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\td1\t0\n"


def beir(data: bytes, folder: Path, part: str) -> Read:
    """A folder in BEIR's layout of which one file is the input."""
    files = {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS} | {part: data}
    for name, content in files.items():
        (written if name == part else kept)(folder / "set" / name, content)
    return lambda: evaluated(BeirFolder("set", "set"), folder)


PRESET = b"""
strategies = ["mono", "hybrid(alpha=0.3)"]
seeds = [0, 1]
tasks = ["demo-dev"]
baselines = ["char-tfidf"]
experiment = "mine"
note = "n"
overlap = "drop"
depth = 200

[settings]
train = ["demo"]
train_weights = [1.0]
languages = ["en", "de"]
steps = 100
learning_rate = 1e-4
temperature = 0.05
query_prompt = "query: "
hold_out = true
"""
PROTOCOL_TOML = b"""
[protocol]
margin = 0.02
out_of_domain = ["scifact"]
[[protocol.primary]]
a = "hybrid"
b = "mono"
superior = ["cross", "multi"]
non_inferior = ["mono"]
"""


def toml_file(data: bytes, rng: Random) -> bytes:
    """A TOML file: its structure changed where it is one, else its text."""
    try:
        value = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return _TOML_TEXT(data, rng)
    if rng.randint(0, 2) == 0:
        return _TOML_TEXT(data, rng)
    changed = m.odd_json(value, rng)
    if not isinstance(changed, dict):
        return _TOML_TEXT(data, rng)
    return "\n".join(f"{_toml(str(key))} = {_toml(part)}" for key, part in changed.items()).encode()


def _toml(value: Any) -> str:
    """A value as inline TOML; what TOML has not becomes text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool) or value is None:
        return str(value is True).lower()
    if isinstance(value, str):
        return '"' + "".join(s if s.isalnum() and s.isascii() else f"\\U{_scalar(s):08x}" for s in value) + '"'
    return str(value)


def _scalar(sign: str) -> int:
    return ord(sign) if not "\ud800" <= sign <= "\udfff" else 0xFFFD


def preset(data: bytes, folder: Path) -> Read:
    """A TOML file, and every name in it."""
    written(folder / "mine.toml", data)

    def read() -> None:
        plan = load_plan(str(folder / "mine.toml"), {"experiment": None})
        assert plan == load_plan(str(folder / "mine.toml"), {}) or plan != plan
        for text in plan.strategies:
            resolve.recipe(text)
        for text in plan.tasks:
            resolve.task(text)
        for text in plan.settings.train:
            resolve.source(text)

    return read


STRATEGIES = (b"mono", b"hybrid(alpha=0.3, pairs='row')", b"merge(mono, cross, share=0.3)", b"lir(mono, rank=2)",
              b"shift(untrained, source='en')", b"centering(merge(mono, cross))", b"plug_in.py:Mine(share=1)",
              b"json:JSONDecoder")  # fmt: skip
TASKS = (b"xquad-r(langs=('de', 'en'))", b"miracl-lite(langs=('de',), split='train')", b"beir:set/(split='test')",
         b"beir:scifact", b"held-out:demo", b"climate-fever(split='dev')", b"demo-dev", b"plug_in.py:Mine")  # fmt: skip
SOURCES = (b"demo", b"squad:set", b"hub-qa:a/b(langs=('de',), revision='1')", b"mmarco(limit=3)", b"a.jsonl",
           b"plug_in.py:Mine")  # fmt: skip

WORDS = (
    "(", ")", "[", "]", "{", "}", ",", "=", ":", "'", '"', " ", "\n", "\x00", "\u2028", "**", "*", "None", "True",
    "-1", "1e999", "9" * 5000, "nan", "lambda: 0", "__class__", "__import__('os')", "../", "/", "/etc/", ".py:",
    "plug_in.py:", "json:", "mono", "cross", "hybrid", "merge", "shift", "lir", "centering", "untrained", "alpha=",
    "langs=", "split=", "share=", "rank=", "source=", "beir:", "held-out:", "squad:", "(" * 300, "merge(mono, " * 99,
    "-" * 3000, "[" * 300, " " * 3000, "\ud800", "a" * 3000, "..", ".", "f'{x}'", "\\",
)  # fmt: skip

_TOML_TEXT = m.tokens([*WORDS, "\n", "[settings]\n", "[[protocol.primary]]\n", "steps = ", "2020-01-01", "inf", '"""'])

PLUGIN = b"""
from dataclasses import dataclass
from strategies import Strategy

@dataclass(frozen=True)
class Mine(Strategy):
    share: float = 0.5
    def batches(self, pool, batch_size, steps, rng):
        yield from ()
"""


def expression(data: bytes, folder: Path, read: Callable[[str], object]) -> Read:
    """What a user writes for a strategy, task or source, in a folder with a plugin file."""
    kept(folder / "work" / "plug_in.py", PLUGIN)
    kept(folder / "work" / "a.jsonl", RECORDS)
    for name, content in {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS}.items():
        kept(folder / "work" / "set" / name, content)
    text = data.decode("utf-8", "surrogateescape")

    def parts() -> None:
        with contextlib.chdir(folder / "work"):
            for part in resolve.split(text):
                read(part)

    return parts


def task_of(text: str) -> None:
    """A task and where its scores would be kept."""
    task = resolve.task(text)
    if not text.startswith("mteb:"):
        path = scores.score_path(Path("cell"), task.name, task.version)
        assert path.parent == Path("cell") / "scores"
        with contextlib.suppress(BenchError):
            task.files(Path())


def source_of(text: str) -> None:
    """A source and its files."""
    resolve.source(text).files(Path())


@cache
def cell_files() -> dict[str, bytes]:
    """The files of an experiment with three cells, by their paths."""
    import tempfile

    from tests.bench import made_up

    before, made_up.QUESTIONS = made_up.QUESTIONS, 4
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "made"
        made_up.make_cell(folder, "mono()", 0, 0.0)
        made_up.make_cell(folder, "hybrid()", 0, 0.1)
        derived = made_up.make_cell(folder, "lir(mono(), rank=1)", 0, 0.05)
        about = json.loads((derived / "config.json").read_text())
        about["derived"] = {"kind": "lir", "parameters": {"rank": 1}, "what": "w", "languages": ["en"]}
        about["parents"] = [{"cell": "mono-0", "strategy": "mono()", "steps": 10}]
        json_files.write_json(derived / "config.json", about)
        made_up.QUESTIONS = before
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


PROTOCOL = {"margin": 0.02, "out_of_domain": ["toy"],
            "primary": [{"a": "hybrid", "b": "mono", "superior": ["cross"], "non_inferior": ["mono"]}]}  # fmt: skip


def cell_file(name: str, of: str = "hybrid") -> bytes:
    """One file of the made-up experiment."""
    return next(data for path, data in cell_files().items() if path.startswith(of) and path.endswith(name))


def observed_file() -> bytes:
    """The same scores as observations."""
    from tests.bench import made_up

    before, made_up.QUESTIONS = made_up.QUESTIONS, 4
    sink = io.BytesIO()
    parquet.write_table(made_up.observations(), sink)
    made_up.QUESTIONS = before
    return sink.getvalue()


def cell_folder(of: str) -> str:
    """The folder of a cell of the made-up experiment."""
    return next(path.partition("/")[0] for path in cell_files() if path.startswith(of))


VALIDATED = lines(*({"step": step, "mean": 0.5, "sets": {"a": {"mono": 0.5}}} for step in (5, 10)))
FINDINGS = b"## Findings\n\n| a | b |\n|---|---|\n| <b>1</b> | [2](x) |\n\n```\ncode\n```\n"
LOCK = plain({"machine": locks.machine(), "host": "h", "pid": 1, "start": "2"})


def locked(data: bytes, folder: Path) -> Read:
    """A cell's lock that another process left."""
    place = folder / "out" / ".cell.lock"
    shutil.rmtree(folder / "out", ignore_errors=True)
    written(place / "0123456789abcdef", data)

    def read() -> None:
        found = locks.attempt(folder / "out" / "cell", locks.Watch())
        if isinstance(found, locks.Owner):
            raise BenchError("in work elsewhere")
        found.release()

    return read


def results(data: bytes, folder: Path, name: str, of: str = "hybrid") -> Read:
    """An experiment of which one file is the input; read as leaderboard, compare, report, cite and derived cells do."""
    files = cell_files() | {"protocol.json": plain(PROTOCOL)}
    changed = [path for path in files if path == name or (path.startswith(of) and path.endswith(name))] or [name]
    for path, content in files.items():
        if path not in changed:
            kept(folder / "results" / "made" / path, content)
    for path in changed:
        written(folder / "results" / "made" / path, data)

    def read() -> None:
        experiment, out = folder / "results" / "made", folder / "out" / "made"
        refused: list[BenchError] = []
        steps = (partial(_board, experiment), partial(_compared, experiment), partial(_reported, experiment, out),
                 partial(_cited, experiment))  # fmt: skip
        for step in steps:
            try:
                step()
            except BenchError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    return read


def _board(experiment: Path) -> None:
    from bench.analysis.set_scores import read_sets
    from bench.api.boards import FORMATS, Wanted, shown

    sets = read_sets(cells.read_cells(experiment))
    for form in FORMATS:
        for by in ("setting", "language"):
            "".join(shown(experiment.name, sets, Wanted(by=by), form)).encode()


def _compared(experiment: Path) -> None:
    from bench.analysis.compare import compare

    compare(cells.read_cells(experiment), "hybrid", "mono", None, read_protocol(experiment).margin)


def _reported(experiment: Path, out: Path) -> None:
    from bench.report.report import write_report

    write_report(experiment, out, html=True)


def _cited(experiment: Path) -> None:
    from bench.data.catalogue import cite

    cite(experiment)


@contextlib.contextmanager
def without_pictures() -> Any:
    """Within the block no figure is drawn: that takes a second and reads nothing. Empty files stand for them."""

    def undrawn(drawing: object, path: Path) -> None:
        for kind in ("png", "svg"):
            written(path.with_name(f"{path.name}.{kind}"), b"")

    before, plots.draw = plots.draw, undrawn
    try:
        yield
    finally:
        plots.draw = before


def scores_file(data: bytes, rng: Random) -> bytes:
    """A scores file: what it says of itself changed, a column dropped, retyped, emptied or made odd, rows dropped."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = rng.randint(0, 9)
    try:
        table = pq.read_table(pa.BufferReader(data))
    except Exception:
        return data[: rng.randint(0, len(data))]
    if kind == 0:
        return m.odd_bytes(data, rng)
    if kind <= 4:
        about = (table.schema.metadata or {}).get(b"bench", b"{}")
        table = table.replace_schema_metadata({b"bench": m.json_file(about, rng)})
    elif kind == 5:
        table = table.drop_columns([rng.choice(table.column_names)])
    elif kind == 6:
        table = table.slice(rng.randint(0, table.num_rows), rng.randint(0, table.num_rows))
    else:
        name = rng.choice(table.column_names)
        table = table.set_column(table.column_names.index(name), name, _odd_column(table[name], rng))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _odd_column(column: pa.ChunkedArray, rng: Random) -> pa.Array:
    import pyarrow as pa

    values = column.to_pylist()
    kind = rng.randint(0, 4)
    if kind == 0 or not values:
        return pa.array([None] * len(values), pa.string())
    if kind == 1:
        return pa.array([str(v) for v in values])
    if kind == 2:
        return pa.array(range(len(values)))
    wild: tuple[Any, ...] = ("", "*", "ar", "x\x00", "$x_{$", "../x", None)
    if isinstance(values[0], float):
        wild = (float("nan"), float("inf"), -1.0, 1e308, None)
    if isinstance(values[0], int):
        wild = (-1, 1, (1 << 31) - 1, None)
    if isinstance(values[0], list):
        part = values[0][:1] or [None]
        odd = "x" if isinstance(part[0], str) else True if isinstance(part[0], bool) else -1
        wild = ([], part * 50, [odd, *values[0][1:]], [None, *values[0][1:]], values[0][::-1], None)
    return pa.array([rng.choice(wild) if rng.randint(0, 3) == 0 else v for v in values], _plain(column.type))


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


STATIC = Path(bench.__file__).parent / "models" / "demo-static"
MODULES = json.loads((STATIC / "modules.json").read_text())
MODEL_FILES = (
    (MODULES, "modules.json"),
    ([*MODULES, {"idx": 1, "name": "1", "path": "1_Router", "type": "sentence_transformers.models.Router"}],
     "modules.json"),
    ({"types": {"a": "sentence_transformers.models.Pooling"}, "structure": {"query": ["a"]}, "parameters": {}},
     "1_Router/router_config.json"),
    ({"max_seq_length": 8, "model_args": {"torch_dtype": "float32"}}, "sentence_bert_config.json"),
    ({"prompts": {"query": "q: "}, "default_prompt_name": None}, "config_sentence_transformers.json"),
)  # fmt: skip


def model_file(data: bytes, rng: Random) -> bytes:
    """One file of a model's folder, with its name in the first line."""
    name, _, rest = data.partition(b"\n")
    return name + b"\n" + m.json_file(rest, rng)


def model(data: bytes, folder: Path) -> Read:
    """A model's folder of which one file is the input; opened where it is taken."""
    name, _, rest = data.partition(b"\n")
    own = folder / "model"
    if not own.is_dir():
        shutil.copytree(STATIC, own)
    for value, path in (*MODEL_FILES[::-1], MODEL_FILES[0]):
        written(own / path, plain(value))
    written(own / (name.decode() if name.decode() in {path for _, path in MODEL_FILES} else "modules.json"), rest)

    def read() -> None:
        from bench.models.loading import load_encoder

        encoder = load_encoder(settings.Settings(model=str(own)), 0)
        assert encoder.prompt["query"] is not None

    return read


def _state() -> bytes:
    state = {"schema": 1, "step": 3, "owner": {"cell": "c"}, "batches_sha256": "0", "resumed_at": [],
             "files": {"steps.jsonl": sha256(Path(__file__))},
             "scalars": {"optimizer": {"dict": [["a", {"tensor": "t"}]]}, "scheduler": {"list": [1]}}}  # fmt: skip
    return plain({**state, "sha256": json_files.hash64(state)})


def state_file(data: bytes, rng: Random) -> bytes:
    """A checkpoint's state, mostly with a digest that fits what was changed."""
    changed = m.json_file(data, rng)
    try:
        state = json.loads(changed)
        if rng.randint(0, 4) and isinstance(state, dict):
            state.pop("sha256", None)
            return plain({**state, "sha256": json_files.hash64(state)})
    except (ValueError, RecursionError):
        pass
    return changed


def state(data: bytes, folder: Path) -> Read:
    """The state of a checkpoint, read as ``--resume`` does."""
    import torch
    from safetensors.torch import save_file

    from bench.training.resume import stored_states

    place = folder / "cell" / "step-00000003"
    written(place / "state.json", data)
    written(place / "steps.jsonl", Path(__file__).read_bytes())
    if not (place / "training.safetensors").is_file():
        save_file({"t": torch.ones(1)}, place / "training.safetensors")

    def read() -> None:
        found = checkpoints.find(folder / "cell", {"cell": "c"})
        assert found is not None
        assert found.step == 3
        stored_states(found)

    return read


COMMANDS = (b"leaderboard\nmade\n--by\nlanguage", b"report\nmade", b"compare\nhybrid\nmono\n--experiment\nmade",
            b"data\ncite\nmade", b"leaderboard\nmade\n--sort\nmulti\n--format\ncsv", b"list\nstrategies",
            b"check\nstrategy\nmono", b"run\n--strategy\nmono\n--dry-run\n--task\nx", b"data\nlist",
            b"export\nmteb\nmade\n--out\nout/runs", b"evaluate\n--model\nx\n--dry-run")  # fmt: skip
ARGUMENTS = ("\n", "made", "../", "..", "/", ".", "--set", "--measure", "--margin", "nan", "-1", "--json", "toy", "AP",
             "hybrid", "x" * 300, "\x00", "\udcff", "\u202e", "--experiment", "--results", "--seeds", "--html",
             "made/../made", "--model", "--task", "--preset", "'", "(", ")", "plug_in.py:Mine")  # fmt: skip


def command(data: bytes, folder: Path) -> Read:
    """Arguments of the command line, in a folder with results."""
    import mteb  # noqa: F401  # it makes a cache when it is imported, which is no doing of an input

    results(plain(PROTOCOL), folder, "protocol.json")
    (folder / "out").mkdir(exist_ok=True)
    arguments = data.decode("utf-8", "surrogateescape").split("\n")

    def read() -> None:
        from bench.cli import main

        said = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            try:
                code = main([*arguments, *(["--reports", "out"] if arguments[0] == "report" else [])])
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        if code:
            raise BenchError(said.getvalue().strip().splitlines()[-1])

    return read


def _targets() -> tuple[Target, ...]:
    packed = (gzip.compress(RECORDS, mtime=0),)
    presets = (PRESET, PROTOCOL_TOML, PRESET + PROTOCOL_TOML)
    words = m.tokens(WORDS)
    of_derived = partial(results, of="lir")
    return (
        Target("LAReQA JSON", (plain(LAREQA),), m.json_file, lareqa),
        Target("SQuAD JSON", (plain(SQUAD),), m.json_file, squad),
        Target("parallel JSONL", (RECORDS,), m.json_lines, partial(parallel, name="a.jsonl")),
        Target("parallel JSONL, gzip", packed, m.gzipped(m.json_lines), partial(parallel, name="a.jsonl.gz")),
        Target("BEIR corpus", (CORPUS,), m.json_lines, partial(beir, part="corpus.jsonl")),
        Target("BEIR queries", (QUERIES,), m.json_lines, partial(beir, part="queries.jsonl")),
        Target("BEIR qrels", (QRELS,), m.rows_of_text, partial(beir, part="qrels/test.tsv")),
        Target("TOML preset", presets, toml_file, preset),
        Target("strategy expressions", STRATEGIES, words, partial(expression, read=resolve.recipe)),
        Target("task expressions", TASKS, words, partial(expression, read=task_of)),
        Target("source expressions", SOURCES, words, partial(expression, read=source_of)),
        Target("checkpoint state.json", (_state(),), state_file, state),
        Target("model folder", tuple(path.encode() + b"\n" + plain(value) for value, path in MODEL_FILES), model_file,
               model, True),
        Target("results: config.json", (cell_file("config.json"),), m.json_file,
               partial(results, name="config.json"), True),
        Target("results: config.json of a derived cell", (cell_file("config.json", "lir"),), m.json_file,
               partial(of_derived, name="config.json"), True),
        Target("results: done", (cell_file("done"),), m.json_file, partial(results, name="done"), True),
        Target("results: steps.jsonl", (cell_file("steps.jsonl"),), m.json_lines,
               partial(results, name="steps.jsonl"), True),
        Target("results: batches.json", (cell_file("batches.json"),), m.json_file,
               partial(results, name="batches.json"), True),
        Target("results: cost.json", (cell_file("cost.json"),), m.json_file, partial(results, name="cost.json"), True),
        Target("results: validation.jsonl", (VALIDATED,), m.json_lines,
               partial(results, name=f"{cell_folder('hybrid')}/validation.jsonl"), True),
        Target("results: findings.md", (FINDINGS,), m.json_lines, partial(results, name="findings.md"), True),
        Target("locks", (LOCK,), m.json_file, locked),
        Target("results: protocol.json", (plain(PROTOCOL),), m.json_file,
               partial(results, name="protocol.json"), True),
        Target("results: scores parquet", (cell_file("toy@1.parquet"), observed_file()), scores_file,
               partial(results, name="toy@1.parquet"), True),
        Target("command line", COMMANDS, m.tokens(ARGUMENTS), command, True),
    )  # fmt: skip


TARGETS = _targets()
