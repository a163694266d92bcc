"""One evaluation set: leaderboard, bias, subsets, published numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import RANKS, as_table, leaderboard, note_on_seeds
from bench.analysis.means import BIAS_SHOWN, GAP, Keep, has_pool, means_of
from bench.analysis.set_scores import SetScores
from bench.analysis.strategies import strategies_of
from bench.figures.shapes import Boxes, Dots
from bench.pages.document import Block, Figure, Fold, Heading, Table, Text
from bench.report.language_pairs import by_script, pair_figures
from bench.store.json_files import hash8
from bench.store.scores import POOL, SETTINGS, in_words
from tasks.languages import script_of


def same_script(a: str, b: str) -> bool:
    """Whether two languages are known to be written in one script."""
    return script_of(a) is not None and script_of(a) == script_of(b)


FILE = Path(__file__).parent / "published.json"


PUBLISHED = {"mAP": "AP", "nDCG@10": "nDCG@10"}
"""The published measures that are compared, and their names here."""


OURS = {"X-X-mono": "mono", "X-Y": "cross", "Hybrid": "hybrid"}
"""Published strategies by their names here."""


NOT_COMPARABLE = (
    "Published: XLM-R and LaBSE, trained on translated question-answer collections. Measured here: the model and data "
    "of the signature. So levels are not comparable, only the order and the sign of differences"
)


def published(of: SetScores) -> list[Block]:
    """A table for sets that have published numbers, on the same queries and passages; else []."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    tables = [t for t in stored["tables"] if t["set"] == of.stored and PUBLISHED.get(t["measure"]) == of.main]
    if not tables:
        return []
    measured = {r.label.split("(")[0]: r.mean for r in reversed(leaderboard(of, of.main))}
    rows = [
        [f"published, {t['model']}", in_words(t["setting"]), *(f"{t['mean'][name]:.3f}" for name in OURS)]
        for t in tables
    ]
    for setting in SETTINGS:
        found = [measured.get(name, {}).get(setting) for name in OURS.values()]
        if any(v is not None and v == v for v in found):
            rows.append(["measured here", in_words(setting), *("" if v is None else f"{v:.3f}" for v in found)])
    order = [in_words(s) for s in SETTINGS]
    rows.sort(key=lambda row: order.index(row[1]))
    header = ["", f"mean {of.main}", *(f"{ours} ({theirs})" for theirs, ours in OURS.items())]
    return [
        Heading(3, f"{of.name}: published numbers"),
        Table(header, rows, 2, f"{stored['source']}. {NOT_COMPARABLE}."),
    ]


def parts_of(sets: Sequence[SetScores]) -> dict[str, str]:
    """Sets whose questions are some of those of another set of the same data: its name -> the widest such set."""
    questions = {of.name: set(of.layout.questions) for of in sets}
    found: dict[str, str] = {}
    for of in sets:
        wider = [x.name for x in sets if x.data == of.data and questions[of.name] < questions[x.name]]
        if wider:
            found[of.name] = max(wider, key=lambda name: len(questions[name]))
    return found


def boards(sets: Sequence[SetScores]) -> list[Block]:
    """A leaderboard for each set, by settings; what ranks are is said once."""
    blocks: list[Block] = [Heading(2, "Leaderboards")]
    for of in sets:
        blocks += board(of)
    said = next((note for of in sets if (note := note_on_seeds(of))), "")
    return [*blocks, Text(f"{RANKS[0].upper()}{RANKS[1:]}{said}")]


def board(of: SetScores, level: int = 3) -> list[Block]:
    """One set: rank, strategy with its trainings, and a column for each setting."""
    header, rows = as_table(leaderboard(of, of.main))
    shown = [[f"{name} ({n})", rank, *rest] for rank, name, n, *rest in rows]
    notes = [of.note] if of.note else []
    notes += [f"Read with: {'; '.join(map(str, of.noticed))}"] if of.noticed else []
    caption = " ".join(f"{note[0].upper()}{note[1:]}." for note in [*notes, f"signature {signature_of(of)}"])
    title = Heading(level, f"{of.name}, {of.main}")
    return [title, Table(["strategy (trainings)", header[0], *header[3:]], shown, 2, caption)]


def set_section(of: SetScores, whole: str = "") -> list[Block]:
    """What is folded of one set: sizes, bias, subsets, language pairs, published numbers.

    Of a part of the set ``whole`` the leaderboard alone, where it was not shown before: the rest would say it again.
    """
    if whole:
        said = f"Its questions are some of those of {whole}; bias, language pairs and figures are shown there."
        return [Fold(f"{of.name}: a part of {whole}", [Text(said), *board(of)])]
    sizes = ", ".join(f"{lang} {n:,}" for lang, n in of.passages.items())
    kind = "Pool" if has_pool(of) else "Passages"
    blocks: list[Block] = [Text(f"{kind}: {sum(of.passages.values()):,} ({sizes}).")]
    if has_pool(of):
        blocks += [Heading(3, f"{of.name}: language bias"), _bias_table(of)]
    blocks += _subsets(of)
    if len(of.passages) > 1:
        blocks += pair_figures(of)
    if has_pool(of):
        blocks += _bias_figures(of)
    blocks += published(of)
    return [Fold(f"{of.name}: language pairs and bias", blocks)] if len(blocks) > 1 else []


