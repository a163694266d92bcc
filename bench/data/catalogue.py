"""Data sets by name: what there is, fetch it, hold it against what is known of it, cite it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError
from bench.plan import resolve
from bench.store import cells
from bench.store.scores import score_files
from tasks import SOURCES, TASKS, Source, Task, TaskError, facts, references
from tasks.beir import ON_HUB
from tasks.check import Result, check_source, check_task
from tasks.download import fetch as download
from tasks.files import cache
from tasks.hub.snapshot import told_size
from tasks.hub_sources import HubQA
from tasks.lareqa import ASKED, COMMITS, MLQAR, RAW, XQuADR
from tasks.mmarco import MMarco
from tasks.mteb_task import MtebTask
from tasks.named import BeirNamed
from tasks.parallel_jsonl import ParallelJsonl

WHERE = {
    "demo": "in the package", "demo-dev": "in the package",
    "xquad-r": "fetched from the LAReQA repository", "mlqa-r": "fetched from the LAReQA repository's history",
    "miracl": "through mteb", "miracl-hard": "through mteb", "mmarco": "from the Hub",
}  # fmt: skip


class Line(NamedTuple):
    """A line of ``bench data list``; size and languages of the stored facts, where there are some."""

    name: str
    use: str
    version: str
    licence: str
    size: str
    languages: str
    where: str


def listed() -> list[Line]:
    """Every task and source that has a name; families (``beir:``, ``mteb:``) are listed by their data sets' owners."""
    lines = [_line(name, "test", make) for name, make in TASKS.items()]
    lines += [_line(name, "train", make) for name, make in SOURCES.items()]
    lines.append(Line("beir:<name>", "test", "1.0.0", "by data set", "", "en", "data root, or through mteb"))
    lines.append(Line("mteb:<name>", "test", "pinned by mteb", "by data set", "", "", "through mteb"))
    return lines


def _line(name: str, use: str, make: Callable[..., Task | Source]) -> Line:
    known = facts.stored(f"{name}-train" if use == "train" and name in TASKS else name)
    where = WHERE.get(name, "local folder (--data-root)")
    if known is None:
        thing = make()
        version = "pinned by mteb" if isinstance(thing, MtebTask) else thing.version
        licence = "Apache-2.0 (annotations)" if isinstance(thing, MtebTask) else thing.licence
        return Line(name, use, version, licence, "", "", where)
    return Line(name, use, str(known["version"]), str(known["licence"]), _size(known), _languages(known), where)


def _size(known: dict[str, object]) -> str:
    if "train" in known:
        return f"{_dict(known['train'])['items']:,} items"
    first = _dict(next(iter(_dict(known["sets"]).values())))
    queries, passages = (sum(_dict(p)["count"] for p in _dict(first[k]).values()) for k in ("queries", "passages"))  # type: ignore[misc]
    return f"{queries:,} queries, {passages:,} passages"


def _languages(known: dict[str, object]) -> str:
    if "train" in known:
        return " ".join(_dict(_dict(known["train"])["languages"]))
    return " ".join(_dict(_dict(next(iter(_dict(known["sets"]).values())))["passages"]))


def _dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def find(name: str, plugins: bool = True) -> Task | Source:
    """The task of this name, else the source; ``<name>-train`` is the source of a name that both have.

    ``plugins`` allows to run code that the name names: for names that the user wrote, not for those that are stored.
    """
    base = name.removesuffix("-train")
    if base != name and base in SOURCES:
        return resolve.source(base, plugins)
    if name in SOURCES and name not in TASKS:
        return resolve.source(name, plugins)
    try:
        return resolve.task(name, plugins)
    except (BenchError, TaskError) as error:
        try:
            return resolve.source(name, plugins)
        except (BenchError, TaskError):
            raise error from None


def check(name: str, root: Path | None, strict: bool = False) -> list[Result]:
    """The contract suite, and what is there against the stored facts; ``strict`` refuses what is read with repair."""
    thing = find(name)
    results = check_task(thing, root, strict) if isinstance(thing, Task) else check_source(thing, root, strict)
    if isinstance(thing, MtebTask | BeirNamed):
        return [*results, _as_published(thing, root)]
    known = facts.stored(name)
    if known is None:
        return [*results, Result("equals the stored facts", True, "no facts are stored of this data set")]
    try:
        lines = facts.differences(known, facts.measure(thing, root))
    except (TaskError, OSError) as error:
        lines = [str(error)]
    counted = f"{_size(known)} in {_languages(known)}; lengths, ids and checksums of {len(_dict(known['files']))} files"
    return [*results, Result("equals the stored facts", not lines, "; ".join(lines[:3]) or counted)]


