"""``python -m bench``, and the command ``bench``: the packages are found first, then the command line takes over."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parents[1]
"""Where this package lies, and ``strategies`` and ``tasks`` beside it."""


def main() -> int:
    """Run the command line; returns its exit code, 2 where another file carries the name of a package of ours."""
    for name in ("strategies", "tasks"):
        found = _place(name)
        if found != HOME / name:
            print(f"bench: {_hidden(name, found)}", file=sys.stderr)
            return 2
    _working_directory_last()
    from bench.cli import main as command_line

    return command_line()


def _place(name: str) -> Path | None:
    """The folder or file that would be imported; it is not run."""
    spec = find_spec(name)
    if spec is None:
        return None
    inside = next(iter(spec.submodule_search_locations or ()), None)
    place = Path(inside or spec.origin or name)
    return HOME / name if (HOME / name).is_dir() and place.exists() and place.samefile(HOME / name) else place


def _hidden(name: str, found: Path | None) -> str:
    if found is None:
        return f"the package {name} is not where it belongs, {HOME / name}; install again"
    return (
        f"{found} hides the package {name} of {HOME}: rename it, work in another folder, or call the command 'bench', "
        "which looks there last, in place of 'python -m bench'"
    )


def _working_directory_last() -> None:
    """Have plugins found in the working directory, and nothing hidden by what lies there."""
    if sys.flags.safe_path:
        return
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return
    if Path(here) != HOME:
        sys.path[:] = [*(path for path in sys.path if path not in ("", here)), here]


if __name__ == "__main__":
    sys.exit(main())
