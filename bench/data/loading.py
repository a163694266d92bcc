"""Tasks and training data of a plan, read and held against each other."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bench.data import train_data
from bench.data.content import Content, content_of, edition_of
from bench.data.overlap import Overlap, find_overlaps, tested_texts, texts_digest
from bench.data.train_data import TrainData, combine, groups_joined, without, without_held_out
from bench.errors import BenchError
from bench.plan.identity import code_of
from bench.plan.protocol import JudgedSet
from bench.plan.settings import TRAINED_IN_PAPER, Plan
from bench.store.json_files import file_name, hash8, hash64, read_as, write_json
from bench.store.scores import POOL, SETTINGS, setting_of
from tasks import EvalSet, Source, Task, TaskError, TrainSet
from tasks.checksums import VERIFY, State, states
from tasks.contract import Noticed
from tasks.facts import unlike_published
from tasks.files import cache
from tasks.held_out import evalset_of, held_out
from tasks.hub import NotHere
from tasks.notes import together
from tasks.scripts import noticed_languages


class LoadedTask(NamedTuple):
    """A task with its sets in memory, and the content that they were read from.

    Attributes:
        task: what was read.
        sets: its sets; large corpora are read anew each time they are walked.
        content: of its files, as they were then.
        seen: how its files were, on disk.
    """

    task: Task
    sets: list[EvalSet]
    content: Content
    seen: Mapping[Path, State] = MappingProxyType({})

    def require_unchanged(self) -> None:
        """Refuse to go on with files that changed since they were read: what comes of them would bear another name.

        Raises:
            BenchError: the first one that did.
        """
        now = states(self.seen)
        changed = next((path for path, state in self.seen.items() if now[path] != state), None)
        if changed is not None:
            raise BenchError(f"{self.task.name}: {changed} changed while it was read or scored; run again")


VALIDATED_GROUPS = 32
"""Groups of a source that are scored: enough to tell a learning curve, few enough to be scored often."""


def few_groups(evalset: EvalSet, languages: Sequence[str], groups: int = VALIDATED_GROUPS) -> EvalSet | None:
    """At most so many groups of a set in some languages, chosen by a hash of their names; None where none is left."""
    of = evalset.group or {}
    kept = {lang: evalset.queries[lang] for lang in languages if lang in evalset.queries}
    names = {of[q] for part in kept.values() for q in part}
    chosen = set(sorted(names, key=lambda g: hashlib.blake2b(g.encode()).digest())[:groups])
    queries = {lang: few for lang, part in kept.items() if (few := {q: t for q, t in part.items() if of[q] in chosen})}
    asked = {q for part in queries.values() for q in part}
    wanted = {d for q in asked for d in evalset.relevant[q]}
    passages = {
        lang: few for lang in queries if (few := {d: t for d, t in evalset.passages[lang].items() if d in wanted})
    }
    there = {d for part in passages.values() for d in part}
    relevant = {q: {d: g for d, g in evalset.relevant[q].items() if d in there} for q in sorted(asked)}
    if not queries:
        return None
    return EvalSet(evalset.name, queries, passages, relevant, {q: of[q] for q in sorted(asked)}, evalset.main)


Say = Callable[[str], None]


def say_noticed(name: str, noticed: Sequence[Noticed], strict: bool, say: Say) -> None:
    """One line of what was repaired or left out in reading.

    Raises:
        BenchError: something was repaired, and ``strict`` refuses that.
    """
    dirty = [n for n in noticed if n.dirty]
    if strict and dirty:
        raise BenchError(f"{name}: --strict refuses {'; '.join(map(str, dirty))}; correct the data, or leave it out")
    if noticed:
        say(f"{name}: {'; '.join(map(str, noticed))}")


def load_training(
    plan: Plan, sources: Sequence[Source], root: Path | None, tasks: Sequence[LoadedTask], say: Say, linked: bool = True
) -> TrainData:
    """The items of all sources in the training languages; what the sources have beside them, or lack, is named.

    Texts that sources share make their groups one, unless not ``linked``: so were cells trained before that was done.

    Raises:
        BenchError: items share text with a test set, and the plan does not say what to do with them.
    """
    sets = [s.load(root) for s in sources]
    seen = [together([train.noticed, noticed_languages(train)]) for train in sets]
    noticed = {source.name: kinds for source, kinds in zip(sources, seen, strict=True) if kinds}
    for name, kinds in noticed.items():
        say_noticed(name, kinds, plan.strict, say)
    if linked and (found := groups_joined(sets)):
        say(f"the training sources share texts: their groups are {found:,} fewer, so that none is another's negative")
    validated = _validated(plan, sources, sets)
    if plan.settings.hold_out:
        sets = without_held_out(sets, [held_out(t, s.name) for s, t in zip(sources, sets, strict=True)], linked)
    overlaps = guard(plan, sources, sets, tasks, say)
    if plan.overlap == "drop":
        shared = [frozenset[int]().union(*(o.items for o in overlaps if o.source == s.name)) for s in sources]
        sets = [without(train, items) for train, items in zip(sets, shared, strict=True)]
    offered = sorted({lang for train in sets for lang in train.langs})
    names = [s.name for s in sources]
    data = combine(sets, plan.settings.languages or offered, plan.settings.train_weights, names, linked)
    shared_with = tuple(o.summary() for o in overlaps)
    data = dataclasses.replace(data, overlaps=shared_with, held_out=validated, noticed=noticed)
    counts = data.pool.has.sum(axis=0).tolist()
    listed = ", ".join(f"{lang} {n:,}" for lang, n in zip(data.pool.langs, counts, strict=True))
    say(f"training items: {data.pool.n_items:,} ({listed})")
    others = [lang for lang in offered if lang not in data.pool.langs]
    if others:
        say(f"not trained on, though the sources have them: {', '.join(others)} (--languages names what is)")
    absent = [lang for lang in plan.settings.languages if lang not in data.pool.langs]
    unknown = [lang for lang in absent if lang not in TRAINED_IN_PAPER]
    if unknown:
        raise BenchError(f"no source has the training language {unknown[0]!r}; they have {', '.join(offered)}")
    if absent:
        say(f"no training items in {', '.join(absent)}: not trained on")
    return data


class _Joined(NamedTuple):
    """A finding on disk: whether groups of what ``key`` names are joined; ``digest`` is that of the rest."""

    key: str
    joined: bool
    digest: str


def share_texts(sources: Sequence[Source], root: Path | None, contents: Mapping[str, object]) -> bool:
    """Whether ``linked_groups`` of the sources are other than those that each gives.

    Kept in the folder ``shared-texts`` of the cache under the content of the sources and the code that reads them.
    Of the Hub's, whose texts are not here in a dry run, it is taken to be so.

    Args:
        sources: those of a plan.
        root: the data root.
        contents: what is recorded of each source.
    """
    if len(sources) < 2 and all(code_of(source) is None for source in sources):
        return False  # built-in ones join the groups that share texts themselves
    with suppress(NotHere):
        for source in sources:
            source.files(root)
        return _shared(sources, root, contents)
    return True


def _shared(sources: Sequence[Source], root: Path | None, contents: Mapping[str, object]) -> bool:
    """As ``share_texts``, of texts that are here."""
    key = hash64([_edition(), contents])
    place = cache() / "shared-texts" / f"{key}.json"
    with suppress(BenchError):
        kept = read_as(_Joined, place)
        if not os.environ.get(VERIFY) and kept.key == key and kept.digest == hash64([key, kept.joined]):
            return kept.joined
    found = groups_joined([source.load(root) for source in sources]) > 0
    with suppress(BenchError):  # where the cache cannot be written, the next process reads again
        write_json(place, _Joined(key, found, hash64([key, found]))._asdict())
    return found


@functools.cache
def _edition() -> str:
    """Names the code that reads texts and links groups."""
    return hash64(edition_of(train_data.__file__))


def _validated(plan: Plan, sources: Sequence[Source], sets: Sequence[TrainSet]) -> tuple[EvalSet, ...]:
    """What is scored while training: a few held-out groups of every source, in the training languages."""
    if not plan.settings.validate_every:
        return ()
    whole = [evalset_of(train, source.name) for source, train in zip(sources, sets, strict=True)]
    few = [few_groups(evalset, plan.settings.languages or sorted(evalset.queries)) for evalset in whole]
    return tuple(evalset for evalset in few if evalset is not None)


def guard(
    plan: Plan, sources: Sequence[Source], sets: Sequence[TrainSet], tasks: Sequence[LoadedTask], say: Say
) -> list[Overlap]:
    """What the sources share with the test sets; refused unless the plan allows it."""
    alike: dict[tuple[str, ...], list[tuple[str, TrainSet]]] = {}
    for source, train in zip(sources, sets, strict=True):
        alike.setdefault(source.apart_from, []).append((source.name, train))
    found: list[Overlap] = []
    for apart_from, named in alike.items():
        held = [(s, of) for t in tasks if t.task.name not in apart_from for s, of in _named_contents(t)]
        found += find_overlaps(named, [s for s, _ in held], [of for _, of in held]) if held else []
    order = [source.name for source in sources]
    found.sort(key=lambda o: order.index(o.source))
    for o in found:
        seen = f"{len(o.items):,} of {o.of:,} items of {o.source} share a run of words with {o.set_name}"
        if plan.overlap == "refuse":
            raise BenchError(
                f"never train on what is tested: {seen}, e.g. {o.example[:60]!r}; --overlap drop leaves them out, "
                "--overlap keep trains on them"
            )
        say(f"{seen}: {'left out' if plan.overlap == 'drop' else 'kept'}")
    return found


def _named_contents(loaded: LoadedTask) -> Iterator[tuple[EvalSet, str]]:
    """Sets, and what names their content: that of the task's files; where it names none, of the texts themselves."""
    for number, evalset in enumerate(loaded.sets):
        if loaded.content.files:
            yield evalset, hash64([loaded.content.deciding(), number, evalset.name])
        else:
            yield evalset, texts_digest(enumerate(tested_texts(evalset)))


