"""From a preset and options to a Plan."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

from bench.errors import BenchError
from bench.plan.protocol import Protocol
from bench.plan.settings import Plan, Settings, _typed
from tasks.files import is_file

PRESETS = Path(__file__).parents[1] / "presets"


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def load_plan(preset: str | None, overrides: dict[str, object]) -> Plan:
    """The plan of a preset (a shipped name or a TOML file), changed by ``overrides`` (None means unchanged)."""
    values = _read_preset(preset) if preset else {}
    table, protocol = values.pop("settings", {}), values.pop("protocol", None)
    for name, part in (("settings", table), ("protocol", {} if protocol is None else protocol)):
        if not isinstance(part, dict):
            raise BenchError(f"preset {preset!r}: [{name}] is a table; got {part!r}")
    assert isinstance(table, dict)
    if "trust_remote_code" in table:
        raise BenchError(f"preset {preset!r}: running a model's code is consented to by --trust-remote-code alone")
    given = {k: v for k, v in overrides.items() if v is not None}
    names = {f.name for f in dataclasses.fields(Settings)}
    table |= {k: v for k, v in given.items() if k in names}
    values |= {k: v for k, v in given.items() if k not in names}
    stated = None if protocol is None else Protocol.of(protocol)  # type: ignore[arg-type]
    return Plan(**_typed(Plan, values, preset), protocol=stated, settings=Settings(**_typed(Settings, table, preset)))


def _read_preset(preset: str) -> dict[str, object]:
    path = PRESETS / f"{preset}.toml" if preset in presets() else Path(preset)
    if path.suffix != ".toml" or not is_file(path):
        raise BenchError(f"a preset is one of {', '.join(presets())} or the path of a TOML file; got {preset!r:.200}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise BenchError(f"{path}: not a readable TOML file (nested too deeply)") from None
    except (ValueError, OSError) as error:  # TOMLDecodeError, UnicodeDecodeError, numbers of thousands of digits
        raise BenchError(f"{path}: not a readable TOML file ({error})") from None
