"""Prints pip constraints: every dependency of pyproject.toml at its lower bound, or none for the newest versions.

torch stays as it is where its lower bound cannot be had (KEPT): its wheel of that version is a CUDA build of gigabytes.
"""

import re
import sys
import tomllib
from pathlib import Path

KEPT = ("torch",)

BOUND = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(>=(?P<low>[0-9.]+),<(?P<high>[0-9.]+)|==[0-9.]+)")


def constraints(project: dict[str, object]) -> list[str]:
    """``name==lower bound``; every dependency has a lower and an upper bound, or one version."""
    table = project["project"]
    wanted = [*table["dependencies"], *(d for extra in table["optional-dependencies"].values() for d in extra)]
    lines = set()
    for text in wanted:
        bound = BOUND.fullmatch(text)
        if bound is None:
            raise SystemExit(f"pyproject.toml: {text!r} has no lower and upper bound, as in 'numpy>=2.0,<3'")
        if bound["low"] and bound["name"] not in KEPT:
            lines.add(f"{bound['name']}=={bound['low']}")
    return sorted(lines)


if __name__ == "__main__":
    lines = constraints(tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8")))
    print("\n".join(lines) if sys.argv[1:] == ["lowest"] else "")
