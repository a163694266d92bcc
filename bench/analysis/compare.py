"""Two strategies side by side; the claims of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench import randomness
from bench.analysis import statistics
from bench.analysis.means import clustered, per_cluster
from bench.analysis.set_scores import SetScores, cells_of, read_sets
from bench.analysis.strategies import _of_seeds, find, many, paired, require_equal_settings, short
from bench.errors import BenchError
from bench.plan.protocol import Claim, Protocol
from bench.store.cells import Cell


class Comparison(NamedTuple):
    """A minus B in one setting of one set.

    Attributes:
        set_name: evaluation set.
        setting: mono, cross or multi.
        measure: what is compared.
        a: mean of the first, over pairs of languages (macro) and seeds.
        b: mean of the second.
        effect: a - b.
        interval: 95 %, over seeds and clusters (over clusters alone where there is one seed).
        p: two-sided, sign flips over clusters, for these trained models.
        p_holm: adjusted within all comparisons of one call.
        p_t: the paired t test's, as a check.
        verdict: at the margin; see ``stats.verdict``.
        detectable: least difference found with 80 % power.
        seed_share: seeds' share of the variance; NaN with one seed.
        seeds: paired trainings.
        clusters: parallel questions.
        error: standard error of the effect, over seeds and clusters.
        freedom: its degrees of freedom.
        claim: what the protocol claims of it; empty where it is exploratory.
        p_claim: one-sided p against that claim, over seeds and clusters.
    """

    set_name: str
    setting: str
    measure: str
    a: float
    b: float
    effect: float
    interval: statistics.Interval
    p: float
    p_holm: float
    p_t: float
    verdict: str
    detectable: float
    seed_share: float
    seeds: int
    clusters: int
    error: float
    freedom: float
    claim: str = ""
    p_claim: float = float("nan")

    @property
    def holds(self) -> bool:
        """Whether the claim stands after adjustment, at 2.5 % one-sided."""
        return bool(self.claim) and self.p_holm < 0.025

    def plain(self) -> dict[str, object]:
        """Unrounded, for machines; what is not known is None."""
        values = self._asdict() | {"interval": list(self.interval)}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}


def compare(
    cells: Sequence[Cell], a: str, b: str, measure: str | None, margin: float, seeds_of: Sequence[int] = ()
) -> list[Comparison]:
    """Compare two strategies on every set that both were scored on.

    Args:
        cells: of an experiment.
        a: a strategy, by its signature, name or hash.
        b: what it is compared with.
        measure: one of ``MEASURES``; None for each set's main measure.
        margin: what is still not worse.
        seeds_of: the seeds whose trainings are compared; () for all, which both need to have.

    Raises:
        BenchError: a name means no strategy or several, seeds differ, or data differ.
    """
    ours, theirs = (_of_seeds(find(cells, name, True), seeds_of) for name in (a, b))
    found = _compare(read_sets(cells), ours, theirs, measure, margin)
    adjusted = statistics.holm(np.array([c.p for c in found]))
    return [c._replace(p_holm=float(p)) for c, p in zip(found, adjusted, strict=True)]


def compare_on(sets: Sequence[SetScores], ours: list[Cell], b: str, margin: float) -> list[Comparison]:
    """Compare the cells of one strategy with those of the strategy ``b`` on some sets; p is adjusted over them."""
    found = _compare(sets, ours, find(cells_of(sets), b), None, margin)
    adjusted = statistics.holm(np.array([c.p for c in found]))
    return [c._replace(p_holm=float(p)) for c, p in zip(found, adjusted, strict=True)]


def primary(sets: Sequence[SetScores], protocol: Protocol) -> list[tuple[Claim, Comparison]]:
    """The protocol's claims on every set, adjusted together; claims about strategies that were not run are left out."""
    cells = cells_of(sets)
    names = {c.label.split("(")[0] for c in cells}
    claims = [c for c in protocol.primary if {c.a.split("(")[0], c.b.split("(")[0]} <= names]
    found = [
        (claim, _claimed(c, claim, protocol.margin))
        for claim in claims
        for c in _compare(sets, find(cells, claim.a), find(cells, claim.b), None, protocol.margin)
        if c.setting in (*claim.superior, *claim.non_inferior)
    ]
    adjusted = statistics.holm(np.array([c.p_claim for _, c in found]))
    return [(claim, c._replace(p_holm=float(p))) for (claim, c), p in zip(found, adjusted, strict=True)]


