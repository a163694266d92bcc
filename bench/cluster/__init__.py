"""Cells on many machines."""
