"""What derived models compute, against formulas written out; and how they stand in an experiment."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from bench import posthoc, records, resolve
from bench.average import average
from bench.cli import main
from bench.compare import find
from bench.derived import LEAST, Merge
from bench.errors import BenchError
from bench.leaderboard import short
from bench.schedule import TrainData
from bench.search import Corpus, Floats, Ints, build_corpus
from strategies import Pool

DIM = 6
SMALL = ("--steps", "10", "--batch-size", "16", "--task", "demo-dev", "--experiment", "small", "--baselines", "none")
DERIVED = "centering(mono),merge(mono, cross),lir(mono),shift(mono),lir(untrained, rank=2)"


class Hashed:
    """A ranker whose vectors depend on the text alone, with a large component that depends on its first letter."""

    def passages(self, corpus: Corpus) -> tuple[Floats, Ints]:
        texts = list(corpus.texts())
        distinct = list(dict.fromkeys(texts))
        return self.encode(distinct), np.array([distinct.index(t) for t in texts])

    def queries(self, texts: Sequence[str], langs: Sequence[str]) -> Floats:
        return self.encode(texts)

    def encode(self, texts: Sequence[str]) -> Floats:
        def vector(text: str) -> Floats:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
            base = 2 * np.cos(np.arange(DIM) * (1 + ord(text[0])))
            return np.asarray(base + np.random.default_rng(seed).normal(size=DIM), np.float32)

        return posthoc.unit(np.stack([vector(t) for t in texts]))


def corpus(n: int = 40, few: int = LEAST - 1) -> Corpus:
    """Two languages that share a text, each with a text twice, and one with few texts."""
    passages = {
        "de": {f"d{i}": f"d text {i}" for i in range(n)} | {"dx": "shared", "dy": "d text 0"},
        "en": {f"e{i}": f"e text {i}" for i in range(n)} | {"ex": "shared", "ey": "e text 0"},
        "fi": {f"f{i}": f"f text {i}" for i in range(few)},
    }
    return build_corpus(passages)


def by_language(pool: Corpus, vectors: Floats, place: Ints) -> dict[str, Floats]:
    """The vectors of the distinct texts of each language."""
    texts = list(pool.texts())
    found = {}
    for i, lang in enumerate(pool.langs):
        columns = range(int(pool.segment[i]), int(pool.segment[i + 1]))
        first = {texts[c]: c for c in reversed(columns)}
        found[lang] = vectors[place[sorted(first.values())]]
    return found


def test_the_average_is_torchs_to_the_bit() -> None:
    states = [{"w": torch.randn(5, 7), "ids": torch.arange(3)} for _ in range(3)]
    merged = average(states)
    assert torch.equal(merged["w"], torch.mean(torch.stack([s["w"] for s in states]), dim=0))
    assert torch.equal(merged["ids"], torch.arange(3))
    two = average(states[:2], (0.3, 0.7))
    torch.testing.assert_close(two["w"], torch.lerp(states[1]["w"], states[0]["w"], 0.3))
    same = average(states[:2], (0.5, 0.5))
    assert torch.equal(same["w"], average(states[:2])["w"])


def test_models_that_differ_in_kind_are_not_averaged() -> None:
    one = {"w": torch.zeros(2, 3)}
    with pytest.raises(BenchError, match="one architecture"):
        average([one, {"w": torch.zeros(3, 2)}])
    with pytest.raises(BenchError, match="ids is not, and differs"):
        average([{"ids": torch.arange(3)}, {"ids": torch.arange(1, 4)}])


def test_centering_leaves_no_mean_and_unit_length() -> None:
    pool, plain = corpus(), Hashed()
    before = by_language(pool, *plain.passages(pool))
    vectors, place = posthoc.Removed(plain, posthoc.centering).passages(pool)
    after = by_language(pool, vectors, place)
    for lang in ("de", "en"):
        moved = posthoc.centering(before[lang], lang, "passage")
        np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-7)
        expected = before[lang] - before[lang].mean(axis=0)
        np.testing.assert_allclose(after[lang], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-6)
    np.testing.assert_allclose(after["fi"], before["fi"], atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_in_two_languages_has_a_row_for_each() -> None:
    pool = corpus()
    plain, place = Hashed().passages(pool)
    vectors, column = posthoc.Removed(Hashed(), posthoc.centering).passages(pool)
    at = {d: int(column[i]) for i, d in enumerate(pool.doc_id)}
    assert place[pool.doc_id.index("dx")] == place[pool.doc_id.index("ex")]
    assert not np.allclose(vectors[at["dx"]], vectors[at["ex"]])
    assert at["d0"] == at["dy"]
    assert len(vectors) == len(plain) + 1


def test_queries_are_centred_on_their_own_mean() -> None:
    texts = [f"{x} question {i}" for i in range(20) for x in "de"]
    langs = ["de" if t.startswith("d") else "en" for t in texts]
    found = posthoc.Removed(Hashed(), posthoc.centering).queries(texts, langs)
    plain = Hashed().encode(texts)
    for lang in ("de", "en"):
        rows = [i for i, x in enumerate(langs) if x == lang]
        expected = plain[rows] - plain[rows].mean(axis=0)
        np.testing.assert_allclose(found[rows], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-6)
    twice = posthoc.Removed(Hashed(), posthoc.centering).queries([*texts, *texts], [*langs, *langs])
    assert np.array_equal(twice, np.concatenate([found, found]))


@pytest.mark.parametrize("rank", [1, 3])
def test_lir_is_numpys_singular_vectors_projected_out(rank: int) -> None:
    pool = corpus()
    before = by_language(pool, *Hashed().passages(pool))
    after = by_language(pool, *posthoc.Removed(Hashed(), posthoc.lir(rank)).passages(pool))
    for lang in ("de", "en"):
        x = before[lang].astype(np.float64)
        _, _, vt = np.linalg.svd(x, full_matrices=False)
        expected = x.copy()
        for v in vt[:rank]:
            expected -= np.outer(x @ v, v)
        np.testing.assert_allclose(posthoc.lir(rank)(before[lang], lang, "passage") @ vt[:rank].T, 0, atol=1e-6)
        np.testing.assert_allclose(after[lang], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-5)
    np.testing.assert_allclose(after["fi"], before["fi"], atol=1e-7)
    with pytest.raises(BenchError, match="less than the dimensions of the vectors, 6; got 6"):
        posthoc.lir(DIM)(before["de"], "de", "passage")


def pool_of(has: np.ndarray) -> TrainData:
    """Items in de, en and fi; every second English passage is shared by two items."""
    langs, n = ("de", "en", "fi"), len(has)
    texts: dict[str, list[str | None]] = {
        lang: [f"{lang} {i // 2 if lang == 'en' else i}" if has[i, k] else None for i in range(n)]
        for k, lang in enumerate(langs)
    }
    return TrainData(Pool(langs, has, np.arange(n), np.zeros(n, np.int64)), texts, texts)


def test_shift_makes_the_means_of_parallel_passages_coincide() -> None:
    has = np.ones((60, 3), np.bool_)
    has[40:, 1] = False
    has[LEAST - 1 :, 2] = False
    pairs = posthoc.parallel_passages(pool_of(has), "en")
    assert set(pairs) == {"de"}
    here, there = pairs["de"]
    assert sorted(there) == sorted({f"en {i // 2}" for i in range(40)})
    assert all(int(d.split()[1]) // 2 == int(e.split()[1]) for d, e in zip(here, there, strict=True))
    encode = Hashed().encode
    shift = posthoc.shift(posthoc.offsets(encode, pairs))
    moved = shift(encode(here), "de", "passage")
    np.testing.assert_allclose(moved.mean(axis=0), encode(there).mean(axis=0), atol=1e-6)
    assert not np.allclose(encode(here).mean(axis=0), encode(there).mean(axis=0), atol=1e-2)
    for lang, kind in (("de", "query"), ("en", "passage"), ("fi", "passage")):
        assert np.array_equal(shift(encode(here), lang, kind), encode(here))  # type: ignore[arg-type]


def test_shift_needs_parallel_texts() -> None:
    with pytest.raises(BenchError, match="one of de, en, fi; got 'xx'"):
        posthoc.parallel_passages(pool_of(np.ones((20, 3), np.bool_)), "xx")
    alone = np.zeros((60, 3), np.bool_)
    alone[np.arange(60), np.arange(60) % 3] = True
    with pytest.raises(BenchError, match="shift needs 10 training items in en and another language"):
        posthoc.parallel_passages(pool_of(alone), "en")


def test_expressions_read_back() -> None:
    made = resolve.recipe("merge( mono , hybrid(alpha=0.3), any_pair )")
    assert isinstance(made, Merge)
    assert made.steps_each(30) == 10
    assert "alpha=0.3" in repr(made)
    for text in (repr(made), "lir(merge(mono, cross, share=0.25), rank=3)", "centering(lir(untrained))"):
        assert resolve.recipe(repr(resolve.recipe(text))) == resolve.recipe(text)
    assert short(repr(resolve.recipe("centering(merge(mono, mixed))"))) == "centering(merge(mono, mixed))"


@pytest.mark.parametrize(("text", "message"), [
    ("merge(mono)", "merge averages at least two strategies, as in merge\\(mono, cross\\); got 1"),
    ("merge(mono, mono)", "different strategies; got mono.* more than once"),
    ("merge(mono, untrained)", "averages the weights of trained strategies; got untrained"),
    ("merge(mono, lir(cross))", "averages the weights of trained strategies; got lir"),
    ("merge(mono, cross, share=1.0)", "share is a number between 0 and 1, neither included; got 1.0"),
    ("merge(mono, cross, mixed, share=0.5)", "share is the weight of the first of two strategies; merge has 3 here"),
    ("merge(mono, cross, shares=0.5)", "merge has no parameter 'shares'; it has share. Did you mean 'share'?"),
    ("centering()", "centering takes one strategy \\(or untrained\\) in brackets; got 0"),
    ("centering", "centering takes one strategy"),
    ("centering(mono, cross)", "centering takes one strategy .*; got 2"),
    ("centering(hybird)", "Did you mean 'hybrid'?"),
    ("lir(mono, rank=0)", "rank is a whole number of at least 1; got 0"),
    ("lir(mono, rank=open('x'))", "parameters of a derived strategy are name=value"),
    ("shift(lir(mono))", "shift moves a strategy, merge\\(...\\) or untrained; got lir"),
    ("shift(mono, source=1)", "source is a language code, as in source='en'; got 1"),
])  # fmt: skip
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        resolve.recipe(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with all derived strategies, run once for this module."""
    path = tmp_path_factory.mktemp("derived")
    assert main(["run", "--strategy", DERIVED, *SMALL, *places(path)]) == 0
    return path