def _claimed(c: Comparison, claim: Claim, margin: float) -> Comparison:
    superior = c.setting in claim.superior
    p = statistics.one_sided(c.effect, c.error, c.freedom, 0.0 if superior else -margin)
    return c._replace(claim="superior" if superior else "non-inferior", p_claim=p)


def _compare(
    sets: Sequence[SetScores], ours: list[Cell], theirs: list[Cell], measure: str | None, margin: float
) -> list[Comparison]:
    a, b = ours[0], theirs[0]
    if a.label == b.label and a.config["hash"] == b.config["hash"]:
        raise BenchError(f"two different strategies are compared; both are {short(a.label)}")
    require_equal_settings(a, b)
    pairs = paired(ours, theirs)
    common = [s for s in sets if all(_scored(s, x) and _scored(s, y) for x, y in pairs)]
    if not common:
        _require_common_data(sets, pairs)
        raise BenchError(
            f"{short(a.label)} and {short(b.label)} were scored on no common set; 'python -m bench run --task' scores "
            "them"
        )
    return [
        _in_setting(s, setting, pairs, measure or s.main, margin) for s in common for setting in s.layout.settings()
    ]


def _scored(of: SetScores, cell: Cell) -> bool:
    return any(cell.path == c.path for c in of.cells)


def _require_common_data(sets: Sequence[SetScores], pairs: Sequence[tuple[Cell, Cell]]) -> None:
    for x, y in pairs:
        names = [{s.stored for s in sets if _scored(s, cell)} for cell in (x, y)]
        if names[0] & names[1]:
            raise BenchError(
                f"{min(names[0] & names[1])}: {x.path.name} and {y.path.name} were scored on different data (version "
                "or checksums); run them again on the same data"
            )


def _in_setting(of: SetScores, setting: str, pairs: list[tuple[Cell, Cell]], measure: str, margin: float) -> Comparison:
    rows = of.layout.rows_of(setting)
    differences = clustered(of, pairs, measure, rows)
    a, b = (
        float(np.mean([per_cluster(of.layout, rows, of.values(pair[side], measure)).mean() for pair in pairs]))
        for side in (0, 1)
    )
    rng = randomness.generator(0, f"compare {of.name} {setting}")
    interval = statistics.bootstrap(differences, rng)
    over_seeds = differences.mean(axis=0)[:, None]
    several = len(pairs) > 1
    return Comparison(
        of.name, setting, measure, a, b, float(differences.mean()), interval,
        float(statistics.sign_flip(over_seeds, rng)[0]), float("nan"), float(statistics.paired_t(over_seeds)[0]),
        statistics.verdict(interval, margin), statistics.detectable(differences),
        statistics.variance(differences).seed_share if several else float("nan"), len(pairs), differences.shape[1],
        float(np.sqrt(statistics.variance(differences).total)), statistics.freedom(differences),
    )  # fmt: skip


HEADER = ("set", "setting", "A", "B", "A - B", "95 % interval", "p", "p (Holm)", "verdict", "detectable", "seed share")


def as_rows(found: Sequence[Comparison]) -> list[list[str]]:
    """Rounded, for people."""
    return [
        [c.set_name, f"{c.setting} {c.measure}", f"{c.a:.3f}", f"{c.b:.3f}", f"{c.effect:+.4f}",
         f"[{c.interval.low:+.4f}, {c.interval.high:+.4f}]", shown_p(c.p), shown_p(c.p_holm), c.verdict,
         f"{c.detectable:.4f}", "" if np.isnan(c.seed_share) else f"{c.seed_share:.0%}"]
        for c in found
    ]  # fmt: skip


def shown_p(p: float) -> str:
    """Rounded to what 100,000 sign flips can tell."""
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"


def explained(a: str, b: str, found: Sequence[Comparison], margin: float) -> str:
    """What the table rests on, and what it cannot say."""
    trainings, clusters = found[0].seeds, {c.clusters for c in found}
    basis = (
        f"A = {a}, B = {b}; {many(trainings, 'paired seed')}, "
        f"{min(clusters):,} to {max(clusters):,} parallel questions; margin {margin:g}. superior: the interval "
        f"lies above 0; non-inferior: above -{margin:g}; inferior: below -{margin:g}; else inconclusive. p: sign flips "
        "over questions, for these trained models. detectable: least difference found with 80 % power."
    )
    if trainings == 1:
        return basis + (
            " One training each: intervals and verdicts are about these two models; whether another training would "
            "give the same cannot be concluded (use --seeds 0,1,2 or more)."
        )
    return basis + " Intervals speak for new trainings and new questions of this kind."
