"""The arithmetic of what is computed on paper, held against what the harness counts, reads and parses."""

import gzip
import json
import shlex
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

import full_scale
import full_scale_counts as counts
import numpy as np
import pytest
from transformers import BertConfig, BertModel

from bench.cli import parser
from bench.data import catalogue
from bench.encoding import passes
from bench.models.loading import load_encoder
from bench.plan import resolve
from bench.plan.presets import load_plan
from bench.plan.settings import Settings
from bench.running.grid import build_grid
from bench.training.cost import count

OPTIONS = Namespace(search_seconds=14.1, encode_seconds=78.6, peak_mb=719)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> counts.Measured:
    monkeypatch.setattr(counts, "IDS", 2000)
    texts = counts.Sample(np.array([40, 60]), 200.0, 10.0)
    trained = dict.fromkeys(counts.TRAINED, texts)
    miracl = {"en": texts, "zh": texts._replace(characters=60.0)}
    return counts.Measured(miracl, texts, trained, trained, {"en": 1.0, "zh": 3.0}, 2.0, 5, 4.0)


def test_the_closed_formulas_are_what_is_counted() -> None:
    h, inner, layers, heads = 24, 56, 3, 4
    encoder = load_encoder(Settings(model="demo-transformer"), 0)
    first = encoder.model[0]
    old = first.model.config
    first.model = BertModel(
        BertConfig(
            vocab_size=old.vocab_size, hidden_size=h, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=inner, max_position_embeddings=64,
        )
    )  # fmt: skip
    assert passes.prepare(encoder.model)
    tiny = counts.Architecture("tiny", layers, h, inner, heads, old.vocab_size, 64, 2)
    assert count(encoder) == tiny.flops
    assert tiny.parameters == sum(p.numel() for p in encoder.model.parameters())


def test_published_sizes() -> None:
    assert counts.XLMR.parameters == 278_043_648
    assert counts.LABSE.parameters - counts.LABSE.behind == 470_926_848
    assert counts.XLMR.flops == counts.LABSE.flops


def test_vectors_take_two_bytes_a_number_in_float16() -> None:
    assert counts.disk(counts.PASSAGES, 384) == counts.PASSAGES * 384 * 2
    assert counts.disk(1000, 768, 4) == 2 * counts.disk(1000, 768)


def test_hours_fall_with_gpus_and_with_their_share_of_the_peak() -> None:
    assert counts.hours(counts.PEAK * 3600, 1.0) == 1
    assert counts.hours(1e18, 0.2, 64) * 64 == pytest.approx(counts.hours(1e18, 0.2))
    assert counts.hours(1e18, 0.2) == pytest.approx(2 * counts.hours(1e18, 0.4))


def test_a_step_is_three_passes_of_all_its_texts(measured: counts.Measured) -> None:
    query, passage = counts.Lengths(10, 120), counts.Lengths(100, 11_000)
    work, n = counts.Rows(query, passage).work(), Settings().batch_size
    once = query.flops(counts.XLMR) + passage.flops(counts.XLMR)
    assert counts.XLMR.flops.step(work, 0) == pytest.approx(3 * n * once)
    harder = counts.Rows(query, passage).work(negatives=1)
    assert counts.XLMR.flops.step(harder, 0) == pytest.approx(3 * n * (once + passage.flops(counts.XLMR)))


def test_lengths_grow_with_the_characters_and_are_cut() -> None:
    texts = counts.Sample(np.array([10, 20, 30]), 100.0)
    assert texts.grown(200.0, around=5, most=1000) == (45, (25**2 + 45**2 + 65**2) / 3)
    assert texts.grown(200.0, around=5, most=30).mean == pytest.approx((25 + 30 + 30) / 3)
    assert counts.mean([(1, counts.Lengths(1, 1)), (3, counts.Lengths(5, 9))]) == (4, 7)


def test_every_query_meets_all_passages_or_those_of_its_language() -> None:
    assert counts.comparisons(pool=True) == counts.QUERIES * counts.PASSAGES
    assert counts.comparisons(pool=False) == sum(n * asked for n, _, asked in counts.MIRACL.values())
    assert counts.Searched(14.1).hours(1e9, 384) * 3600 == pytest.approx(14.1)


