"""How large |t| has to be at each look of a sequence of trainings, so that all looks together err as often as one."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.statistics import quantile

Floats = NDArray[np.float64]


NODES = 64
"""Of every integral (Gauss and Legendre)."""


GRID = 65
"""Points at which a density is kept."""


def spent(tail: float, share: Floats) -> Floats:
    """Of a one-sided error ``tail``, how much may be spent up to this share of all trainings.

    Source: Lan and DeMets 1983 (Biometrika 70), the function that imitates O'Brien and Fleming 1979.
    """
    from scipy import special

    return np.asarray(special.ndtr(special.ndtri(tail) / np.sqrt(share)), np.float64)


@lru_cache(maxsize=256)
def boundaries(tail: float, first: int, most: int, strategies: int = 2) -> tuple[float, ...]:
    """Boundaries of |t| at ``first``, ..., ``most`` trainings, of a two-sided test that errs ``tail`` on each side.

    Under no difference the ratio r of the sum to the root of the sum of squares is a Markov chain whose next step does
    not depend on the spread: the sum of squares is complete and sufficient for it. So the density of r, among paths
    that have not crossed, is carried from look to look by integration, and each boundary is where the paths that cross
    it first have the probability that ``spent`` allows.

    Source: Jennison and Turnbull 1991 (Biometrika 78), exact calculations for sequential t tests; their recursion, here
    for r and with squares of other strategies pooled in.

    Args:
        tail: one-sided error over all looks.
        first: trainings at the first look, 2 or more.
        most: trainings at the last one.
        strategies: whose spreads are pooled: 2 for the pair's own, of n - 1 df after n trainings; k for (k-1)(n-1) df.
    """
    from scipy import optimize

    looks = np.arange(first, most + 1)
    allowed = np.diff(spent(tail, looks / most), prepend=0.0)
    freedom = (strategies - 1) * (looks - 1)
    found = [float(quantile(np.asarray(float(freedom[0])), float(allowed[0])))]
    alive = _first(first, int(freedom[0]), found[0])
    for n, df, step in zip(looks[1:], freedom[1:], allowed[1:], strict=True):
        moved = _Moved(alive, int(n), int(df), strategies)
        highest = lowest = float(quantile(np.asarray(float(df)), float(step)))  # as if nothing had crossed before
        while moved.beyond(lowest) < step:
            lowest /= 1.1
        while moved.beyond(highest) > step:
            highest *= 1.01
        at = optimize.brentq(lambda t, of=moved, want=step: of.beyond(t) - want, lowest, highest, rtol=1e-10)
        found.append(float(at))
        alive = moved.within(found[-1])
    return tuple(found)


class _Alive(NamedTuple):
    """The density of r = sum / root of the sum of squares, 0 to ``end`` (it is even), of paths that have not crossed.

    Attributes:
        trainings: so far; r is at most their root.
        end: the boundary, as a value of r.
        angle: (GRID,), where the density is kept: the arc sine of r / root of trainings, in which it is smooth.
        density: (GRID,), of r.
        freedom: of the sum of squares.
    """

    trainings: int
    end: float
    angle: Floats
    density: Floats
    freedom: int


def _as_ratio(t: float, n: int, df: int) -> float:
    """The r of a t: both are functions of one angle, r = sqrt(n) sin, t = sqrt(df) tan."""
    return float(np.sqrt(n) * t / np.sqrt(t * t + df))


def _grid(t: float, df: int) -> Floats:
    """Angles from 0 to that of t, denser at both ends."""
    return np.asarray(np.arctan(t / np.sqrt(df)) * (1 - np.cos(np.linspace(0, np.pi, GRID))) / 2)


def _first(n: int, df: int, t: float) -> _Alive:
    angle = _grid(t, df)
    return _Alive(n, _as_ratio(t, n, df), angle, _sphere(df) * np.cos(angle) ** (df - 2) / np.sqrt(n), df + 1)


def _sphere(df: int) -> float:
    """The constant of cos^(df-1) over half a turn."""
    from scipy import special

    return float(np.exp(special.gammaln((df + 1) / 2) - special.gammaln(df / 2)) / np.sqrt(np.pi))


class _Moved:
    """The density one training later: first the pair's difference joins, then the squares of the other strategies.

    Args:
        before: of the paths that had not crossed.
        n: trainings now.
        df: degrees of freedom of t now.
        strategies: that are pooled.
    """

    def __init__(self, before: _Alive, n: int, df: int, strategies: int) -> None:
        from scipy.interpolate import CubicSpline

        self._spline = CubicSpline(before.angle, before.density)
        self._before, self._n, self._df, self._others = before, n, df, strategies - 2
        self._most = float(np.sqrt(1 + before.end**2))
        self._nodes, self._weights = np.polynomial.legendre.leggauss(NODES)

    def beyond(self, t: float) -> float:
        """The chance to be above t now, not having crossed before: one side."""
        from scipy import special

        start = _as_ratio(t, self._n, self._df)
        if start >= self._most:
            return 0.0
        half = (self._most - start) / 2
        at = start + half * (self._nodes + 1)
        share = np.ones(NODES)
        if self._others:
            share = special.betaincc((self._before.freedom + 1) / 2, self._others / 2, (start / at) ** 2)
        return float(half * (self._weights * self._joined(at) * share).sum())

    def within(self, t: float) -> _Alive:
        """The density of the paths that do not cross t either."""
        angle = _grid(t, self._df)
        at = np.sqrt(self._n) * np.sin(angle)
        density = self._joined(at) if not self._others else self._diluted(at)
        return _Alive(self._n, _as_ratio(t, self._n, self._df), angle, density, self._df + 1)

    def _joined(self, at: Floats) -> Floats:
        """Density after the pair's difference x: its ratio to the root of the old sum of squares is tan(turn)."""
        end, freedom = self._before.end, self._before.freedom
        reach, own = np.arctan(end), np.arcsin(np.clip(at / self._most, -1, 1))
        low = np.maximum(own - reach, -np.pi / 2)
        high = np.minimum(np.minimum(own + reach, np.pi - own - reach), np.pi / 2)
        half = np.maximum(high - low, 0.0)[:, None] / 2
        turn = low[:, None] + half * (self._nodes + 1)
        old = (at[:, None] - np.sin(turn)) / np.cos(turn)
        angle = np.arcsin(np.minimum(np.abs(old), end) / np.sqrt(self._before.trainings))
        values = self._spline(angle) * np.cos(turn) ** (freedom - 2)
        return np.asarray(_sphere(freedom) * (half * self._weights * values).sum(axis=1))

    def _diluted(self, at: Floats) -> Floats:
        """Density after the squares of the other strategies: r shrinks by a cosine, whose square is a beta variable."""
        from scipy import special

        freedom = self._before.freedom + 1
        top = np.arccos(np.clip(at / self._most, 0, 1))
        half = top[:, None] / 2
        turn = half * (self._nodes + 1)
        old = at[:, None] / np.cos(turn)
        constant = 2 * np.exp(-special.betaln(freedom / 2, self._others / 2))
        inner = self._joined(old.ravel()).reshape(old.shape)
        values = inner * np.cos(turn) ** (freedom - 2) * np.sin(turn) ** (self._others - 1)
        return np.asarray(constant * (half * self._weights * values).sum(axis=1))
