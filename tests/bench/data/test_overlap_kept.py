"""What the guard found is found again where nothing changed, and nowhere else; as the rule spelt out finds it."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks
from bench.data import overlap, words
from bench.data.loading import guard, load_task
from bench.data.overlap import CHARACTERS, PHRASE, RUN, Overlap, find_overlaps
from bench.data.train_data import without
from bench.data.words import RunNumbers, units
from bench.plan.settings import Plan
from bench.store.json_files import read_json, write_json
from tasks import EvalSet, Task, TrainSet
from tasks.beir import BeirFolder
from tasks.checksums import VERIFY
from tasks.held_out import HeldOut, held_out
from tasks.parallel_jsonl import ParallelJsonl

LONG = "the quick brown fox jumps over the lazy dog while seven wizards brew a potent green potion"


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VERIFY, raising=False)
    return tmp_path / "cache" / "overlaps"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of what is compared, as it is compared."""
    seen: list[str] = []
    number = RunNumbers.of

    def of(self: RunNumbers, texts: list[list[str]], lengths: list[int]) -> object:
        seen.extend(" ".join(text) for text in texts)
        return number(self, texts, lengths)

    monkeypatch.setattr(RunNumbers, "of", of)
    return seen


def source(*texts: str | None) -> TrainSet:
    return TrainSet(("en",), {"en": list(texts)}, {"en": ["short" if t else None for t in texts]}, [*range(len(texts))])


def asked(name: str, *texts: str) -> EvalSet:
    return EvalSet(name, {"en": {"q": "who?"}}, {"en": {str(i): text for i, text in enumerate(texts)}}, {"q": {"0": 1}})


TRAINED = ("mine", source("nothing of it", f"Before: {LONG}", LONG))
SETS = (asked("held", "other", LONG), asked("apart", LONG.replace("quick", "slow")[::-1]))
FOUND = [Overlap("mine", "held", frozenset({1, 2}), 3, f"Before: {LONG}")]


def find(sources: tuple[str, TrainSet] = TRAINED, contents: tuple[str, ...] = ("1", "2")) -> list[Overlap]:
    return find_overlaps([sources], SETS, contents)


def test_a_second_look_compares_nothing(kept_in: Path, compared: list[str]) -> None:
    assert find() == FOUND
    assert len(compared) == 4
    compared.clear()
    assert find() == FOUND
    assert find(("renamed", TRAINED[1])) == [FOUND[0]._replace(source="renamed")]
    assert compared == []
    assert len(list(kept_in.iterdir())) == 2


def test_no_text_is_kept(kept_in: Path) -> None:
    find()
    told = "".join(path.read_text() for path in kept_in.iterdir())
    assert not any(word in told for word in LONG.split() if len(word) > 3)


def test_of_several_sets_the_one_that_changed_is_compared(compared: list[str]) -> None:
    find()
    compared.clear()
    assert find(contents=("1", "another")) == FOUND
    assert LONG.replace("quick", "slow")[::-1] in compared
    assert compared.count(LONG) == 1  # the source's, and not the set's


@pytest.mark.parametrize("other", [
    source("nothing of it", f"Before; {LONG}", LONG),
    source(f"Before: {LONG}", "nothing of it", LONG),
    source(f"Before: {LONG}", LONG),
    source(None, "nothing of it", f"Before: {LONG}", LONG),
])  # fmt: skip
def test_another_source_is_compared(other: TrainSet, compared: list[str]) -> None:
    find()
    compared.clear()
    found = find(("mine", other))
    assert compared
    assert found == find_overlaps([("mine", other)], SETS)


def test_another_edition_of_the_rule_compares_anew(monkeypatch: pytest.MonkeyPatch, compared: list[str]) -> None:
    find()
    compared.clear()
    monkeypatch.setattr(overlap, "_edition", lambda: "another")
    assert find() == FOUND
    assert compared


