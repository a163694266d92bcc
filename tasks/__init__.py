"""What is asked, and what counts as relevant: evaluation tasks and training sources."""

from tasks.contract import EvalSet, Source, Task, TaskError, TrainSet

__all__ = ["EvalSet", "Source", "Task", "TaskError", "TrainSet"]
