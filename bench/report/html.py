"""A report as one HTML file: sortable tables, heat maps with values on hover; no network, no build step."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from bench.report.document import Block, Code, Figure, Heading, Panel, Table, Text

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#111;background:#fff}
table{border-collapse:collapse;margin:1em 0;font-size:13px;font-variant-numeric:tabular-nums}
td,th{white-space:nowrap;padding:3px 8px;border-bottom:1px solid #ddd;text-align:right}td.l,th.l{text-align:left}
thead th{position:sticky;top:0;background:#f4f4f4}
th button{font:inherit;font-weight:600;border:0;background:none;padding:0;cursor:pointer;color:inherit}
th[aria-sort=ascending] button::after{content:" \\25B2"}th[aria-sort=descending] button::after{content:" \\25BC"}
.wide{overflow-x:auto}.note{color:#444;font-size:13px}img{max-width:100%;height:auto}
.maps{display:flex;flex-wrap:wrap;gap:1.5em}.map td{padding:0;min-width:3em;height:2.6em;text-align:center;border:0}
.map td{font-size:10px}
.map th{border:0;padding:2px 4px;background:none;position:static;text-align:center}
.map td.m{outline:1px solid #000;outline-offset:-2px}
pre{background:#f4f4f4;padding:1em;overflow-x:auto;font-size:12px}nav{columns:3;font-size:13px}
"""


SCRIPT = """
for(const table of document.querySelectorAll("table.sortable")){
 table.querySelectorAll("thead th").forEach((th,i)=>th.querySelector("button").addEventListener("click",()=>{
  const down=th.getAttribute("aria-sort")!=="descending",body=table.tBodies[0];
  table.querySelectorAll("thead th").forEach(t=>t.removeAttribute("aria-sort"));
  th.setAttribute("aria-sort",down?"descending":"ascending");
  const key=r=>{const s=r.cells[i].textContent.trim().replace(/,/g,""),n=parseFloat(s.replace(/^[<\\[]+/,""));
   return s===""?null:Number.isNaN(n)?s:n};
  [...body.rows].map((r,n)=>[key(r),n,r]).sort(([a,m],[b,n])=>{
   if(a===null||b===null)return(a===null)-(b===null)||m-n;
   const c=typeof a==="number"&&typeof b==="number"?a-b:String(a).localeCompare(String(b));
   return(down?-c:c)||m-n}).forEach(([,,r])=>body.append(r))}))}
"""


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
        f"{HEAD}<title>{_escaped(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n"
        f"<script>{SCRIPT}</script>\n</body></html>\n"
    )


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
        case Figure(name, alt, panels):
            shown = _maps(panels) if panels else _picture(folder / f"{name}.png", alt)
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
