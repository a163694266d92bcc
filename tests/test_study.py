"""What README and findings say of the study is what its stored results give, rounded."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from bench import load
from bench.analysis import statistics
from bench.analysis.compare import Comparison, compare, facts
from bench.analysis.leaderboard import leaderboard
from bench.analysis.set_scores import read_sets
from bench.analysis.strategies import find, short
from bench.store.cells import Cell, read_cells

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "results" / "study"
SECOND = ROOT / "results" / "study-2"

SETS = {"XQuAD-R": "xquad-r-ar-de-el-en-th-zh", "MIRACL-lite": "miracl-lite", "SciFact": "scifact",
        "NFCorpus": "nfcorpus", "Climate-FEVER": "climate-fever-evidence"}  # fmt: skip
SETTINGS = {"one language": "mono", "across languages": "cross", "pool": "multi"}
COLUMNS = {"before training": "untrained", "BM25": "bm25"}

Lines = list[list[str]]


@cache
def cells(folder: Path = STUDY) -> tuple[Cell, ...]:
    return tuple(read_cells(folder))


def tables(path: Path) -> list[Lines]:
    """The cells of every pipe table, the header first, the line below it left out."""
    found = re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE)
    lines = [[[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in t.splitlines()] for t in found]
    return [[t[0], *t[2:]] for t in lines]


def number(text: str) -> float:
    return float(text.split(" ")[0])


def test_the_headline_table_is_the_leaderboards() -> None:
    (header, *lines) = next(t for t in tables(ROOT / "README.md") if "BM25" in t[0])
    rows = {of.name: {r.label: r for r in leaderboard(of, of.main)} for of in read_sets(cells(SECOND))}
    labels = [short(find(cells(SECOND), COLUMNS.get(column, column))[0].label) for column in header[1:]]
    seen = 0
    for name, *values in lines:
        of = next(stored for shown, stored in SETS.items() if name.startswith(shown))
        setting = next((stored for shown, stored in SETTINGS.items() if shown in name), "mono")
        for label, value in zip(labels, values, strict=True):
            assert number(value) == pytest.approx(rows[of][label].mean[setting], abs=0.0005000001), (name, label)
            seen += 1
    assert seen >= 25


def shown(of: Comparison) -> str:
    return f"{of.effect:+.3f} [{of.interval.low:+.3f}, {of.interval.high:+.3f}]"


def test_the_effects_of_the_findings_are_those_of_compare() -> None:
    seen = 0
    for header, *lines in tables(STUDY / "findings.md"):
        for i, title in enumerate(header):
            match = re.fullmatch(r"(.+) - (.+?)(?:, seed (\d+))?", title)
            if match is None:
                continue
            chosen = [int(match[3])] if match[3] else []
            found = compare(cells(), match[1], match[2], None, 0.01, chosen)
            effects = {(c.set_name, c.setting): c for c in found}
            for line in lines:
                assert line[i] == shown(effects[line[0], line[1]]), (title, line)
                if i + 1 < len(header) and not header[i + 1]:
                    said = facts(effects[line[0], line[1]].interval, 0.01).sentence(0.01)
                    assert line[i + 1] == said, (title, line)
                seen += 1
    assert seen >= 20


def thousandths(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".")


def test_the_claims_of_the_second_findings_are_those_of_the_last_look() -> None:
    looks = [json.loads(line) for line in (SECOND / "looks.jsonl").read_text().splitlines()]
    (_, *lines) = next(t for t in tables(SECOND / "findings.md") if t[0][0] == "claim")
    assert len(lines) == len(looks[-1]["claims"])
    for i, (_, said, end) in enumerate(lines):
        ends = next((look for look in looks if look["claims"][i]["end"]), looks[-1])
        claim = ends["claims"][i]
        effect, low, high = (f"{claim[key]:+.4f}".replace("0.", ".") for key in ("effect", "low", "high"))
        assert said == f"{effect} [{low}, {high}], {ends['trainings']} trainings"
        assert end.split(":")[0] == (claim["end"] or "not settled")


def test_the_single_sets_of_the_second_findings_are_those_of_compare() -> None:
    ((_, _, *pairs), *lines) = next(t for t in tables(SECOND / "findings.md") if t[0][0] == "set")
    for column, pair in enumerate(pairs, 2):
        a, b = pair.split(" - ")
        effects = {(c.set_name, c.setting): c for c in compare(cells(SECOND), a, b, None, 0.01, [])}
        for line in lines:
            of = effects[{"xquad-r, six languages": SETS["XQuAD-R"]}.get(line[0], line[0]), line[1]]
            expected = f"{thousandths(of.effect)} [{thousandths(of.interval.low)}, {thousandths(of.interval.high)}]"
            assert line[column] == expected, (pair, line[:2])


def test_the_table_of_the_compositions_is_that_of_their_cells() -> None:
    folder = ROOT / "results" / "compositions"
    (found,) = read_sets(cells(folder))
    rows = {row.label: row for row in leaderboard(found, found.main)}
    (_, *lines) = next(t for t in tables(folder / "findings.md") if t[0][0] == "strategy")
    assert len(lines) == len(rows) == 5
    for label, mono, cross, multi, source, similarity, losses in lines:
        means = {setting: float(value) for setting, value in zip(SETTINGS.values(), (mono, cross, multi), strict=True)}
        assert means == pytest.approx({s: rows[label].mean[s] for s in means}, abs=0.0005000001), label
        trained = [
            cell for cell in cells(folder) if short(cell.label) == label and (cell.path / "batches.json").exists()
        ]
        audits = [json.loads((cell.path / "batches.json").read_text()) for cell in trained]
        assert (len(audits) == 2) == bool(source), label
        if source:
            assert sum(a["same_source"] for a in audits) / 2 == pytest.approx(float(source), abs=0.00500001), label
            assert sum(a["similarity"] for a in audits) / 2 == pytest.approx(float(similarity), abs=0.000500001), label
            steps = [(cell.path / "steps.jsonl").read_text().splitlines() for cell in trained]
            ends = [
                [json.loads(line)["loss"] for s in steps for line in s[part]] for part in (slice(10), slice(-10, None))
            ]
            for said, values in zip(losses.split(", "), ends, strict=True):
                assert sum(values) / 20 == pytest.approx(float(said), abs=0.00500001), label


def test_the_table_of_the_native_arm_is_that_of_its_trainings() -> None:
    values = load(ROOT / "results" / "study-2-native").per_query()
    values["with"] = values.strategy.str.endswith("native-qa")
    trained = values[values.strategy != "untrained"]
    names = {"MIRACL-lite, Arabic": "miracl-lite-ar", "XQuAD-R, Arabic and Thai": "xquad-r-ar-th"}
    settings = {"within a language": "mono", "across languages": "cross", "pool of all languages": "multi"}
    (_, *lines) = next(t for t in tables(ROOT / "results" / "study-2-native" / "findings.md") if t[0][0] == "set")
    name = ""
    for of, setting, without, having, difference in lines:
        name = names.get(of, name)
        rows = trained[(trained.set == name) & (trained.setting == settings[setting])]
        table = rows.groupby(["with", "seed", "question"]).value.mean().unstack("question")
        one, other = (table.loc[which].to_numpy() for which in (False, True))  # (trainings, questions) each
        low, high = statistics.interval(other - one, 0.95)
        assert (one.mean(), other.mean()) == pytest.approx((float(without), float(having)), abs=0.0005000001), setting
        assert f"{(other - one).mean():+.3f} [{low:+.3f}, {high:+.3f}]".replace("0.", ".") == difference, setting
    assert len(lines) == 4
