"""Draws figures as SVG for a column of paper, 3.3 inches: text of 6 and 7 points, names beside what they name."""

from __future__ import annotations

import re
from pathlib import Path

from bench.figures import heat_maps
from bench.figures.heat_maps import ON_SCREEN
from bench.figures.shapes import Drawing, HeatMaps


def draw(drawing: Drawing, path: Path) -> None:
    """Write ``path``.svg; the same drawing gives the same bytes."""
    path.with_name(f"{path.name}.svg").write_text(svg(drawing), encoding="utf-8")


def svg(drawing: Drawing) -> str:
    """The picture as text."""
    if isinstance(drawing, HeatMaps):
        return heat_maps.svg(drawing)
    from bench.figures import charts

    return _lean(charts.svg(drawing))


def _lean(svg: str) -> str:
    """Matplotlib's picture without what no reader needs, with the font told once."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(-?\d+\.\d)\d+", r"\1", tag[0]), svg)
    svg = re.sub(r' style="stroke-linejoin: miter"| ?stroke-linejoin: miter;?', "", svg)
    found = re.match(r'<svg[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', svg, re.DOTALL)
    assert found is not None
    wide, high = float(found[1]), float(found[2])
    links = 'xmlns:xlink="http://www.w3.org/1999/xlink" '
    head = heat_maps.HEAD.replace("<svg ", f"<svg {links}").format(
        w=wide * ON_SCREEN, h=high * ON_SCREEN, vw=wide, vh=high
    )
    return head + "\n" + re.sub(r"\n\s+", "\n", svg[found.end() :]).lstrip("\n")
