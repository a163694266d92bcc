"""The errors that a user meets: one line that states the rule, the value received and what to do. Exit code 2."""

from strategies.contract import StrategyError
from tasks.contract import TaskError


class BenchError(ValueError):
    """The request cannot be carried out; the message is complete in itself."""


EXPECTED = (BenchError, StrategyError, TaskError)
