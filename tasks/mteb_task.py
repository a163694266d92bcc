"""Any text retrieval task of mteb (arXiv 2210.07316), read through mteb's own code at its pinned revision.

Trap: subset names of language pairs have no common order; ``CORPUS_FIRST`` names the tasks that put the corpus first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from tasks.beir import IDENTICAL_LEAVE
from tasks.beir_files import passage_text
from tasks.contract import EvalSet, Noticed, Task, TaskError, first_line
from tasks.hub.names import COMMIT, Name
from tasks.hub.reading import kept_apart, reading, turns_joined, written
from tasks.hub.view import View, mirror, view
from tasks.languages import canonical, script_of, three_letters
from tasks.notes import Notes, together
from tasks.qrels import answers
from tasks.streamed import Row, Streamed

CORPUS_FIRST = frozenset({"BelebeleRetrieval", "MLQARetrieval"})


class _Part(NamedTuple):
    """One subset: queries of one language against passages of one language."""

    q_lang: str
    d_lang: str
    queries: dict[str, str]
    passages: Mapping[str, str]
    relevant: dict[str, dict[str, int]]
    main: str
    itself: dict[str, str]
    absent: tuple[str, ...]
    noticed: tuple[Noticed, ...]


@dataclass(frozen=True)
class MtebTask(Task):
    """A retrieval task by its name in mteb.

    Subsets of one language each become one evaluation set with a pool of all languages; language pairs become cells
    of one set without a pool, because mteb says of a pair's passages only what answers that pair's queries.

    Attributes:
        task: name in mteb, e.g. ``BelebeleRetrieval``.
        langs: two-letter codes; only subsets whose languages are all among them are read. None takes all.
        split: mteb's evaluation split; None takes the first.
        called: name in tables; None takes ``mteb-<task>``.
        main: measure that tables lead with; None takes mteb's, where it is one of ours.
    """

    task: str
    langs: tuple[str, ...] | None = None
    split: str | None = None
    called: str | None = None
    main: str | None = None

    def __post_init__(self) -> None:
        if self.langs is not None and (isinstance(self.langs, str) or not self.langs):
            raise TaskError(f"mteb:{self.task}: langs is a tuple such as ('de', 'en'); got {self.langs!r}")
        if not all(isinstance(x, str) for x in (*(self.langs or ()), self.split or "")):
            raise TaskError(f"mteb:{self.task}: languages and the split are text; got {self.langs!r}, {self.split!r}")
        if self.langs is not None:
            object.__setattr__(self, "langs", tuple(dict.fromkeys(map(canonical, self.langs))))

    @property
    def name(self) -> str:  # type: ignore[override]
        """As in tables; restricted languages and splits make another task, so they are part of it."""
        parts = [self.called or f"mteb-{self.task}", *(self.langs or ()), *((self.split,) if self.split else ())]
        return "-".join(parts)

    @property
    def version(self) -> str:  # type: ignore[override]
        """The data set's pinned revision, and whether the query itself leaves its ranking."""
        return str(_metadata(self.task).revision)[:12] + ("-no-self" if _ignores_identical_ids(self.task) else "")

    @property
    def licence(self) -> str:  # type: ignore[override]
        """As mteb states it."""
        return str(_metadata(self.task).license or "not specified")

    @property
    def citation(self) -> str:  # type: ignore[override]
        """Where the data come from."""
        return f"{_metadata(self.task).reference or self.task}, through mteb"

    def parameters(self) -> dict[str, object]:
        """With the split that is read, said or not."""
        return super().parameters() | {"split": self._split()}

    def origin(self, root: Path | None) -> dict[str, str]:
        """The commit that mteb pins."""
        name = _hub_name(self.task)
        return {} if mirror(root, name.repo) is not None else {name.repo: name.revision}

    def files(self, root: Path | None) -> tuple[Path, ...]:
        """Those of the pinned commit, or of a copy below the data root, that the subsets and the split need."""
        with self._reading():
            return self._view(root).files

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        """Yield one set of monolingual subsets, or one set per language pair; all carry the task's name."""
        with self._reading():
            seen, split = self._view(root), self._split()
            with kept_apart(seen.read()):
                parts = self._parts(_load(self.task, self._subsets(), split, seen.folder), split)
        of = f"split {split}"
        if all(part.q_lang == part.d_lang for part in parts):
            yield self._set({part.q_lang: part for part in parts}, of)
        else:
            note = f"{of}; {_corpora(parts)}"
            for part in parts:
                yield self._set({part.q_lang: part}, note)

    def published(self, root: Path | None) -> tuple[int, int] | None:
        """Passages and queries of the subsets that are read, as mteb's descriptive statistics count them."""
        found: list[tuple[int, int]] = []
        stats = (_metadata(self.task).descriptive_stats or {}).get(self._split()) or {}
        parts = stats.get("hf_subset_descriptive_stats") or {"default": stats}
        for subset in self._subsets():
            of = parts.get(subset) or {}
            found.append((_counted(of, "documents"), _counted(of, "queries")))
        passages, queries = (sum(counts) for counts in zip(*found, strict=True))
        return (passages, queries) if all(all(counts) for counts in found) else None

    def _reading(self) -> AbstractContextManager[None]:
        asked = written(f"mteb:{self.task}", {"langs": self.langs, "split": self.split})
        return reading(asked, _hub_name(self.task))

    def _view(self, root: Path | None) -> View:
        return view(root, _hub_name(self.task), partial(_configurations, self._subsets()), self._split())

    def _subsets(self) -> list[str]:
        known = {subset: _codes(langs) for subset, langs in _languages(self.task).items()}
        wanted = [s for s, codes in known.items() if self.langs is None or set(codes) <= set(self.langs)]
        if not wanted:
            offered = sorted({code for codes in known.values() for code in codes})
            raise TaskError(f"mteb:{self.task} has no subset in {self.langs}; its languages are {', '.join(offered)}")
        return wanted

    def _split(self) -> str:
        offered: list[str] = list(_metadata(self.task).eval_splits)
        if self.split is not None and self.split not in offered:
            raise TaskError(f"mteb:{self.task}: the split is one of {', '.join(offered)}; got {self.split!r}")
        return self.split or offered[0]

    def _parts(self, loaded: Any, split: str) -> list[_Part]:
        shared: dict[tuple[object, ...], Mapping[str, str]] = {}
        languages = _languages(self.task)
        several = len(loaded.hf_subsets) > 1 or any(len(languages[subset]) > 1 for subset in loaded.hf_subsets)
        parts = []
        for subset in loaded.hf_subsets:
            codes = _codes(languages[subset])
            d_lang, q_lang = (codes[0], codes[-1]) if self.task in CORPUS_FIRST else (codes[-1], codes[0])
            data = loaded.dataset[subset][split]
            notes = Notes()
            before = f"{d_lang}/" if several else ""  # as in a folder: ids of one language stand alone
            corpus = Streamed(partial(_rows, data["corpus"], before), f"{self.task}, corpus of {subset}", notes)
            passages = shared.setdefault(_fingerprint(d_lang, corpus, len(languages)), corpus)
            prefix = f"{subset}/" if len(codes) > 1 else f"{q_lang}/" if several else ""
            parts.append(self._part((q_lang, d_lang), data, passages, (prefix, before), notes))
        return parts

    def _part(
        self, langs: tuple[str, str], data: Any, passages: Mapping[str, str], prefixes: tuple[str, str], notes: Notes
    ) -> _Part:
        (q_lang, d_lang), (prefix, before) = langs, prefixes
        where = f"mteb:{self.task}, {prefix.rstrip('/') or q_lang}"
        asked = {str(row["id"]): query_text(row, where) for row in data["queries"]}
        judged = {
            str(q): {str(d): int(grade) for d, grade in of.items()} for q, of in data["relevant_docs"].items() if of
        }
        found = answers(
            judged,
            asked,
            lambda d: before + d in passages,
            notes,
            lambda q, d: f"{where}: {q!r:.80} and {d!r:.80}",
        )
        relevant = {prefix + q: {before + d: grade for d, grade in of.items()} for q, of in found.judged.items()}
        queries = {prefix + q: text for q, text in asked.items() if prefix + q in relevant}
        drop = _ignores_identical_ids(self.task)
        itself = {prefix + q: d for q in found.judged if drop and (d := before + q) in passages}
        main = self.main or {"map": "AP", "ndcg_at_10": "nDCG@10"}.get(_metadata(self.task).main_score, "nDCG@10")
        absent = tuple(before + d for d in found.absent)
        return _Part(q_lang, d_lang, queries, passages, relevant, main, itself, absent, notes.found())

    def _set(self, parts: dict[str, _Part], note: str) -> EvalSet:
        return EvalSet(
            name=self.name,
            queries={lang: part.queries for lang, part in parts.items()},
            passages={part.d_lang: part.passages for part in parts.values()},
            relevant={q: found for part in parts.values() for q, found in part.relevant.items()},
            main=next(iter(parts.values())).main,
            note="; ".join(filter(None, (note, IDENTICAL_LEAVE if _ignores_identical_ids(self.task) else ""))),
            itself={q: d for part in parts.values() for q, d in part.itself.items()},
            absent={d: part.d_lang for part in parts.values() for d in part.absent},
            noticed=together(part.noticed for part in parts.values()),
        )