def places(path: Path) -> list[str]:
    return ["--results", str(path / "results"), "--reports", str(path / "reports")]


def cell_of(path: Path, name: str) -> Path:
    (found,) = (path / "results" / "small").glob(f"{name}-*-s0")
    return found


def bits(cell: Path) -> str:
    return hashlib.sha256((cell / "scores" / "demo-dev@2.parquet").read_bytes()).hexdigest()


def test_what_is_derived_from_stands_beside_it(folder: Path) -> None:
    cells = sorted(c.name.split("-")[0] for c in (folder / "results" / "small").iterdir())
    assert cells == ["centering", "lir", "lir", "merge", "mono", "shift", "untrained"]
    config = records.read_json(next((folder / "results" / "small").glob("shift-*")) / "config.json")
    assert config["trained"] is True
    assert config["parents"] == [
        {"cell": cell_of(folder, "mono").name, "strategy": "mono(language_temperature=None)", "steps": 10}
    ]
    offsets = load_file(cell_of(folder, "shift") / "offsets.safetensors")
    assert sorted(offsets) == ["ar", "de", "es", "hi", "ru", "th", "tr", "zh"]


def test_merged_parents_share_the_steps_and_the_weights_are_their_mean(folder: Path) -> None:
    cell = cell_of(folder, "merge")
    parents = sorted((cell / "parents").iterdir())
    assert [len((p / "steps.jsonl").read_text().splitlines()) for p in parents] == [5, 5]
    assert not any((p / "done").exists() for p in parents)
    states = [load_file(p / "model" / "model.safetensors") for p in parents]
    merged = load_file(cell / "model" / "model.safetensors")
    for name, weight in merged.items():
        both = torch.stack([torch.from_numpy(s[name]) for s in states])
        assert not torch.equal(both[0], both[1])
        assert torch.equal(torch.from_numpy(weight), both.mean(dim=0))


