"""Compares batch-sampling strategies for multilingual dense retrievers: trains, measures, compares and reports.

    import bench

    experiment = bench.run(["mono", "hybrid(alpha=0.3)"], seeds=3, experiment="shares")
    experiment.leaderboard()  # tables are pandas' DataFrames

What the command line does is done by these functions. Importing this is free: what they need is imported with the first
of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.api.experiment import Experiment, load
    from bench.api.run import evaluate, run
    from bench.errors import BenchError

__version__ = "0.2.0"

__all__ = ["BenchError", "Experiment", "evaluate", "load", "run"]

_PLACES = {
    "run": "bench.api.run",
    "evaluate": "bench.api.run",
    "load": "bench.api.experiment",
    "Experiment": "bench.api.experiment",
    "BenchError": "bench.errors",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    found: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
