"""reports/reliability/report.md, from the scripts beside this one: what breaks, what grows, and what is left of it.

python tests/perf/reliability.py --data-root DATA [--parts kills,cells] [--out reports/reliability]

Each part is a script of its own and keeps its own page, so that parts can be measured again one by one; the report is
all pages that are there, in this order. A part that fails leaves its page as it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.store.writing import written_aside

HERE = Path(__file__).parent


class Part(NamedTuple):
    """A page of the report.

    Attributes:
        name: of its file.
        title: its heading.
        question: what it answers.
        script: the script's name and arguments; ``{data}``, ``{out}`` and ``{tokenizer}`` stand for folders.
    """

    name: str
    title: str
    question: str
    script: Sequence[str]


PARTS = (
    Part("nodes", "A cluster loses a node", "Are all cells run, with the bits of a local run?", ["ray_nodes.py"]),
    Part("nodes-apart", "The same, where nodes share no folder", "And if finished cells travel as files?",
         ["ray_nodes.py", "--apart"]),
    Part("kills", "Killed at any moment", "Are the results after kill -9 those of an undisturbed run?", ["kills.py"]),
    Part("cells", "Hundreds of cells", "Do memory and time per cell stay as they are?",
         ["many_cells.py", "--figure", "{out}/cells"]),
    Part("corpora", "A million passages", "Is the cost of a passage constant, and memory bounded?",
         ["corpora.py", "--data-root", "{data}", "--figure", "{out}/corpora"]),
    Part("miracl", "106 million passages, on paper", "What would all of MIRACL need?",
         ["full_scale.py", "--miracl", "--data-root", "{data}", "--tokenizer", "{tokenizer}"]),
    Part("fuzz", "Bad inputs", "Is every input read, or refused in one line?",
         ["fuzz.py", "--inputs", "16000", "--unguided"]),
)  # fmt: skip


def measured(part: Part, folders: Mapping[str, Path]) -> bool:
    """Run a part and keep its page; returns whether it succeeded."""
    arguments = [text.format(**folders) for text in part.script]
    load = os.getloadavg()[0]
    done = subprocess.run([sys.executable, HERE / arguments[0], *arguments[1:]], stdout=subprocess.PIPE, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        print(f"{part.name}: failed\n{done.stdout}", file=sys.stderr)
        return False
    plain = " ".join(text.format(**{name: name.upper() for name in folders}) for text in part.script)
    told = f"`python tests/perf/{plain}`; {os.cpu_count()} cores, load before it {load:.1f}."
    body = "\n".join(line for line in done.stdout.strip().splitlines() if not line.startswith("# "))
    with written_aside(folders["out"] / f"{part.name}.md") as aside:
        aside.write_text(f"## {part.title}\n\n{part.question} {told}\n\n{lowered(body).strip()}\n", encoding="utf-8")
    return True


def lowered(body: str) -> str:
    """Headings one level below the page's."""
    return "\n".join(f"#{line}" if line.startswith("##") else line for line in body.splitlines())


def assembled(out: Path) -> str:
    """All pages that are there."""
    pages = [out / f"{part.name}.md" for part in PARTS]
    told = "# Reliability\n\nWhat is promised about faults, growth and bad inputs, and what was seen. Every part names "
    told += "the script that made it; parts may be of different days.\n"
    missing = [part.title for part, page in zip(PARTS, pages, strict=True) if not page.is_file()]
    if missing:
        told += f"\nNot run: {'; '.join(missing)}.\n"
    return "\n".join([told, *(page.read_text(encoding="utf-8") for page in pages if page.is_file())])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(part.name for part in PARTS), help="'' assembles what is there")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("me5-small"), help="folder with tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path("reports/reliability"))
    options = parser.parse_args(arguments)
    wanted = [name for name in options.parts.split(",") if name]
    unknown = set(wanted) - {part.name for part in PARTS}
    if unknown:
        parser.error(f"parts are {', '.join(part.name for part in PARTS)}; got {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    folders = {"out": options.out, "data": options.data_root, "tokenizer": options.tokenizer}
    failed = [p.name for p in PARTS if p.name in wanted and not measured(p, folders)]
    with written_aside(options.out / "report.md") as aside:
        aside.write_text(assembled(options.out), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
