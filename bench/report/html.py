"""A report as one HTML file: sortable tables, heat maps with values on hover; no network, no build step."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from bench.report.document import Block, Code, Figure, Heading, HeatMaps, Panel, Table, Text

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
"""  # noqa: E501


def page(blocks: Sequence[Block], folder: Path) -> str:
    """The document as one page; pictures are read from ``folder`` and put inside."""
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Report")
    second = [(i, b) for i, b in enumerate(blocks) if isinstance(b, Heading) and b.level == 2]
    contents = "".join(f'<div><a href="#s{i}">{_escaped(b.text)}</a></div>' for i, b in second)
    parts = [_block(block, i, folder) for i, block in enumerate(blocks)]
    after = 1 + next((i for i, b in enumerate(blocks) if isinstance(b, Heading)), -1)
    body = "\n".join([*parts[:after], f"<nav>{contents}</nav>", *parts[after:]])
    return (
        f"{HEAD}<title>{_escaped(title)}</title><style>\n{_beside('page.css')}</style></head>\n<body>\n{body}\n"
        f"<script>\n{_beside('page.js')}</script>\n</body></html>\n"
    )


def _beside(name: str) -> str:
    """A file of this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _block(block: Block, number: int, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="s{number}">{_escaped(text)}</h{level}>'
        case Text(text):
            return _rendered(text)
        case Code(text, _):
            return f"<pre>{_escaped(text)}</pre>"
        case Table():
            return _table(block)
        case Figure(name, alt, drawing):
            file = folder / f"{name}.png"
            shown = _maps(drawing.panels) if isinstance(drawing, HeatMaps) else _picture(file, alt)
            return f'<figure>{shown}<figcaption class="note">{_escaped(alt)}.</figcaption></figure>'


def _rendered(markdown: str) -> str:
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).render(markdown))


def _table(table: Table) -> str:
    sides = ["l" if i < table.left else "" for i in range(len(table.header))]
    head = "".join(
        f'<th scope="col" class="{side}"><button type="button">{_escaped(text) or "&nbsp;"}</button></th>'
        for text, side in zip(table.header, sides, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(f'<td class="{c}">{_escaped(x)}</td>' for x, c in zip(row, sides, strict=True)) + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{_escaped(table.caption)}</p>' if table.caption else ""
    return f'<div class="wide"><table class="sortable"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'  # noqa: E501


def _picture(path: Path, alt: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{_escaped(alt)}" src="data:image/png;base64,{data}">'


def _maps(panels: Sequence[Panel]) -> str:
    known = [v for p in panels for row in p.values for v in row if v is not None]
    high = max((abs(v) for v in known), default=1.0) or 1.0
    signed = any(v < 0 for v in known)
    return f'<div class="maps">{"".join(_map(p, high, signed) for p in panels)}</div>'


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
            shown = (f"{value:+.2f}" if signed else f"{value:.2f}").replace("0.", ".")
            colour = _colour(value / high, signed)
            cells.append(f'<td class="{"m" if marked else ""}" title="{said}" style="{colour}">{shown}</td>')
        rows.append(f'<tr><th scope="row">{_escaped(q)}</th>{"".join(cells)}</tr>')
    caption = f"<caption>{_escaped(panel.title)}</caption>"
    return f'<table class="map">{caption}<thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


LOW, HIGH = (230, 97, 1), (94, 60, 153)
"""Orange and purple: the ends of the diverging scale, told apart by colour-blind readers."""


def _colour(share: float, signed: bool) -> str:
    end = LOW if signed and share < 0 else HIGH if signed else (0, 90, 140)
    mixed = [round(255 + (c - 255) * min(1.0, abs(share))) for c in end]
    bright = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 140
    return f"background:rgb({mixed[0]},{mixed[1]},{mixed[2]});color:{'#000' if bright else '#fff'}"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
