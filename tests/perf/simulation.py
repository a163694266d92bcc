"""How often what readers see is wrong, on made-up trainings of strategies that are alike (made_trainings.py).

python tests/perf/simulation.py > tests/perf/simulation.md

Every table names what it judges and the nominal rate; a rate outside [.6, 1.3] of it is marked and its reason said.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from made_trainings import noise, scores
from tabulate import tabulate
from tqdm import tqdm

from bench.analysis import power, statistics
from bench.analysis.leaderboard import pairs_of, ranges
from bench.analysis.power import Planned
from bench.analysis.statistics import Effect, quantile
from bench.deciding import looks
from bench.deciding.boundaries import boundaries
from bench.plan.protocol import Looks
from bench.uncertainty.multiple import benjamini_hochberg

FEWEST, MOST = 0.6, 1.3
"""What a rate may be, times the nominal one."""

CHUNK = 500
"""Rounds that are drawn at once."""


class Rate(NamedTuple):
    """How often something happened.

    Attributes:
        of: what was simulated, a word for each column.
        rate: its share of the rounds.
        nominal: what it should be.
    """

    of: tuple[str, ...]
    rate: float
    nominal: float


class Part(NamedTuple):
    """One table.

    Attributes:
        title: heading.
        about: what is simulated, and why rates may lie outside.
        header: of the columns of ``Rate.of``.
        rates: what gives its lines, from a generator and the number of rounds.
    """

    title: str
    about: str
    header: tuple[str, ...]
    rates: Callable[[np.random.Generator, int], Iterator[Rate]]


def chunks(rounds: int) -> list[int]:
    return [CHUNK] * (rounds // CHUNK) + ([rounds % CHUNK] if rounds % CHUNK else [])


LAWS = (("normal", 0.0, 100), ("normal", 1.0, 100), ("normal", 10.0, 100), ("heavy tails", 1.0, 100),
        ("heavy tails", 10.0, 100), ("zero-inflated AP", 1.0, 300), ("zero-inflated AP", 10.0, 300),
        ("normal", 1.0, 12), ("zero-inflated AP", 1.0, 30), ("skewed", 10.0, 100), ("skewed", 1.0, 12),
        ("skewed", 0.1, 12), ("skewed", 0.1, 50), ("strongly skewed", 0.1, 12), ("strongly skewed", 0.1, 100),
        ("strongly skewed", 0.1, 1000))  # fmt: skip
"""Kind, spread of trainings over the error of questions, questions."""


def claims(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """One claim, by the pair's own spread: intervals, and one-sided tests at .025 and at the level of 26 claims."""
    for trainings in (2, 3, 5, 10):
        for kind, of_trainings, questions in LAWS:
            missed, small = 0, 0
            for n in chunks(rounds):
                y = scores(rng, kind, (n, 2, trainings, questions), of_trainings)
                effect = statistics.effect(y[:, 0] - y[:, 1])
                missed += int((np.abs(effect.mean) > effect.half_width(0.025)).sum())
                small += int((np.abs(effect.mean) > effect.half_width(0.025 / 26)).sum())
            law = (str(trainings), kind, f"{of_trainings:g}", str(questions))
            yield Rate((*law, "95 % interval misses"), missed / rounds, 0.05)
            yield Rate((*law, "at the level of 26 claims"), small / rounds, 0.05 / 26)


