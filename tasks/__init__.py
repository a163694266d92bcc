"""What is asked, and what counts as relevant: evaluation tasks and training sources."""

from collections.abc import Callable

from tasks.contract import EvalSet, Source, Task, TaskError, TrainSet
from tasks.demo import Demo, DemoDev, DemoSource
from tasks.lareqa import MLQAR, XQuADR
from tasks.parallel_jsonl import DOCS_QA, LO_HELP, NATIVE_QA, NTREX

TASKS: dict[str, Callable[..., Task]] = {
    "demo": Demo,
    "demo-dev": DemoDev,
    "xquad-r": XQuADR,
    "mlqa-r": MLQAR,
}

SOURCES: dict[str, Callable[..., Source]] = {
    "demo": DemoSource,
    "lo-help": lambda: LO_HELP,
    "docs-qa": lambda: DOCS_QA,
    "ntrex": lambda: NTREX,
    "native-qa": lambda: NATIVE_QA,
}

__all__ = ["SOURCES", "TASKS", "EvalSet", "Source", "Task", "TaskError", "TrainSet"]
