"""Runs cells, measures, compares and reports."""
