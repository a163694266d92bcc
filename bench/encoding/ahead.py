"""Texts become token ids while a GPU works on those before them: nothing waits for a tokenizer but the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Ahead(Generic[T, R]):
    """Has each of a stream read in a thread, from the moment on that the one before it is given out.

    Args:
        read: what to do with each, in order.
    """

    def __init__(self, read: Callable[[T], R]) -> None:
        self._read, self._reading = read, list[Future[R]]()

    def over(self, stream: Iterator[T]) -> Iterator[T]:
        """The same stream; one more is taken of it than is given out."""
        with ThreadPoolExecutor(1) as reader:
            held: list[T] = []
            for each in stream:
                held.append(each)
                self._reading.append(reader.submit(self._read, each))
                if len(held) > 1:
                    yield held.pop(0)
            yield from held

    def found(self) -> R:
        """What reading the one gave that was given out last, or raised; waits for it."""
        return self._reading.pop(0).result()
