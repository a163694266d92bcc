"""What is asked, and what counts as relevant: evaluation tasks and training sources."""

from collections.abc import Callable

from tasks import beir, named
from tasks.contract import EvalSet, Source, Task, TaskError, TrainSet
from tasks.demo import Demo, DemoDev, DemoSource
from tasks.hub_sources import HubQA, SquadFolder
from tasks.lareqa import MLQAR, XQuADR
from tasks.mmarco import MMarco
from tasks.parallel_jsonl import DOCS_QA, LO_HELP, NATIVE_QA, NTREX

TASKS: dict[str, Callable[..., Task]] = {
    "demo": Demo,
    "demo-dev": DemoDev,
    "xquad-r": XQuADR,
    "mlqa-r": MLQAR,
    "scifact": beir.scifact,
    "climate-fever": beir.climate_fever,
    "miracl-lite": beir.miracl_lite,
    "miracl": named.miracl,
    "miracl-hard": named.miracl_hard,
}

SOURCES: dict[str, Callable[..., Source]] = {
    "demo": DemoSource,
    "lo-help": lambda: LO_HELP,
    "docs-qa": lambda: DOCS_QA,
    "ntrex": lambda: NTREX,
    "native-qa": lambda: NATIVE_QA,
    "mmarco": MMarco,
}

TASK_FAMILIES: dict[str, Callable[..., Task]] = {
    "beir": named.beir,
    "mteb": named.mteb,
}
"""``family:name``: the name is the first parameter."""

SOURCE_FAMILIES: dict[str, Callable[..., Source]] = {"squad": SquadFolder, "hub-qa": HubQA}
"""The same for sources."""

__all__ = ["SOURCES", "SOURCE_FAMILIES", "TASKS", "TASK_FAMILIES", "EvalSet", "Source", "Task", "TaskError", "TrainSet"]
