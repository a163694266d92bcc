"""What is known of a data set: counts, lengths, first, tenth and last id, checksums. Committed in ``facts/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tasks.checksums import checksums
from tasks.contract import EvalSet, Source, Task, TrainSet

FACTS = Path(__file__).parent / "facts"


def stored(name: str) -> dict[str, object] | None:
    """The committed facts of a data set; None where there are none."""
    if name not in {path.stem for path in FACTS.glob("*.json")}:
        return None
    path = FACTS / f"{name}.json"
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def measure(thing: Task | Source, root: Path | None) -> dict[str, object]:
    """The facts of what lies below ``root``, in the form in which they are stored."""
    about: dict[str, object] = {
        "name": thing.name,
        "version": thing.version,
        "licence": thing.licence,
        "citation": thing.citation,
        "files": checksums(thing.files(root)),
    }
    if isinstance(thing, Task):
        about["sets"] = {s.name: _set(s) for s in thing.load(root)}
    else:
        about["train"] = _train(thing.load(root))
    return about


def counted(sets: Iterable[EvalSet]) -> tuple[int, int]:
    """Passages and queries of some sets, added up."""
    there = list(sets)
    passages = sum(len(part) for s in there for part in s.passages.values())
    return passages, sum(len(part) for s in there for part in s.queries.values())


def unlike_published(task: Task, root: Path | None, sets: Iterable[EvalSet]) -> str:
    """How what was read differs from what its publishers count, in words; empty where it does not, or is not known."""
    published = task.published(root)
    found = counted(sets) if published is not None else None
    if published is None or found is None or found == published:
        return ""
    return (
        f"{found[0]:,} passages and {found[1]:,} queries were read, and its publishers count {published[0]:,} and "
        f"{published[1]:,}"
    )


def differences(expected: object, found: object, where: str = "") -> list[str]:
    """What differs, one line each, with both values."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for key in sorted({*expected, *found})
            for line in differences(expected.get(key), found.get(key), f"{where}/{key}" if where else str(key))
        ]
    return [] if expected == found else [f"{where}: {found!r} here, {expected!r} stored"]


def _set(evalset: EvalSet) -> dict[str, object]:
    return {
        "queries": {lang: _texts(part) for lang, part in evalset.queries.items()},
        "passages": {lang: _texts(part) for lang, part in evalset.passages.items()},
        "judgements": sum(grade > 0 for found in evalset.relevant.values() for grade in found.values()),
        "groups": len(set(evalset.group.values())) if evalset.group is not None else None,
    }


def _texts(part: Mapping[str, str]) -> dict[str, object]:
    ids = list(part)
    return {
        "count": len(ids),
        "mean_characters": round(sum(len(text) for _, text in part.items()) / len(ids), 1),
        "first_tenth_last": [ids[0], ids[min(9, len(ids) - 1)], ids[-1]],
    }


def _train(train: TrainSet) -> dict[str, object]:
    return {
        "items": len(train.group),
        "groups": len(set(train.group)),
        "languages": {
            lang: {
                "items": sum(text is not None for text in train.query[lang]),
                "mean_query_characters": _mean(train.query[lang]),
                "mean_passage_characters": _mean(train.passage[lang]),
            }
            for lang in train.langs
        },
        "first_tenth_last": [_digest(train, i) for i in (0, min(9, len(train.group) - 1), -1)],
    }


def _mean(column: Iterable[str | None]) -> float:
    lengths = [len(text) for text in column if text is not None]
    return round(sum(lengths) / len(lengths), 1)


def _digest(train: TrainSet, item: int) -> str:
    """Items have no ids once they are read: 12 hexadecimal digits of the sha256 of their texts."""
    texts = [part[lang][item] or "" for lang in train.langs for part in (train.query, train.passage)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