def test_a_derived_cell_ranks_otherwise_than_its_parent(folder: Path) -> None:
    cells = records.read_cells(folder / "results" / "small")
    assert len({bits(c.path) for c in cells}) == len(cells) == 7


def test_the_same_expression_gives_the_same_bits(folder: Path, tmp_path: Path) -> None:
    again = ["run", "--strategy", DERIVED, *SMALL, "--no-report", *places(tmp_path)]
    assert main(again) == 0
    before, after = (records.read_cells(p / "results" / "small") for p in (folder, tmp_path))
    assert [c.path.name for c in before] == [c.path.name for c in after]
    assert [bits(c.path) for c in before] == [bits(c.path) for c in after]


def test_a_finished_cell_is_reused_and_scored_on_more_without_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = (cell_of(folder, "mono") / "model" / "model.safetensors").stat().st_mtime_ns
    scores = [cell_of(folder, name) / "scores" / "demo-dev@2.parquet" for name in ("merge", "shift")]
    before = [bits(path.parents[1]) for path in scores]
    for path in scores:
        path.unlink()
    assert main(["run", "--strategy", "merge(mono,cross),shift(mono)", *SMALL, "--no-report", *places(folder)]) == 0
    assert "training items" not in capsys.readouterr().err
    assert [bits(path.parents[1]) for path in scores] == before
    assert (cell_of(folder, "mono") / "model" / "model.safetensors").stat().st_mtime_ns == stamp