def test_the_edition_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edition: Callable[[], str] = overlap._edition.__wrapped__
    before = edition()
    edited = shutil.copy(str(words.__file__), tmp_path)
    monkeypatch.setattr(words, "__file__", edited)
    assert edition() == before
    Path(edited).write_text(Path(edited).read_text() + "\n")
    assert edition() != before


def test_readers_in_rooms_of_their_own_belong_to_the_edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edition: Callable[[], str] = overlap._edition.__wrapped__
    shutil.copytree(Path(str(tasks.__file__)).parent, tmp_path / "tasks")
    monkeypatch.setattr(tasks, "__file__", str(tmp_path / "tasks" / "__init__.py"))
    before = edition()
    reader = sorted((tmp_path / "tasks" / "hub").glob("*.py"))[0]
    reader.write_text(reader.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert edition() != before


def test_with_verify_nothing_kept_is_taken(monkeypatch: pytest.MonkeyPatch, compared: list[str]) -> None:
    find()
    compared.clear()
    monkeypatch.setenv(VERIFY, "1")
    assert find() == FOUND
    assert compared


def resigned(path: Path, **shared: object) -> None:
    """A finding that says something else, with the digest of what it says."""
    found = read_json(path)
    whole = overlap.Shared(**{**found["shared"], **shared})  # type: ignore[dict-item, arg-type]
    write_json(path, {**found, "shared": whole._asdict(), "digest": overlap._digest(str(found["key"]), whole)})


def foreign(path: Path) -> None:
    """What is kept of the other set, under this one's name."""
    (other,) = (p for p in path.parent.iterdir() if p != path)
    shutil.copy(other, path)


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:-9]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\xff\x00"),
    lambda path: path.write_text("[" * 100_000),
    lambda path: path.write_text("[]"),
    lambda path: path.write_text(path.read_text().replace("\n   1,", "\n   0,")),
    lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "shared": {"items": [], "first": 0}})),
    lambda path: resigned(path, items=(1, 3)),
    lambda path: resigned(path, items=(2, 1)),
    lambda path: resigned(path, items=(-1, 1, 2)),
    lambda path: resigned(path, first=0),
    lambda path: resigned(path, first=99),
    lambda path: resigned(path, first=-1),
    foreign,
])  # fmt: skip
def test_what_is_damaged_or_foreign_is_made_anew(damage: Callable[[Path], None], kept_in: Path) -> None:
    find()
    path = next(p for p in kept_in.iterdir() if read_json(p)["shared"]["items"])  # type: ignore[index]
    whole = path.read_bytes()
    damage(path)
    assert path.read_bytes() != whole
    assert find() == FOUND
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_in: Path
) -> None:
    find()
    for path in list(kept_in.iterdir()):
        path.unlink()
        path.mkdir()
        (path / "in the way").touch()
    assert find() == FOUND
    (tmp_path / "a file").touch()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "a file"))
    assert [find(), find()] == [FOUND, FOUND]


def test_several_may_write_at_once(kept_in: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: find(), range(32))) == [FOUND] * 32
    assert [path.suffix for path in kept_in.iterdir()] == [".json"] * 2


