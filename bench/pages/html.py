"""A report as one HTML file: sortable tables, heat maps with values on hover; no network, no build step."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from bench.figures.palette import ink, shade, shown
from bench.figures.shapes import HeatMaps, Panel
from bench.pages.document import Block, Code, Figure, Fold, Heading, Table, Text

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
"""  # noqa: E501


def page(blocks: Sequence[Block], folder: Path) -> str:
    """The document as one page; pictures are read from ``folder`` and put inside."""
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Report")
    parts = [_block(block, f"s{i}", folder) for i, block in enumerate(blocks)]
    chapters = [(f"s{i}", text) for i, block in enumerate(blocks) if (text := _chapter(block))]
    contents = "".join(f'<div><a href="#{anchor}">{_escaped(text)}</a></div>' for anchor, text in chapters)
    first = next((i for i, block in enumerate(blocks) if _chapter(block)), len(blocks))
    body = "\n".join([*parts[:first], f"<nav>{contents}</nav>", *parts[first:]])
    return (
        f"{HEAD}<title>{_escaped(title)}</title><style>\n{_beside('page.css')}</style></head>\n<body>\n{body}\n"
        f"<script>\n{_beside('page.js')}</script>\n</body></html>\n"
    )


def _chapter(block: Block) -> str:
    """What the table of contents calls it; empty for what is part of a chapter."""
    match block:
        case Heading(2, text):
            return text
        case Fold(title, _):
            return title
        case _:
            return ""


def _beside(name: str) -> str:
    """A file of this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _block(block: Block, anchor: str, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="{anchor}">{_escaped(text)}</h{level}>'
        case Text(text):
            return _rendered(text)
        case Code(text, _):
            return f'<pre tabindex="0">{_escaped(text)}</pre>'
        case Table():
            return _table(block)
        case Figure(name, alt, drawing):
            file = folder / f"{name}.svg"
            shown = _maps(drawing) if isinstance(drawing, HeatMaps) else _picture(file, alt)
            return f'<figure>{shown}<figcaption class="note">{_escaped(alt)}.</figcaption></figure>'
        case Fold(title, inner):
            parts = "\n".join(_block(part, f"{anchor}-{i}", folder) for i, part in enumerate(inner))
            return f'<details id="{anchor}"><summary><h2>{_escaped(title)}</h2></summary>\n{parts}\n</details>'


WIDE = '<div class="wide" tabindex="0">'


def _rendered(markdown: str) -> str:
    """Paragraphs, lists and tables; what looks like HTML is shown, not used."""
    from markdown_it import MarkdownIt

    made = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown))
    made = re.sub(
        r"<th([^>]*)>(.*?)</th>",
        lambda th: f'<th scope="col"{th[1]}><button type="button">{th[2] or "&nbsp;"}</button></th>', made,
    )  # fmt: skip
    return made.replace("<table>", f'{WIDE}<table class="sortable">').replace("</table>", "</table></div>")


def _table(table: Table) -> str:
    sides = ["l" if i < table.left else "" for i in range(len(table.header))]
    head = "".join(
        f'<th scope="col" class="{side}"><button type="button">{_escaped(text) or "&nbsp;"}</button></th>'
        for text, side in zip(table.header, sides, strict=True)
    )
    lines = (zip(row, sides, strict=True) for row in table.rows)
    cells = ("".join(f'<td class="{side or _side(x)}">{_cell(x)}</td>' for x, side in line) for line in lines)
    rows = "".join(f"<tr>{row}</tr>" for row in cells)
    note = f'<p class="note">{_escaped(table.caption)}</p>' if table.caption else ""
    named = "sortable brief" if table.brief else "sortable"
    return f'{WIDE}<table class="{named}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'


def _side(text: str) -> str:
    """``w`` for words among numbers, whose lines may break."""
    return "w" if len(text) > 15 and text[0].isalpha() else ""


def _cell(text: str) -> str:
    """A text; as code where it is all in backticks."""
    code = len(text) > 2 and text[0] == text[-1] == "`"
    return f"<code>{_escaped(text[1:-1])}</code>" if code else _escaped(text)


def _picture(path: Path, alt: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{_escaped(alt)}" src="data:image/svg+xml;base64,{data}">'


def _maps(drawing: HeatMaps) -> str:
    known = [v for p in drawing.panels for row in p.values for v in row if v is not None]
    high = max((abs(v) for v in known), default=1.0) or 1.0
    return f'<div class="maps">{"".join(_map(p, high, drawing.difference) for p in drawing.panels)}</div>'


def _map(panel: Panel, high: float, signed: bool) -> str:
    """One heat map as a table; hovering a cell shows the pair and its value."""
    head = "".join(f'<th scope="col">{_escaped(lang)}</th>' for lang in panel.langs)
    rows = []
    for i, q in enumerate(panel.langs):
        cells = []
        for j, d in enumerate(panel.langs):
            value = panel.values[i][j]
            if value is None:
                cells.append("<td></td>")
                continue
            marked = bool(panel.marked) and panel.marked[i][j]
            said = f"{q} to {d}: {value:+.4f}" if signed else f"{q} to {d}: {value:.4f}"
            said += ", distinguishable from 0" if marked else ""
            ground = shade(value / high, signed)
            colours = f"background:rgb{ground};color:{ink(ground)}".replace(", ", ",")
            of_cell = ' class="m"' if marked else ""
            cells.append(f'<td{of_cell} title="{_escaped(said)}" style="{colours}">{shown(value, signed)}</td>')
        rows.append(f'<tr><th scope="row">{_escaped(q)}</th>{"".join(cells)}</tr>')
    caption = f"<caption>{_escaped(panel.title)}</caption>"
    body = f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'{WIDE}<table class="map">{caption}{body}</table></div>'


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
