"""Batch-sampling strategies: which rows share a batch. numpy only."""

from strategies.contract import Batch, Pool, Strategy, StrategyError

__all__ = ["Batch", "Pool", "Strategy", "StrategyError"]