def folder(root: Path, passage: str) -> Path:
    (root / "held" / "qrels").mkdir(parents=True, exist_ok=True)
    (root / "held" / "corpus.jsonl").write_text(json.dumps({"_id": "d", "text": passage}) + "\n")
    (root / "held" / "queries.jsonl").write_text('{"_id": "q", "text": "who?"}\n')
    (root / "held" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    return root


def guarded(task: Task, root: Path | None, train: TrainSet = TRAINED[1]) -> list[str]:
    plan, said = Plan(overlap="keep"), list[str]()
    guard(plan, [ParallelJsonl("mine")], [train], [load_task(task, root, False, said.append)], said.append)
    return said


LINE = "2 of 3 items of mine share a run of words with held: kept"


def test_the_same_files_elsewhere_are_not_compared_again(tmp_path: Path, compared: list[str]) -> None:
    task = BeirFolder("held", "held")
    assert guarded(task, folder(tmp_path / "here", LONG)) == [LINE]
    compared.clear()
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert guarded(task, tmp_path / "there") == [LINE]
    assert compared == []


def test_changed_files_are_compared_again(tmp_path: Path) -> None:
    task = BeirFolder("held", "held")
    assert guarded(task, folder(tmp_path, LONG)) == [LINE]
    assert guarded(task, folder(tmp_path, "nothing of it")) == []
    assert guarded(task, folder(tmp_path, LONG)) == [LINE]


def test_items_that_are_held_out_are_not_of_the_source(tmp_path: Path) -> None:
    """Items have other numbers then."""
    task, whole = BeirFolder("held", "held"), source(*["nothing of it", LONG] * 30)
    root = folder(tmp_path, LONG)
    left = without(whole, held_out(whole, "mine"))
    shared = left.query["en"].count(LONG)
    assert len(left.group) < 60
    for _ in range(2):
        assert guarded(task, root, whole) == [LINE.replace("2 of 3", "30 of 60")]
        assert guarded(task, root, left) == [LINE.replace("2 of 3", f"{shared} of {len(left.group)}")]


class Built(Task):
    """A set that stands in no file."""

    name, version, licence, citation = "built", "1", "", ""

    def __init__(self, text: str) -> None:
        self.text = text

    def load(self, root: Path | None) -> Iterator[EvalSet]:
        yield asked("held", self.text)


def test_sets_of_no_file_are_known_by_their_texts(compared: list[str]) -> None:
    assert guarded(Built(LONG), None) == [LINE]
    assert guarded(Built("nothing of it"), None) == []
    compared.clear()
    assert guarded(Built(LONG), None) == [LINE]
    assert compared == []


def test_a_source_apart_from_a_task_is_held_against_the_others(tmp_path: Path) -> None:
    class Apart(ParallelJsonl):
        apart_from = ("built",)

    loaded = [load_task(Built(LONG), None, False, print)]
    named = [ParallelJsonl("a"), Apart("b"), ParallelJsonl("c")]
    found = guard(Plan(overlap="keep"), named, [TRAINED[1]] * 3, loaded, lambda line: None)
    assert [o.source for o in found] == ["a", "c"]


def test_held_out_items_are_known_by_the_files_of_their_source(tmp_path: Path, compared: list[str]) -> None:
    rows = [{"id": str(i), "query": {"en": f"{i}?"}, "passage": {"en": f"{LONG} {i}"}} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = HeldOut(ParallelJsonl("other", paths=(tmp_path / "a.jsonl",)))
    assert guarded(task, None) == [LINE.replace("held:", "held-out-other:")]
    compared.clear()
    assert guarded(task, None) == [LINE.replace("held:", "held-out-other:")]
    assert compared == []


def runs(text: str) -> set[tuple[str, ...]]:
    """The rule, spelt out."""
    found = units(text)
    each = next((n for script, n in CHARACTERS if script.search(text)), 1)
    if len(found) < PHRASE * each:
        return set()
    length = min(RUN * each, len(found))
    return {tuple(found[i : i + length]) for i in range(len(found) - length + 1)}


TEXTS = st.lists(st.sampled_from(["a", "b ", "c, ", "日", "本", "ก", "é ", "ﬁ "]), min_size=6, max_size=70).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS | st.none(), max_size=6), st.lists(TEXTS, max_size=4), st.sampled_from([1, 40, 1 << 18]))
def test_found_is_what_the_rule_says(trained: list[str | None], known: list[str], at_once: int) -> None:
    sets = [asked("one", *known[:2]), asked("two", *known[2:]), asked("one", *known[3:])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "AT_ONCE", at_once)
        found = find_overlaps([("mine", source(*trained))], sets)
    for name, texts in (("one", known[:2] + known[3:]), ("two", known[2:])):
        every = set[tuple[str, ...]]().union(*map(runs, texts))
        items = {i for i, text in enumerate(trained) if text is not None and runs(text) & every}
        assert [(o.items, o.example) for o in found if o.set_name == name] == [
            (items, trained[min(items)]) for _ in range(bool(items))
        ]