def load_task(task: Task, root: Path | None, strict: bool, say: Say) -> LoadedTask:
    """Read a task once for all cells; what is repaired or left out is said.

    Raises:
        BenchError: a set's name could not be that of a file: figures and exports are named after it; or something was
            repaired, and ``strict`` refuses that.
    """
    seen = _seen(task, root)
    sets = [
        dataclasses.replace(evalset, noticed=together([evalset.noticed, noticed_languages(evalset)]))
        for evalset in task.load(root)
    ]
    noticed: dict[str, list[tuple[Noticed, ...]]] = {}
    for evalset in sets:
        file_name(evalset.name, f"task {task.name}: the name of a set")
        noticed.setdefault(evalset.name, []).append(evalset.noticed)
    for name, parts in noticed.items():
        say_noticed(name, together(parts), strict, say)
    if unlike := unlike_published(task, root, sets):
        say(f"{task.name}: {unlike}")
    loaded = LoadedTask(task, sets, content_of(task, root), seen)
    loaded.require_unchanged()
    return loaded


def _seen(task: Task, root: Path | None) -> dict[Path, State]:
    try:
        return states(task.files(root))
    except TaskError:  # not here yet: reading fetches them
        return {}


def judged_sets(tasks: Sequence[LoadedTask], suffix: str = "") -> list[JudgedSet]:
    """What a protocol fixes of the sets of some tasks; their names end in ``suffix``, as in what is scored.

    A set repeats another one of its task where all its questions are among that one's; of two that have the same ones,
    the later.
    """
    found = []
    for task, sets, content, _ in tasks:
        data = f"{task.name}@{task.version} {hash8({'files': dict(content.files)})}"
        names = list(dict.fromkeys(s.name for s in sets))
        parts = {name: [s for s in sets if s.name == name] for name in names}
        questions = {name: {(s.group or {}).get(q, q) for s in of for q in s.relevant} for name, of in parts.items()}
        for i, name in enumerate(names):
            wider = [
                other for j, other in enumerate(names)
                if questions[name] < questions[other] or (j < i and questions[name] == questions[other])
            ]  # fmt: skip
            settings = {setting for s in parts[name] for setting in _settings(s)}
            found.append(
                JudgedSet(
                    f"{name}{suffix}", data, parts[name][0].main, tuple(s for s in SETTINGS if s in settings),
                    part_of=f"{wider[0]}{suffix}" if wider else "",
                )
            )  # fmt: skip
    return found


def _settings(evalset: EvalSet) -> set[str]:
    """Those in which a set has judged queries."""
    wanted = {d for judged in evalset.relevant.values() for d in judged}
    lang = {d: name for name, passages in evalset.passages.items() for d in passages if d in wanted} | evalset.absent
    several = {setting_of("", POOL)} if len(evalset.passages) > 1 else set()
    return several | {
        setting_of(name, lang[d])
        for name, queries in evalset.queries.items() for q in queries for d in evalset.relevant.get(q, {})
    }  # fmt: skip
