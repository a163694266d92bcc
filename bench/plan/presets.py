"""From a preset and options to a Plan."""

from __future__ import annotations

import dataclasses
import textwrap
import tomllib
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from bench.errors import BenchError, did_you_mean
from bench.plan.settings import Plan, Settings, asked, told
from bench.store.json_files import typed
from tasks.files import is_file

PRESETS = Path(__file__).parents[1] / "presets"


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def about(preset: str) -> str:
    """What a shipped preset is for: the first sentence of the comment at its top."""
    lines = (PRESETS / f"{preset}.toml").read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return comment.partition(". ")[0].removesuffix(".") + "."


def says(preset: str) -> str:
    """What a shipped preset sets otherwise than the defaults, as the options that would say the same."""
    plan = load_plan(preset, {})
    words = []
    for mine, defaults in ((plan, Plan()), (plan.settings, Settings())):
        for name, (_, about) in asked(type(defaults)).items():
            value = getattr(mine, name)
            if value != getattr(defaults, name):
                words.append(f"{about.option(name)} {told(value)}")
    return textwrap.fill(" ".join(words), 100)


def chosen(preset: str | None, model: object, train: object) -> str | None:
    """The preset of a run: the one that is named; none where model or data are; else the demo's."""
    if preset is not None or train is not None:
        return preset
    return {"None": "demo", "demo-static": "demo", "demo-transformer": "demo-transformer"}.get(str(model))


def otherwise(preset: str | None, plan: Plan, given: Mapping[str, object]) -> list[str]:
    """What a run without a preset takes in place of the demo's settings, in a line; none where it was all given.

    ``--train`` and ``--model`` leave the demo's preset, and so its learning rate and others, which are those of a small
    static model: what holds in their place is said.

    Args:
        preset: that was chosen.
        plan: that is run.
        given: the fields that were asked for.
    """
    if preset is not None:
        return []
    demo = load_plan("demo", {}).settings
    changed = [
        f"{asked(Settings)[name][1].option(name)} {told(getattr(plan.settings, name))} ({told(getattr(demo, name))})"
        for name in ("learning_rate", "temperature", "batch_size", "precision")
        if name not in given and getattr(plan.settings, name) != getattr(demo, name)
    ]
    if not changed:
        return []
    why = "; demo-static needs the demo's" if plan.settings.model == demo.model else ""
    return [f"defaults for a transformer, in brackets those of the preset demo: {', '.join(changed)}{why}"]


def load_plan(preset: str | None, overrides: dict[str, object]) -> Plan:
    """The plan of a preset (a shipped name or a TOML file), changed by ``overrides`` (None means unchanged)."""
    values: dict[str, object] = _read_preset(preset) if preset else {}
    where = f"preset {preset!r}" if preset else "the plan"
    table = values.get("settings", {})
    if not isinstance(table, dict):
        raise BenchError(f"{where}: [settings] is a table; got {table!r:.200}")
    if "trust_remote_code" in table:
        raise BenchError(f"{where}: running a model's code is consented to by --trust-remote-code alone")
    given = {k: v for k, v in overrides.items() if v is not None}
    names = {f.name for f in dataclasses.fields(Settings)}
    settings = table | {k: v for k, v in given.items() if k in names}
    return typed(Plan, {**values, **{k: v for k, v in given.items() if k not in names}, "settings": settings}, where)


def _read_preset(preset: str) -> dict[str, object]:
    path = PRESETS / f"{preset}.toml" if preset in presets() else Path(preset)
    if path.suffix != ".toml" or not is_file(path):
        hint = did_you_mean(preset, presets())
        raise BenchError(
            f"a preset is one of {', '.join(presets())} or the path of a TOML file; got {preset!r:.200}{hint}"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise BenchError(f"{path}: not a readable TOML file (nested too deeply)") from None
    except (ValueError, OSError) as error:  # TOMLDecodeError, UnicodeDecodeError, numbers of thousands of digits
        raise BenchError(f"{path}: not a readable TOML file ({error})") from None
