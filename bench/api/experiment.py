"""What is stored of an experiment, as tables, pictures and a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.set_scores import SetScores, read_sets
from bench.analysis.strategies import strategies_of
from bench.api.boards import Wanted, lines_of
from bench.errors import require_known
from bench.store.cells import Cell, read_cells

if TYPE_CHECKING:
    import pandas

    from bench.api.pictures import Pictures


def load(path: str | Path) -> Experiment:
    """The experiment of a folder, such as ``results/study``; nothing in it is run or changed.

    Raises:
        BenchError: there is no such folder, or a file in it is not one of this program's.
    """
    found = Experiment(Path(path))
    assert found.cells is not None
    return found


class Experiment:
    """Trainings of an experiment with their scores, as they are stored; read when first asked for.

    Tables are pandas' DataFrames. Settings are called ``mono`` (query and passage in one language), ``cross`` (in two)
    and ``multi`` (the pool of all languages, whose ``d_lang`` is ``*``). Measures are between 0 and 1, named as in
    ir_measures; those of language bias as in the leaderboard.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # the working directory may change before it is read

    @property
    def name(self) -> str:
        """That of its folder."""
        return self.path.name

    @cached_property
    def cells(self) -> list[Cell]:
        """Its trainings, and rows without training; unfinished ones too."""
        return read_cells(self.path)

    @cached_property
    def set_scores(self) -> list[SetScores]:
        """What tables and pictures are made of: an evaluation set each, with the scores of its cells."""
        return read_sets(self.cells)

    @property
    def sets(self) -> list[str]:
        """The evaluation sets that something was scored on."""
        return [of.name for of in self.set_scores]

    @property
    def strategies(self) -> list[str]:
        """What was scored, as tables call it."""
        return list(dict.fromkeys(label for of in self.set_scores for label in strategies_of(of)))

    def scores(self, set: str | None = None, measure: str | None = None) -> pandas.DataFrame:
        """Mean over the queries of each language pair, a row for each training, pair and measure.

        ``scores(measure="AP").groupby(["set", "strategy", "setting"])["value"].mean()`` is the leaderboard.

        Args:
            set: an evaluation set; None for all.
            measure: one; None for all, but for those that are not defined.

        Returns:
            Columns set, strategy, seed, q_lang, d_lang, setting, measure, value.

        Raises:
            BenchError: no such set or measure.
        """
        from bench.api import frames

        return frames.scores(self._chosen(set), measure)

    def per_query(
        self, set: str | None = None, measure: str | None = None, strategy: str | None = None
    ) -> pandas.DataFrame:
        """One value per query and passage language, or the pool of all, of each training.

        Args:
            set: an evaluation set; None for all.
            measure: one; None for each set's main measure.
            strategy: one, as ``compare`` takes it; None for all.

        Returns:
            Columns set, strategy, seed, q_lang, d_lang, setting, query_id, question, measure, value; ``question`` is
            shared by the translations of one query.

        Raises:
            BenchError: no such set, measure or strategy.
        """
        from bench.api import frames

        return frames.per_query(self._chosen(set), measure, strategy)

    def leaderboard(
        self, set: str | None = None, measure: str | None = None, sort: str | None = None, by: str = "setting",
        setting: str | None = None,
    ) -> pandas.DataFrame:  # fmt: skip
        """Strategies, best first in each set: mean over trainings, and standard deviation between them ("... sd").

        Args:
            set: an evaluation set; None for all.
            measure: one; None for each set's main measure.
            sort: the column that orders and ranks; None for multi, or mono where there is no pool.
            by: "setting", or "language" for a column per query language.
            setting: of "language".

        Returns:
            Columns set, measure, rank, rank_to (the best and the worst rank that it may have; none where ranks are not
            known), strategy, trained, seeds, and for each column its mean and sd.

        Raises:
            BenchError: no such set, measure or column.
        """
        from bench.api import frames

        return frames.leaderboard(lines_of(self.set_scores, Wanted(set, measure, sort, by, setting)))

    def compare(
        self, a: str, b: str, measure: str | None = None, margin: float = 0.01, seeds: Sequence[int] = ()
    ) -> pandas.DataFrame:
        """Strategy ``a`` minus ``b`` in every setting of every set that both were scored on, paired by seed.

        Args:
            a: a strategy: its name, its signature, or "untrained".
            b: what it is compared with.
            measure: one; None for each set's main measure.
            margin: what is still not worse, in the measure's unit.
            seeds: the trainings that are compared; () for all, which both need to have.

        Returns:
            Columns as ``bench.api.documents.Compared`` explains: effect, low and high (95 %), against_zero, at_margin,
            p, and what they rest on.

        Raises:
            BenchError: a name means no strategy or several, or they cannot be compared.
        """
        from bench.analysis.compare import compare as compare_cells
        from bench.api import frames

        return frames.comparisons(compare_cells(self.cells, a, b, measure, margin, seeds, flips=True))

    @property
    def plot(self) -> Pictures:
        """Its pictures: ``plot.trade_off()``, ``plot.languages()``, ``plot.claims()``."""
        from bench.api.pictures import Pictures

        return Pictures(self.set_scores)

    def report(
        self, reports: str | Path = "reports", html: bool = False, say: Callable[[str], None] = lambda line: None
    ) -> Path:
        """Write the report and its figures; returns the path of report.md, or of report.html.

        Args:
            reports: folder of reports.
            html: write one page with sortable tables besides.
            say: told where another process writes the same report, which is waited for.
        """
        from bench.report.report import write_report

        return write_report(self.path, Path(reports) / self.name, html, say, self.set_scores)

    def _chosen(self, name: str | None) -> list[SetScores]:
        require_known("a set", name or self.set_scores[0].name, self.sets)
        return [of for of in self.set_scores if name in (None, of.name)]

    def __repr__(self) -> str:
        done = sum(cell.done is not None for cell in self.cells)
        return f"<Experiment {self.name}: {done} finished cells of {len(self.cells)}>"
