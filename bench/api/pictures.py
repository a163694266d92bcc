"""Pictures of an experiment, as its report draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.set_scores import SetScores
from bench.errors import BenchError, require_known
from bench.figures.shapes import Forest, TradeOff
from bench.pages.document import Block, Figure
from bench.report.language_pairs import pair_figures, trade_off
from bench.report.primary import primary_section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

ENDINGS = ("png", "svg", "pdf")


class Picture:
    """A picture; a notebook shows it.

    Attributes:
        alt: what it shows, in words.
        figure: matplotlib's figure, for changes.
    """

    def __init__(self, of: Figure) -> None:
        self._drawing, self.alt = of.drawing, of.alt

    @cached_property
    def figure(self) -> Drawn:
        """Drawn when first asked for."""
        from bench.figures import adjustable

        return adjustable.drawn(self._drawing)

    def save(self, path: str | Path) -> Path:
        """Write it as .png, .svg or .pdf; returns the path.

        Raises:
            BenchError: another ending.
        """
        path = Path(path)
        require_known("a picture's ending", path.suffix.removeprefix("."), ENDINGS)
        if path.suffix == ".svg" and "figure" not in self.__dict__:
            path.write_text(self._repr_svg_(), encoding="utf-8")
        else:
            self.figure.savefig(path, dpi=300)
        return path

    def _repr_svg_(self) -> str:
        from bench.figures import plots

        return plots.svg(self._drawing)

    def __repr__(self) -> str:
        return f"<Picture: {self.alt}>"


class Pictures:
    """The pictures of an experiment; those of one set are of the first that has such, unless one is named."""

    def __init__(self, sets: Sequence[SetScores]) -> None:
        self._sets = sets

    def trade_off(self, set: str | None = None) -> Picture:
        """What strategies gain within one language, and across languages or in the pool: a point each.

        Raises:
            BenchError: no such set, or it has one setting alone.
        """
        return self._of_set(
            set, lambda of: trade_off(of, of.protocol.margin), lambda f: isinstance(f.drawing, TradeOff)
        )

    def languages(self, set: str | None = None, differences: bool = False) -> Picture:
        """The mean of the main measure in every language pair, a panel for each strategy.

        Args:
            set: an evaluation set.
            differences: to the reference (mono, where it was run), boxed where distinguishable from 0.

        Raises:
            BenchError: no such set, or nothing to draw in it.
        """

        def fits(figure: Figure) -> bool:
            return figure.name.endswith("-differences" if differences else "-pairs")

        return self._of_set(set, lambda of: pair_figures(of) if len(of.passages) > 1 else [], fits)

    def claims(self) -> Picture:
        """The claims that the experiment decides: their effects with intervals, 0, and the margin.

        Raises:
            BenchError: strategies that claims are about were not run.
        """
        blocks = primary_section(self._sets, self._sets[0].protocol, {})
        return _picture(blocks, lambda figure: isinstance(figure.drawing, Forest), "no claim of this experiment")

    def _of_set(
        self, name: str | None, blocks: Callable[[SetScores], list[Block]], fits: Callable[[Figure], bool]
    ) -> Picture:
        require_known("a set", name or self._sets[0].name, [of.name for of in self._sets])
        found = [block for of in self._sets if name in (None, of.name) for block in blocks(of)]
        return _picture(found, fits, f"nothing of {name or 'any set'}")


def _picture(blocks: Sequence[Block], fits: Callable[[Figure], bool], nothing: str) -> Picture:
    for block in blocks:
        if isinstance(block, Figure) and fits(block):
            return Picture(block)
    raise BenchError(f"{nothing} can be drawn so: the leaderboard shows which strategies and settings there are")
