"""What is told of an error."""

from __future__ import annotations

import pytest

from bench.errors import BenchError, one_line

COMMIT = "e5d00021405639085d3cae217a3fb4e5b0f44687"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (f"/a/hub/models--acme--tiny-st/snapshots/{COMMIT}: no model", f"acme/tiny-st@{COMMIT}: no model"),
        (
            f"it reads /a/hub/datasets--a-b--c.d/snapshots/{COMMIT}/data/x.tsv: no such file",
            f"it reads a-b/c.d@{COMMIT}/data/x.tsv: no such file",
        ),
        ("models--acme--tiny/snapshots/main: a folder", "models--acme--tiny/snapshots/main: a folder"),
        ("two\nlines \x1b[31mred", r"two lines \x1b[31mred"),
    ],
)
def test_a_message_is_one_line_and_names_what_was_asked_for(message: str, said: str) -> None:
    assert one_line(BenchError(message)) == said


def test_a_long_message_is_cut() -> None:
    assert one_line(BenchError("x" * 3000)) == "x" * 2000 + " ..."