def pooling(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """One claim, by the spread of several strategies."""
    for trainings in (2, 3, 5, 10):
        for spreads in ((1, 1, 1), (1, 0.8, 0.55), (3, 1, 1), (1, 1, 3), (1, 1, 1, 1, 1)):
            found = {0.025: 0, 0.025 / 8: 0}
            for n in chunks(rounds):
                y = scores(rng, "normal", (n, len(spreads), trainings, 40), 10.0, 1.0, spreads)
                effect = statistics.pooled(y)
                for tail in found:
                    found[tail] += int((np.abs(effect.mean) > effect.half_width(tail)).sum())
            told = (str(trainings), " : ".join(f"{s:g}" for s in spreads))
            for tail, wrong in found.items():
                yield Rate((*told, f"at {2 * tail:.4g}"), wrong / rounds, 2 * tail)


def gains(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """How often a true difference of two standard deviations between trainings is found."""
    for trainings in (3, 5, 10):
        for tail in (0.025, 0.025 / 8):
            found = {"own spread": 0, "pooled": 0}
            for n in chunks(rounds):
                y = scores(rng, "normal", (n, 3, trainings, 40), 10.0)
                y[:, 0] += 2 * 10 * 0.1 * np.sqrt(2 / 40)
                for name, effect in (
                    ("own spread", statistics.effect(y[:, 0] - y[:, 1])),
                    ("pooled", statistics.pooled(y)),
                ):
                    found[name] += int((effect.mean > effect.half_width(tail)).sum())
            for name, count in found.items():
                yield Rate((str(trainings), f"{tail:.4g}", name), count / rounds, float("nan"))


def families(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """Any false claim in a family: two rivals, sets that share trainings. It is Holm's first step that errs first."""
    for trainings in (2, 3, 5, 10):
        for kind, of_trainings, sets in (("normal", 10.0, 13), ("normal", 1.0, 13), ("heavy tails", 10.0, 13),
                                         ("zero-inflated AP", 3.0, 13), ("normal", 10.0, 4)):  # fmt: skip
            wrong = {"own spread": 0, "pooled": 0}
            for n in chunks(rounds):
                common = noise(rng, kind, (n, 3, trainings, 1))
                any_ = {name: np.zeros(n, bool) for name in wrong}
                for _ in range(sets):
                    y = scores(rng, kind, (n, 3, trainings, 30), of_trainings, common=common)
                    for b in (1, 2):
                        for name, effect in (("own spread", statistics.effect(y[:, 0] - y[:, b])),
                                             ("pooled", statistics.pooled(y, a=0, b=b))):  # fmt: skip
                            any_[name] |= effect.mean > effect.half_width(0.025 / (2 * sets))
                for name, of in any_.items():
                    wrong[name] += int(of.sum())
            for name, count in wrong.items():
                yield Rate((str(trainings), kind, f"{of_trainings:g}", str(2 * sets), name), count / rounds, 0.025)


def ranks(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """Any strategy wrongly lowered or lifted: the range of a rank leaves out what is true, that all are alike."""
    for strategies, trainings, of_trainings in (
        (6, 2, 10.0), (6, 3, 10.0), (6, 5, 10.0), (6, 10, 10.0), (6, 3, 1.0), (3, 3, 10.0), (3, 5, 10.0),
    ):  # fmt: skip
        pooled = strategies == 3
        wrong = sum(
            _any_order(scores(rng, "normal", (n, strategies, trainings, 40), of_trainings), pooled)
            for n in chunks(rounds)
        )
        how = "pooled" if pooled else "own spread"
        yield Rate((str(strategies), str(trainings), f"{of_trainings:g}", how), wrong / rounds, 0.05)
    wrong = sum(_unequal_seeds(rng, n) for n in chunks(rounds))
    yield Rate(("5", "3, 5, 5, 8, 10", "10", "own spread"), wrong / rounds, 0.05)


def _any_order(y: np.ndarray, pooled: bool) -> int:
    order = np.argsort(-y.mean(axis=(2, 3)), axis=1)
    y = np.take_along_axis(y, order[:, :, None, None], axis=1)
    of = [_pair(y, i, j, pooled) for i, j in pairs_of(y.shape[1])]
    return _lowered(y.shape[1], of)


def _pair(y: np.ndarray, i: int, j: int, pooled: bool) -> Effect:
    if not pooled:
        return statistics.effect(y[:, i] - y[:, j])
    third = next(x for x in range(y.shape[1]) if x not in (i, j))
    return statistics.pooled(y[:, [i, j, third]])


def _lowered(n: int, of: list[Effect]) -> int:
    some = np.any([np.abs(e.mean) > e.half_width(0.025 / len(of)) for e in of], axis=0)  # else Holm stops at once
    if not some.any():
        return 0
    gains, p = (np.stack(v, axis=1)[some] for v in ([e.mean for e in of], [e.two_sided() for e in of]))
    return sum(any(r != (1, n) for r in ranges(n, g, q)) for g, q in zip(gains, p, strict=True))


def _unequal_seeds(rng: np.random.Generator, n: int) -> int:
    """Strategies with other numbers of trainings, compared over those in common; sorted by means over their own."""
    have = np.array([3, 5, 5, 8, 10])
    y = scores(rng, "normal", (n, 5, 10, 40), 10.0)
    means = np.stack([y[:, i, :h].mean(axis=(1, 2)) for i, h in enumerate(have)], axis=1)
    wrong = 0
    for one, order in zip(y, np.argsort(-means, axis=1), strict=True):
        of = []
        for i, j in pairs_of(5):
            a, b = order[i], order[j]
            common = min(have[a], have[b])
            of.append(statistics.effect(one[None, a, :common] - one[None, b, :common]))
        wrong += _lowered(5, of)
    return wrong


def maps(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """Any pair of languages marked in a heat map of 25, where nothing differs (Benjamini and Hochberg, q = .05)."""
    for trainings in (2, 3, 5, 10):
        for of_trainings in (1.0, 10.0):
            wrong = 0
            for n in chunks(rounds):
                common = rng.standard_normal((n, 3, trainings, 1))
                p = [
                    statistics.pooled(scores(rng, "normal", (n, 3, trainings, 20), of_trainings, common=common))
                    for _ in range(25)
                ]
                two_sided = np.stack([e.two_sided() for e in p], axis=1)
                wrong += sum(bool((benjamini_hochberg(row) < 0.05).any()) for row in two_sided)
            yield Rate((str(trainings), f"{of_trainings:g}"), wrong / rounds, 0.05)


def sequences(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """Trainings until a claim is settled: shown or refuted at any look, where the truth is on the bound."""
    for tail in (0.025, 0.025 / 8):
        for kind, of_trainings, strategies in (
            ("normal", 0.5, 2), ("normal", 2.0, 2), ("normal", 10.0, 2), ("normal", 2.0, 3), ("normal", 10.0, 3),
            ("heavy tails", 10.0, 3), ("zero-inflated AP", 3.0, 3), ("skewed", 10.0, 2),
        ):  # fmt: skip
            ends = np.zeros(3)
            for n in chunks(rounds):
                y = scores(rng, kind, (n, strategies, 12, 40), of_trainings)
                ends += sequence(y, tail, 3, 12)
            how = "pooled" if strategies > 2 else "own spread"
            yield Rate((kind, f"{of_trainings:g}", how, f"{tail:.4g}"), float(ends[:2].sum() / rounds), 2 * tail)


def sequence(y: np.ndarray, tail: float, first: int, most: int, last: int = 0) -> np.ndarray:
    """How many of the rounds end above, and below, and the trainings that all took; by the look ``last``, or all."""
    strategies = y.shape[1]
    by = {k: boundaries(tail, first, most, k) for k in {2, strategies}}
    ended, above, stop = np.zeros(len(y), bool), np.zeros(len(y), bool), np.full(len(y), most)
    for n in range(first, (last or most) + 1):
        effect = statistics.pooled(y[:, :, :n])
        t = np.where(effect.pooled, by[strategies][n - first], by[2][n - first])
        trainings, questions = effect.parts
        half = np.sqrt(t**2 * trainings.variance + quantile(questions.freedom, tail) ** 2 * questions.variance)
        now = ~ended & (np.abs(effect.mean) > half)
        above |= now & (effect.mean > 0)
        stop[now] = n
        ended |= now
    return np.array([above.sum(), (ended & ~above).sum(), stop.sum()])


def limits(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """The 90 % limits of numbers about variance leave out what is true."""
    rounds = min(rounds, 4000)
    for trainings in (2, 3, 5, 10):
        for of_trainings in (0.3, 1.0, 10.0):
            y = scores(rng, "normal", (rounds, 2, trainings, 60), of_trainings, 0.5)
            effects = [statistics.effect(d) for d in y[:, 0] - y[:, 1]]
            of_questions = 2 * 0.1**2 / 60
            spread = of_questions * (of_trainings**2 + 0.5**2)
            share = spread / trainings / (spread / trainings + of_questions)
            for name, found, true in (
                ("SD of trainings", [power.spread(e) for e in effects], np.sqrt(spread)),
                ("what more trainings shrink", [power.shrinks(e) for e in effects], share),
            ):
                wrong = sum(not f.low <= true <= f.high for f in found)
                yield Rate((str(trainings), f"{of_trainings:g}", name), wrong / rounds, 0.1)


def likely(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """A claim is said to be shown by so many trainings with 80 %: how often is it, and one look before?"""
    for strategies in (2, 3):
        for size in (1.2, 1.5, 2.0, 3.0):
            plan = Planned(1.0, np.inf, 0.01, 39.0, strategies)
            n = int(looks.likely(plan, size, Looks(), 0.025).value)
            shown = 0.0
            for some in chunks(rounds):
                y = scores(rng, "normal", (some, strategies, 12, 40), 10.0, 0.0) / np.sqrt(2 / 40)
                y[:, 0] += size
                shown += float(sequence(y, 0.025, 3, 12, n)[0])
            yield Rate((str(strategies), f"{size:g}", str(n)), shown / rounds, 0.8)


def planning(rng: np.random.Generator, rounds: int) -> Iterator[Rate]:
    """A difference that is said to be found with 80 % is added to new trainings: how often is it found?"""
    rounds = min(rounds, 4000)
    for have, then in ((2, 2), (3, 3), (3, 5), (5, 10)):
        for of_trainings in (1.0, 3.0, 10.0):
            pilot, later = (scores(rng, "normal", (rounds, 3, n, 40), of_trainings) for n in (have, then))
            seen, found = statistics.pooled(pilot), 0
            sizes = np.array([power.detectable(plan, then).value for plan in _plans(seen, rounds)])
            again = statistics.pooled(later)
            found = int((again.mean + sizes > again.half_width(0.025)).sum())
            yield Rate((str(have), str(then), f"{of_trainings:g}"), found / rounds, 0.8)


def _plans(effect: Effect, rounds: int) -> Iterator[Planned]:
    for i in range(rounds):
        parts = tuple(statistics.Part(*(np.broadcast_to(x, (rounds,))[i] for x in part)) for part in effect.parts)
        plan = power.planned(effect._replace(mean=effect.mean[i], parts=parts))
        assert plan is not None
        yield plan


PARTS = (
    Part("One claim", """\
Two strategies, own spread, both sides together. *Spread*: standard deviation of a training over the standard error
that the questions give. Below lie rates where trainings and questions both count, or where the residual does (spread
0 and 1): two quantiles stand for one sum, and the smaller the level and the fewer the trainings, the more cautious
that is; and heavy tails, on which Student's t is cautious at small levels. Above lies a strong skew (6.3) of a dozen or
a hundred questions at small levels with ten trainings: so few questions tell little of such a law.""",
         ("trainings", "law", "spread", "questions", "what"), claims),
    Part("Pooled spread", """\
The first two of several strategies, trainings alone (spread 10). Alike, pooling is somewhat cautious: the pair's own
spread stands in one row of four where it is the larger by chance. Above lie pairs of which one strategy spreads three
times as much as the others, at the level of one claim in eight (and at .05 with three trainings), and 1 : .8 : .55
with five trainings: the test of equal spreads has little power with few trainings. `spread = "pair"` in a protocol
does without pooling. Below lie pairs that spread less than the third.""",
         ("trainings", "spreads", "test"), pooling),
    Part("What pooling finds", """\
How often a true difference of two standard deviations between trainings is found.""",
         ("trainings", "level", "spread of trainings"), gains),
    Part("A family of claims", """\
Any false claim of hybrid against two rivals, over sets that share trainings and half of their variance, at
Bonferroni's level, where Holm errs first. Correlated claims err together, so that rates lie below the bound, and all
the more where a single claim is cautious (spread 1, heavy tails, AP that is 0 or 1).""",
         ("trainings", "law", "spread", "claims", "spread of trainings"), families),
    Part("Ranks", """\
Any strategy lowered or lifted where all are alike. Pairs share strategies, so that rates lie below the bound.""",
         ("strategies", "trainings", "spread", "spread of trainings"), ranks),
    Part("Heat maps", """\
Any pair of languages marked, of 25 that share trainings, where nothing differs.""",
         ("trainings", "spread"), maps),
    Part("Trainings until settled", """\
Shown or refuted at any of the looks at 3 to 12 trainings, where the truth is on the bound; both sides together.""",
         ("law", "spread", "spread of trainings", "level"), sequences),
    Part("Limits", """\
90 % limits that leave out what is true; 4,000 rounds.""",
         ("trainings", "spread", "of"), limits),
    Part("Likely trainings", """\
A claim is said to be shown by so many trainings with 80 %, from true components: how often is it? Trainings are
whole, so that it is mostly more.""",
         ("strategies", "true difference", "trainings"), likely),
    Part("Planned power", """\
A difference that is said to be found with 80 %, from a pilot, is added to new trainings; 4,000 rounds.""",
         ("trainings", "then", "spread"), planning),
)  # fmt: skip


HEAD = """# How often what readers see is wrong

`python tests/perf/simulation.py`, {:,} rounds a line, strategies that are all alike (`made_trainings.py`). Wanted: a
rate of .6 to 1.3 times the nominal one; what lies outside is marked, and the text above its table says why."""


def shown(part: Part, rates: list[Rate]) -> str:
    """The table of a part as markdown."""
    judged = not any(np.isnan(r.nominal) for r in rates)
    lines = [[*r.of, f"{r.rate:.4f}", *(_against(r.rate, r.nominal) if judged else ())] for r in rates]
    header = [*part.header, "rate", *(("nominal", "ratio", "") if judged else ())]
    return tabulate(lines, header, tablefmt="pipe", disable_numparse=True)


def _against(rate: float, nominal: float) -> tuple[str, str, str]:
    ratio = rate / nominal
    return f"{nominal:.4g}", f"{ratio:.2f}", "below" if ratio < FEWEST else "ABOVE" if ratio > MOST else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--only", default="", help="tables whose title begins so")
    asked = parser.parse_args()
    print(f"{HEAD.format(asked.rounds)}\n")
    for number, part in enumerate(tqdm(PARTS, disable=None)):
        if part.title.startswith(asked.only):
            print(f"## {part.title}\n\n{part.about}\n")
            print(f"{shown(part, list(part.rates(np.random.default_rng(number), asked.rounds)))}\n", flush=True)


if __name__ == "__main__":
    main()
