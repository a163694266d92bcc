"""The page of a report in a real browser, wide and narrow: nothing overflows, tables sort, words can be read."""

import re
from pathlib import Path
from typing import Any

import pytest

from bench.plan.protocol import Protocol, keep_protocol
from bench.report import report
from tests.bench.made_up import TOY, make_cell, make_experiment
from tests.bench.pages.browser import asked, printed_pages

ROOT = Path(__file__).parents[3]

FINDINGS = """Some words, `code` and a table that is wider than a telephone:

| set | hybrid - mono | | a long heading that takes room | another long heading that takes room |
|:--|--:|:--|--:|:--|
| one | -0.015 [-0.023, -0.007] | worse; more than .01 not excluded | 3 | <b>not bold</b> |
| two | +0.047 [+0.019, +0.074] | better; by more than .01 better: shown | 12 | |
| three | +0.002 | not told apart | 5 | |
"""

MEASURED = """
const luminance=rgb=>{const c=rgb.map(x=>{x/=255;return x<=.04045?x/12.92:((x+.055)/1.055)**2.4});
 return .2126*c[0]+.7152*c[1]+.0722*c[2]};
const parsed=text=>text.match(/[\\d.]+/g).map(Number);
const ground=e=>{for(;e;e=e.parentElement){const c=parsed(getComputedStyle(e).backgroundColor);
 if(c.length<4||c[3]>0)return c.slice(0,3)}return[255,255,255]};
const closed=[document.documentElement.scrollWidth,innerWidth];
document.querySelectorAll("details").forEach(d=>d.open=true);
const open=[document.documentElement.scrollWidth,innerWidth];
const low=[];
for(const e of document.body.querySelectorAll("*")){
 if(["SCRIPT","STYLE"].includes(e.tagName)||![...e.childNodes].some(n=>n.nodeType===3&&n.textContent.trim()))continue;
 const [a,b]=[luminance(parsed(getComputedStyle(e).color).slice(0,3)),luminance(ground(e))].sort((x,y)=>y-x);
 const ratio=(a+.05)/(b+.05);if(ratio<4.5)low.push([e.tagName,e.textContent.slice(0,30),ratio])}
const wide=[...document.querySelectorAll(".wide")].filter(w=>w.scrollWidth>w.clientWidth+1);
const left=e=>e.getBoundingClientRect().left;
const stays=wide.filter(w=>w.querySelector("table.sortable")).map(w=>{w.scrollLeft=150;
 return Math.abs(left(w.querySelector("tbody td"))-left(w))});
const brief=[...document.querySelectorAll("table.brief")].map(t=>t.parentElement).map(w=>[w.scrollWidth,w.clientWidth]);
const column=(table,i)=>[...table.tBodies[0].rows].map(r=>r.cells[i].textContent);
const sorted=(table,name)=>{const heads=[...table.tHead.rows[0].cells],i=heads.findIndex(h=>h.textContent===name);
 heads[i].querySelector("button").click();const down=column(table,i);
 heads[i].querySelector("button").click();return[down,column(table,i),heads[i].getAttribute("aria-sort")]};
const having=name=>[...document.querySelectorAll("table.sortable")].find(t=>
 [...t.tHead.rows[0].cells].some(h=>h.textContent===name));
const tips=[...document.querySelectorAll("table.map td[title]")].map(td=>td.title);
const text=document.body.innerText;
return{closed,open,low,wide:wide.length,stays,brief,tips,board:sorted(having("within a language"),"within a language"),
 found:sorted(having("hybrid - mono"),"hybrid - mono"),raw:[text.includes("|"),text.includes("<b>not bold</b>")],
 nav:[...document.querySelectorAll("nav a")].every(a=>document.getElementById(a.hash.slice(1)))}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page")
    make_experiment(path / "results" / "made")
    make_cell(path / "results" / "made", "english(language='a-language-with-a-long-name-in-the-table')", 0, 0.1)
    keep_protocol(path / "results" / "made", Protocol(out_of_domain=("toy",)), [TOY])
    (path / "results" / "made" / "findings.md").write_text(FINDINGS)
    return report.write_report(path / "results" / "made", path / "reports" / "made", html=True)


@pytest.fixture(scope="module", params=[1400, 420])
def seen(request: pytest.FixtureRequest, page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = asked(tmp_path_factory.mktemp("browser"), page, request.param, MEASURED)
    assert found["closed"][1] == request.param, "the window is as wide as was asked"
    return {"width": request.param, **found}


def test_the_body_never_scrolls_sideways(seen: dict[str, Any]) -> None:
    for inside, window in (seen["closed"], seen["open"]):
        assert inside <= window


def test_wide_tables_scroll_in_their_frame_and_the_first_column_stays(seen: dict[str, Any]) -> None:
    if seen["width"] == 420:
        assert seen["wide"] >= 3
    assert len(seen["stays"]) >= 1
    assert max(seen["stays"]) <= 1


def test_the_summary_fits(seen: dict[str, Any]) -> None:
    ((inside, frame),) = seen["brief"]
    assert inside <= frame


def test_a_click_sorts_and_another_one_turns_the_order(seen: dict[str, Any]) -> None:
    for down, up, order in (seen["board"], seen["found"]):
        numbers = [float(re.sub(r" .*", "", text)) for text in down]
        assert len(numbers) >= 3
        assert numbers == sorted(numbers, reverse=True)
        assert up == down[::-1] or [float(re.sub(r" .*", "", text)) for text in up] == sorted(numbers)
        assert order == "ascending"


def test_every_pair_tells_its_value(seen: dict[str, Any]) -> None:
    assert len(seen["tips"]) > 50
    assert all(re.match(r"\w+ to \w+: [+-]?[01]\.\d{4}(, distinguishable from 0)?$", tip) for tip in seen["tips"])


def test_words_stand_out_from_their_ground(seen: dict[str, Any]) -> None:
    assert seen["low"] == []


def test_markdown_is_rendered_and_markup_is_not_obeyed(seen: dict[str, Any]) -> None:
    assert seen["raw"] == [False, True]
    assert seen["nav"], "every entry of the contents leads somewhere"


def test_the_longest_committed_study_is_twelve_pages_and_400_lines_at_most(tmp_path: Path) -> None:
    written = report.write_report(ROOT / "results" / "study", tmp_path / "study", html=True)
    assert len(written.with_name("report.md").read_text(encoding="utf-8").splitlines()) <= 400
    assert printed_pages(tmp_path, written) <= 12
