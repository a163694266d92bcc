"""What batches look like: rows as squares, the query's language on the left and the passage's on the right.

In a terminal, as SVG (drawn here: a few kilobytes) and as PNG; the same batches give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from strategies import Batch

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999", "#F0E442",
    "#882255", "#44AA99", "#332288", "#DDCC77", "#117733", "#CC6677", "#88CCEE", "#999933", "#AA4499",
)  # fmt: skip
"""Of the languages, in their order, again from the first where there are more: Okabe and Ito's palette, then Tol's."""


SIDE, ACROSS, DOWN, BETWEEN, MARGIN, TITLE, LEGEND = 22, 6, 3, 30, 16, 26, 22
"""Pixels: a square, between batches, between rows, between strategies, around all, a title, a line of the legend."""


WIDEST = 800
"""Pixels: strategies stand beside each other up to here, then below."""


FONT = "DejaVu Sans, Verdana, Arial, sans-serif"


class Panel(NamedTuple):
    """The batches of one strategy; languages are indices into ``langs``."""

    title: str
    langs: tuple[str, ...]
    batches: Sequence[Batch]


class Block(NamedTuple):
    """A filled rectangle, in pixels from the upper left."""

    x: float
    y: float
    width: float
    height: float
    colour: str


class Words(NamedTuple):
    """A text whose baseline begins at a point."""

    x: float
    y: float
    text: str
    size: int
    bold: bool = False


class Picture(NamedTuple):
    """What is drawn."""

    width: float
    height: float
    blocks: Sequence[Block]
    words: Sequence[Words]


def text(panels: Sequence[Panel], colours: bool) -> Iterator[str]:
    """Lines for a terminal, a column per batch: ``en>de`` is a row; with ``colours``, one for each language."""
    for panel in panels:
        yield panel.title
        rows = len(panel.batches[0].item)
        wide = max(len(lang) for lang in panel.langs)
        for row in range(rows):
            pairs = [(int(b.q_lang[row]), int(b.d_lang[row])) for b in panel.batches]
            yield "  " + "  ".join(_pair(panel.langs, pair, wide, colours) for pair in pairs)
        yield ""


def _pair(langs: tuple[str, ...], pair: tuple[int, int], wide: int, colours: bool) -> str:
    q, d = (f"{langs[lang]:^{wide}}" for lang in pair)
    if not colours:
        return f"{q}>{d}"
    return "".join(
        f"\x1b[{_ansi(COLOURS[i % len(COLOURS)])}m {code} \x1b[0m" for i, code in zip(pair, (q, d), strict=True)
    )


def _ansi(colour: str) -> str:
    """Background, and black or white on it, whichever is read better."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    ink = 30 if 299 * red + 587 * green + 114 * blue > 128_000 else 97
    return f"{ink};48;2;{red};{green};{blue}"


def layout(panels: Sequence[Panel]) -> Picture:
    """Where everything is drawn: strategies side by side, their batches as columns, the languages below."""
    langs = tuple(dict.fromkeys(lang for panel in panels for lang in panel.langs))
    colour = {lang: COLOURS[i % len(COLOURS)] for i, lang in enumerate(langs)}
    wide = max(len(p.batches) for p in panels) * (SIDE + ACROSS) - ACROSS
    high = max(len(p.batches[0].item) for p in panels) * (SIDE + DOWN) - DOWN + TITLE
    columns = max(1, min(len(panels), (WIDEST - 2 * MARGIN + BETWEEN) // (wide + BETWEEN)))
    blocks: list[Block] = []
    words: list[Words] = []
    for i, panel in enumerate(panels):
        left, top = MARGIN + i % columns * (wide + BETWEEN), MARGIN + i // columns * (high + BETWEEN)
        words.append(Words(left, top + 12, panel.title, 14, True))
        blocks += _squares(panel, colour, left, top + TITLE)
    width = max(2 * MARGIN + columns * (wide + BETWEEN) - BETWEEN, 420)
    below = MARGIN + -(-len(panels) // columns) * (high + BETWEEN) - BETWEEN + 16
    seen = [lang for lang in langs if colour[lang] in {block.colour for block in blocks}]
    height = _legend(seen, colour, width, below, blocks, words)
    return Picture(width, height + MARGIN, blocks, words)


def _squares(panel: Panel, colour: dict[str, str], left: float, top: float) -> Iterator[Block]:
    for column, batch in enumerate(panel.batches):
        for row, pair in enumerate(zip(batch.q_lang.tolist(), batch.d_lang.tolist(), strict=True)):
            for half, lang in enumerate(pair):
                x = left + column * (SIDE + ACROSS) + half * SIDE / 2
                yield Block(x, top + row * (SIDE + DOWN), SIDE / 2, SIDE, colour[panel.langs[lang]])


def _legend(
    langs: Sequence[str], colour: dict[str, str], width: float, top: float, blocks: list[Block], words: list[Words]
) -> float:
    """The languages with their colours and how to read a square; returns where they end."""
    x, y = float(MARGIN), top
    for lang in langs:
        wide = 22 + 8 * len(lang) + 14
        if x + wide > width - MARGIN:
            x, y = float(MARGIN), y + LEGEND
        blocks.append(Block(x, y, 14, 14, colour[lang]))
        words.append(Words(x + 19, y + 12, lang, 12))
        x += wide
    said = "a column is a batch, a square a row: left the query's language, right the passage's"
    words.append(Words(MARGIN, y + LEGEND + 12, said, 12 if width > 640 else 9))
    return y + LEGEND + 14


def svg(picture: Picture) -> str:
    """The picture as SVG: one path for each colour."""
    paths: dict[str, list[str]] = {}
    for b in picture.blocks:
        paths.setdefault(b.colour, []).append(f"M{b.x:g} {b.y:g}h{b.width:g}v{b.height:g}h{-b.width:g}z")
    size = f'width="{picture.width:g}" height="{picture.height:g}"'
    drawn = "".join(f'<path fill="{colour}" d="{"".join(parts)}"/>\n' for colour, parts in paths.items())
    texts = "".join(
        f'<text x="{w.x:g}" y="{w.y:g}" font-size="{w.size}" font-weight="{"bold" if w.bold else "normal"}">'
        f"{escape(w.text)}</text>\n"
        for w in picture.words
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {picture.width:g} {picture.height:g}" '
        f'font-family="{FONT}">\n<rect {size} fill="#fff"/>\n{drawn}{texts}</svg>\n'
    )


def png(picture: Picture, path: Path) -> None:
    """The picture as PNG, twice as many pixels each way."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PatchCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure((picture.width / 100, picture.height / 100), 200)
        ax = figure.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
        ax.set_axis_off()
        squares = [Rectangle((b.x, b.y), b.width, b.height) for b in picture.blocks]
        colours = [b.colour for b in picture.blocks]
        ax.add_collection(PatchCollection(squares, facecolors=colours, linewidths=0, antialiaseds=False))
        for w in picture.words:
            ax.text(w.x, w.y, w.text, fontsize=w.size * 0.72, weight="bold" if w.bold else "normal")
        FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})


def write(panels: Sequence[Panel], path: Path) -> None:
    """Write ``path`` as its ending says: ``.svg`` or ``.png``."""
    from bench.store.writing import written_aside

    picture = layout(panels)
    with written_aside(path) as aside:
        if path.suffix == ".svg":
            aside.write_text(svg(picture), encoding="utf-8")
        else:
            png(picture, aside)