def _as_published(task: Task, root: Path | None) -> Result:
    """What was read against what its publishers count, and against the stored facts of the same data."""
    try:
        sets = list(task.load(root))
        lines = [line for line in [facts.unlike_published(task, root, sets)] if line]
        known = facts.stored(task.name)
        if known is not None:
            lines += facts.differences(known["sets"], facts.measure(task, root)["sets"])
    except TaskError as error:
        return Result("has the published counts", False, str(error))
    passages, queries = facts.counted(sets)
    counted = f"{queries:,} queries, {passages:,} passages{'; ids and lengths of the stored facts' if known else ''}"
    unknown = "" if task.published(root) is not None else "; its publishers say no counts"
    return Result("has the published counts", not lines, "; ".join(lines[:3]) or counted + unknown)


def fetch(name: str, accepted: Sequence[str], say: Callable[[str], None]) -> None:
    """Fetch a data set into the cache; what is there already is not fetched again.

    Raises:
        TaskError: unreachable, or the licence was not accepted, or there is nowhere to fetch it from.
    """
    thing = find(name)
    if isinstance(thing, XQuADR | MLQAR):
        _fetch_lareqa(thing, accepted, say)
    elif isinstance(thing, MtebTask | BeirNamed | HubQA | MMarco):
        files = thing.files(None)
        size = sum(path.stat().st_size for path in files)
        read = ", ".join(f"{repo}@{commit}" for repo, commit in thing.origin(None).items())
        say(f"{name}: {len(files):,} files ({told_size(size)}) are here, of {read}")
    elif thing.files(None) if name.startswith("demo") else False:
        say(f"{name}: comes with the package, there is nothing to fetch")
    else:
        by_hand = thing.elsewhere() if isinstance(thing, ParallelJsonl) else ", as it was prepared by hand"
        elsewhere = f"; the Hub has it as {ON_HUB[name]}" if name in ON_HUB else by_hand
        raise TaskError(
            f"{name} cannot be fetched; put its files below a folder and give that with --data-root{elsewhere}"
        )


def _fetch_lareqa(task: XQuADR | MLQAR, accepted: Sequence[str], say: Callable[[str], None]) -> None:
    if isinstance(task, MLQAR) and ASKED not in accepted:
        raise TaskError(
            "mlqa-r is CC BY-NC 4.0 (no commercial use) and its authors withdrew it from the head of their repository; "
            f"who accepts that fetches it with 'python -m bench data fetch mlqa-r --accept-licence {ASKED}'"
        )
    known = facts.stored(task.folder)
    assert known is not None
    command = f"python -m bench data fetch {task.folder}"
    for name, checksum in _dict(known["files"]).items():
        url = f"{RAW}/{COMMITS[task.folder]}/{name}"
        new = download(url, cache() / name, str(checksum), command)
        say(f"{cache() / name}: {'fetched' if new else 'was here'}")


def cite(experiment: Path) -> tuple[list[list[str]], list[str]]:
    """What an experiment used: (name, use, licence, citation) rows, and the BibTeX entries they name."""
    rows: dict[tuple[str, str], list[str]] = {}
    for cell in cells.read_cells(experiment):
        for name, about in cell.config.sources.items():
            thing, licence = _known(name), str(about.get("licence", "unknown"))
            rows[name, "train"] = [name, "train", licence, thing.citation if thing else "unknown"]
        for path in score_files(cell.path):
            name = path.name.rpartition("@")[0]
            thing = _known(name)
            licence = thing.licence if thing else "unknown"
            rows[name, "test"] = [name, "test", licence, thing.citation if thing else "unknown"]
    keys = dict.fromkeys(["hybrid-batch", *(key for name, _ in rows for key in references.keys_for(name))])
    return list(rows.values()), [references.bibtex(key) for key in keys]


def _known(name: str) -> Task | Source | None:
    """The task or source of a recorded name: families are written with '-' there."""
    base = {"climate-fever-evidence": "climate-fever"}.get(name, name)
    for text in (base, base.replace("mteb-", "mteb:", 1), f"beir:{base}"):
        try:
            return find(text, plugins=False)
        except (BenchError, TaskError):
            continue
    return None
