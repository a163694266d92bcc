"""A real browser without a window: pages are opened, measured and printed."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """The path of a Chromium; without one the test is skipped, or fails where CI was told that there is one."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("BENCH_BROWSER") == "required":
            pytest.fail("BENCH_BROWSER=required, and no Chromium is on the PATH")
        pytest.skip(f"no Chromium on the PATH ({', '.join(NAMES)}): pages are not tested in a browser")
    return found


def _run(work: Path, page: Path, *options: str) -> str:
    common = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={work / 'profile'}"]
    ran = subprocess.run(
        [browser(), *common, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=180
    )
    return ran.stdout


REPORT = """
<script>
addEventListener("load",()=>{let seen;try{seen=(()=>{%s})()}catch(error){seen={error:String(error)}}
const pre=parent.document.createElement("pre");pre.id="seen";pre.textContent=JSON.stringify(seen);
parent.document.body.append(pre)})
</script></body>"""

FRAME = '<!doctype html><body style="margin:0"><iframe style="border:0;width:{}px;height:900px" srcdoc="{}"></iframe>'
"""A window cannot be narrower than 500 pixels, a frame can."""


def asked(work: Path, page: Path, width: int, script: str) -> Any:
    """What a script returns that runs in the page, shown in so many pixels."""
    text = page.read_text(encoding="utf-8")
    place = text.rindex("</body>")
    inside = text[:place] + REPORT % script + text[place + 7 :]
    probe = work / f"probe-{width}.html"
    probe.write_text(FRAME.format(width, html.escape(inside, quote=True)), encoding="utf-8")
    out = _run(work, probe, "--window-size=1500,1000", "--virtual-time-budget=5000", "--dump-dom")
    found = re.findall(r'<pre id="seen">(.*?)</pre>', out)
    assert found, "the page's script did not report"
    seen = json.loads(html.unescape(found[-1]))
    assert "error" not in seen, seen["error"]
    return seen


def printed_pages(work: Path, page: Path) -> int:
    """How many sheets of paper the page takes as it is opened."""
    _run(work, page, "--no-pdf-header-footer", f"--print-to-pdf={work / 'page.pdf'}")
    return len(re.findall(rb"/Type\s*/Page\b", (work / "page.pdf").read_bytes()))