def test_no_derived_cell_is_caught_by_the_name_of_its_parent(folder: Path) -> None:
    cells = records.read_cells(folder / "results" / "small")
    for name, kind in (
        ("mono", "mono"),
        ("merge(mono,cross)", "merge"),
        (" merge( mono, cross(pairs='row') )", "merge"),
        ("merge", "merge"),
        ("centering(mono)", "centering"),
        ("shift(mono)", "shift"),
    ):
        assert [c.path for c in find(cells, name)] == [cell_of(folder, kind)]
    with pytest.raises(BenchError, match="no finished strategy 'centering\\(cross\\)' here"):
        find(cells, "centering(cross)")
    with pytest.raises(BenchError, match="'lir' means several strategies"):
        find(cells, "lir")


def test_derived_cells_are_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared = ["compare", "merge(mono, cross)", "lir(mono)", "--experiment", "small", "--json", *places(folder)]
    assert main(compared) == 0
    assert {c["setting"] for c in json.loads(capsys.readouterr().out)} == {"mono", "cross", "multi"}
    assert main(["compare", "lir(untrained,rank=2)", "mono", "--experiment", "small", *places(folder)]) == 0


def test_the_report_says_how_each_was_derived(folder: Path) -> None:
    report = (folder / "reports" / "small" / "report.md").read_text(encoding="utf-8")
    section = report.split("## Derived from others")[1].split("## Training")[0]
    assert "- `merge(mono, cross(pairs='row'))`: weights averaged; from mono (5 steps) and cross" in section
    assert "- `shift(mono, source='en')`: passages moved" in section
    assert "from untrained (0 steps)." in section
    assert len(section.strip().splitlines()) == 5
    assert "1 trained cells: `mono(language_temperature=None)`" in report


@pytest.mark.parametrize("name", ["merge", "centering", "shift"])
def test_runs_are_exported_as_they_were_scored(folder: Path, name: str) -> None:
    import ir_measures
    from ir_measures import nDCG

    out = folder / "trec" / name
    export = ["export", "trec", "small", name, "--task", "demo-dev", "--depth", "10", "--out", str(out)]
    assert main([*export, *places(folder)]) == 0
    run = list(ir_measures.read_trec_run(str(out / "demo-dev.el-de.run")))
    qrels = list(ir_measures.read_trec_qrels(str(out / "demo-dev.el-de.qrels")))
    table = records.read_scores(cell_of(folder, name) / "scores" / "demo-dev@2.parquet").to_pylist()
    stored = [row["nDCG@10"] for row in table if (row["q_lang"], row["d_lang"]) == ("el", "de")]
    assert ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10] == pytest.approx(np.mean(stored), abs=1e-6)


def test_list_check_and_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategies", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    for name in ("merge", "centering", "lir", "shift"):
        assert listed[name]["what it does"].startswith("derived: ")
        assert resolve.recipe(listed[name]["signature"])
    assert main(["check", "strategy", "merge(mono, cross)"]) == 2
    assert capsys.readouterr().err == (
        "bench: merge(mono, cross) is derived and draws no batches of its own; check what stands in its brackets\n"
    )
    assert main(["run", "--strategy", "centering(merge(mono, cross))", *SMALL, "--dry-run", *places(tmp_path)]) == 0
    out = capsys.readouterr().out
    rows = [[x.strip() for x in line.split("|")] for line in out.splitlines() if line.startswith(("| merge", "| cent"))]
    assert [(r[1].split("-")[0], r[4]) for r in rows] == [("merge", "10"), ("centering", "0")]
    assert "weights averaged; from mono(language_temperature=None) (5 steps) and cross" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "message"), [
    (["merge(mono, cross, any_pair)"], "merge shares the steps equally: --steps is divisible by 3; got 10"),
    (["lir(mono),lir(mono, rank=1)"], "every cell is named once"),
    (["shift(mono, source='el')"], "shift moves passages to a training language, one of ar, de, en"),
    (["merge(mono, cross)", "--batch-size", "5000"], "batch size 5000 needs 5000 distinct groups"),
])  # fmt: skip
def test_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["run", *SMALL, "--strategy", *arguments, *places(tmp_path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("bench: ")
    assert message in error
    assert not list(tmp_path.rglob("*.json"))