def signature_of(of: SetScores) -> str:
    """Eight digits that stand for the data and the weights behind a set's numbers."""
    weights = {c.path.name: c.done.weights_sha256 if c.done else "-" for c in of.cells}
    return hash8({"set": of.name, "data": of.data, "weights": weights})


def _bias_table(of: SetScores) -> Table:
    columns = [*BIAS_SHOWN, GAP]
    rows = leaderboard(of, of.main)
    header, cells = as_table(rows, columns=columns)
    found: list[str] = []
    if all(np.isnan(r.mean["PEER"]) for r in rows):
        found.append("PEER: not applicable, it needs several relevant passages per language")
    answers = len({d for _, d in of.layout.pairs} - {POOL})
    found.append(f"own language first: parity is 1/{answers} = {1 / answers:.3f} where every language has one answer")
    return Table(
        [h for h in header if h != "rank"],
        [row[1:] for row in cells],
        1,
        f"{'; '.join(found)}. Signature {signature_of(of)}.",
    )


def _subsets(of: SetScores) -> list[Block]:
    trained = {lang for c in of.cells for lang in c.config.languages}
    langs = set(of.passages)
    blocks: list[Block] = []
    unseen = langs - trained
    if trained & langs and unseen:

        def touches_unseen(q: str, d: str) -> bool:
            return q in unseen or d in unseen

        header, rows = as_table(leaderboard(of, of.main, touches_unseen))
        title = f"{of.name}: languages never trained on ({', '.join(sorted(unseen))})"
        blocks += [
            Heading(3, title),
            Text(f"Pairs in which one of them takes part, {of.main}."),
            Table(header, rows, 2, f"Signature {signature_of(of)}."),
        ]
    crossing = [same_script(q, d) for q, d in of.layout.pairs if d not in (q, POOL)]
    if any(crossing) and not all(crossing):
        title = f"{of.name}: across languages, within one script and across scripts"
        blocks += [Heading(3, title), _script_table(of)]
    return blocks


def _script_table(of: SetScores) -> Table:
    def within(q: str, d: str) -> bool:
        return q != d and same_script(q, d)

    def across(q: str, d: str) -> bool:
        return d not in (q, POOL) and not same_script(q, d)

    keeps: tuple[Keep, Keep] = (within, across)
    columns = [{r.label: f"{r.mean['cross']:.3f}" for r in leaderboard(of, of.main, k, "cross")} for k in keeps]
    order = [r.label for r in leaderboard(of, of.main)]
    header = ["strategy", f"{of.main}, same script", f"{of.main}, different scripts"]
    return Table(
        header, [[label, *(c.get(label, "") for c in columns)] for label in order], 1, f"Signature {signature_of(of)}."
    )


def _bias_figures(of: SetScores) -> list[Block]:
    langs = by_script({q for q, d in of.layout.pairs if d == POOL})
    means = {m.cell.path.name: m.pairs for m in means_of(of)}
    groups = strategies_of(of)
    share = {
        name: _plain(
            np.mean([[means[c.path.name][lang, POOL]["same_language@10"] for lang in langs] for c in cells], axis=0)
        )
        for name, cells in groups.items()
    }
    label = "by language of the query: share of the top 10\nin that language, minus its share of the pool"
    alt = f"{of.name}: same-language share of the top 10 beyond the pool's share, per query language (0: no bias)"
    blocks: list[Block] = [Figure(f"{of.name}-same-language", alt, Dots(langs, share, label))]
    rows = of.layout.rows_of("multi")
    spread = {name: np.mean([of.values(c, "rank_distance_log2")[rows] for c in cells], axis=0)
              for name, cells in groups.items()}  # fmt: skip
    known = {name: v[~np.isnan(v)] for name, v in spread.items() if (~np.isnan(v)).any()}
    percentiles = {name: _plain(np.quantile(v, [0.05, 0.25, 0.5, 0.75, 0.95])) for name, v in known.items()}
    if known:
        alt = (
            f"{of.name}: how many times the rank doubles from a query's first parallel answer to its last; median, "
            "quartiles, 5th and 95th percentile over queries, mean over seeds"
        )
        boxes = Boxes(percentiles, "log2 rank distance (doublings of depth)")
        blocks.append(Figure(f"{of.name}-rank-distance", alt, boxes))
    return blocks


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(values.tolist())
