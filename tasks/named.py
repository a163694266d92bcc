"""Tasks that are named by a family and a name: ``beir:scifact``, ``mteb:BelebeleRetrieval``, ``miracl``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasks.beir import BeirFolder, language_folders
from tasks.contract import EvalSet, Task, TaskError
from tasks.files import is_folder, listed
from tasks.languages import canonical
from tasks.mteb_task import MtebTask

BEIR_CITATION = "Thakur et al. 2021, BEIR, arXiv 2104.08663"


class Known(NamedTuple):
    """A data set of BEIR: its name in mteb, its published size (Table 1 of the paper), and its split for testing.

    ``itself`` is mteb's ``ignore_identical_ids``: the passage with a query's own id leaves its ranking.
    """

    mteb: str
    passages: int
    queries: int
    split: str = "test"
    itself: bool = False


BEIR = {
    "arguana": Known("ArguAna", 8_674, 1_406, itself=True),
    "climate-fever": Known("ClimateFEVER", 5_416_593, 1_535),
    "dbpedia-entity": Known("DBPedia", 4_635_922, 400),
    "fever": Known("FEVER", 5_416_568, 6_666, itself=True),
    "fiqa": Known("FiQA2018", 57_638, 648, itself=True),
    "hotpotqa": Known("HotpotQA", 5_233_329, 7_405),
    "msmarco": Known("MSMARCO", 8_841_823, 6_980, "dev", itself=True),
    "nfcorpus": Known("NFCorpus", 3_633, 323),
    "nq": Known("NQ", 2_681_468, 3_452),
    "quora": Known("QuoraRetrieval", 522_931, 10_000, itself=True),
    "scidocs": Known("SCIDOCS", 25_657, 1_000),
    "scifact": Known("SciFact", 5_183, 300),
    "trec-covid": Known("TRECCOVID", 171_332, 50),
    "webis-touche2020": Known("Touche2020", 382_545, 49),
}

HARD = {
    "climate-fever": "ClimateFEVERHardNegatives.v2",
    "dbpedia-entity": "DBPediaHardNegatives.v2",
    "fever": "FEVERHardNegatives.v2",
    "hotpotqa": "HotpotQAHardNegatives.v2",
    "msmarco": "MSMARCOHardNegatives",
    "nq": "NQHardNegatives",
    "quora": "QuoraRetrievalHardNegatives.v2",
}
"""Smaller corpora of pooled hard negatives (mteb): their scores are not comparable with those of the full corpora."""


MIRACL = {"miracl": "MIRACLRetrieval", "miracl-hard": "MIRACLRetrievalHardNegatives"}


@dataclass(frozen=True)
class BeirNamed(Task):
    """A data set of BEIR: from ``<data root>/<name>`` where its files lie there, else through mteb's mirror.

    A local folder is held against BEIR's published numbers of passages and queries: what merely carries the name is
    refused.

    Attributes:
        dataset: name in BEIR, e.g. ``scifact``.
    """

    dataset: str

    licence = "by data set; see 'python -m bench data list'"
    citation = BEIR_CITATION

    @property
    def version(self) -> str:  # type: ignore[override]
        """BEIR's, and whether the query itself leaves its ranking."""
        return "beir-1.0.0-no-self" if BEIR[self.dataset].itself else "beir-1.0.0"

    @property
    def name(self) -> str:  # type: ignore[override]
        """BEIR's name."""
        return self.dataset

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """The local files, or those of mteb's mirror."""
        return (self._folder() if self._is_local(root) else self._mirror()).files(root)

    def origin(self, root: Path | None) -> dict[str, str]:
        """The commit that mteb pins, where its mirror is read."""
        return {} if self._is_local(root) else self._mirror().origin(root)

    def published(self, root: Path | None) -> tuple[int, int] | None:
        """As in Table 1 of the paper."""
        known = BEIR[self.dataset]
        return known.passages, known.queries

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one set."""
        known = BEIR[self.dataset]
        if not self._is_local(root):
            yield from self._mirror().load(root)
            return
        (found,) = self._folder().load(root)
        passages, queries = len(found.passages["en"]), len(found.queries["en"])
        if (passages, queries) != (known.passages, known.queries):
            raise TaskError(
                f"{self.dataset} below the data root holds {passages:,} passages and {queries:,} queries; BEIR's has "
                f"{known.passages:,} and {known.queries:,}: score it under another name, as beir:path/to/folder"
            )
        yield found

    def _is_local(self, root: Path | None) -> bool:
        return root is not None and bool(listed(root / self.dataset, "corpus.jsonl*"))

    def _mirror(self) -> MtebTask:
        return MtebTask(BEIR[self.dataset].mteb, called=self.dataset, main="nDCG@10")

    def _folder(self) -> BeirFolder:
        known = BEIR[self.dataset]
        return BeirFolder(
            self.dataset, self.dataset, known.split, ignore_identical_ids=known.itself, citation=BEIR_CITATION
        )


def beir(
    name: str,
    split: str | None = None,
    lang: str | None = None,
    langs: tuple[str, ...] | None = None,
    ignore_identical_ids: bool = False,
) -> Task:
    """``beir:scifact``, ``beir:climate-fever-hard``, or ``beir:path/to/folder`` of a data set in BEIR's layout.

    A folder is one data set, in English or in ``lang``, which is then part of the name; or it holds one for each
    language, in folders that are called after them, ``path/to/folder/de/corpus.jsonl``, of which
    ``langs=('de', 'en')`` chooses some. Where its queries are passages under the same ids,
    ``ignore_identical_ids=True`` takes each out of its own ranking, as mteb does for the data sets of BEIR that are so.
    """
    folder = Path(name)
    if folder.is_absolute() or "/" in name or name.startswith("."):
        return _folder(name, split, lang, langs, ignore_identical_ids)
    if (split, lang, langs, ignore_identical_ids) != (None, None, None, False):
        raise TaskError(f"beir:{name}: split, lang, langs and ignore_identical_ids are of a folder; BEIR's data sets "
                        "have theirs")  # fmt: skip
    base = name.removesuffix("-hard")
    if base != name and base in HARD:
        return MtebTask(HARD[base], called=name, main="nDCG@10")
    if name not in BEIR:
        names = [*BEIR, *(f"{n}-hard" for n in HARD)]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise TaskError(f"beir: no data set {name!r}; there are {', '.join(names)}, and folders with a '/'.{hint}")
    return BeirNamed(name)


def _folder(
    name: str, split: str | None, lang: str | None, langs: tuple[str, ...] | None, ignore_identical_ids: bool
) -> BeirFolder:
    if not is_folder(Path(name)):
        raise TaskError(f"beir:{name:.200}: no such folder; where its name has a comma, which separates tasks, or a "
                        "bracket, rename it or link to it")  # fmt: skip
    own = Path(name).resolve()
    if not own.name:
        raise TaskError(f"beir:{name}: a task is named after its folder, and this one has no name")
    there = language_folders(own)
    if lang is not None and there:
        raise TaskError(f"beir:{name}: lang is of a folder of one language, langs=({lang!r},) of this one")
    if langs is not None and not there:
        raise TaskError(f"beir:{name}: langs is of a folder with a folder per language that has a corpus.jsonl; "
                        "lang='de' is of this one")  # fmt: skip
    chosen = tuple(there) if langs is None else _chosen(name, langs, there)
    codes = chosen or (canonical("en" if lang is None else lang),)
    of_one = codes if not there and codes != ("en",) else ()
    added = [*([split] if split is not None else []), *of_one, *(chosen if chosen != tuple(there) else ())]
    called = "-".join((own.name, *added, *(["no-self"] if ignore_identical_ids else [])))
    place = own / there[chosen[0]] if len(chosen) == 1 else own
    return BeirFolder(called, str(place), "test" if split is None else split, codes, ignore_identical_ids)


def _chosen(name: str, langs: tuple[str, ...], there: Mapping[str, str]) -> tuple[str, ...]:
    if isinstance(langs, str) or not langs or not all(isinstance(lang, str) for lang in langs):
        raise TaskError(f"beir:{name}: langs is a tuple such as ('de', 'en'); got {langs!r}")
    asked = {canonical(lang) for lang in langs}
    unknown = sorted(asked.difference(there))
    if unknown:
        raise TaskError(f"beir:{name}: the languages are {', '.join(there)}; got {unknown[0]!r}")
    return tuple(lang for lang in there if lang in asked)


def mteb(name: str, langs: tuple[str, ...] | None = None, split: str | None = None) -> Task:
    """Any text retrieval task of mteb: ``mteb:BelebeleRetrieval``, ``"mteb:BelebeleRetrieval(langs=('de', 'en'))"``."""
    return MtebTask(name, langs, split)


def miracl(langs: tuple[str, ...] | None = None) -> Task:
    """MIRACL's dev queries over its full corpora (106 million passages), through mteb's mirror."""
    return MtebTask(MIRACL["miracl"], langs, called="miracl", main="nDCG@10")


def miracl_hard(langs: tuple[str, ...] | None = None) -> Task:
    """MIRACL's dev queries over pooled hard negatives (2.45 million passages), through mteb's mirror."""
    return MtebTask(MIRACL["miracl-hard"], langs, called="miracl-hard", main="nDCG@10")


def mteb_name(set_name: str) -> str | None:
    """Name in mteb of an evaluation set that was read from there, or is the same data; None for all others."""
    if set_name.startswith("mteb-"):
        return set_name.removeprefix("mteb-")
    base = set_name.removesuffix("-hard")
    if base != set_name and base in HARD:
        return HARD[base]
    if set_name in MIRACL:
        return MIRACL[set_name]
    return BEIR[set_name].mteb if set_name in BEIR else None
