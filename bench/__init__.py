"""Runs cells, measures, compares and reports."""

__version__ = "0.2.0"
