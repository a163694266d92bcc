"""Cells of a plan: named, made, scored; here or on many machines."""
