"""reports/<experiment>/report.md and its figures, from results/ alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench import compare, lock, plots, records
from bench.compare import Comparison
from bench.derived import is_derived
from bench.document import Block, Figure, Heading, Table, Text, markdown
from bench.errors import BenchError
from bench.glossary import glossary
from bench.labels import many, short
from bench.leaderboard import strategies_of
from bench.power_section import power_section
from bench.protocol import Claim, Protocol, read_protocol
from bench.records import Cell
from bench.reproduce_section import reproduce_section
from bench.set_section import set_section
from bench.share_section import share_section
from bench.training_section import not_run, signature, training_section
from bench.values import SetScores, read_sets
from bench.writing import written_aside

FINDINGS = "findings.md"
"""In an experiment's folder: what people concluded."""

Decided = list[tuple[Claim, Comparison]]


def write_report(
    results: Path, folder: Path, html: bool = False, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Write the report of an experiment; returns the path of report.md, or of report.html beside it.

    ``say`` is told where another process writes the same report, which is waited for.
    """
    cells = [cell for cell in records.read_cells(results) if cell.done is not None]
    sets = read_sets(cells)
    with lock.hold(folder, say), written_aside(folder) as aside:
        aside.mkdir()
        blocks = report(results, cells, sets, read_protocol(results), aside)
        (aside / "report.md").write_text(markdown(blocks), encoding="utf-8")
        if html:
            from bench.html import page

            (aside / "report.html").write_text(page(blocks, aside), encoding="utf-8")
    return folder / ("report.html" if html else "report.md")


def report(
    results: Path, cells: Sequence[Cell], sets: Sequence[SetScores], protocol: Protocol, folder: Path
) -> list[Block]:
    """The whole report; figures are drawn into ``folder``."""
    notes = dict.fromkeys(str(c.config["note"]) for c in cells if c.config["note"])
    blocks: list[Block] = [Heading(1, f"Experiment {results.name}"), *(Text(note) for note in notes)]
    blocks += primary_section(sets, protocol, folder)
    blocks += findings(results)
    blocks += [Heading(2, "What was run"), Text(_what_it_holds(cells))]
    for of in sets:
        blocks += set_section(of, folder, protocol.margin)
    blocks += share_section(sets, folder)
    blocks += out_of_domain(sets, protocol, folder)
    blocks += training_section(cells, folder)
    blocks += not_run(cells, [name for claim in protocol.primary for name in (claim.a, claim.b)])
    blocks += reproduce_section(results.name, sets, protocol)
    return [*blocks, *glossary(), *signature(cells)]


def findings(results: Path) -> list[Block]:
    """What its authors wrote into the experiment's folder after they had read the numbers; [] where nothing is."""
    path = results / FINDINGS
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not readable ({error}); it is Markdown in UTF-8") from None
    return [Heading(2, "Findings"), Text("*Written by hand after the runs; all else on this page is generated.*"),
            Text(text)]  # fmt: skip


def primary_section(sets: Sequence[SetScores], protocol: Protocol, folder: Path) -> list[Block]:
    """The question, an answer per rival, and the table behind it, or what stands in its way."""
    title = Heading(2, "The question and the answer")
    try:
        found = compare.primary(sets, protocol)
    except BenchError as error:
        return [title, Text(f"Not decided: {error}.")]
    if not found:
        return []
    asked = (
        "Question: how much does hybrid training cost against training with one objective, in domain and out of it? "
        f"Margin {protocol.margin:g}; the primary family was fixed with the first run."
    )
    lines = [f"- {_answer(a, b, found, protocol)}" for a, b in dict.fromkeys((c.a, c.b) for c, _ in found)]
    blocks: list[Block] = [title, Text(asked), Text("\n".join(lines)), primary_table(found, protocol)]
    effects = [
        plots.Effect(f"{claim.a} - {claim.b}, {c.set_name} {c.setting}", c.effect, *c.interval,
                     c.set_name in protocol.out_of_domain) for claim, c in found
    ]  # fmt: skip
    alt = (
        "primary family: effects with 95 % intervals; dotted: the margin; diamonds: sets out of domain. An interval "
        "right of 0 is superior, right of the dotted line non-inferior"
    )
    file = plots.forest(effects, "difference in the set's main measure", protocol.margin, folder / "primary")
    return [*blocks, Figure(file, alt), *power_section(found, sets)]


def _answer(a: str, b: str, found: Decided, protocol: Protocol) -> str:
    """One line: how many claims hold, and in each domain and setting the effects and verdicts."""
    mine = [c for claim, c in found if (claim.a, claim.b) == (a, b)]
    parts = []
    for far in (False, True):
        of_domain = [c for c in mine if (c.set_name in protocol.out_of_domain) == far]
        settings = list(dict.fromkeys(c.setting for c in of_domain))
        said = "; ".join(_range([c for c in of_domain if c.setting == s]) for s in settings)
        parts += [f"**{'Out of' if far else 'In'} domain**: {said}."] if said else []
    if mine[0].seeds == 1:
        warned = "What another training would give cannot be concluded (run --seeds 0,1,2 or more)."
        return f"{a} against {b}, one training each, so about these two models only. {' '.join(parts)} {warned}"
    held = sum(c.holds for c in mine)
    return f"{a} against {b}, {held} of {len(mine)} claims hold. {' '.join(parts)}"


def _range(found: Sequence[Comparison]) -> str:
    """Least and largest effect in one setting over sets, with the verdicts."""
    effects = sorted({f"{c.effect:+.3f}" for c in found}, key=float)
    verdicts = [c.verdict for c in found]
    counted = ", ".join(
        f"{v} ({many(verdicts.count(v), 'set')})" if len(found) > 1 else v for v in dict.fromkeys(verdicts)
    )
    shown = effects[0] if len(effects) == 1 else f"{effects[0]} to {effects[-1]}"
    return f"{found[0].setting} {shown} {counted}"


HEADER = ("", "set", "setting", "A", "B", "A - B", "95 % interval", "verdict", "claim", "holds", "p (claim)",
          "p (Holm)", "p (flips)", "detectable", "seed share")  # fmt: skip


def primary_table(found: Decided, protocol: Protocol) -> Table:
    """Every claim with effect, interval, p values and verdict."""
    rows = []
    for claim, c in found:
        one = c.seeds == 1
        rows.append([
            f"{claim.a} - {claim.b}", c.set_name, f"{c.setting} {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}",
            f"{c.effect:+.4f}", f"[{c.interval.low:+.4f}, {c.interval.high:+.4f}]", c.verdict, c.claim,
            "open: one seed" if one else "yes" if c.holds else "no",
            *(compare.shown_p(p) for p in (c.p_claim, c.p_holm, c.p)),
            f"{c.detectable:.4f}", "" if one else f"{c.seed_share:.0%}",
        ])  # fmt: skip
    first = found[0][1]
    clusters = sorted({c.clusters for _, c in found})
    trainings = "these two models" if first.seeds == 1 else "new trainings"
    caption = (
        f"{many(first.seeds, 'paired seed')}; {clusters[0]:,} to {clusters[-1]:,} parallel "
        f"questions per set. Intervals and p (claim) speak for {trainings} and new questions of the same kind; "
        f"p (flips) for these trained models. A claim is that A is better (superior) or at most {protocol.margin:g} "
        "worse (non-inferior); it holds where its one-sided p, adjusted over the whole table (Holm), is below .025. "
        "detectable: the least difference found with 80 % power. seed share: of the variance of the effect."
    )
    return Table(HEADER, rows, 3, caption)


def _what_it_holds(cells: Sequence[Cell]) -> str:
    trained = [c for c in cells if c.config["trained"] and not is_derived(c.config)]
    labels = list(dict.fromkeys(short(c.label) for c in trained))
    plain = list(dict.fromkeys(short(c.label) for c in cells if not c.config["trained"]))
    seeds = sorted({c.seed for c in trained})
    return (
        f"{len(trained)} trained cells: {', '.join(f'`{x}`' for x in labels) or 'none'}; seeds "
        f"{', '.join(map(str, seeds)) or 'none'}; rows without training: {', '.join(plain) or 'none'}. All strategies "
        "share model, data, steps, batch size, optimiser and random streams; only who shares a batch differs. Terms: "
        "see the glossary."
    )


def out_of_domain(sets: Sequence[SetScores], protocol: Protocol, folder: Path) -> list[Block]:
    """What each training gives or takes from the untrained base where its data do not reach."""
    title = Heading(2, "Out of domain")
    far = [of for of in sets if of.name in protocol.out_of_domain]
    if not far:
        named = ", ".join(protocol.out_of_domain)
        why = f"of those the protocol names ({named}) none was scored" if named else "the protocol names no such set"
        return [title, Text(f"Transfer is not judged: {why}.")]
    found: list[tuple[str, Comparison]] = []
    for of in far:
        for name, cells in strategies_of(of).items():
            if cells[0].config["trained"] and any(c.label == "untrained" for c in of.cells):
                found += [(name, c) for c in compare.compare_on([of], cells, "untrained", protocol.margin)]
    if not found:
        return [title, Text("Transfer is not judged: the untrained base was not scored ('--baselines untrained').")]
    rows = [[name, *row] for (name, _), row in zip(found, compare.as_rows([c for _, c in found]), strict=True)]
    said = (
        "Each strategy minus the untrained base: does training degrade transfer? inferior: by more than the margin of "
        f"{protocol.margin:g}. Exploratory; strategies against each other out of domain are in the primary family."
    )
    effects = [plots.Effect(f"{name}, {c.set_name} {c.setting}", c.effect, *c.interval, True) for name, c in found]
    file = plots.forest(effects, "difference to the untrained base", protocol.margin, folder / "out-of-domain")
    alt = "out of domain: each strategy minus the untrained base with 95 % intervals; dotted: the margin"
    return [title, Text(said), Table(("strategy", *compare.HEADER), rows, 3), Figure(file, alt)]