def test_what_is_held_of_a_passage(measured: counts.Measured) -> None:
    of_passage = counts.held()
    columns = 4 * 8 + 1  # list, tie, place, tile: int64 or a pointer; and whether it is new
    assert of_passage.searched > columns + sys.getsizeof("en/7000000#1")
    assert of_passage.most > of_passage.searched
    assert counts.host_memory(2_000_000, 7e8, of_passage) == pytest.approx(7e8 + 1e6 * of_passage.most)


def test_miracl_is_as_mteb_counts_it() -> None:
    found = find_spec("mteb")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "descriptive_stats" / "Retrieval" / "MIRACLRetrieval.json"
    whole = json.loads(path.read_text(encoding="utf-8"))["dev"] if path.is_file() else {}
    if "documents_text_statistics" not in whole:
        pytest.skip("this version of mteb describes MIRACL in another form")
    assert (whole["num_documents"], whole["num_queries"]) == (counts.PASSAGES, counts.QUERIES)
    assert whole["documents_text_statistics"]["unique_texts"] == counts.DISTINCT
    theirs = {
        lang: (s["num_documents"], round(s["documents_text_statistics"]["average_text_length"], 1), s["num_queries"])
        for lang, s in whole["hf_subset_descriptive_stats"].items()
    }
    assert theirs == counts.MIRACL


def test_dev_queries_are_those_of_the_topics(data_root: Path) -> None:
    folder = data_root / "miracl-dev-topics-qrels"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    for lang, (_, _, asked) in counts.MIRACL.items():
        with gzip.open(folder / f"topics.miracl-v1.0-{lang}-dev.tsv.gz", "rt", encoding="utf-8") as lines:
            assert sum(1 for _ in lines) == asked


def test_the_preset_has_the_cells_that_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full.toml").write_text(full_scale.PRESET, encoding="utf-8")
    plans = [load_plan(str(tmp_path / "full.toml"), {"model": of.hub}) for of in (counts.XLMR, counts.LABSE)]
    monkeypatch.setattr(type(resolve.source("mmarco")), "files", lambda self, root: ())  # names of cells need the Hub's
    grids = [build_grid(plan, None, tmp_path, fetch=False) for plan in plans]
    assert sum(len(grid.jobs) for grid in grids) == counts.scored_cells()
    assert sum(job.steps > 0 for grid in grids for job in grid.jobs) == counts.trained_cells()
    assert plans[0].settings.batch_size == Settings().batch_size
    later = load_plan(
        str(tmp_path / "full.toml"), {"model": counts.XLMR.hub, "tasks": ("beir:climate-fever", "miracl")}
    )
    same = build_grid(later, None, tmp_path, fetch=False)
    assert [job.name for job in same.jobs] == [job.name for job in grids[0].jobs]
    large = [resolve.task(name).name for name in ("miracl", "beir:climate-fever")]
    assert plans[0].protocol is not None
    assert set(plans[0].protocol.out_of_domain) <= {t.name for t in grids[0].tasks} | set(large)


def test_commands_are_understood() -> None:
    commands = [
        *full_scale.FETCHES, *full_scale.runs_of(counts.XLMR), *full_scale.runs_of(counts.LABSE),
        *full_scale.alternatives(), *full_scale.full_miracl(),
    ]  # fmt: skip
    for command in commands:
        options = parser().parse_args(shlex.split(command.partition(" -m bench ")[2]))
        for name in getattr(options, "tasks", None) or ():
            assert resolve.task(name).name.startswith(("miracl", "climate-fever"))
        if " data fetch " in command:
            catalogue.find(options.name)


def test_sections_say_what_was_computed(measured: counts.Measured) -> None:
    study, miracl = full_scale.study(measured, OPTIONS), full_scale.miracl(measured, OPTIONS)
    for section in (study, miracl):
        assert "Nothing of this was run." in section
        assert all(len(line) <= 120 for line in section.splitlines() if line[:1].isalpha() and " -m bench" not in line)
    assert f"{full_scale.size(counts.disk(counts.study_passages(), 768))} |" in study
    assert f"{full_scale.size(counts.disk(counts.PASSAGES, 384))} |" in miracl
    assert all(command in study for of in (counts.XLMR, counts.LABSE) for command in full_scale.runs_of(of))
