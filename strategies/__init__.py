"""Batch-sampling strategies: which rows share a batch. numpy only."""

from strategies.anneal import Anneal
from strategies.any_pair import AnyPair
from strategies.contract import Batch, Pool, Strategy, StrategyError
from strategies.cross import Cross
from strategies.english import English
from strategies.hybrid import Hybrid
from strategies.hybrid_rows import HybridRows
from strategies.items import ItemStream
from strategies.languages import draw_lang, draw_pair, language_weights, row_langs, row_pairs
from strategies.mixed import Mixed
from strategies.mono import Mono
from strategies.neighbours import Neighbours
from strategies.parts import PARTS, Cut, Part
from strategies.round_robin import RoundRobin
from strategies.stages import Stages
from strategies.within import Within

STRATEGIES: dict[str, type[Strategy]] = {
    "mono": Mono,
    "cross": Cross,
    "hybrid": Hybrid,
    "mixed": Mixed,
    "english": English,
    "hybrid_rows": HybridRows,
    "any_pair": AnyPair,
    "anneal": Anneal,
    "round_robin": RoundRobin,
    "within": Within,
    "neighbours": Neighbours,
    "stages": Stages,
}

__all__ = [
    "PARTS",
    "STRATEGIES",
    "Batch",
    "Cut",
    "ItemStream",
    "Part",
    "Pool",
    "Strategy",
    "StrategyError",
    "draw_lang",
    "draw_pair",
    "language_weights",
    "row_langs",
    "row_pairs",
]
