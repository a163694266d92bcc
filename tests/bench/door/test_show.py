"""What is drawn of batches is what the strategy draws."""

import re
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.data.batches import Audit, schedule
from bench.door import picture, show
from bench.door.picture import COLOURS, SIDE, Panel
from bench.plan import presets
from strategies import Batch
from strategies.check import parallel_pool
from strategies.hybrid import Hybrid

ROOT = Path(__file__).parents[3]


def drawn() -> Panel:
    pool = parallel_pool()
    return Panel("hybrid", pool.langs, list(schedule(Hybrid(), pool, 5, 4, 0, Audit(pool.langs))))


def test_every_row_is_a_square_in_the_colours_of_its_languages() -> None:
    panel = drawn()
    blocks = [b for b in picture.layout([panel]).blocks if b.height == SIDE]
    columns = sorted({b.x // (SIDE / 2) for b in blocks})
    assert len(blocks) == 2 * 5 * 4
    assert len(columns) == 8
    for i, batch in enumerate(panel.batches):
        of_batch = sorted(blocks, key=lambda b: (b.x, b.y))[10 * i : 10 * i + 10]
        assert [b.colour for b in of_batch[:5]] == [COLOURS[lang] for lang in batch.q_lang]
        assert [b.colour for b in of_batch[5:]] == [COLOURS[lang] for lang in batch.d_lang]


def test_a_terminal_shows_the_same_rows() -> None:
    panel = drawn()
    plain = list(picture.text([panel], colours=False))
    rows = [re.findall(r"(\S+)>(\S+)", line) for line in plain[1:6]]
    for i, batch in enumerate(panel.batches):
        expected = [(panel.langs[q], panel.langs[d]) for q, d in zip(batch.q_lang, batch.d_lang, strict=True)]
        assert [row[i] for row in rows] == expected
    coloured = "\n".join(picture.text([panel], colours=True))
    without = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert re.findall(r"[a-z]{2}", without) == re.findall(r"[a-z]{2}", "\n".join(plain))


def test_more_languages_than_colours_and_titles_with_signs_of_xml_are_drawn() -> None:
    langs = tuple(f"x{i}" for i in range(40))
    rows = np.arange(40)
    svg = picture.svg(picture.layout([Panel("a<b>&(x='1')", langs, [Batch(rows, rows, rows[::-1].copy())])]))
    assert "a&lt;b&gt;&amp;(x='1')" in svg
    assert len(set(re.findall(r'<path fill="(#\w+)"', svg))) == len(COLOURS)


def test_both_forms_are_written_the_same_twice(tmp_path: Path) -> None:
    for ending in show.ENDINGS:
        for name in ("a", "b"):
            picture.write([drawn()], tmp_path / f"{name}{ending}")
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_of_the_readme_is_what_the_command_draws() -> None:
    plan, names = presets.load_plan("demo", {}), ("mono", "cross", "hybrid", "mixed")
    panels = show.panels(names, plan, None, 8, 6, 21, lambda line: None)
    assert (ROOT / "reports" / "batches.svg").read_text(encoding="utf-8") == picture.svg(picture.layout(panels))


def test_what_cannot_be_shown_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command, line in (
        (["hybrid", "--out", "x.pdf"], "--out is a picture, .svg or .png; got 'x.pdf'"),
        (["merge(mono, cross)"], "is derived and draws no batches of its own"),
        (["mono", "--rows", "2000"], "batch size 2000 needs 2000 distinct groups"),
        (["mono", "--seed", "-1"], "a whole number of at least 0; got '-1'"),
    ):
        assert main(["show", "strategy", *command]) == 2
        assert line in capsys.readouterr().err