def _counted(stats: Mapping[str, Any], kind: str) -> int:
    """How many there are; older statistics say how long all are and how long one is. 0 where they say nothing."""
    if stats.get(f"num_{kind}"):
        return int(stats[f"num_{kind}"])
    lengths = stats.get(f"{kind}_text_statistics") or {}
    average = lengths.get("average_text_length")
    return round(lengths["total_text_length"] / average) if average else 0


def _corpora(parts: list[_Part]) -> str:
    """Whether cells of one passage language searched the same passages, and cells of all languages as many."""
    by_lang: dict[str, set[int]] = {}
    for part in parts:
        by_lang.setdefault(part.d_lang, set()).add(id(part.passages))
    sizes = {len(part.passages) for part in parts}
    if all(len(found) == 1 for found in by_lang.values()) and len(sizes) == 1:
        return f"equal corpora: every language pair searches {sizes.pop():,} passages, so its cells are comparable"
    return (
        f"corpora differ between language pairs ({min(sizes):,} to {max(sizes):,} passages): its cells mix language "
        "with corpus size and are not comparable with each other"
    )


def _fingerprint(lang: str, corpus: Streamed, subsets: int) -> tuple[object, ...]:
    """Equal for equal passages; a corpus of a task that has no language pairs is read no second time for it."""
    if subsets == 1:
        return (lang,)
    return (lang, len(corpus), hash(frozenset(corpus.items()))) if len(corpus) < 100_000 else (lang, id(corpus))


