"""A function in a process of its own, which may kill itself."""

import os
from collections.abc import Callable


def in_a_process(do: Callable[[], None]) -> int:
    """The signal that ended it, or minus its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
