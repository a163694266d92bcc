"""Options of the command line: those that are fields of a plan are made from it; each is told with its default."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from bench.errors import BenchError, did_you_mean
from bench.plan.resolve import split
from bench.plan.settings import (
    COMPARED,
    DATA,
    MACHINE,
    MODEL,
    OUTPUT,
    SCORING,
    TRAINING,
    Asked,
    Plan,
    Settings,
    asked,
    told,
)

GROUPS = (COMPARED, DATA, MODEL, TRAINING, SCORING, MACHINE, OUTPUT)
"""The parts of a help, in this order."""


LONGEST_RANGE = 10_000
"""Seeds that ``first-last`` may stand for."""


class Parser(argparse.ArgumentParser):
    """Refuses in one line, with the name that was likely meant; no option is abbreviated.

    Raises:
        BenchError: an option, a command or a value that is none.
    """

    def __init__(self, **given: Any) -> None:
        self._words: list[str] = []
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **given)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's, but every part of a command line is known by the command that it stands behind."""
        self._words = list(args or ())
        found, left = super().parse_known_args(args, namespace)
        self._require_options(left)
        words = [word for word in left if word != "--"]
        if words:
            self.error(f"nothing more is expected; got {words[0]!r:.80}")
        return found, left

    def _require_options(self, words: Sequence[str]) -> None:
        known = [name.lstrip("-") for name in self._option_string_actions]
        for name in (word.partition("=")[0] for word in words if word.startswith("-") and word.strip("-")):
            if name not in self._option_string_actions:
                self.error(f"no option {name!r:.80}{did_you_mean(name.lstrip('-'), known, '--')}")

    def error(self, message: str) -> NoReturn:
        """Refuse the command line; what is missing may be there under a name that is none."""
        if "required" in message:
            words, self._words = self._words, []
            self._require_options([word for word in words if word.startswith("--")])
        raise BenchError(f"{message.removeprefix('argument ')} ({self.prog} --help lists what there is)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = did_you_mean(str(value), known)
            raise argparse.ArgumentError(action, f"one of {', '.join(known)}; got {value!r:.80}{hint}")


def option(where: Any, flag: str, meaning: str, default: object, said: str = "", **more: Any) -> None:
    """Add an option (or a positional argument) whose help ends with its default, in words if ``said`` has them."""
    text = f"{meaning} (default: {said or default})".replace("%", "%%")
    named = {"action": Once} if flag.startswith("-") and "action" not in more else {}
    where.add_argument(flag, default=default, help=text, **named, **more)


class Once(argparse.Action):
    """Keeps a value that is given once: of two, argparse would take the last and say nothing."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Refuse the second one."""
        seen = vars(namespace).setdefault("_given", set())
        if self.dest in seen:
            raise argparse.ArgumentError(self, f"given twice, then as {values!r:.80}; separate values by commas")
        seen.add(self.dest)
        setattr(namespace, self.dest, values)


def switch(where: Any, flag: str, meaning: str) -> None:
    """Add an option without a value."""
    option(where, flag, meaning, False, "no", action="store_true")


def grouped(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The parts of a help, by their titles; those that stay empty are not shown."""
    return {title: parser.add_argument_group(title) for title in GROUPS}


def plan_options(groups: Mapping[str, Any], names: Collection[str] | None = None) -> None:
    """Add the options that are fields of a plan, each to its group; None where one is not given.

    Args:
        groups: title -> where its options are added.
        names: of the fields; None takes all.
    """
    for cls in (Settings, Plan):
        defaults = {field.name: field.default for field in fields(cls)}
        for name, (kind, about) in asked(cls).items():
            if names is None or name in names:
                _plan_option(groups[about.group], name, kind, defaults[name], about)


def _plan_option(where: Any, name: str, kind: Any, default: Any, about: Asked) -> None:
    flag, said = about.option(name), about.said or told(default)
    if kind is bool:
        option(where, flag, about.meaning, None, said, dest=name, action="store_true")
    elif about.choices:
        option(where, flag, about.meaning, None, said, dest=name, choices=about.choices)
    else:
        read, metavar = (OR_NONE if default == () or about.none else READERS)[kind]
        option(where, flag, about.meaning, None, said, dest=name, type=read, metavar=about.metavar or metavar)


def given(options: argparse.Namespace) -> dict[str, object]:
    """The fields of a plan that a command line gives."""
    known = {*asked(Plan), *asked(Settings)}
    return {name: value for name, value in vars(options).items() if name in known and value is not None}


def whole(text: str) -> int:
    """A whole number."""
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise argparse.ArgumentTypeError(f"a whole number; got {text!r:.80}")
    return int(text)


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a number; got {text!r:.80}") from None


def counted(text: str) -> int:
    """A whole number of at least 1."""
    if whole(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1; got {text!r:.80}")
    return int(text)


def counted_from_zero(text: str) -> int:
    """A whole number of at least 0."""
    if whole(text) < 0:
        raise argparse.ArgumentTypeError(f"a whole number of at least 0; got {text!r:.80}")
    return int(text)


def amount(text: str) -> float:
    """A number of at least 0."""
    if not 0 <= number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of at least 0; got {text!r:.80}")
    return float(text)


def margin(text: str) -> float:
    """A difference of a measure."""
    if not 0 <= number(text) < 1:
        raise argparse.ArgumentTypeError(f"a difference of the measure, at least 0 and below 1; got {text!r:.80}")
    return float(text)


def word(text: str) -> str:
    """A text that is not blank."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"names something; got {text!r:.80}")
    return text


def folder(text: str) -> Path:
    """A path that is not blank."""
    return Path(word(text))


def names(text: str) -> tuple[str, ...]:
    """At least one, separated by commas outside of brackets and quotes."""
    found = tuple(split(text))
    if not found:
        raise argparse.ArgumentTypeError(f"at least one, separated by commas; got {text!r:.80}")
    return found


def numbers(text: str) -> tuple[float, ...]:
    """At least one, separated by commas."""
    return tuple(number(part) for part in names(text))


def seeds(text: str) -> tuple[int, ...]:
    """Whole numbers and ranges of them, both ends included: ``0,2`` or ``0-4``."""
    rule = "whole numbers and ranges separated by commas, as 0,2 or 0-4"
    found: list[int] = []
    for part in names(text):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(end.isascii() and end.isdecimal() and len(end) < 20 for end in ends):
            raise argparse.ArgumentTypeError(f"{rule}; got {part!r:.80}")
        first, last = int(ends[0]), int(ends[-1])
        if not first <= last < first + LONGEST_RANGE:
            raise argparse.ArgumentTypeError(f"{rule}, the smaller first, at most {LONGEST_RANGE:,}; got {part!r:.80}")
        found += range(first, last + 1)
    return tuple(found)


def _or_none(read: Callable[[str], tuple[Any, ...]]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: () if text.strip() == "none" else read(text)


READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (whole, "N"),
    float: (number, "X"),
    str: (word, "NAME"),
    str | None: (str, "TEXT"),
    tuple[str, ...]: (names, "NAMES"),
    tuple[int, ...]: (seeds, "SEEDS"),
    tuple[float, ...]: (numbers, "X,Y"),
}
"""Type of a field -> what reads its option, and what stands for it in the help."""


OR_NONE = {kind: (_or_none(READERS[kind][0]), READERS[kind][1]) for kind in (tuple[str, ...], tuple[float, ...])}
"""The same of lists that are empty by default."""
