"""Data sets in BEIR's layout (arXiv 2104.08663): corpus.jsonl[.gz], queries.jsonl[.gz], qrels/<split>.tsv."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.beir_files import Layout, layout, read
from tasks.contract import EvalSet, Task, TaskError
from tasks.files import find, is_folder, listed
from tasks.languages import by_canonical, canonical, is_code, note_code
from tasks.notes import Notes, together

PLAIN = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""What splits and languages are called: they become parts of paths."""


ON_HUB = {"scifact": "beir:scifact", "miracl-lite": "miracl-hard (with larger corpora)"}
"""Folders whose data can be had from the Hub, by another name."""


IDENTICAL_LEAVE = "the passage with a query's own id leaves its ranking"


@dataclass(frozen=True)
class BeirFolder(Task):
    """A folder in BEIR's layout, or one such folder per language.

    Attributes:
        name: of the task and its evaluation set.
        folder: below the data root, or an absolute path.
        split: which qrels.
        langs: the language of the one folder; or several, each a subfolder that may be called by another spelling.
        ignore_identical_ids: whether the passage with a query's own id leaves its ranking, as in ArguAna and Quora,
            where it is the query itself; mteb's name for it.
        main: measure that tables lead with.
        note: what a reader must know of it.
        version: of the data.
        licence: of the data.
        citation: of the data.
    """

    name: str
    folder: str
    split: str = "test"
    langs: tuple[str, ...] = ("en",)
    ignore_identical_ids: bool = False
    main: str = "nDCG@10"
    note: str = ""
    version: str = "1"
    licence: str = "unknown"
    citation: str = "unknown"

    def __post_init__(self) -> None:
        for what, value in (("split", self.split), *(("language", lang) for lang in self.langs)):
            if not (isinstance(value, str) and PLAIN.fullmatch(value)):
                raise TaskError(f"{self.name}: a {what} is letters, digits, '-', '_' and '.'; got {value!r:.80}")

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Corpus, queries and qrels of every language."""
        return tuple(path for lang in self.langs for path in self._layout(root, lang))

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield the one evaluation set. Ids carry the language where there are several."""
        several = len(self.langs) > 1
        drop = self.ignore_identical_ids
        notes = Notes()
        parts = {}
        for lang in self.langs:
            files = self._layout(root, lang)
            parts[lang] = read(files, f"{lang}/" if several else "", drop)
            if several:
                note_code(files.corpus.parent.name, "folder", notes)
        yield EvalSet(
            name=self.name,
            queries={lang: part.queries for lang, part in parts.items()},
            passages={lang: part.passages for lang, part in parts.items()},
            relevant={q: found for part in parts.values() for q, found in part.relevant.items()},
            main=self.main,
            note="; ".join(filter(None, (self.note, IDENTICAL_LEAVE if drop else ""))),
            itself={q: d for part in parts.values() for q, d in part.itself.items()} if drop else {},
            absent={d: lang for lang, part in parts.items() for d in part.absent},
            noticed=together([*(part.noticed for part in parts.values()), notes.found()]),
        )

    def _layout(self, root: Path | None, lang: str) -> Layout:
        elsewhere = f"; the Hub has it as {ON_HUB[self.name]}" if self.name in ON_HUB else ""
        folder = Path(self.folder) if Path(self.folder).is_absolute() else find(root, self.folder, self.name, elsewhere)
        if len(self.langs) > 1:
            folder = folder / (lang if is_folder(folder / lang) else language_folders(folder).get(lang, lang))
        return layout(folder, self.split)


def language_folders(folder: Path) -> dict[str, str]:
    """Language -> name of the subfolder that is a data set in it; none where the folder itself is one.

    Raises:
        TaskError: two are of one language.
    """
    if listed(folder, "corpus.jsonl*"):
        return {}
    names = [p.name for p in listed(folder, "*") if is_code(p.name) and listed(p, "corpus.jsonl*")]
    return dict(sorted(by_canonical(names, str(folder), Notes()).items()))


MIRACL_LITE = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "ko", "ru", "zh")


def scifact() -> Task:
    """SciFact as in BEIR: 5,183 abstracts, 300 claims."""
    return BeirFolder(
        "scifact", "scifact",
        licence="CC BY 4.0 (claims), ODC-By 1.0 (abstracts)",
        citation="Wadden et al. 2020, SciFact, arXiv 2004.14974; Thakur et al. 2021, BEIR, arXiv 2104.08663",
    )  # fmt: skip


def climate_fever(split: str = "test") -> Task:
    """Climate-FEVER's evidence sentences: 5,240 of them, 1,061 claims. Not BEIR's task of 5.4 million articles."""
    suffix = "" if split == "test" else f"-{split.replace('_', '-')}"
    return BeirFolder(
        f"climate-fever-evidence{suffix}", "climate-fever", split,
        note="evidence sentences of Climate-FEVER alone; not BEIR's task, which searches 5.4 million articles",
        licence="none stated (CC BY-SA 3.0 for the Wikipedia sentences)",
        citation="Diggelmann et al. 2020, CLIMATE-FEVER, arXiv 2012.00614",
    )  # fmt: skip


def miracl_lite(langs: tuple[str, ...] = MIRACL_LITE, split: str = "test") -> Task:
    """MIRACL's queries in 11 languages over pools of 3,200 to 4,900 passages each. Not MIRACL: scores are higher."""
    langs = () if isinstance(langs, str) else tuple(map(canonical, langs))
    unknown = [lang for lang in langs if lang not in MIRACL_LITE]
    if unknown or not langs:
        raise TaskError(f"miracl-lite: langs is a tuple of {', '.join(MIRACL_LITE)}; got {langs!r}")
    parts = ["miracl-lite", *(() if split == "test" else (split,)), *(() if langs == MIRACL_LITE else langs)]
    return BeirFolder(
        "-".join(parts), "miracl-lite" if len(langs) > 1 else f"miracl-lite/{langs[0]}", split, tuple(langs),
        note="not MIRACL: a pool of a few thousand passages per language, so scores are far above published ones; "
        "train queries are included, so it says nothing of models trained on MIRACL",
        licence="Apache-2.0 (annotations), CC BY-SA (passages of Wikipedia)",
        citation="Zhang et al. 2023, MIRACL, TACL 11; Thakur et al. 2024, NoMIRACL, arXiv 2312.11361",
    )  # fmt: skip


NAMED: dict[str, Callable[..., Task]] = {
    "scifact": scifact,
    "climate-fever": climate_fever,
    "miracl-lite": miracl_lite,
}