def _rows(corpus: Any, prefix: str, notes: Notes) -> Iterator[Row]:
    line = 0
    for batch in corpus.iter(batch_size=1000):
        titles = batch.get("title") or [""] * len(batch["id"])
        for identity, title, text in zip(batch["id"], titles, batch["text"], strict=True):
            line += 1
            if text is None:
                notes.repaired("texts that are null or missing", f"{prefix}{identity}")
            yield Row(prefix + str(identity), passage_text(title, text or ""), line)


def query_text(row: Mapping[str, Any], where: str) -> str:
    """A query as mteb gives it to a model: turns are joined, and an instruction is added.

    Raises:
        TaskError: null, or turns in another form.
    """
    text, instruction = row["text"], row.get("instruction")
    joined = turns_joined(text, f"{where}, query {row['id']!r:.80}")
    if instruction is None:
        return joined
    return f"{joined} {instruction}" if isinstance(text, str) else f"{instruction} {joined}"


@cache
def _metadata(name: str) -> Any:
    """Mteb's description of a task.

    Raises:
        TaskError: mteb has no such task, or it retrieves no text.
    """
    import mteb

    try:
        metadata = mteb.get_task(name).metadata
    except Exception as error:
        raise TaskError(
            f"mteb has no task {name!r} ({first_line(error)}); names are as in mteb, e.g. mteb:SciFact"
        ) from None
    if metadata.type != "Retrieval" or metadata.modalities != ["text"]:
        raise TaskError(f"mteb:{name} is of type {metadata.type} ({', '.join(metadata.modalities)}); only text "
                        "retrieval is scored here")  # fmt: skip
    return metadata


@cache
def _ignores_identical_ids(name: str) -> bool:
    """Whether mteb takes the passage with a query's own id out of its ranking."""
    import mteb

    return bool(getattr(mteb.get_task(name), "ignore_identical_ids", False))


def _languages(name: str) -> dict[str, list[str]]:
    langs = _metadata(name).eval_langs
    return {str(k): list(v) for k, v in langs.items()} if isinstance(langs, dict) else {"default": list(langs)}


def _hub_name(name: str) -> Name:
    """Where mteb's data lie, at the commit that it pins.

    Raises:
        TaskError: it pins none.
    """
    data = _metadata(name).dataset
    found = Name("dataset", str(data["path"]), str(data.get("revision")))
    if not COMMIT.fullmatch(found.revision):
        raise TaskError(f"mteb:{name}: mteb pins no commit of its data ({found.revision!r:.60})")
    return found


def _configurations(subsets: Sequence[str], there: Sequence[str]) -> list[str]:
    """The configurations of a data set that mteb reads for some subsets; all, where their names do not tell."""
    found: dict[str, None] = {}
    for subset in subsets:
        of = [c for c in there if c == subset or c.startswith(f"{subset}-") or c in subset.split("-")]
        if subset == "default" or not of:
            return list(there)
        found |= dict.fromkeys(of)
    return [c for c in there if c in found]


def _load(name: str, subsets: list[str], split: str, folder: Path) -> Any:
    import mteb

    task = mteb.get_task(name, eval_splits=[split], hf_subsets=None if subsets == ["default"] else subsets)
    task.metadata = task.metadata.model_copy(update={"dataset": task.metadata.dataset | {"path": str(folder)}})
    task.load_data()
    convert = getattr(task, "convert_v1_dataset_format_to_v2", None)
    if convert is not None and not getattr(task, "dataset", None):
        convert(num_proc=None)
    return task


def _codes(langs: list[str]) -> list[str]:
    """Mteb's ``zho-Hant`` as ``zh-hant``; the script is named where it is not the language's usual one."""
    return [canonical(lang) for lang in langs]


def script_codes(code: str) -> str:
    """The other way round: ``zh-hant`` as mteb's ``zho-Hant``."""
    return f"{three_letters(code)}-{script_of(code) or 'Latn'}"
