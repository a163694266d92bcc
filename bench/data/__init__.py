"""Texts and items: the training pool, its batches, the corpora that are searched."""
