"""Plugins are told apart by the content of their code; parameters have one form."""

import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan import resolve
from bench.plan.identity import code_of
from bench.plugins import modules
from strategies import STRATEGIES, Strategy

PLUGIN = """
from collections.abc import Iterator
from dataclasses import dataclass
from strategies import Strategy
{more}
@dataclass(frozen=True, repr=False)
class Mine(Strategy):
    share: float = 0.5
    langs: tuple[str, ...] = ()
    limit: int | None = None
    def batches(self, pool, batch_size, steps, rng):
        {body}
"""


def plugin(path: Path, more: str = "", body: str = "yield from ()") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PLUGIN.format(more=more, body=body), encoding="utf-8")
    return path


def code(path: Path, name: str = "Mine") -> dict[str, object]:
    found = code_of(resolve.strategy(f"{path}:{name}"))
    assert found is not None
    return found


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_built_in_has_the_version_of_this_program(name: str) -> None:
    assert code_of(STRATEGIES[name]()) is None


def test_built_in_tasks_and_sources_too() -> None:
    assert code_of(resolve.task("xquad-r")) is None
    assert code_of(resolve.source("demo")) is None


def test_an_edit_is_another_code_and_the_same_text_elsewhere_is_not(tmp_path: Path) -> None:
    first = code(plugin(tmp_path / "a" / "turns.py"))
    assert code(plugin(tmp_path / "b" / "turns.py")) == first
    assert code(plugin(tmp_path / "a" / "turns.py", body="yield from []")) != first


def test_two_files_of_one_name_are_two_codes_at_once(tmp_path: Path) -> None:
    one, two = plugin(tmp_path / "a" / "turns.py"), plugin(tmp_path / "b" / "turns.py", body="yield from []")
    made = [resolve.strategy(f"{path}:Mine") for path in (one, two)]
    assert code_of(made[0]) != code_of(made[1])


def test_a_copy_of_a_built_in_is_not_the_built_in(tmp_path: Path) -> None:
    source = Path(str(sys.modules["strategies.mono"].__file__)).read_text(encoding="utf-8")
    (tmp_path / "mono.py").write_text(source, encoding="utf-8")
    made = resolve.strategy(f"{tmp_path / 'mono.py'}:Mono")
    assert repr(made) == repr(STRATEGIES["mono"]())
    assert code_of(made) is not None


@pytest.mark.parametrize("how", ["import helper_of_mine", "from helper_of_mine import table"])
@pytest.mark.parametrize("inside", [False, True])
def test_an_edited_module_that_the_plugin_imports_is_another_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, inside: bool
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helper_of_mine", raising=False)
    helper = tmp_path / "helper_of_mine.py"
    helper.write_text("table = 1\n", encoding="utf-8")
    path = plugin(tmp_path / "mine.py", *(("", f"{how}; yield from ()") if inside else (how,)))
    first = code(path)
    assert set(first["files"]) == {"mine.py", "helper_of_mine.py"}  # type: ignore[call-overload]
    helper.write_text("table = 2\n", encoding="utf-8")
    assert code(path) != first


def test_the_file_of_an_inherited_class_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin(tmp_path / "base_of_mine.py")
    child = tmp_path / "child.py"
    child.write_text("from base_of_mine import Mine\nclass Child(Mine):\n    pass\n", encoding="utf-8")
    first = code(child, "Child")
    assert set(first["files"]) == {"base_of_mine.py", "child.py"}  # type: ignore[call-overload]
    assert first["class"] == "Child"


