"""What is read ahead is read in order, one before its turn, and errors come at their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bench.encoding.ahead import Ahead


def test_the_stream_is_the_same_and_each_is_read_while_the_one_before_is_used() -> None:
    read = [threading.Event() for _ in range(4)]
    given: list[int] = []

    def reading(number: int) -> str:
        read[number].set()
        return f"{number} in {threading.current_thread() is threading.main_thread()}"

    ahead = Ahead(reading)
    for number in ahead.over(iter(range(4))):
        given.append(number)
        if number < 3:
            assert read[number + 1].wait(60), "the next one is read before this one is done with"
        assert ahead.found() == f"{number} in False"
    assert given == [0, 1, 2, 3]


def test_no_more_is_taken_than_one_ahead() -> None:
    taken: list[int] = []

    def stream() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    ahead = Ahead(str)
    over = ahead.over(stream())
    assert next(over) == 0
    assert taken == [0, 1]


def test_what_cannot_be_read_is_raised_at_its_turn() -> None:
    def reading(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    ahead = Ahead(reading)
    over = ahead.over(iter(range(4)))
    assert [(next(over), ahead.found()) for _ in range(2)] == [(0, 0), (1, 1)]
    assert next(over) == 2
    with pytest.raises(ValueError, match="two"):
        ahead.found()


def test_an_empty_stream_ends() -> None:
    assert list(Ahead(str).over(iter([]))) == []
