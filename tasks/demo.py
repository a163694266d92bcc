"""The embedded data set: facts of CLDR as questions and passages in eleven languages. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.contract import EvalSet, Source, Task, TaskError, TrainSet
from tasks.files import read_jsonl

DATA = Path(__file__).parent / "demo_data"
TEMPLATES = Path(__file__).parent / "demo_templates"


class _Packaged:
    """What the source and both tasks share: one frozen file of facts."""

    version = "2"
    licence = "Apache-2.0 (templates), Unicode License v3 (names, from CLDR through Babel)"
    citation = "Unicode CLDR; templates of this project"

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The packaged file."""
        return (DATA / "facts.jsonl.gz",)


@dataclass(frozen=True)
class DemoSource(_Packaged, Source):
    """The embedded facts to train on, every item in all eleven languages."""

    name = "demo"
    apart_from = ("demo", "demo-dev")

    def load(self, root: Path | None) -> TrainSet:
        """The facts of the split ``train``; each is its own group."""
        rows = _facts("train")
        langs = tuple(sorted(rows[0]["query"]))
        return TrainSet(
            langs=langs,
            query={lang: [row["query"][lang] for row in rows] for lang in langs},
            passage={lang: [row["passage"][lang] for row in rows] for lang in langs},
            group=list(range(len(rows))),
        )


@dataclass(frozen=True)
class Demo(_Packaged, Task):
    """Facts never trained on: new words (``demo``), words of training (``demo-seen``), a new relation (``demo-ood``).

    ``demo-ood`` is a relation, the script of a language, of which no fact was trained on.
    """

    name = "demo"

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the three sets."""
        test = _facts("test")
        first = _eval_set("demo", test, "query")
        yield first
        yield replace(_eval_set("demo-seen", test, "query_seen"), passages=first.passages)  # the same are encoded once
        yield _eval_set("demo-ood", _facts("ood"), "query")


@dataclass(frozen=True)
class DemoDev(_Packaged, Task):
    """Facts for choosing settings, in words of training; neither trained nor tested on."""

    name = "demo-dev"

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one set."""
        yield _eval_set("demo-dev", _facts("dev"), "query")


def load_names() -> dict[str, list[str]]:
    """Parallel names of territories, languages, currencies, scripts, cities, zones and days: language -> names."""
    rows = _rows("names.jsonl.gz")
    return {lang: [row["name"][lang] for row in rows] for lang in sorted(rows[0]["name"])}


def load_wordings() -> list[str]:
    """Every wording of questions and passages in every language, its placeholders left out: for a tokenizer."""
    wordings: list[str] = []
    for path in sorted(TEMPLATES.glob("*.toml")):
        form = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = [form["frames"], form["frames_test"]]
        parts += [texts for relation in form.values() if isinstance(relation, dict) for texts in relation.values()]
        wordings += [re.sub(r"\{.\}", " ", text) for texts in parts for text in texts]
    return wordings


def _facts(split: str) -> list[dict[str, Any]]:
    return [row for row in _rows("facts.jsonl.gz") if row["split"] == split]


def _rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    expected = json.loads((DATA / "about.json").read_text(encoding="utf-8"))["sha256"][name]
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"
    if found != expected:
        raise TaskError(
            f"{path}: not the frozen file (sha256 {found[:12]}, expected {expected[:12]}); install the package again, "
            "or rebuild it with 'python -m tasks.demo_build'"
        )
    return [row for _, row in read_jsonl(path)]


def _eval_set(name: str, rows: list[dict[str, Any]], field: str) -> EvalSet:
    langs = sorted(rows[0]["query"])
    return EvalSet(
        name=name,
        queries={lang: {f"{lang}/{row['id']}": row[field][lang] for row in rows} for lang in langs},
        passages={lang: {f"{lang}/{row['id']}": row["passage"][lang] for row in rows} for lang in langs},
        relevant={f"{lang}/{row['id']}": {f"{x}/{row['id']}": 1 for x in langs} for lang in langs for row in rows},
        group={f"{lang}/{row['id']}": row["id"] for lang in langs for row in rows},
    )