def test_a_subclass_of_a_built_in_counts_with_its_own_file(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("from strategies.mono import Mono\nclass Child(Mono):\n    pass\n", encoding="utf-8")
    assert set(code(child, "Child")["files"]) == {"child.py"}  # type: ignore[call-overload]


@pytest.mark.parametrize(("changed", "body"), [
    ("parts_of_mine/__init__.py", "from parts_of_mine import one; yield from ()"),
    ("parts_of_mine/one.py", "from parts_of_mine import one; yield from ()"),
    ("parts_of_mine/one.py", "import importlib; importlib.import_module('parts_of_mine.one'); yield from ()"),
    ("parts_of_mine/deep/__init__.py", "import parts_of_mine.deep.one; yield from ()"),
    ("parts_of_mine/deep/one.py", "import parts_of_mine.one, parts_of_mine.deep.one; yield from ()"),  # two of one name
    ("parts_of_mine/one.py", "import parts_of_mine.one, parts_of_mine.deep.one; yield from ()"),
    ("parts_of_mine/two.py", "import parts_of_mine.one; yield from ()"),  # which that imports from beside itself
    ("table.json", "open('table.json'); yield from ()"),
    ("tables/en.txt", "from pathlib import Path; (Path(__file__).parent / 'tables' / 'en.txt').read_text()"),
    ("tables/en.txt", "open(f'{__file__}/../tables/en.txt'); open('tables/en.txt'); yield from ()"),
])  # fmt: skip
def test_whatever_a_plugin_reaches_is_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, body: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("parts_of_mine")]:
        monkeypatch.delitem(sys.modules, name)
    for name, text in (("__init__", ""), ("one", "from . import two\n"), ("two", ""), ("deep/__init__", ""),
                       ("deep/one", "")):  # fmt: skip
        file = tmp_path / "parts_of_mine" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "tables").mkdir()
    for name in ("table.json", "tables/en.txt", "apart.json"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    path = plugin(tmp_path / "mine.py", "", body)
    first = code(path)
    (tmp_path / "apart.json").write_text("2", encoding="utf-8")
    assert code(path) == first
    file = tmp_path / changed
    file.write_text(f"{file.read_text(encoding='utf-8')}\n", encoding="utf-8")
    assert code(path) != first


def installed(place: Path, name: str, files: dict[str, str], version: str = "1.2") -> None:
    """A package as pip leaves it."""
    for file, text in files.items():
        (place / name / file).parent.mkdir(parents=True, exist_ok=True)
        (place / name / file).write_text(text, encoding="utf-8")
    info = place / f"{name}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    (info / "top_level.txt").write_text(f"{name}\n")
    modules._distributions.cache_clear()


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed in a test."""
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    for name in [name for name in sys.modules if name.startswith("installed_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(modules, "LIBRARIES", (place.resolve(), *modules.LIBRARIES))
    return place


MINE = PLUGIN.format(more="", body="yield from ()")


def test_an_installed_package_counts_whole_and_with_its_version(libraries: Path) -> None:
    files = {"__init__.py": "", "one.py": MINE, "two.py": "x = 1\n", "table.json": "1"}
    installed(libraries, "installed_plugin", files)
    made = resolve.strategy("installed_plugin.one:Mine")
    first = code_of(made)
    assert first is not None
    assert first["versions"] == {"installed-plugin": "1.2"}
    assert set(first["files"]) == {f"installed_plugin/{name}" for name in files}  # type: ignore[call-overload]
    for name in ("two.py", "table.json"):
        before = code_of(made)
        (libraries / "installed_plugin" / name).write_text("x = 2\n", encoding="utf-8")
        assert code_of(made) != before


@pytest.mark.parametrize("where", ["file", "package"])
def test_another_installed_package_that_a_plugin_imports_counts(tmp_path: Path, libraries: Path, where: str) -> None:
    """As does its version; what this program itself asks for is recorded, and does not."""
    body = "import numpy, installed_help.deep as h; yield from ()"
    installed(libraries, "installed_help", {"__init__.py": "", "deep.py": "", "table.txt": ""})
    name = "installed_mine.mine"
    if where == "file":
        name = str(plugin(tmp_path / "mine.py", body=body))
    else:
        installed(libraries, "installed_mine", {"__init__.py": "", "mine.py": PLUGIN.format(more="", body=body)})
    made = resolve.strategy(f"{name}:Mine")
    seen = [code_of(made)]
    for again in ({"deep.py": "x = 1"}, {"table.txt": "1"}, {"deep/__init__.py": ""}):
        installed(libraries, "installed_help", again)
        seen.append(code_of(made))
    installed(libraries, "installed_help", {}, "1.3")
    seen.append(code_of(made))
    assert all(found is not None and set(found["imports"]) == {"installed_help"} for found in seen)  # type: ignore[call-overload]
    assert len({str(found) for found in seen}) == 5


def test_a_class_without_a_text_is_refused() -> None:
    scope: dict[str, type[Strategy]] = {"Strategy": Strategy}  # type: ignore[type-abstract]
    text = "class Typed(Strategy):\n    def batches(self, *args):\n        yield from ()\n"
    exec(compile(text, "<nowhere>", "exec"), scope | {"__name__": "typed_in"}, scope)
    with pytest.raises(BenchError, match=r"Typed stands in no file.*put the class into a file"):
        code_of(scope["Typed"]())


@pytest.mark.parametrize("group", [
    ("hybrid(alpha=1)", "hybrid(alpha=1.0)", "hybrid(alpha=True)", "hybrid( alpha = 1e0 )"),
    ("hybrid(alpha=0)", "hybrid(alpha=-0.0)", "hybrid(alpha=False)"),
    ("mono", "mono()", "mono(language_temperature=None)"),
    ("mono(language_temperature=2)", "mono(language_temperature=2.0)"),
    ("cross(pairs='row')", 'cross(pairs="row")', "cross"),
])  # fmt: skip
def test_one_thing_has_one_signature(group: tuple[str, ...]) -> None:
    assert len({repr(resolve.strategy(text)) for text in group}) == 1


@pytest.mark.parametrize(("member", "message"), [
    ("hidden: int = field(default=1, repr=False)", "does not tell its parameter hidden, 1"),
    ("def __repr__(self):\n        return f'mine({self.share:.1f}, {self.langs}, {self.limit})'", "parameter share"),
    ("def __repr__(self):\n        return 'mine'", "its parameter share, 0.5, and names its results"),
])  # fmt: skip
def test_a_signature_that_leaves_a_parameter_out_is_refused(tmp_path: Path, member: str, message: str) -> None:
    path = plugin(tmp_path / "mine.py")
    text = path.read_text(encoding="utf-8").replace("import dataclass", "import dataclass, field")
    decorated = "@dataclass(frozen=True)" if "field" in member else "@dataclass(frozen=True, repr=False)"
    text = text.replace("@dataclass(frozen=True, repr=False)", decorated)
    path.write_text(text.replace("    limit: int", f"    {member}\n    limit: int"), encoding="utf-8")
    with pytest.raises(BenchError, match=message):
        resolve.strategy(f"{path}:Mine")


def test_parameters_of_plugins_have_one_form_too(tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py")
    made = [
        resolve.strategy(f"{path}:Mine({text})")
        for text in ("share=1, langs=['de', 'en'], limit=3", "share=True, langs=('de', 'en'), limit=3.0")
    ]
    assert repr(made[0]) == repr(made[1]) == "mine(share=1.0, langs=('de', 'en'), limit=3)"


def test_tasks_and_sources_too() -> None:
    assert resolve.task("xquad-r(langs=['de', 'en'])") == resolve.task("xquad-r(langs=('de', 'en'))")
    assert resolve.source("mmarco(limit=10.0)") == resolve.source("mmarco(limit=10)")


def test_a_number_that_would_lose_something_stays_and_is_refused_where_it_is_used() -> None:
    with pytest.raises(Exception, match=r"limit is a whole number of at least 1; got 10\.5"):
        resolve.source("mmarco(limit=10.5)")


def test_parameters_of_a_task_that_is_no_dataclass(tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text(
        "from tasks import Task\nclass Plain(Task):\n    name = version = licence = citation = 'x'\n"
        "    def __init__(self, limit: int = 10):\n        self.limit = limit\n"
        "    def load(self, root):\n        yield from ()\n",
        encoding="utf-8",
    )
    assert [resolve.task(f"{path}:Plain{more}").parameters() for more in ("", "(limit=5)")] == [
        {"limit": 10}, {"limit": 5},
    ]  # fmt: skip
